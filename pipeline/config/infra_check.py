"""Settings of `infra_check`: what a model must be before it is pushed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.config.base import Section


class InfraCheck(Section):
    """What a model must be before it is pushed: see pipeline/infra."""

    p99_ms_batch_1: Annotated[float, Field(gt=0)] | None = 50
    """The slowest of a hundred requests of one row may take so many milliseconds."""
    p99_ms_batch_32: Annotated[float, Field(gt=0)] | None = None
    p99_ms_batch_1024: Annotated[float, Field(gt=0)] | None = None
    measure_s: Annotated[float, Field(ge=0)] = 1
    """How long requests of one row are sent to each signature, larger ones a quarter of it; with 0 only a few are."""
    max_size_mb: Annotated[float, Field(gt=0)] | None = None
    """Of the SavedModel's files."""
    max_memory_mb: Annotated[float, Field(gt=0)] | None = None
    """Peak of the process that serves it, TensorFlow included."""
    tolerance: Annotated[float, Field(gt=0)] = 1e-5
    """How much the predictions of one row may differ: by signature, batch, Evaluator, training."""
    timeout_s: Annotated[float, Field(gt=0)] = 120
