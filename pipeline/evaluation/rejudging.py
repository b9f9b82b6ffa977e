"""Scores rows by models side by side, without a run: what Evaluator does, in this process and for any models."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from pipeline.config.decision import Decision
from pipeline.config.evaluation import Evaluation
from pipeline.evaluation.columnar_metrics import SliceKey, slices_of, tally_of, weights_of
from pipeline.evaluation.decision import choose_for_each
from pipeline.evaluation.own_metrics import Code, ScoredRows, user_code_blamed
from pipeline.evaluation.row_sample import digests
from pipeline.evaluation.slice_metrics import CHAMPION, measure
from pipeline.evaluation.summary import Names, summarize
from pipeline.evaluation.tallies import BLOCKS, Tally, add, rows_of
from trainer.artifact_names import LABEL, PREDICTION
from trainer.rows import as_lists, list_type, to_examples

_AT_ONCE = 8_192
Tallies = dict[SliceKey, dict[str, Tally]]


def tallied(
    batches: Iterable[pa.RecordBatch],
    folders: Mapping[str, Path],
    slices: Sequence[Sequence[str]],
    task: str,
    weight: str | None = None,
    *,
    keep_rows: bool = False,
    booleans: Collection[str] = (),
) -> Tallies:
    """Add up, by slice and model, what metrics follow from; each row is read once.

    Args:
        batches: labelled rows in their stored types.
        folders: SavedModel by a name of the model.
        slices: columns to slice by; all rows are a slice anyhow.
        weight: the column that weighs rows.
        keep_rows: the tallies hold the rows, which metrics of the user's are called with.
        booleans: columns that are stored as 0 and 1.
    """
    models = {name: tf.saved_model.load(str(folder)) for name, folder in folders.items()}
    by_columns = [(), *(tuple(sorted(columns)) for columns in slices)]
    sliced = sorted({column for columns in by_columns for column in columns})
    found: Tallies = {}
    for whole in batches:
        for start in range(0, whole.num_rows, _AT_ONCE):
            batch = whole.slice(start, _AT_ONCE)
            records = to_examples(batch)
            blocks = (digests(records) % np.uint64(BLOCKS)).astype(np.int64)
            weights = weights_of(batch.column(weight)) if weight else None
            asked = {name: _asked(model, records) for name, model in models.items()}
            rows = {name: rows_of(task, *said, blocks, weights) for name, said in asked.items()}
            kept = {name: ScoredRows.of(*said, blocks, weights) for name, said in asked.items() if keep_rows}
            lists = [as_lists(column := batch.column(name), list_type(column.type)) for name in sliced]
            for_slices = pa.RecordBatch.from_arrays(lists, names=sliced) if sliced else batch
            for columns in by_columns:
                for key, members in slices_of(for_slices, columns, booleans):
                    part = {name: tally_of(of, members, kept.get(name)) for name, of in rows.items()}
                    known = found.get(key)
                    found[key] = {name: add([known[name], one]) for name, one in part.items()} if known else part
    return found


def judged(
    found: Tallies,
    model: str,
    champion: tuple[str, str] | None,
    task: str,
    rules: Evaluation,
    weight: str | None = None,
    own_metrics: Mapping[str, Code] | None = None,
    decision: Decision | None = None,
) -> dict[str, Any]:
    """Judge one of the models as a run would.

    Args:
        champion: the model that `may_lose` is measured from, and how to name it in sentences; None for none.
        own_metrics: functions of the user's, by the name of the metric.
        decision: of a binary task, how each model's threshold is found on these rows.

    Returns:
        See pipeline.evaluation.summary.summarize.

    Raises:
        CodeError: one of the functions failed.
    """
    names = {"candidate": model} | ({CHAMPION: champion[0]} if champion else {})
    by_slice = {key: {name: of[digest] for name, digest in names.items()} for key, of in found.items()}
    chosen = choose_for_each(by_slice.get((), {}), decision)
    with user_code_blamed():
        measured = [
            measure(of_slice, task, rules.confidence, chosen, own_metrics, rules.decided)
            for of_slice in by_slice.items()
        ]
    summary, _ = summarize(measured, rules, Names(champion[1] if champion else None, {}), weight=weight)
    return summary


def _asked(model: Any, records: Any) -> tuple[Any, Any]:
    """Labels (rows,) and predictions (rows, outputs)."""
    examples = tf.constant(records)
    predictions = model.signatures["serving_default"](examples=examples)[PREDICTION].numpy()
    labels = model.signatures["transform_labels"](examples=examples)[LABEL].numpy()
    return labels.ravel(), predictions.reshape(len(predictions), -1)
