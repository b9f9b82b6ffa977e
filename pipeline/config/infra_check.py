"""Settings of `infra_check`: what a model must be before it is pushed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainer.settings.base import Section


class InfraCheckSettings(Section):
    """What a model must be before it is pushed. See docs/shipping.md."""

    p99_ms_batch_1: Annotated[float, Field(gt=0)] | None = 50
    """Milliseconds within which 99 of 100 requests of one row are answered, at most. No limit with `null`."""
    p99_ms_batch_32: Annotated[float, Field(gt=0)] | None = None
    """The same for requests of 32 rows."""
    p99_ms_batch_1024: Annotated[float, Field(gt=0)] | None = None
    """The same for requests of 1024 rows."""
    measure_s: Annotated[float, Field(ge=0)] = 1
    """Seconds for which requests of one row are sent to each signature, 500 at most; for larger ones a quarter of that
    each. With 0 only as many are sent as a figure needs."""
    max_size_mb: Annotated[float, Field(gt=0)] | None = None
    """Size of the exported files in MB, at most."""
    max_memory_mb: Annotated[float, Field(gt=0)] | None = None
    """Peak memory of the serving process in MB, at most. TensorFlow alone takes about 380."""
    tolerance: Annotated[float, Field(gt=0)] = 1e-5
    """How much the predictions for one row may differ: between signatures, between batches, from Evaluator's, and from
    those of the network in training."""
    timeout_s: Annotated[float, Field(gt=0)] = 120
    """Seconds within which the serving process must have answered everything."""
