"""The user's own checks of the data, beside those of the gate: called, and what they say made into findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.data.statistics_files import Statistics
from pipeline.errors import CodeError
from pipeline.guard.findings import Finding
from pipeline.guard.policy import Severity
from trainer.user_code import UserCodeError, blamed, kind_of, load

KIND = "custom_validation"
"""As TFDV calls what a rule of the user's finds."""
Rows = Callable[[], Iterable[tuple[str, pa.RecordBatch]]]


class Said(BaseModel):
    """What a check of the user's may say of the data."""

    model_config = ConfigDict(extra="forbid")

    found: str
    """What is wrong, in words."""
    expected: str = "data that this check lets pass"
    """What would have been right, in words."""
    column: str | None = None
    """The column that it is about, if one."""
    split: str | None = None
    """The split that it is about, if not all."""
    severity: Severity = Severity.BLOCK
    """`block`, `warn` or `ignore`."""
    rows: int | None = Field(None, ge=0)
    """How many rows break the rule."""
    of: int | None = Field(None, ge=1)
    """How many rows were looked at."""

    @model_validator(mode="after")
    def _break_at_most_those_looked_at(self) -> Self:
        if self.rows is not None and self.of is not None and self.rows > self.of:
            raise ValueError(f"rows: {self.rows} are more than of: {self.of}")
        return self


class Data:
    """What a check of the user's is given.

    Attributes:
        statistics: TFDV's DatasetFeatureStatisticsList by split.
    """

    def __init__(self, statistics: Mapping[str, Statistics], rows: Rows | None) -> None:
        self.statistics = statistics
        self._rows = rows

    def batches(self, split: str | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a split, or of all, as pyarrow.RecordBatch in stored types.

        Raises:
            KeyError: a run has no such split; `longhaul validate` has one table, which stands for the training split.
        """
        if split not in (None, *self.statistics) and len(self.statistics) > 1:
            raise KeyError(f"there is no split {split!r}; there are {', '.join(self.statistics)}")
        for name, batch in self._rows() if self._rows else ():
            if split in (None, name):
                yield batch


def own_findings(code: Mapping[str, str], statistics: Mapping[str, Statistics], rows: Rows | None) -> list[Finding]:
    """Call a check of the user's.

    Args:
        code: a function that takes a `Data` and returns or yields dictionaries with the fields of `Said`; see
            trainer.user_code.

    Raises:
        CodeError: it failed, or said something else.
    """
    try:
        check = load(code)
        with blamed(code):
            said = check(Data(statistics, rows))
            found = list(said) if isinstance(said, Iterable) and not isinstance(said, str | Mapping) else said
        if found is None:
            found = []
        if not isinstance(found, list):
            raise UserCodeError(
                f"{code['said']} returned {kind_of(found)}, not findings",
                "return a list of {'found': '…', 'column': '…'}, empty where all is well (docs/extend/own-checks.md)",
            )
        return [_finding(one, code["said"]) for one in found]
    except UserCodeError as exc:
        raise CodeError(exc.what, exc.remedy) from exc


def _finding(one: Any, said: str) -> Finding:
    try:
        told = Said.model_validate(one)
    except ValidationError as exc:
        error = exc.errors()[0]
        field = ".".join(map(str, error["loc"])) or "it"
        raise UserCodeError(
            f"{said} returned a finding that cannot be read: {field}: {error['msg']}",
            f"a finding is a dictionary of {', '.join(Said.model_fields)}; `found` alone must be there",
        ) from exc
    finding = Finding(KIND, told.column, told.split, f"code: {said}", told.expected, told.found, severity=told.severity)
    return finding.counted(told.rows, told.of) if told.rows is not None and told.of is not None else finding
