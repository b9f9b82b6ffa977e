"""Settings of `data.arrival`: when a span counts as there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.value_types import Duration
from trainer.settings.base import Section


class Arrival(Section):
    """When a span counts as there. A run that finds one that is not ends with exit code 66 before it reads anything;
    `longhaul run --wait-for-data 6h` waits. See docs/spans.md."""

    missing: Literal["refuse", "warn"] | None = None
    """What becomes of a run if a span is missing between the first and the last one. When absent, it is refused where
    `data.spans` names a window, and only said where all spans are used. What is missing is told by the usual distance:
    every number, every day, every seven days, every month."""
    marker: str | None = None
    """The name of a file that stands beside a span's files once they are all there, for example `_SUCCESS`. It may hold
    the same `{SPAN}` or `{YYYY}-{MM}-{DD}` as the name of the files: `day-{SPAN}.done`."""
    files: Annotated[int, Field(ge=1)] = 1
    """How many files a span has at least."""
    still_for: Duration | None = None
    """How long no file of a span may have changed: `90s`, `10m`, `6h`, `2d`. It keeps a run off what is still being
    written."""
    columns: tuple[str, ...] = ()
    """Columns that every file must have. It keeps a run off an export that was cut short."""
    newest_within: Duration | None = None
    """How old the newest span may be, of spans that are dates: `40d` for one a month. It tells of a span that has not
    come at all."""
