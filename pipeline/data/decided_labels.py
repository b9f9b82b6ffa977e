"""Labels that a person decided: read from a file, applied to the rows of the training split.

The file is CSV, a row of the table a line; `longhaul suspects` writes it. A row of the table is known by a hash of its
values but for the label, or of the key columns that the header names (`row by id`), and by the label that it was given:
so a decision finds its row in whatever file it lies, and lets a label alone that its source has corrected meanwhile.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.decisions_text import decisions_digest
from pipeline.data.split import hash_rows
from pipeline.errors import ConfigError, DataError

ROW, ROW_BY, BETWEEN = "row", "row by ", ", "
"""Header of the column that tells rows apart: by all columns but the label, or by those that it names."""
GIVEN, SUGGESTED, DECISION, REVIEWER, REASON = "given", "suggested", "decision", "reviewer", "reason"
KEEP, RELABEL, DROP = "keep", "relabel", "drop"
FILE = "label_decisions.csv"
"""Beside the summary of the examples: what was applied."""
MOST = 100_000
"""Decisions travel in the step's settings."""
_SETTING = "data.label_decisions"


class Decision(NamedTuple):
    """What a person decided about one row.

    Attributes:
        row: 16 hexadecimal digits.
        given: the label that it had.
        decision: KEEP, RELABEL or DROP; "" of one that waits for a person.
        label: what it becomes by RELABEL.
    """

    row: str
    given: str
    decision: str
    label: str
    reviewer: str
    reason: str


@dataclass(frozen=True)
class Decisions:
    """What people decided. `keys`: the columns that tell rows apart; none for all but the label."""

    keys: tuple[str, ...] = ()
    rows: tuple[Decision, ...] = ()

    def told(self) -> dict[str, Any]:
        """Return what ingestion applies, as plain data, whatever the order of the file; {} of nothing."""
        changing = sorted(one for one in self.rows if one.decision in (RELABEL, DROP))
        return {"keys": list(self.keys), "rows": [list(one) for one in changing]} if changing else {}


def read_decisions(file: Path, classes: Sequence[str]) -> Decisions:
    """Read a file of decisions.

    Args:
        classes: the values of the label.

    Raises:
        ConfigError: it cannot be read, or a line breaks a rule.
    """
    with opened(file) as text:
        return decisions_in(text, file, classes)


@contextmanager
def opened(file: Path) -> Iterator[TextIO]:
    """Open a file of decisions for reading its lines.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            yield text
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise ConfigError(
            f"{_SETTING}: {file} cannot be read: {exc}",
            "name the CSV file that `longhaul suspects` wrote, or take the setting out",
        ) from exc


def decisions_in(lines: Iterable[str], file: Path, classes: Sequence[str]) -> Decisions:
    """Read the lines of a file of decisions; see `read_decisions`.

    Raises:
        ConfigError: a line breaks a rule.
    """
    reader = csv.DictReader(lines)
    keys = _keys(file, reader.fieldnames or ())
    rows: dict[tuple[str, str], Decision] = {}
    for plain in reader:
        where = f"{_SETTING}: {file}, line {reader.line_num}"
        one = _decision(plain, classes, where)
        known = rows.setdefault((one.row, one.given), one)
        if (known.decision, known.label) != (one.decision, one.label):
            raise ConfigError(
                f"{where}: row {one.row} is decided twice, {known.decision or 'not yet'} and"
                f" {one.decision or 'not yet'}",
                "leave one of the two lines",
            )
    decided = Decisions(keys, tuple(rows.values()))
    if (count := len(decided.told().get("rows", ()))) > MOST:
        raise ConfigError(
            f"{_SETTING}: {file} changes {count:,} rows; {MOST:,} is the most",
            "correct the table itself where so many labels are wrong",
        )
    return decided


def _keys(file: Path, header: Sequence[str]) -> tuple[str, ...]:
    first = next((name for name in header if name == ROW or name.startswith(ROW_BY)), None)
    lacking = [name for name in (GIVEN, SUGGESTED, DECISION, REVIEWER, REASON) if name not in header]
    if first is None or lacking:
        raise ConfigError(
            f"{_SETTING}: {file} lacks the column {(lacking or [ROW])[0]!r}; it has {', '.join(header) or 'none'}",
            "`longhaul suspects` writes a file with all columns",
        )
    return () if first == ROW else tuple(first.removeprefix(ROW_BY).split(BETWEEN))


def _decision(plain: Mapping[str, str | None], classes: Sequence[str], where: str) -> Decision:
    row = next(value or "" for name, value in plain.items() if name == ROW or name.startswith(ROW_BY))
    told = {name: (plain.get(name) or "").strip() for name in (DECISION, REVIEWER, REASON)}
    one = Decision(
        row.strip(), plain[GIVEN] or "", told[DECISION], plain[SUGGESTED] or "", told[REVIEWER], told[REASON]
    )
    if len(one.row) != 16 or set(one.row) - set("0123456789abcdef"):
        raise ConfigError(f"{where}: {one.row!r} is no row: 16 hexadecimal digits", "leave the first column as it was")
    if one.decision not in ("", KEEP, RELABEL, DROP):
        raise ConfigError(
            f"{where}: decision {one.decision!r} is none of {KEEP}, {RELABEL}, {DROP}",
            "write one of these, or leave it empty to decide later",
        )
    for name in (REVIEWER, REASON):
        if one.decision and not told[name]:
            raise ConfigError(f"{where}: {one.decision!r} without a {name}", f"fill in the column {name}")
    if one.decision == RELABEL and (one.label not in classes or one.label == one.given):
        raise ConfigError(
            f"{where}: {RELABEL} from {one.given!r} to {one.label!r}; the label's values are {', '.join(classes)}",
            f"write another of these into the column {SUGGESTED}",
        )
    return one


def row_header(keys: Sequence[str]) -> str:
    """Return the header of the column that tells rows apart."""
    return ROW_BY + BETWEEN.join(keys) if keys else ROW


def row_hashes(batch: pa.RecordBatch, label: str, keys: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return what tells rows apart, (rows,).

    Raises:
        DataError: the table lacks a key column.
    """
    if missing := [name for name in keys if name not in batch.schema.names]:
        raise DataError(
            f"the table has no column {missing[0]!r}, by which {_SETTING} tells rows apart",
            "write the file anew with `longhaul suspects --key COLUMN`, or take the setting out",
        )
    return hash_rows(batch.select(list(keys) or [name for name in batch.schema.names if name != label]))


