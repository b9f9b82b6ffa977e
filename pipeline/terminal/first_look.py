"""What `longhaul init` understood, as a person reads it in a minute."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.contract.first_look import Column, FirstLook
from pipeline.data.convert import shorten

_MOST = 40
_MOST_NAMED = 5
_HIDDEN = ("data.drop", "features.exclude")


def print_first_look(console: Console, found: FirstLook) -> None:
    """Print the table, the label and one line for each column."""
    rows, guess = found.table.rows.num_rows, found.guess
    classes = f": {', '.join(guess.classes[:6])}{', …' if len(guess.classes) > 6 else ''}" if guess.classes else ""
    console.print(f"{rows:,} rows, {len(found.types)} columns", style="bold")
    for sentence in found.table.said:
        console.print(f"Read as   {escape(sentence)}", soft_wrap=True)
    looks = f"{found.label!r} looks like a {guess.task} label{classes}"
    console.print(f"Label     {escape(looks)}", soft_wrap=True)
    for sentence in guess.said:
        console.print(f"          {escape(sentence)}", soft_wrap=True)
    shown = _chosen(found.columns)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("column", "kind", "role", "missing", "distinct", "examples", "remark"):
        table.add_column(name, justify="right" if name in ("missing", "distinct") else "left", overflow="fold")
    for column in shown:
        table.add_row(*map(escape, _cells(column)))
    console.print(table)
    if len(found.columns) > len(shown):
        console.print(f"… and {len(found.columns) - len(shown):,} more columns; --json lists all")
    for sentence in [*_taken_for_missing(found.columns), *_undecided(found.columns), *_derived(found)]:
        console.print(escape(sentence), soft_wrap=True)
    for head, setting, what in (
        ("Left out", "data.drop", "never read"),
        ("Left out", "features.exclude", "kept, but not shown to the model"),
        ("Codes", "features.categorical", "whole numbers taken for categories"),
    ):
        if names := found.named_in(setting):
            listed = ", ".join(map(repr, [*names][:10])) + (", …" if len(names) > 10 else "")
            console.print(f"{head:<10}{escape(listed)}: {what} ({setting})", soft_wrap=True)
    if found.named_in("features.exclude"):
        console.print("          `--keep COLUMN` shows one to the model all the same")
    _print_nothing_left(console, found)


def _print_nothing_left(console: Console, found: FirstLook) -> None:
    if not found.derived and all(one.role == "label" or one.setting in _HIDDEN for one in found.columns):
        console.print("Note      no column is left for the model, so nothing can be learned: add columns to the table")


def _taken_for_missing(columns: Sequence[Column]) -> list[str]:
    """Say which texts were taken for 'missing' in which columns, those with the most rows first."""
    by_marker: dict[str, list[tuple[int, str]]] = {}
    for column in columns:
        for marker, rows in column.markers.items():
            by_marker.setdefault(marker, []).append((rows, column.name))
    sentences = []
    for marker, found in sorted(by_marker.items(), key=lambda item: -sum(rows for rows, _ in item[1])):
        found.sort(key=lambda one: -one[0])
        listed = ", ".join(f"{name!r} ({rows:,} row{'s' if rows > 1 else ''})" for rows, name in found[:_MOST_NAMED])
        more = f" and {len(found) - _MOST_NAMED} more columns" if len(found) > _MOST_NAMED else ""
        sentences.append(f"Missing   {shorten(marker)} was taken for a missing value in {listed}{more}")
    if len(sentences) > _MOST_NAMED:
        sentences = [*sentences[:_MOST_NAMED], f"          {len(sentences) - _MOST_NAMED} more texts; --json has all"]
    if any(column.markers and column.kind == "text" for column in columns):
        sentences.append("          `--na-is-value COLUMN` takes them for values")
    return sentences


def _undecided(columns: Sequence[Column]) -> list[str]:
    """Say by which options a person decides what the values do not tell."""
    asked = [f"Undecided {one.name!r}: {' or '.join(one.options)}" for one in columns if one.options]
    return asked if len(asked) <= _MOST_NAMED else [*asked[:_MOST_NAMED], "          … more; --json has all"]


def _derived(found: FirstLook) -> list[str]:
    """Say what is computed of the columns, and shown to the model beside them or in their place."""
    return [f"Derived   {name!r}: {one.expression}, {one.why} (features.derive)" for name, one in found.derived.items()]


def _chosen(columns: tuple[Column, ...]) -> list[Column]:
    """Return those to show: of a wide table the ones that something is said about come first."""
    if len(columns) <= _MOST:
        return list(columns)
    return sorted(columns, key=lambda column: not (column.remark or column.role == "label"))[:_MOST]


def _cells(column: Column) -> list[str]:
    return [
        column.name if len(column.name) <= 30 else column.name[:29] + "…",
        column.kind,
        column.role,
        _share(column.missing),
        "" if column.distinct is None else f"{column.distinct:,}",
        ("; " if any(", " in one or "," in one for one in column.examples) else ", ").join(column.examples),
        column.remark,
    ]


def _share(missing: float | None) -> str:
    if missing is None:
        return ""
    return "<1%" if 0 < missing < 0.005 else f"{missing:.0%}"


def print_again(console: Console, difference: str, kept: Sequence[str]) -> None:
    """Print what changed in the files, and what stays though the data would have something else."""
    console.print("Changed" if difference else "Unchanged: both files say what the data are", style="bold")
    for line in difference.splitlines():
        console.print(escape(line), style={"+": "green", "-": "red"}.get(line[:1], ""), soft_wrap=True)
    for line in kept:
        console.print(f"Kept      {escape(line)}", soft_wrap=True)
