"""Which types operators take and give, and what to do about one that does not fit."""

from __future__ import annotations

import datetime
from typing import Any

from trainer.expressions import NUMERIC, ExpressionError, Node, Type

TEXTUAL = (Type.TEXT, Type.CODE)


def node_of(op: str, type_: Type, args: list[Node], value: Any = None, *, may_lack: bool | None = None) -> Node:
    """Return a node; unless told otherwise it lacks a value where one of its arguments does."""
    lacks = any(arg.may_lack for arg in args) if may_lack is None else may_lack
    return Node(op, type_, tuple(args), value, lacks)


def wanted(node: Node, types: tuple[Type, ...], what: str) -> Node:
    """Return the node if it has one of the types.

    Raises:
        ExpressionError: it has not.
    """
    if node.type in types:
        return node
    remedies = {
        Type.TIME: "take a part of it with year, month, day, weekday or hour, or days_between two times",
        Type.CODE: "a code is no quantity: take the column out of features.categorical, or compare it with ==",
        Type.TEXT: "compare it, or take its length; a column of numbers is one in the schema, too",
        Type.NUMBER: "make few values of it with bucket(x, [edges])" if Type.TEXT in types else "compare it: x > 0",
    }
    remedy = remedies.get(node.type, "use another column, or another function")
    if types == (Type.TIME,):
        remedy = "a column of times has a time_domain in the schema; a date may stand in quotes: '2024-12-31'"
    needs = " or ".join(dict.fromkeys(one.value for one in types))
    raise ExpressionError(
        f"{what} takes {needs}, and this is {node.type.value}",
        remedy,
        node.at,
    )


def unary(op: str, operand: Node) -> Node:
    """Return what a sign or `not` gives."""
    if op == "not":
        return node_of(op, Type.TRUTH, [wanted(operand, (Type.TRUTH,), "not")])
    wanted(operand, NUMERIC, f"the sign {op}")
    return node_of(op, Type.NUMBER if operand.type is Type.NUMBER else Type.WHOLE, [operand])


def arithmetic(op: str, sides: list[Node]) -> Node:
    """Return what a calculation gives: a whole number of whole ones, but for a division."""
    for side in sides:
        wanted(side, NUMERIC, op)
    if op in ("/", "//", "%") and sides[1].op == "literal" and not sides[1].value:
        raise ExpressionError(f"{op} divides by zero, so that no row has a value", "divide by another", sides[1].at)
    is_whole = all(side.type is not Type.NUMBER for side in sides) and op not in ("/", "**")
    may_lack = None if op in ("+", "-", "*") else True
    return node_of(op, Type.WHOLE if is_whole else Type.NUMBER, sides, may_lack=may_lack)


def time_of(node: Node, what: str) -> Node:
    """Return a time, also of a date in quotes."""
    if node.op == "literal" and node.type is Type.TEXT:
        try:
            found = datetime.datetime.fromisoformat(node.value)
        except ValueError as exc:
            raise ExpressionError(f"{node.value!r} is no date", "write it as '2024-12-31'", node.at) from exc
        found = found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
        return Node("literal", Type.TIME, value=int(found.timestamp()), may_lack=False, at=node.at)
    return wanted(node, (Type.TIME,), what)


def compare(op: str, left: Node, right: Node) -> Node:
    """Return what a comparison gives."""
    if op in ("in", "not in"):
        wanted(right, (Type.TEXTS, Type.NUMBERS), f"the right side of {op}")
        numbers = right.type is Type.NUMBERS
        if left.type is Type.CODE and numbers:
            right = Node("literal", Type.TEXTS, value=tuple(str(one) for one in right.value), may_lack=False)
            numbers = False
        wanted(left, NUMERIC if numbers else TEXTUAL, f"{op} of such a list")
        found = node_of("in", Type.TRUTH, [left, right])
        return found if op == "in" else node_of("not", Type.TRUTH, [found])
    if Type.TIME in (left.type, right.type):
        return node_of(op, Type.TRUTH, [time_of(left, op), time_of(right, op)])
    if left.type in NUMERIC and right.type in NUMERIC:
        return node_of(op, Type.TRUTH, [left, right])
    if op not in ("==", "!="):
        wanted(left, NUMERIC, op)
        wanted(right, NUMERIC, op)
    sides = [_code(side) if other.type is Type.CODE else side for side, other in ((left, right), (right, left))]
    for side in sides:
        if side.type not in TEXTUAL:
            rule = f"{op} compares {left.type.value} with {right.type.value}"
            raise ExpressionError(rule, "compare a text with a text, a number with a number", right.at)
    return node_of(op, Type.TRUTH, sides)


def _code(node: Node) -> Node:
    """Return a number that is compared with a code as text, as codes are."""
    if node.op == "literal" and node.type is Type.WHOLE:
        return Node("literal", Type.TEXT, value=str(node.value), may_lack=False, at=node.at)
    return node
