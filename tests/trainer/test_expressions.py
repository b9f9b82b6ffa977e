"""What expressions may hold, and what is said of those that hold something else."""

from __future__ import annotations

import pytest

from trainer.expressions import ExpressionError, Type
from trainer.typed import check

COLUMNS = {
    "balance": (Type.NUMBER, True),
    "income": (Type.NUMBER, False),
    "departure": (Type.TIME, False),
    "origin": (Type.TEXT, False),
    "dest": (Type.TEXT, True),
    "n": (Type.WHOLE, False),
    "code": (Type.CODE, True),
    "Unit price": (Type.NUMBER, True),
}


@pytest.mark.parametrize(
    ("text", "type_", "may_lack"),
    [
        ("balance / income", Type.NUMBER, True),
        ("income + n", Type.NUMBER, False),
        ("n // 2", Type.WHOLE, True),
        ("hour(departure) in [7, 8]", Type.TRUTH, False),
        ("cross(origin, dest)", Type.TEXT, True),
        ("ngrams(dest, 2)", Type.WORDS, True),
        ("items(dest, '|')", Type.WORDS, True),
        ("rate_by(y, origin)", Type.NUMBER, False),
        ("count_by(cross(origin, code))", Type.WHOLE, True),
        ('column("Unit price") * 2', Type.NUMBER, True),
        ("code == 7 or not is_missing(dest)", Type.TRUTH, True),
        ("coalesce(balance, 0)", Type.NUMBER, False),
        ("'a' if n > 2 else origin", Type.TEXT, False),
        ("departure > '2024-01-01'", Type.TRUTH, False),
    ],
)
def test_types(text: str, type_: Type, may_lack: bool) -> None:
    node = check({"f": text}, COLUMNS, "y", ("0", "1"))["f"]
    assert (node.type, node.may_lack) == (type_, may_lack)


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("balanc / income", 1, "did you mean 'balance'?"),
        ("balance / origin", 11, "this is a text"),
        ("eval('1')", 1, "'eval' is not allowed"),
        ("__import__('os').system('x')", 1, "only a function's name can be called"),
        ("y + 1", 1, "is the label"),
        ("items(dest, 2)", 13, "a text in quotes"),
        ("n + rate_by(n, origin)", 13, "rate_by counts the label"),
        ("rate_by(y, balance)", 12, "bucket(x, [edges])"),
        ("count_by(cross(origin, r))", 24, "this is a number"),
        ("mean_by(r, origin)", 9, "cannot be asked about what was learned"),
        ("a.b", 1, "an attribute is not allowed"),
        ("balance +", 9, "is not an expression"),
        ("", 1, "is not an expression"),
        ("'ü' == balanc", 8, "did you mean 'balance'?"),
        ("departure + 1", 1, "days_between"),
        ("code + 1", 1, "features.categorical"),
        ("departure > 'soon'", 13, "is no date"),
        ("extract(origin, '(?=a)')", 17, "RE2"),
        ("bucket(n, [3, 2])", 11, "rise"),
        ("year(n)", 6, "a column of times has a time_domain"),
        ("hour(origin)", 6, "a column of times has a time_domain"),
        ("balance / 0", 11, "divides by zero, so that no row has a value"),
        ("n % 0.0", 5, "divides by zero"),
        ("clip(n, 5, 1)", 12, "least above its most"),
        ("\ud800", 1, "strange character"),
        ("min(n)", 1, "it is written min(number"),
        ("lambda: 1", 1, "a lambda is not allowed"),
        ("None", 1, "is_missing"),
        ("n is 3", 1, "`is` is not allowed"),
        ("1 + 2", 1, "reads no column"),
        ("[1, 2]", 1, "a list is no feature"),
        ("-" * 1500 + "n", 101, "nested too deeply"),
        ("+".join(["n"] * 900), 1, "nested too deeply"),
        ("n" * 2001, 1, "2,001 characters"),
        ("balance if n else 3", 12, "yes or no"),
        ("log1p(n, x=3)", 10, "arguments have no names"),
    ],
)
def test_messages_name_expression_place_rule_and_remedy(text: str, column: int, says: str) -> None:
    learned = {"r": "rate_by(y, origin)"} if "r)" in text or "(r" in text else {}
    with pytest.raises(ExpressionError) as caught:
        check({"f": text, **learned}, COLUMNS, "y", ("0", "1"))
    message = str(caught.value)
    assert message.startswith(f"f, column {column}: ")
    assert says in message
    assert message.splitlines()[2].strip().startswith("^")


def test_derived_features_are_put_in_order_and_circles_are_refused() -> None:
    assert list(check({"b": "a + 1", "a": "n * 2"}, COLUMNS, "y", ())) == ["a", "b"]
    with pytest.raises(ExpressionError, match="a -> b -> c -> a"):
        check({"a": "b + 1", "b": "c", "c": "a * 2"}, COLUMNS, "y", ())
    with pytest.raises(ExpressionError, match="f -> f"):
        check({"f": "f + 1"}, COLUMNS, "y", ())
    with pytest.raises(ExpressionError, match="has a column 'n' already"):
        check({"n": "balance"}, COLUMNS, "y", ())
