"""What each column of a table is for: to learn from, to name the rows, the label in other words, free text, nothing.

What is recognised is a proposal, with its reason; the configuration says it, and a person may take it back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.lists import list_delimiter
from pipeline.contract.places import are_places
from pipeline.data.columns import ColumnType
from pipeline.data.values.counted import alike, name_words
from pipeline.data.values.words import AMOUNT_NAMES, DATE_NAMES, LENGTH_NAMES, UNITS
from pipeline.guard.label_leak import ClassLeak, NumberLeak
from pipeline.guard.policy import Policy

Role = Literal[
    "label", "feature", "identifier", "constant", "empty", "free text", "list", "place", "copy of the label", "unusable"
]
Setting = Literal["", "data.drop", "features.exclude", "features.categorical"]

SHOWN_IN_PARTS = ("free text", "list")
"""Roles of columns that the model is shown by derived features, which are proposed."""

_EXACT, _WHOLE = 1 << 53, 1 << 24
"""Above these a float64 and a float32 leave whole numbers out."""
MIN_NAMED = 20
"""In fewer rows a column may well have another value in each, or one in all, by chance."""
_SAMPLE = 100_000
_HINT, _NEARLY = 0.98, 0.95
_MAX_CODES, _FEWEST_IDS, _PAIRS = 1000, 100, 10
_SHORT_STEPS = 0.08
"""Of numbers dealt out by chance a sixth of the steps are shorter than a quarter of the middle one."""
_IDS = frozenset(("id", "ids", "key", "uuid", "guid", "pk"))
"""Words that, anywhere in the name of a column, make it name rows or things."""
_LAST = frozenset((
    "no", "nr", "number", "code", "index", "idx", "serial", "ref", "reference", "token", "hash",
))  # fmt: skip
"""The same of the last word: `order number`, not `number of orders`."""
_YEARS = frozenset(("year", "years", "season", "jahr", "annee", "ano"))
_COUNTS = frozenset(("no", "nr", "number"))
"""Alone, these are no name of things."""
_RISING = AMOUNT_NAMES | LENGTH_NAMES | DATE_NAMES | UNITS
"""Words in the name of what may rise from row to row: a time, a sum."""
_URL = r"^\s*https?://"


@dataclass(frozen=True)
class Judged:
    """What a column is for.

    Attributes:
        setting: the list of the configuration that it goes into; "" for none.
        remark: why, or what a person should look at.
        tells_label: the gate would stop a run that shows it to the model.
    """

    role: Role
    setting: Setting = ""
    remark: str = ""
    tells_label: bool = False


def judge_roles(rows: pa.Table, columns: Mapping[str, ColumnType], label: str, task: str) -> dict[str, Judged]:
    """Return what each column is for.

    Args:
        rows: in the columns' stored types; some of a large table do.
    """
    judged = {label: Judged("label")}
    features = [name for name in columns if name != label]
    labelled = rows.filter(rows.column(label).is_valid())
    sample = labelled.slice(0, _SAMPLE)
    leaks = _leaks(sample, {name: columns[name] for name in features}, label, task)
    for name in features:
        found = _by_itself(name, labelled.column(name), columns[name])
        if found.role == "feature" and name in leaks:
            found = leaks[name]
        judged[name] = found
        if leaks.get(name, found).role == "copy of the label":
            judged[name] = replace(found, tells_label=True)
    shown = [one for one in judged.values() if one.role in ("feature", *SHOWN_IN_PARTS) and not one.tells_label]
    if not shown:  # something must be left for the model
        hidden = [name for name in features if judged[name].setting == "features.exclude"]
        for name in [name for name in hidden if judged[name].role != "copy of the label"] or hidden:
            remark = f"looks like {_a(judged[name].role)}, but nothing else is left"
            judged[name] = replace(judged[name], role="feature", setting="", remark=remark)
    return {name: judged[name] for name in columns}


def _a(role: Role) -> str:
    return {"identifier": "an identifier", "copy of the label": "a copy of the label"}.get(role, role)


def _by_itself(name: str, column: pa.ChunkedArray, kind: ColumnType) -> Judged:
    values = column.drop_null()
    if not len(values):
        return Judged("empty", "data.drop", "no value in any row that has a label")
    if len(column) < MIN_NAMED:
        return Judged("feature")
    distinct = int(pc.count_distinct(values).as_py())
    if distinct == 1 and not column.null_count:
        return Judged(
            "constant", "data.drop", "the same value in every row that has a label" + _precision(values, kind)
        )
    if len(values) < MIN_NAMED:
        return Judged("feature")
    if kind is ColumnType.STRING:
        return _text_by_itself(name, values, distinct)
    if kind is ColumnType.INT:
        return _whole_by_itself(name, column, values, distinct)
    return Judged("feature")


def _precision(values: pa.ChunkedArray, kind: ColumnType) -> str:
    """Say of large numbers that they may differ in digits that are not kept."""
    if kind is not ColumnType.FLOAT or abs(values[0].as_py()) < _WHOLE:
        return ""
    return ", as far as seven digits tell, which a number keeps"


def _text_by_itself(name: str, values: pa.ChunkedArray, distinct: int) -> Judged:
    share = distinct / len(values)
    some = values.slice(0, _SAMPLE)
    is_category = share < 0.5 and distinct <= _MAX_CODES
    if not is_category and are_places(name, some):
        return Judged("place", "features.exclude", "two coordinates in one text; a column of each tells a model more")
    if distinct > _MAX_CODES and _names_things(name):
        return Judged("identifier", "features.exclude", "by its name and values it tells rows or things apart")
    if distinct > _MAX_CODES and (pc.mean(pc.match_substring_regex(some, _URL)).as_py() or 0) > _NEARLY:
        return Judged("identifier", "features.exclude", f"{distinct:,} addresses of pages")
    if delimiter := list_delimiter(values):
        remark = f"lists with {delimiter!r} between the items; the model is shown each item"
        return Judged("list", "features.exclude", remark)
    if share < 0.5:
        return Judged("feature", remark=alike(pc.unique(values).to_pylist()) if distinct <= _MAX_CODES else "")
    blanks = float(pc.mean(pc.count_substring_regex(some, r"\S\s+\S")).as_py() or 0)
    if blanks >= 2 or (blanks >= 1 and share >= 0.8 and (pc.mean(pc.utf8_length(some)).as_py() or 0) > 25):
        return Judged(
            "free text",
            "features.exclude",
            f"{distinct:,} different texts in {len(values):,} rows: no category; the model is shown its words",
        )
    if share == 1:
        return Judged("identifier", "features.exclude", "another value in every row tells a model nothing")
    if share >= 0.9:
        return Judged(
            "identifier", "features.exclude", f"{distinct:,} different values in {len(values):,} rows: nearly one each"
        )
    return Judged("feature", "", f"{distinct:,} different values in {len(values):,} rows: most will be unknown ones")


def _whole_by_itself(name: str, column: pa.ChunkedArray, values: pa.ChunkedArray, distinct: int) -> Judged:
    span = pc.min_max(values).as_py()
    is_named = _names_things(name)
    counts_rows = span["max"] - span["min"] + 1 == len(column)
    if distinct == len(values) and (counts_rows or is_named):
        return Judged("identifier", "features.exclude", "another value in every row tells a model nothing")
    if distinct == len(column) and _counts_with_gaps(values, span["min"], span["max"]):
        return Judged("identifier", "features.exclude", "counts the rows, with gaps")
    is_scale = distinct == len(values) and _is_scale(name, values)
    if distinct == len(values) and not is_scale and _are_dealt_out(distinct, span["max"] - span["min"] + 1):
        return Judged(
            "identifier", "features.exclude", "another number in every row, where chance would give some twice"
        )
    if max(-span["min"], span["max"]) > _EXACT and distinct >= 0.9 * len(values):
        return Judged(
            "identifier", "features.exclude", "numbers above 2^53, where a model cannot tell neighbours apart"
        )
    if is_named and (distinct * 2 > len(values) or distinct > _MAX_CODES):
        return Judged("identifier", "features.exclude", "by its name and values it tells rows or things apart")
    if is_named and 2 < distinct <= _MAX_CODES and distinct * 5 <= len(values):
        return Judged("feature", "features.categorical", "by its name a code, not a quantity")
    return Judged("feature")


def _names_things(name: str) -> bool:
    words = name_words(name)
    ends = "" if re.search(r"\d\W*$", name) else words[-1] if words else ""  # NO2 is no number
    rest = [word for word in words if word not in _IDS]  # yearID is a year, year_student_id is none
    is_told = len(rest) < len(words) and not _YEARS & {*rest[-1:]}
    return is_told or ends in _LAST - (_COUNTS if len(words) == 1 else frozenset())


def _counts_with_gaps(values: pa.ChunkedArray, least: int, most: int) -> bool:
    """Return whether whole numbers rise from row to row, from 0 or 1 on, as those of a table that lost some rows."""
    if least not in (0, 1) or len(values) < 100 or most > 10 * len(values):
        return False
    return bool((np.diff(values.to_numpy()) > 0).all())


def _is_scale(name: str, values: pa.ChunkedArray) -> bool:
    """Return whether different numbers are those of a scale: 400, 402, 404 nm in any order; or what rises from row to
    row, a time or an amount by its name, or in even steps, as an odometer: of what is dealt out many are short."""
    if len(np.unique(np.diff(np.sort(values.to_numpy())))) == 1:
        return True
    steps = np.diff(values.to_numpy())
    steps //= max(np.gcd.reduce(steps), 1)  # some tables deal out even numbers
    is_named, is_even = {*name_words(name)} & _RISING, (steps <= max(np.median(steps) / 4, 1)).mean() < _SHORT_STEPS
    return bool((steps > 0).all()) and bool(is_named or is_even)


def _are_dealt_out(count: int, span: int) -> bool:
    """Return whether so many numbers of so few that are possible are all different, which what is counted or measured
    is not: of such, some pairs would be the same."""
    return count >= _FEWEST_IDS and count * (count - 1) / 2 / span >= _PAIRS


def _leaks(rows: pa.Table, columns: Mapping[str, ColumnType], label: str, task: str) -> dict[str, Judged]:
    """Return columns that tell the label: nearly always, or so often that a person should look."""
    if rows.num_rows < MIN_NAMED:
        return {}
    policy = Policy()
    leak = (NumberLeak if task == "regression" else ClassLeak)(policy.label_leak, policy.label_leak_hint, label)
    for batch in rows.select([label, *columns]).combine_chunks().to_batches():
        leak.add("train", batch)
    found: dict[str, Judged] = {}
    for finding in leak.findings():
        assert finding.feature
        remark = f"{finding.found.removeprefix('that ')}; is it known only afterwards?"
        is_copy = finding.kind == "label_leak"
        role: Role = "copy of the label" if is_copy else "feature"
        found[finding.feature] = Judged(role, "features.exclude" if is_copy else "", remark)
    for name in columns:
        if name not in found and (remark := _hint(rows, name, columns[name], label, task)):
            found[name] = Judged("feature", "", remark)
    return found


def _hint(rows: pa.Table, name: str, kind: ColumnType, label: str, task: str) -> str:
    """Say what makes a column look as if it were known only afterwards; "" if nothing does."""
    column, target = rows.column(name), rows.column(label)
    if task == "regression":
        if kind not in (ColumnType.INT, ColumnType.FLOAT):
            return ""
        there = pc.and_(column.is_valid(), target.is_valid())
        x, y = _numbers(column.filter(there)), _numbers(target.filter(there))
        if len(x) < MIN_NAMED or abs(_correlation(_ranks(x), _ranks(y))) < 0.995:
            return ""
        return "rises or falls with the label in nearly every row; is it known only afterwards?"
    codes = target.combine_chunks().dictionary_encode().indices.to_numpy()
    if column.null_count and (share := _told(column.is_null().to_numpy().astype(int), codes)) >= _HINT:
        return f"whether it is missing tells {share:.0%} of the labels; is it known only afterwards?"
    if kind is ColumnType.STRING or codes.max() != 1:
        return ""
    values = _numbers(column)
    there = np.isfinite(values)
    auc = _auc(values[there], codes[there])
    if there.sum() >= MIN_NAMED and max(auc, 1 - auc) >= _HINT:
        return f"by its size alone the label can be told (AUC {max(auc, 1 - auc):.3f}); is it known only afterwards?"
    return ""


Numbers = npt.NDArray[np.float64]


def _told(flags: npt.NDArray[np.int64], codes: npt.NDArray[np.int64]) -> float:
    """Return in how many rows more than by always naming the commonest class two flags tell it, from 0 to 1."""
    counts = np.zeros((2, int(codes.max()) + 1))
    np.add.at(counts, (flags, codes), 1)
    if (counts.sum(axis=1) < MIN_NAMED / 2).any():
        return 0.0
    base = counts.sum(axis=0).max() / counts.sum()
    told = counts.max(axis=1).sum() / counts.sum()
    return float((told - base) / (1 - base)) if base < 1 else 0.0


def _numbers(column: pa.ChunkedArray) -> Numbers:
    return np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy())


def _ranks(values: Numbers) -> Numbers:
    """Return the place of each value, equal ones at their middle."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(middle[inverse], float)


def _correlation(one: Numbers, other: Numbers) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _auc(values: Numbers, codes: npt.NDArray[np.int64]) -> float:
    positive = int(codes.sum())
    negative = len(codes) - positive
    if min(positive, negative) < MIN_NAMED / 2:
        return 0.5
    ranks = float(_ranks(values)[codes == 1].sum())
    return (ranks - positive * (positive + 1) / 2) / (positive * negative)
