"""Settings of `data.columns`: how the texts of one column are read."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.config.value_types import as_written
from trainer.settings.base import Section

DIRECTIVES = "YymdbBHIMSfpzaAjGVu"
"""What may stand after % in the format of a date."""


TWO_PARTS = ("%H:%M", "%M:%S")
"""The formats of durations in two parts."""
HHMM = "%H%M"
"""That of a time of day in figures alone: 0915."""
DEGREES = "dms"
"""That of numbers of degrees, minutes and seconds: 40°26'46"N."""
FEET, FRACTION, POWER, ERROR = "feet", "fraction", "power", "error"
"""Those of numbers in parts: 5'11", 4 1/2, 0.97 x 10^5, 7.3 ± 0.7."""
FORMULA = "formula"
"""That of texts as spreadsheets keep them: ="00123"."""
EXCEL = "excel"
"""That of dates as spreadsheets count them: days since the end of 1899."""
HALF_DAYS = "%I:%M %p"
"""That of a time of day with am or pm."""
_FORMATS = {
    "duration": (*TWO_PARTS, HALF_DAYS, HHMM),
    "number": (DEGREES, FEET, FRACTION, POWER, ERROR),
    "text": (FORMULA,),
}
"""Those of a kind that knows few."""


class Reading(Section):
    """How the texts of a column are read. `longhaul init` writes what it recognised; see docs/values.md."""

    kind: Literal["text", "number", "boolean", "date", "duration"] | None = None
    """What the texts are. Recognised from the values when absent."""
    decimal: Literal[".", ","] = "."
    """Of numbers, the mark before the fraction."""
    thousands: Literal["", ",", ".", " ", "'", "_"] = ""
    """Of numbers, the mark between groups of three digits. A blank stands for every kind of blank, an apostrophe for
    every kind of apostrophe."""
    unit: tuple[str, ...] = ()
    """Of numbers, what may stand before or after them and is left out, as `$`, `%` or `kg`; of durations, behind them,
    as `/km`."""
    scale: bool = False
    """Of numbers, whether k, M and B after them stand for thousands, millions and thousand millions."""
    words: tuple[str, ...] = ()
    """Of booleans, the words for no and for yes, in this order, in any case. When absent, the usual ones."""
    format: str | None = None
    """Of dates, their parts as in Python's strptime, for example `%d.%m.%Y %H:%M`; or `epoch_s`, `epoch_ms`,
    `epoch_us` for the time since 1970, or `excel` for days as spreadsheets count them. ISO 8601 when absent. Of
    durations in two parts, which those are: `%H:%M`, also of a time of day, or `%M:%S`; `%I:%M %p` of a time of day
    with am or pm, `%H%M` of one in figures alone, as 0915. Of numbers, `dms` for degrees, minutes and seconds,
    `feet` for feet and inches, `fraction` for 4 1/2, `power` for 0.97 x 10^5, `error` for 7.3 ± 0.7. Of texts,
    `formula` for those within `="…"`."""
    century: Annotated[int, Field(ge=1000, le=9900)] | None = None
    """Of dates with years of two digits, the first of the hundred years that these stand for: with 1930, 30 is 1930 and
    29 is 2029. 1969 when absent."""
    zone: str | None = None
    """Of dates that do not say their time zone, its name, for example `Europe/Berlin`. UTC when absent."""
    missing: tuple[str, ...] | None = None
    """The texts that mean 'missing' in this column, in place of all others; with `[]` it is the empty field only, so
    that NA is a value."""

    @field_validator("unit", "words", "missing", mode="before")
    @classmethod
    def _as_texts(cls, value: object) -> object:
        """Take one text for a list of one; and numbers and booleans, as YAML reads -1 and yes, as texts."""
        values = value if isinstance(value, list | tuple) else [value] if value is not None else None
        return None if values is None else tuple(_as_text(one) for one in values)

    @model_validator(mode="after")
    def _fits_together(self) -> Reading:
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}; they must differ")
        if self.words and (len(self.words) != 2 or self.words[0].casefold() == self.words[1].casefold()):
            raise ValueError("words: give two different ones, that for no and that for yes")
        if self.kind in _FORMATS:
            if self.format not in (None, *_FORMATS[self.kind]):
                known = ", ".join(_FORMATS[self.kind])
                raise ValueError(f"format: {self.format!r} is none of a {self.kind}; known are {known}")
        elif self.format is not None and not re.fullmatch(f"epoch_(s|ms|us)|{EXCEL}", self.format):
            unknown = [mark for mark in re.findall(r"%(.?)", self.format) if mark not in DIRECTIVES]
            if unknown:
                known = ", ".join(f"%{mark}" for mark in DIRECTIVES)
                raise ValueError(f"format: %{unknown[0]} is unknown; known are {known}")
            if not re.search("%[YyG]", self.format):
                raise ValueError(f"format: {self.format!r} has no year, %Y or %y")
            if ("%G" in self.format) != ("%V" in self.format):
                raise ValueError(f"format: {self.format!r}: %G and %V, year and week of ISO 8601, go together")
        return self


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return as_written(value)
