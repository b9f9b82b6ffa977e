"""Expressions over columns, as `features.derive` has them: from text to a checked, typed tree.

An expression is data. Python's own parser reads it, a white list says what may stand in it (trainer/functions.py), and
nothing is ever evaluated: see trainer/parsing.py. Standard library only; trainer/derived.py compiles the tree.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Type(StrEnum):
    """What an expression gives, in the words of messages."""

    NUMBER = "a number"
    WHOLE = "a whole number"
    CODE = "a code"
    TRUTH = "yes or no"
    TEXT = "a text"
    TIME = "a time"
    WORDS = "words"
    NUMBERS = "a list of numbers"
    TEXTS = "a list of texts"


NUMERIC = (Type.NUMBER, Type.WHOLE, Type.TRUTH)
"""What can be calculated with; yes is 1 and no is 0."""
KEYS = (Type.TEXT, Type.CODE, Type.WHOLE, Type.TRUTH)
"""What has few values, which can be counted and written as text."""


@dataclass(frozen=True)
class Node:
    """A part of an expression.

    Attributes:
        op: "column", "derived", "literal", an operator or a function.
        value: a column's or derived feature's name, or what a literal says.
        may_lack: whether a row may have no value here.
        at: its first byte in the text and the one behind its last, for messages.
    """

    op: str
    type: Type
    args: tuple[Node, ...] = ()
    value: Any = None
    may_lack: bool = True
    at: tuple[int, int] = field(default=(0, 0), compare=False)

    def walk(self) -> Iterable[Node]:
        """Yield it and all its parts."""
        yield self
        for arg in self.args:
            yield from arg.walk()


class ExpressionError(ValueError):
    """An expression that cannot be used: which, where in it, the rule, and what to do.

    Args:
        rule: what is wrong.
        remedy: an edit that helps.
        at: the first byte that it is about and the one behind the last, as Python's parser counts.
    """

    def __init__(self, rule: str, remedy: str, at: tuple[int, int] = (0, 1), name: str = "", text: str = "") -> None:
        super().__init__(rule)
        self.rule, self.remedy, self.at, self.name, self.text = rule, remedy, at, name, text

    def of(self, name: str, text: str) -> ExpressionError:
        """Return the same about an expression."""
        return ExpressionError(self.rule, self.remedy, self.at, name, text)

    def __str__(self) -> str:
        """Say it in four lines: what, the text, a caret below the place, the remedy."""
        shown = self.text.replace("\n", " ").replace("\t", " ")
        first, last = (len(shown.encode(errors="replace")[:at].decode(errors="ignore")) for at in self.at)
        start = max(0, first - 60)
        caret = " " * (first - start) + "^" * max(1, min(last, start + 100) - first)
        return (
            f"{self.name}, column {first + 1}: {self.rule}\n    {shown[start : start + 100]}\n    {caret}\n"
            f"    {self.remedy}"
        )


@dataclass(frozen=True)
class Scope:
    """What names in an expression mean.

    Attributes:
        columns: what each column gives; whether rows may lack it.
        derived: the derived features that come before.
        learned: those of them that hold what was learned of the training split.
        label: its name; classes: its values, none of a number.
    """

    columns: Mapping[str, tuple[Type, bool]]
    derived: dict[str, Node]
    learned: set[str]
    label: str
    classes: tuple[str, ...]


def place(node: ast.AST) -> tuple[int, int]:
    """Return the first byte and the one behind the last."""
    first = getattr(node, "col_offset", 0)
    return first, getattr(node, "end_col_offset", first + 1) or first + 1


OPERATORS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.USub: "negative", ast.UAdd: "positive", ast.Not: "not", ast.And: "and", ast.Or: "or",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the name that is most like it, as a remedy."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else otherwise
