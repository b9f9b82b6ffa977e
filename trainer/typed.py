"""From parsed expressions to typed ones: what each name means, and whether the types fit."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Mapping
from typing import Any

from trainer.expression_types import arithmetic, compare, node_of, unary, wanted
from trainer.expressions import OPERATORS, ExpressionError, Node, Scope, Type, did_you_mean, place
from trainer.functions import FUNCTIONS, STATISTICS, where
from trainer.parsing import in_order


def check(
    expressions: Mapping[str, str],
    columns: Mapping[str, tuple[Type, bool]],
    label: str,
    classes: tuple[str, ...],
) -> dict[str, Node]:
    """Return the typed trees of all expressions, each behind those that it uses.

    Args:
        expressions: by the name of the derived feature.
        columns: what each column gives; whether rows may lack it.
        label: its name; classes: its values, none of a number.

    Raises:
        ExpressionError: one breaks a rule.
    """
    scope = Scope(columns, {}, set(), label, classes)
    for name, tree in in_order(expressions).items():
        text = expressions[name]
        try:
            if name in columns or name == label:
                raise ExpressionError(f"the table has a column {name!r} already", "give it another name")
            node = typed(tree, scope)
            if node.type in (Type.NUMBERS, Type.TEXTS):
                raise ExpressionError("a list is no feature", "ask `column in [...]`", node.at)
            if all(part.op not in ("column", "derived") for part in node.walk()):
                raise ExpressionError("it reads no column, so that it is the same in every row", "name one", node.at)
        except ExpressionError as exc:
            raise exc.of(name, text) from exc
        scope.derived[name] = node
        if any(part.op in STATISTICS or (part.op == "derived" and part.value in scope.learned) for part in node.walk()):
            scope.learned.add(name)
    return scope.derived


def typed(tree: ast.expr, scope: Scope) -> Node:
    """Return the typed tree of a parsed expression.

    Raises:
        ExpressionError: a name is unknown, or a type does not fit.
    """
    at = place(tree)
    match tree:
        case ast.Name(id=name):
            return _named(name, scope, at)
        case ast.Constant(value=value):
            return _literal(value, at)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return _list([typed(item, scope) for item in items], at)
        case ast.Call():
            node = _call(tree, scope, at)
        case ast.IfExp(test=test, body=body, orelse=other):
            node = where("where", [typed(part, scope) for part in (test, body, other)], scope)
        case _:
            node = _operator(tree, scope)
    return Node(node.op, node.type, node.args, node.value, node.may_lack, at)


def _operator(tree: ast.expr, scope: Scope) -> Node:
    match tree:
        case ast.UnaryOp(op=operator, operand=operand):
            return unary(OPERATORS[type(operator)], typed(operand, scope))
        case ast.BinOp(left=left, op=operator, right=right):
            return arithmetic(OPERATORS[type(operator)], [typed(left, scope), typed(right, scope)])
        case ast.BoolOp(op=operator, values=values):
            name = OPERATORS[type(operator)]
            return node_of(name, Type.TRUTH, [wanted(typed(value, scope), (Type.TRUTH,), name) for value in values])
        case ast.Compare(left=left, ops=operators, comparators=others):
            sides = [typed(side, scope) for side in (left, *others)]
            pairs = [
                compare(OPERATORS[type(operator)], *pair)
                for operator, pair in zip(operators, itertools.pairwise(sides), strict=True)
            ]
            return pairs[0] if len(pairs) == 1 else node_of("and", Type.TRUTH, pairs)
    raise ExpressionError("this is not allowed here", "write it simpler", place(tree))


def _call(tree: ast.Call, scope: Scope, at: tuple[int, int]) -> Node:
    name, args = getattr(tree.func, "id", ""), tree.args
    function = FUNCTIONS[name]
    if not function.fewest <= len(args) <= function.most:
        raise ExpressionError(f"{name} does not take {len(args)} arguments", f"it is written {function.usage}", at)
    if name == "column":
        if not isinstance(args[0], ast.Constant) or not isinstance(args[0].value, str):
            raise ExpressionError("column takes a name in quotes", f"it is written {function.usage}", at)
        return _named(args[0].value, scope, at)
    label = []
    if name == "rate_by":
        if _name_of(args[0]) != scope.label:
            remedy = f"write {scope.label!r} first; mean_by takes other columns"
            raise ExpressionError("rate_by counts the label", remedy, place(args[0]))
        label = [Node("label", Type.NUMBER, value=scope.label, may_lack=False)]
    return function.check(name, label + [typed(arg, scope) for arg in args[len(label) :]], scope)


def _name_of(tree: ast.expr) -> Any:
    if isinstance(tree, ast.Call):
        return tree.args[0].value if len(tree.args) == 1 and isinstance(tree.args[0], ast.Constant) else None
    return getattr(tree, "id", None)


def _named(name: str, scope: Scope, at: tuple[int, int]) -> Node:
    if name in scope.derived:
        node = scope.derived[name]
        if node.type is Type.WORDS:
            raise ExpressionError(f"{name!r} holds n-grams, with which nothing can be calculated", "use the text", at)
        return Node("derived", node.type, value=name, may_lack=node.may_lack, at=at)
    if name == scope.label:
        raise ExpressionError(
            f"{name!r} is the label, which no row to score has", f"only rate_by may name it: rate_by({name}, key)", at
        )
    if name not in scope.columns:
        known = [*scope.columns, *scope.derived]
        some = ", ".join(known[:8]) + (" and others" if len(known) > 8 else "")
        raise ExpressionError(f"there is no column {name!r}", did_you_mean(name, known, f"the columns are {some}"), at)
    type_, may_lack = scope.columns[name]
    return Node("column", type_, value=name, may_lack=may_lack, at=at)


def _literal(value: Any, at: tuple[int, int]) -> Node:
    types = {bool: Type.TRUTH, int: Type.WHOLE, float: Type.NUMBER, str: Type.TEXT}
    return Node("literal", types[type(value)], value=value, may_lack=False, at=at)


def _list(items: list[Node], at: tuple[int, int]) -> Node:
    signed = [
        Node("literal", one.type, value=-one.args[0].value, may_lack=False)
        if one.op == "negative" and one.args[0].op == "literal"
        else one
        for one in items
    ]
    if not signed or any(one.op != "literal" for one in signed):
        raise ExpressionError("a list holds numbers or texts", "write them out: [1, 2] or ['a', 'b']", at)
    are_texts = {one.type is Type.TEXT for one in signed}
    if len(are_texts) > 1:
        raise ExpressionError("a list holds either numbers or texts", "take one kind out", at)
    values = tuple(one.value for one in signed)
    return Node("literal", Type.TEXTS if are_texts.pop() else Type.NUMBERS, value=values, may_lack=False, at=at)
