"""What a network is fitted on, for Trainer and Tuner alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt
import tensorflow_transform as tft

from trainer import words_file
from trainer.artifact_names import LABEL
from trainer.features import FeatureTable, Kind
from trainer.reading import WEIGHT, Columns, memory_for_rows, read_transformed
from trainer.settings.fitting import FittingRequest


class TrainingSplit(NamedTuple):
    """What a network is fitted on: its inputs, the labels and, of a time or group split, the order of the rows; and
    how much each row counts, where that differs."""

    rows: Columns
    labels: npt.NDArray[Any]
    order: npt.NDArray[Any] | None
    weights: npt.NDArray[Any] | None = None


def read_training_split(
    patterns: Sequence[str], request: FittingRequest, transform_output: tft.TFTransformOutput, spill_to: Path
) -> TrainingSplit:
    """Read and transform the training split, for Trainer and Tuner alike; large columns go into `spill_to`. A row of
    weight 0 is left out."""
    order_by, group_by, weight = request.order_by, request.group_by, request.weight
    rows = read_transformed(
        patterns,
        request.features,
        transform_output.transform_features_layer(),
        [order_by] if order_by else [],
        hashed=[group_by] if group_by else [],
        weight=weight,
        to_learn=True,
        spill_to=spill_to,
        memory_bytes=memory_for_rows(),
    )
    labels, order = rows.pop(LABEL), rows.pop(order_by or group_by or "", None)
    return TrainingSplit(rows, labels, order, rows.pop(WEIGHT, None))


def vocabulary_sizes(table: FeatureTable, transform_output: tft.TFTransformOutput) -> list[int]:
    """Return ids per categorical feature: the known, the unknown and the missing value's."""
    columns = [feature.name for feature in table.of(Kind.CATEGORICAL)]
    return [len(words) + 2 for words in words_file.read(transform_output, columns)]
