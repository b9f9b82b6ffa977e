"""Reads expressions with Python's parser, lets through what the white list has, and puts them in order."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from trainer.expressions import OPERATORS, ExpressionError, did_you_mean, place
from trainer.functions import FUNCTIONS

_DEEPEST = 100
"""Parts within parts."""
LONGEST = 2000
"""Characters of an expression. Longer ones want a second derived feature."""


def parse(text: str) -> ast.expr:
    """Read an expression with Python's parser, and look whether it has only parts that are allowed.

    Raises:
        ExpressionError: it has not.
    """
    if len(text) > LONGEST:
        raise ExpressionError(
            f"has {len(text):,} characters; {LONGEST:,} at most", "split it into two derived features"
        )
    try:
        tree = ast.parse(text.replace("\n", " "), mode="eval").body
    except SyntaxError as exc:
        first = len(text[: max(0, (exc.offset or len(text)) - 1)].encode())
        raise ExpressionError(
            f"is not an expression: {exc.msg}",
            "write one as in Python, such as `balance / income`; a column whose name is no plain word is"
            ' column("its name")',
            (min(first, max(0, len(text.encode()) - 1)), first + 1),
        ) from exc
    except (RecursionError, MemoryError, ValueError) as exc:
        raise ExpressionError("cannot be read: too deep, or with a strange character", "write it simpler") from exc
    level: list[ast.AST] = [tree]
    for _ in range(_DEEPEST):
        for node in level:
            if isinstance(node, ast.expr):
                _allow(node, FUNCTIONS)
        level = [inner for node in level for inner in ast.iter_child_nodes(node) if not _is_name_of_call(node, inner)]
    if deepest := [node for node in level if isinstance(node, ast.expr)]:
        raise ExpressionError("is nested too deeply", "split it into derived features", place(deepest[0]))
    return tree


def _is_name_of_call(node: ast.AST, inner: ast.AST) -> bool:
    return isinstance(node, ast.Call) and inner is node.func and isinstance(inner, ast.Name)


_WORDS_FOR = {
    ast.Lambda: "a lambda", ast.Attribute: "an attribute", ast.Subscript: "an index", ast.Dict: "a mapping",
    ast.Set: "a set", ast.ListComp: "a comprehension", ast.GeneratorExp: "a comprehension",
    ast.DictComp: "a comprehension", ast.SetComp: "a comprehension", ast.JoinedStr: "an f-string",
    ast.Starred: "a star", ast.NamedExpr: "an assignment", ast.Await: "await", ast.Slice: "an index",
}  # fmt: skip


def _allow(node: ast.expr, functions: Mapping[str, Any]) -> None:
    match node:
        case ast.Call():
            _allow_call(node, functions)
        case ast.Constant(value=None):
            raise ExpressionError("None is no value", "ask with is_missing(column)", place(node))
        case ast.Constant(value=value) if not isinstance(value, bool | int | float | str):
            raise ExpressionError("only numbers, texts, True and False can stand here", "write one", place(node))
        case ast.Constant(value=int() | float() as value) if not abs(value) < _LARGEST:
            raise ExpressionError("this number is too large", "write a smaller one", place(node))
        case ast.BinOp(op=operator) | ast.UnaryOp(op=operator) if type(operator) not in OPERATORS:
            rule = f"the operator {type(operator).__name__} is not allowed here"
            raise ExpressionError(rule, "use + - * / // % **, comparisons, in, and, or, not", place(node))
        case ast.Compare(ops=operators) if any(type(operator) not in OPERATORS for operator in operators):
            raise ExpressionError("`is` is not allowed here", "use == or is_missing(column)", place(node))
        case _ if not isinstance(node, _PARTS):
            kind = _WORDS_FOR.get(type(node), type(node).__name__.lower())
            raise ExpressionError(f"{kind} is not allowed here", _known(functions), place(node))


def _allow_call(node: ast.Call, functions: Mapping[str, Any]) -> None:
    if not isinstance(node.func, ast.Name):
        raise ExpressionError("only a function's name can be called", _known(functions), place(node.func))
    if node.func.id not in functions:
        rule = f"the function {node.func.id!r} is not allowed here"
        raise ExpressionError(rule, did_you_mean(node.func.id, functions, _known(functions)), place(node.func))
    if node.keywords:
        raise ExpressionError("arguments have no names here", "write the value alone", place(node.keywords[0]))


_LARGEST = 1e300
_PARTS = (
    *(ast.Call, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Name, ast.BoolOp, ast.Compare, ast.IfExp, ast.List),
    ast.Tuple,
)


def _known(functions: Mapping[str, Any]) -> str:
    return f"the functions are {', '.join(sorted(functions))}"


def names_in(tree: ast.expr) -> list[tuple[str, tuple[int, int]]]:
    """Return the names of columns and derived features in a parsed expression, with their places."""
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = [
        (node.id, place(node)) for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in functions
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "column":
            found += [(str(arg.value), place(arg)) for arg in node.args if isinstance(arg, ast.Constant)]
    return found


def in_order(expressions: Mapping[str, str]) -> dict[str, ast.expr]:
    """Parse expressions and put each behind those that it uses.

    Raises:
        ExpressionError: one cannot be parsed, or uses itself, by whatever way.
    """
    trees = {}
    for name, text in expressions.items():
        try:
            trees[name] = parse(text)
        except ExpressionError as exc:
            raise exc.of(name, text) from exc
    done: dict[str, ast.expr] = {}
    uses = {name: [(other, at) for other, at in names_in(tree) if other in trees] for name, tree in trees.items()}
    while len(done) < len(trees):
        ready = [name for name in trees if name not in done and all(other in done for other, _ in uses[name])]
        if not ready:
            _refuse_circle({name: used for name, used in uses.items() if name not in done}, expressions)
        done |= {name: trees[name] for name in ready}
    return done


def _refuse_circle(uses: Mapping[str, list[tuple[str, tuple[int, int]]]], expressions: Mapping[str, str]) -> None:
    way: list[str] = [next(iter(uses))]
    while way.count(way[-1]) < 2:
        way.append(next(other for other, _ in uses[way[-1]] if other in uses))
    circle = way[way.index(way[-1]) :]
    at = next(at for other, at in uses[circle[0]] if other == circle[1])
    raise ExpressionError(f"it uses itself: {' -> '.join(circle)}", "have one of them use columns only", at).of(
        circle[0], expressions[circle[0]]
    )
