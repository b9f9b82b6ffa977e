"""A finished run's model asked again, row by row: TFMA's files hold sums only, and curves need the rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config import PipelineConfig
from pipeline.data.columns import ColumnType
from pipeline.data.examples import read_examples
from pipeline.errors import PipelineError
from pipeline.lineage.runs import Run
from pipeline.runners.quiet import output_to

_BATCH_ROWS = 4_096


@dataclass(frozen=True)
class Scores:
    """What was predicted for the rows of a split, and what was true.

    Attributes:
        labels: (rows,), as the network was taught them: 0 or 1, the number of the class, or the value.
        predictions: (rows, outputs).
    """

    split: str
    labels: npt.NDArray[Any]
    predictions: npt.NDArray[Any]


def score_split(config: PipelineConfig, run: Run, *, most_rows: int = 100_000) -> Scores:
    """Loads TensorFlow, then the run's model, and has it predict the first split that the evaluation looks at.

    Raises:
        PipelineError: the run's model or its examples are gone.
    """
    examples, model = _path(run, "TableExampleGen", "Examples"), _path(run, "Trainer", "Model") / "Format-Serving"
    if not (model / "saved_model.pb").exists() or not examples.exists():
        raise PipelineError(f"the model or the examples of run {run.run_id} are gone", "`longhaul run` makes new ones")
    with output_to(config.root / "logs" / "scores.log"):  # TensorFlow's chatter
        return _score(config, run, examples, model, most_rows)


def _score(config: PipelineConfig, run: Run, examples: Path, model: Path, most_rows: int) -> Scores:
    import tensorflow as tf

    from pipeline.data.lists import serialized_examples

    signatures = tf.saved_model.load(str(model)).signatures
    columns = {name: ColumnType(kind) for name, kind in (run.ingestion or {})["columns"].items()}
    split = config.evaluation.splits[0]
    labels, predictions, rows = [], [], 0
    for batch in read_examples(examples, split, columns, _BATCH_ROWS):
        records = tf.constant(serialized_examples(batch.slice(0, most_rows - rows)))
        labels.append(next(iter(signatures["transform_labels"](examples=records).values())).numpy().ravel())
        predictions.append(signatures["serving_default"](examples=records)["prediction"].numpy())
        rows += len(labels[-1])
        if rows == most_rows:
            break
    return Scores(split, np.concatenate(labels), np.concatenate(predictions))


def _path(run: Run, node: str, type_: str) -> Path:
    for artifact in run.artifacts.get(node, []):
        if artifact.type == type_:
            return Path(artifact.uri)
    raise PipelineError(f"run {run.run_id} has no {type_} of {node}", "choose a run that came so far")