class ApplyDecisions:
    """Changes labels of training rows, and takes rows out; made of `Decisions.told`."""

    def __init__(self, told: Mapping[str, Any], label: str) -> None:
        self._label = label
        self._keys = told["keys"]
        rows = [Decision(*one) for one in told["rows"]]
        self._of = {(int(one.row, 16), one.given): (place, one) for place, one in enumerate(rows)}
        self._hashes = np.unique(np.array([key for key, _ in self._of], np.uint64))

    def __call__(self, batch: pa.RecordBatch, found: Counter[str]) -> pa.RecordBatch:
        """Return the rows as they were decided, and count for each decision, by its place, the rows that it found."""
        hashes = row_hashes(batch, self._label, self._keys)
        labels = batch.column(self._label)
        changed, texts = np.zeros(batch.num_rows, bool), []
        kept = np.ones(batch.num_rows, bool)
        for row in np.flatnonzero(np.isin(hashes, self._hashes)):
            place, one = self._of.get((int(hashes[row]), str(labels[row].as_py())), (0, None))
            if one is None:
                continue
            found[str(place)] += 1
            kept[row] = one.decision != DROP
            if one.decision == RELABEL:
                changed[row] = True
                texts.append(one.label)
        if texts:
            new = pa.array(texts).cast(labels.type)
            at = batch.schema.get_field_index(self._label)
            labels = pc.replace_with_mask(labels, pa.array(changed), new)
            batch = batch.set_column(at, batch.schema.field(at), labels)
        return batch if kept.all() else batch.filter(pa.array(kept))


def applied(told: Mapping[str, Any], counts: Iterable[Mapping[str, int]]) -> tuple[dict[str, Any], str]:
    """Return what became of decisions, for the summary, and the text of FILE.

    Args:
        counts: of each fragment, the rows that each decision found, by its place.
    """
    found: Counter[str] = sum((Counter(of) for of in counts), Counter())
    rows = [(Decision(*plain), found[str(place)]) for place, plain in enumerate(told["rows"])]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([row_header(told["keys"]), GIVEN, DECISION, "label", REVIEWER, REASON, "rows"])
    writer.writerows([*one, count] for one, count in rows)
    reviewers: Counter[str] = Counter()
    for one, count in rows:
        reviewers[one.reviewer] += count
    summary = {
        "relabelled": sum(count for one, count in rows if one.decision == RELABEL),
        "dropped": sum(count for one, count in rows if one.decision == DROP),
        "not_found": sum(not count for _, count in rows),
        "reviewers": dict(sorted(reviewers.items(), key=lambda one: (-one[1], one[0]))),
        "digest": decisions_digest(told),
    }
    return summary, text.getvalue()
