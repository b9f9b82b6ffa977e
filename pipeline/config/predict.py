"""Settings of `predict`: what a table that is scored may hold that the model was not made for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainer.settings.base import Section

_Limit = Annotated[float, Field(ge=0, le=1)]


class PredictSettings(Section):
    """How much `longhaul predict` may meet in a column that the model was not made for: shares of the table's rows.
    Above a limit nothing is written, and the exit code is 1. Without one it is only counted. See
    docs/shipping.md#whole-tables."""

    max_unknown: _Limit | None = None
    """Rows with a category that the model does not know."""
    max_out_of_range: _Limit | None = None
    """Rows with a number beyond the range that the schema gave when the model was trained, or an infinite one. Where it
    gave none, the range is that of the training rows, and a tenth of it more at each end."""
    max_missing: _Limit | None = None
    """Rows without a value, in a column of which the schema expects one in every row."""
