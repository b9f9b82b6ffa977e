"""What may stand in an expression of `features.derive`, which types it takes, and what type it gives.

Missing values: an input that is missing gives a missing output. The exceptions: `is_missing` always answers;
`coalesce` gives the first value that is there; `where` needs its condition and the value that it chooses; `and` and
`or` answer when one side alone decides; `count_by` of a key that was never seen is 0. What cannot be computed is
missing, too: a division by zero, a root or a logarithm of a number that has none, a text without what `extract` seeks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from trainer.expression_types import TEXTUAL, node_of, time_of, wanted
from trainer.expressions import KEYS, NUMERIC, ExpressionError, Node, Scope, Type

SMOOTHING = 20.0
"""Rows of the overall mean that `mean_by` and `rate_by` mix into that of a key."""
BUCKETS = 4096
"""Into which `ngrams` and `items` put them by their hash."""
STATISTICS = ("count_by", "mean_by", "rate_by")


class Function(NamedTuple):
    """A function: how it is written, and what makes its node of checked arguments."""

    usage: str
    fewest: int
    most: int
    check: Callable[[str, list[Node], Scope], Node]


# Functions: (name, arguments, scope) -> node


def _of_numbers(gives: Type | None = Type.NUMBER, may_lack: bool | None = None) -> Any:
    def check(name: str, args: list[Node], scope: Scope) -> Node:
        for arg in args:
            wanted(arg, NUMERIC, name)
        whole = Type.NUMBER if any(arg.type is Type.NUMBER for arg in args) else Type.WHOLE
        return node_of(name, gives or whole, args, may_lack=may_lack)

    return check


def _clip(name: str, args: list[Node], scope: Scope) -> Node:
    found = _of_numbers(None)(name, args, scope)
    least, most = args[1:]
    if least.op == most.op == "literal" and least.value > most.value:
        raise ExpressionError("clip has its least above its most", "write clip(number, least, most)", most.at)
    return found


def _part_of_time(name: str, args: list[Node], scope: Scope) -> Node:
    return node_of(name, Type.WHOLE, [time_of(args[0], name)])


def _days_between(name: str, args: list[Node], scope: Scope) -> Node:
    return node_of(name, Type.NUMBER, [time_of(arg, name) for arg in args])


def _bucket(name: str, args: list[Node], scope: Scope) -> Node:
    edges = wanted(args[1], (Type.NUMBERS,), "the second argument of bucket")
    if list(edges.value) != sorted(set(edges.value)):
        raise ExpressionError("the edges of bucket rise", "write them in order, each once: [18, 30, 65]", edges.at)
    return node_of(name, Type.WHOLE, [wanted(args[0], NUMERIC, name), edges])


def _is_missing(name: str, args: list[Node], scope: Scope) -> Node:
    return node_of(name, Type.TRUTH, args, may_lack=False)


def _alike(name: str, args: list[Node]) -> Type:
    """Return the type that all the arguments have."""
    if all(arg.type in NUMERIC for arg in args):
        if all(arg.type is Type.TRUTH for arg in args):
            return Type.TRUTH
        return Type.NUMBER if any(arg.type is Type.NUMBER for arg in args) else Type.WHOLE
    for type_ in (Type.TEXT, Type.CODE, Type.TIME):
        if all(arg.type is type_ for arg in args):
            return type_
    if all(arg.type in TEXTUAL for arg in args):
        return Type.TEXT
    other = next(arg for arg in args if arg.type is not args[0].type)
    raise ExpressionError(
        f"{name} chooses between {args[0].type.value} and {other.type.value}", "give values of one kind", other.at
    )


def where(name: str, args: list[Node], scope: Scope) -> Node:
    """Choose the second or the third by the first."""
    return node_of(name, _alike(name, args[1:]), [wanted(args[0], (Type.TRUTH,), "the condition of where"), *args[1:]])


def _coalesce(name: str, args: list[Node], scope: Scope) -> Node:
    return node_of(name, _alike(name, args), args, may_lack=all(arg.may_lack for arg in args))


def _of_text(gives: Type) -> Any:
    def check(name: str, args: list[Node], scope: Scope) -> Node:
        return node_of(name, gives, [wanted(args[0], (Type.TEXT,), name)])

    return check


def _with_literal(gives: Type) -> Any:
    def check(name: str, args: list[Node], scope: Scope) -> Node:
        text, sought = wanted(args[0], (Type.TEXT,), name), args[1]
        if sought.op != "literal" or sought.type is not Type.TEXT:
            raise ExpressionError(f"the second argument of {name} is a text in quotes", "write it out", sought.at)
        if name == "extract":
            _check_pattern(sought)
        return node_of(name, gives, [text], sought.value, may_lack=True if name == "extract" else None)

    return check


def _check_pattern(pattern: Node) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:  # Arrow's regular expressions are those of TensorFlow: RE2
        pc.match_substring_regex(pa.array([""]), pattern.value)
    except pa.ArrowInvalid as exc:
        raise ExpressionError(
            f"{pattern.value!r} is no regular expression of RE2: {exc}",
            "see https://github.com/google/re2/wiki/Syntax; it looks neither ahead nor back",
            pattern.at,
        ) from exc


def _cross(name: str, args: list[Node], scope: Scope) -> Node:
    for arg in args:
        wanted(arg, KEYS, name)
    return node_of(name, Type.TEXT, args)


def _number_given(name: str, node: Node, least: float, most: float, *, whole: bool) -> float:
    is_number = node.op == "literal" and node.type in ((Type.WHOLE,) if whole else (Type.WHOLE, Type.NUMBER))
    if not is_number or not least <= node.value <= most:
        kind = "whole number" if whole else "number"
        rule = f"this argument of {name} is a {kind} from {least:,g} to {most:,g}"
        raise ExpressionError(rule, "write such a number", node.at)
    return float(node.value)


def _hash_bucket(name: str, args: list[Node], scope: Scope) -> Node:
    buckets = int(_number_given(name, args[1], 2, 1_000_000, whole=True))
    return node_of(name, Type.CODE, [wanted(args[0], KEYS, name)], buckets)


def _words(name: str, args: list[Node], scope: Scope) -> Node:
    """Check `ngrams(text, longest, buckets)` or `items(text, 'delimiter', buckets)`."""
    how: str | int = 1
    if name == "items":
        if args[1].op != "literal" or args[1].type is not Type.TEXT or not args[1].value:
            raise ExpressionError("the second argument of items is a text in quotes", "write it out: '|'", args[1].at)
        how = args[1].value
    elif len(args) > 1:
        how = int(_number_given(name, args[1], 1, 5, whole=True))
    buckets = int(_number_given(name, args[2], 16, 1_000_000, whole=True)) if len(args) > 2 else BUCKETS
    return node_of(name, Type.WORDS, [wanted(args[0], (Type.TEXT,), name)], (how, buckets))


def _statistic(name: str, args: list[Node], scope: Scope) -> Node:
    """Check `count_by(key)`, `mean_by(column, key, smoothing)` or `rate_by(label, key, class or smoothing)`."""
    given = args if name == "count_by" else args[1:]
    key, smoothing, class_ = given[0], SMOOTHING, ""
    wanted(key, KEYS, f"the key of {name}")
    more = given[1:]
    if name == "rate_by" and len(scope.classes) > 2:
        if not more or more[0].op != "literal" or str(more[0].value) not in scope.classes:
            rule = "rate_by of several classes counts one of them"
            raise ExpressionError(rule, f"name it third: one of {', '.join(map(repr, scope.classes))}", key.at)
        class_, more = str(more[0].value), more[1:]
    elif name == "rate_by":
        class_ = scope.classes[1] if scope.classes else ""
    if more:
        smoothing = _number_given(name, more[0], 0, 1e9, whole=False)
    parts = [key] if name != "mean_by" else [key, wanted(args[0], NUMERIC, name)]
    for node in (inner for part in parts for inner in part.walk()):
        if node.op in STATISTICS or (node.op == "derived" and node.value in scope.learned):
            rule = f"{name} cannot be asked about what was learned itself"
            raise ExpressionError(rule, "ask about columns, or what is computed of them", node.at)
    return node_of(name, Type.WHOLE if name == "count_by" else Type.NUMBER, parts, (smoothing, class_),
                 may_lack=key.may_lack)  # fmt: skip


_MANY = 20
FUNCTIONS: Mapping[str, Function] = {
    "column": Function('column("a name")', 1, 1, _is_missing),
    "where": Function("where(condition, value, other value)", 3, 3, where),
    "log1p": Function("log1p(number)", 1, 1, _of_numbers(may_lack=True)),
    "sqrt": Function("sqrt(number)", 1, 1, _of_numbers(may_lack=True)),
    "abs": Function("abs(number)", 1, 1, _of_numbers(None)),
    "min": Function("min(number, number, ...)", 2, _MANY, _of_numbers(None)),
    "max": Function("max(number, number, ...)", 2, _MANY, _of_numbers(None)),
    "clip": Function("clip(number, least, most)", 3, 3, _clip),
    "bucket": Function("bucket(number, [edges])", 2, 2, _bucket),
    "is_missing": Function("is_missing(value)", 1, 1, _is_missing),
    "coalesce": Function("coalesce(value, value, ...)", 2, _MANY, _coalesce),
    **{part: Function(f"{part}(time)", 1, 1, _part_of_time) for part in ("year", "month", "day", "weekday", "hour")},
    "days_between": Function("days_between(time, time)", 2, 2, _days_between),
    "distance_km": Function("distance_km(latitude, longitude, latitude, longitude)", 4, 4, _of_numbers()),
    "lower": Function("lower(text)", 1, 1, _of_text(Type.TEXT)),
    "length": Function("length(text)", 1, 1, _of_text(Type.WHOLE)),
    "contains": Function("contains(text, 'part')", 2, 2, _with_literal(Type.TRUTH)),
    "extract": Function("extract(text, 'regular expression')", 2, 2, _with_literal(Type.TEXT)),
    "cross": Function("cross(column, column, ...)", 2, 6, _cross),
    "hash_bucket": Function("hash_bucket(column, buckets)", 2, 2, _hash_bucket),
    "ngrams": Function("ngrams(text, longest, buckets)", 1, 3, _words),
    "items": Function("items(text, 'delimiter', buckets)", 2, 3, _words),
    "count_by": Function("count_by(key)", 1, 1, _statistic),
    "mean_by": Function("mean_by(column, key, smoothing)", 2, 3, _statistic),
    "rate_by": Function("rate_by(label, key, class or smoothing)", 2, 4, _statistic),
}
