"""What the gate found and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, TypeAdapter

from pipeline.config.number_text import count_text
from pipeline.config.spans import span_name
from pipeline.errors import shown
from pipeline.guard.places import FileRows
from pipeline.guard.policy import Severity
from pipeline.guard.words import remedy_for, rule_text, title_of

Offends: TypeAlias = Callable[[Any], Any]
"""From a pa.RecordBatch in stored types to a pa.BooleanArray: which of its rows break the rule; shape (rows,)."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the data.

    Attributes:
        kind: TFDV's type of anomaly in small letters, or one of our own (pipeline.guard.policy.DEFAULTS).
        feature: None if it is about whole rows or the whole table.
        split: a split's name, "span 3", "serving", or None for all of the table.
        rule: where the rule stands.
        expected, found: in words.
        share: of the rows that break the rule, in [0, 1]; None where that says nothing.
        count, of: the rows that break it, and those looked at, counted one by one; None where `share` is an estimate.
        severity: what the policy makes of it.
        rows: the offending rows by file, the densest first.
        files: how many files have some; `rows` may hold fewer.
        offends: finds them; None if it is not about single rows. Goes into no JSON.
        finds_some: `offends` finds a sample of the rows only.
    """

    kind: str
    feature: str | None
    split: str | None
    rule: str
    expected: str
    found: str
    share: float | None = None
    severity: Severity = Severity.BLOCK
    rows: tuple[Annotated[FileRows, BeforeValidator(FileRows.upgraded)], ...] = ()
    offends: Annotated[Offends | None, Field(exclude=True)] = field(default=None, compare=False, repr=False)
    count: int | None = None
    of: int | None = None
    files: int = 0
    finds_some: Annotated[bool, Field(exclude=True)] = field(default=False, compare=False, repr=False)

    def sentence(self) -> str:
        """Return feature, split, what is wrong, expected, found and how many rows on one line."""
        return f"{self.where}: {self.title}: {self.detail()}"

    @property
    def where(self) -> str:
        """The feature and the split, as far as it is about one."""
        return ", ".join(part for part in (shown(self.feature or ""), self.place) if part) or "the table"

    @property
    def place(self) -> str:
        """Return the split as people call it: span 2024-04-01; empty for all of the table."""
        kind, _, number = (self.split or "").partition(" ")
        return f"span {span_name(int(number))}" if kind == "span" and number.isdecimal() else self.split or ""

    @property
    def title(self) -> str:
        """What is wrong, in a few words."""
        return title_of(self.kind)

    def detail(self) -> str:
        """Return expected, found, how many rows, and where the rule stands."""
        rule = rule_text(self.rule)
        said = ", ".join(part for part in (self._rows_text(), rule) if part)
        found = self.found if self.count is None else self.found.removesuffix(f" in {count_text(self.count, 'row')}")
        return f"expected {self.expected}, found {found}" + (f" ({said})" if said else "")

    @property
    def remedy(self) -> str:
        """What to do besides fixing the data or the rule; "" where there is nothing else."""
        return remedy_for(self.kind, self.feature, self.place)

    def without_values(self) -> Finding:
        """Return the same, but for what it says of single values: who corrects them reads it on the page of the run."""
        if self.rule in _TELL_NO_VALUE:
            return self
        expected = NOT_SHOWN if self.expected.startswith("one of ") else self.expected
        return replace(self, expected=expected, found=NOT_SHOWN)

    def places(self) -> list[str]:
        """Return a line for each file with offending rows, the densest first, and how many more there are."""
        more = self.files - len(self.rows)
        rest = [f"and {more:,} more {'file' if more == 1 else 'files'}"] if self.rows and more > 0 else []
        return [*map(str, self.rows), *rest]

    def counted(self, count: int, of: int) -> Finding:
        """Return the same with its rows counted."""
        return replace(self, count=count, of=of, share=count / of if of else None)

    def _rows_text(self) -> str:
        if self.share is None:
            return ""
        if self.count is None or self.of is None:
            return f"about {percent(self.share)} of the rows"
        return f"{self.count:,} of {count_text(self.of, 'row')}, {percent(self.share)}"


@dataclass(frozen=True)
class Distances:
    """How far one feature is from what it was.

    Attributes:
        measure: l_infinity, jensen_shannon or normalized_absolute_difference.
        threshold: that the policy or the schema sets.
        by: the distance of each span ("2" is from span 1, or whichever came before), or of "serving".
    """

    measure: str
    threshold: float
    by: dict[str, float]


MOST_REASONS = 20
"""Lines that a blocked run keeps of why it was stopped."""
NOT_SHOWN = "not shown"
_TELL_NO_VALUE = frozenset(("schema: columns", "schema: presence", "schema: type", "check: all_missing"))
"""Findings of these rules tell types and counts, no values."""


@dataclass(frozen=True)
class DataVerdict:
    """Everything the gate has to say.

    Attributes:
        findings: what blocks first.
        drift, skew: by feature.
        notes: what could not be looked at, and why.
    """

    findings: tuple[Finding, ...] = ()
    drift: dict[str, Distances] = field(default_factory=dict)
    skew: dict[str, Distances] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def blocked(self) -> bool:
        """Whether the run must stop."""
        return bool(self.blocking)

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that stop the run."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.BLOCK)

    def reason(self, hidden: Collection[str] = frozenset()) -> str:
        """Return why the run must stop, a line for each finding; what is too many for a record is counted.

        Args:
            hidden: columns whose values are not told.
        """
        told = (one.without_values() if one.feature in hidden else one for one in self.blocking)
        lines = [finding.sentence() for finding in told] or ["the data gate said no; its file is gone"]
        more = len(lines) - MOST_REASONS
        return "\n".join(lines[:MOST_REASONS] + ([f"and {more:,} more, on the page of the run"] if more > 0 else []))

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that do not stop it."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.WARN)

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary; `from_json` reads it back."""
        return {"blocked": self.blocked, **TypeAdapter(DataVerdict).dump_python(self, mode="json")}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> DataVerdict:
        """Read `to_json`, of earlier versions too.

        Raises:
            KeyError, ValueError: it is a document of another form.
        """
        return TypeAdapter(cls).validate_python({name: plain[name] for name in ("findings", "drift", "skew", "notes")})


def percent(share: float) -> str:
    """Write a share as a percentage: never '0 %' of something that is there, nor '100 %' of less than all."""
    text = f"{share:.1%}" if 0.0005 <= share <= 0.9995 or share in (0, 1) else f"{share:.2g}"
    return text if text.endswith("%") else ("under 0.1%" if share < 0.5 else "over 99.9%")
