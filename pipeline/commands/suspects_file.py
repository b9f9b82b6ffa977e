"""The file of suspect labels: written by `longhaul suspects`, filled in by a person, on the page or in the notebook."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.data.decided_labels import (
    DECISION,
    GIVEN,
    REASON,
    REVIEWER,
    SUGGESTED,
    decisions_in,
    opened,
    row_header,
)
from pipeline.errors import ConfigError
from pipeline.files import write_whole

_LEAST_SKILL = 0.2
_HARD = (
    "Trees that have not seen a row tell the classes hardly better than a guess. Most of these rows are hard to tell, "
    "not wrong: change a label only for what you know of the row."
)


@dataclass(frozen=True)
class Suspect:
    """A row with a label that is worth a second look.

    Attributes:
        row: what tells it apart, 16 hexadecimal digits.
        file, file_row: where it stands in the source, rows from 1, a header aside; "" and 0 where that cannot be
            read again.
        score: how sure the witnesses together are of another label, 0 to 1.
        is_error: whether confident learning calls the label an error.
        values: of the first columns.
    """

    row: str
    file: str
    file_row: int
    given: str
    suggested: str
    score: float
    is_error: bool
    why: str
    values: dict[str, str]


@dataclass(frozen=True)
class Suspects:
    """What was found.

    Attributes:
        keys: columns that tell rows apart; none for all but the label.
        looked_at: rows of the training split; `errors`: those that confident learning finds among them.
        skill: of the trees: the share of the guess's errors that they avoid.
        decided: rows in the file that a person has decided before, which are not asked again.
        file, page: where it was written.
    """

    pipeline: str
    run_id: str
    keys: tuple[str, ...]
    classes: tuple[str, ...]
    rows: list[Suspect]
    looked_at: int
    errors: int
    skill: float
    decided: int
    file: str
    page: str

    @property
    def note(self) -> str:
        """What to know before any of them is changed; "" where there is nothing."""
        return _HARD if self.skill < _LEAST_SKILL else ""

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self) | {"note": self.note}


def text_of(made: Suspects, file: Path) -> str:
    """Return the text of the file: what is new, then the lines that a person has decided before, as they were."""
    ours = [row_header(made.keys), GIVEN, SUGGESTED, DECISION, REVIEWER, REASON, "score", "why", "file", "file_row"]
    values = list(made.rows[0].values) if made.rows else []
    taken = Counter([*ours, *values])
    named = {name: f"{name} (column)" if taken[name] > 1 else name for name in values}
    before: list[dict[str, str]] = []
    if made.decided:
        with opened(file) as lines:
            before = [one for one in csv.DictReader(lines, restkey="") if (one.get(DECISION) or "").strip()]
    header = dict.fromkeys([*ours, *named.values(), *(name for one in before for name in one if name)])
    text = io.StringIO()
    writer = csv.DictWriter(text, list(header), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for one in made.rows:
        told = {ours[0]: one.row, GIVEN: one.given, SUGGESTED: one.suggested, "score": one.score, "why": one.why}
        told |= {"file": one.file, "file_row": one.file_row or ""}
        writer.writerow(told | {named[name]: value for name, value in one.values.items()})
    writer.writerows(before)
    return text.getvalue()


def decide(
    file: Path, classes: Sequence[str], decisions: Mapping[str, tuple[str, ...]], reviewer: str
) -> list[dict[str, str]]:
    """Write what a person decided into the file, and return its lines that are decided now.

    Args:
        classes: the values of the label.
        decisions: {row: (decision, reason)}, or with a third entry: the label that it becomes, where it is not the
            suggested one. The file stays untouched where there are none.

    Raises:
        ConfigError: the file cannot be read, a decision names no row of it, or breaks a rule; the file stays as it was.
        WorkspaceError: it cannot be written.
    """
    with opened(file) as lines:
        reader = csv.DictReader(lines)
        header = list(reader.fieldnames or ())
        rows = list(reader)
    of_row: dict[str, list[dict[str, str]]] = {}
    for one in rows:
        of_row.setdefault(one[header[0]], []).append(one)
    for row, (decision, reason, *label) in decisions.items():
        found = of_row.get(row, [])
        if len(found) != 1:
            labels = " and ".join(one[GIVEN] for one in found)
            raise ConfigError(
                f"row {row!r}: " + (f"{file} has it with the labels {labels}" if found else f"{file} has no such row"),
                "decide in the file itself" if found else "copy it from the first column of the table of suspects",
            )
        found[0].update({DECISION: decision, REVIEWER: reviewer, REASON: reason})
        if label:
            found[0][SUGGESTED] = label[0]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([*(one[name] for name in header), *one.get(None, ())] for one in rows)  # and what is beyond it
    decisions_in(io.StringIO(text.getvalue(), newline=""), file, classes)
    if decisions:
        write_whole(text.getvalue(), file, "file of suspects", "free the disk, or make the folder writable")
    return [one for one in rows if (one.get(DECISION) or "").strip()]
