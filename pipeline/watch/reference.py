"""What training promised of a model: its evaluation rows with scores and labels, as bins, losses and a sample."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.evaluation.tallies import add, metric_values, rows_of
from pipeline.files import incoming
from pipeline.watch.counting import profile
from pipeline.watch.excess import center_of, moments
from pipeline.watch.profiles import Profile, Spec, spec_of
from pipeline.watch.requests import as_any
from pipeline.watch.segments import with_segments
from pipeline.watch.sequences import area_and_variance

Array = npt.NDArray[Any]

VERSION = 1
"""Of the form of the file; one of another is made anew."""
MOST_ROWS = 40_000
"""Rows that are kept, evenly chosen."""
SCORE, TRUTH = "longhaul scores", "longhaul truth"
"""Columns of the file besides the features."""


@dataclass(frozen=True)
class Reference:
    """What one version promised.

    Attributes:
        table: features, scores (lists) and truth (number of the class, or the number) of a sample of the rows.
        counted: the profile of that sample.
        promise: Evaluator's metrics over all rows; loss, variance: of one row (log loss, or squared error); rows: all.
        importance: of columns, from the run's permutations; empty if that is not on record.
        run_id, spans: what it was trained by and on.
        excess: of two classes, center and moments of the excess over all rows (pipeline.watch.excess).
        off: by metric how far estimates of some evaluation rows by others are off (pipeline.watch.corrected); None:
            nobody looked yet.
        unknown: why its promise is not known; then columns and bins are those of another version.
    """

    version: str
    spec: Spec
    table: pa.Table
    counted: Profile
    promise: dict[str, float]
    loss: float
    variance: float
    area_variance: float
    rows: int
    importance: dict[str, float]
    run_id: str = ""
    spans: tuple[int, ...] = ()
    excess: tuple[float, ...] = ()
    off: Mapping[str, Sequence[float]] | None = None
    unknown: str = ""

    @property
    def scores(self) -> Array:
        """(rows, outputs) of the sample."""
        lists = self.table.column(SCORE).combine_chunks()
        return np.asarray(lists.flatten().to_numpy(zero_copy_only=False), float).reshape(len(lists), -1)

    @property
    def truth(self) -> Array:
        """(rows,) of the sample."""
        return np.asarray(self.table.column(TRUTH).combine_chunks().to_numpy(zero_copy_only=False), float)

    def of_stranger(self, version: str, why: str) -> Reference:
        """Return how requests of a version without a known promise are counted."""
        return replace(self, version=version, unknown=why, promise={}, run_id="", spans=())


def losses(task: str, truth: Array, scores: Array) -> Array:
    """Return the loss of each row: log loss, or the squared error of a regression."""
    if task == "regression":
        return np.asarray((truth - scores[:, 0]) ** 2)
    bounded = np.clip(scores, 1e-7, 1 - 1e-7)
    if bounded.shape[1] == 1:
        return np.where(truth == 1, -np.log(bounded[:, 0]), -np.log1p(-bounded[:, 0]))
    return np.asarray(np.log(bounded.sum(axis=1)) - np.log(bounded[np.arange(len(truth)), truth.astype(int)]))


def truths(spec_task: str, classes: Sequence[str], labels: Iterable[Any]) -> Array:
    """Return labels as the numbers of their classes, or as numbers; NaN of what is neither."""
    if spec_task == "regression":
        found = []
        for one in labels:
            try:
                found.append(float(one))
            except (TypeError, ValueError):
                found.append(np.nan)
        return np.array(found, float)
    known = {name: number for number, name in enumerate(classes)}
    if set(classes) <= {"0", "1", "False", "True"}:
        known |= {"false": 0, "False": 0, "true": 1, "True": 1, "0": 0, "1": 1}
    return np.array([known.get(as_any(one), np.nan) for one in labels], float)


def build_reference(
    version: str,
    features: Sequence[tuple[str, bool]],
    labelled: Iterable[pa.RecordBatch],
    score: Callable[[pa.RecordBatch], Array],
    label: str,
    task: str,
    classes: Sequence[str],
    schema: schema_pb2.Schema | None = None,
    importance: Mapping[str, float] | None = None,
    run_id: str = "",
    spans: Sequence[int] = (),
    like: Spec | None = None,
) -> Reference:
    """Score labelled rows and keep what later windows are held against.

    Args:
        labelled: rows with the features and the label.
        score: returns (rows, outputs); like: how columns of an earlier version are counted.
    """
    names = [name for name, _ in features]
    kept: list[pa.Table] = []
    tallies, total, square, rows, step, seen = [], 0.0, 0.0, 0, 1, 0
    for batch in labelled:
        truth = truths(task, classes, batch.column(label).to_pylist())
        batch, truth = batch.filter(pa.array(np.isfinite(truth))), truth[np.isfinite(truth)]
        if not batch.num_rows:
            continue
        scores = np.asarray(score(batch.select([name for name in batch.schema.names if name != label])), float)
        loss = losses(task, truth, scores)
        total, square, rows = total + float(loss.sum()), square + float((loss**2).sum()), rows + len(loss)
        blocks = (np.arange(len(loss)) + seen) % 20
        tallies.append(rows_of(task, truth, scores, blocks).tally(np.arange(len(loss))))
        columns = [batch.column(name) for name in names if name in batch.schema.names]
        table = pa.table(
            [*columns, pa.array(list(scores), pa.list_(pa.float64())), pa.array(truth)],
            names=[*(name for name in names if name in batch.schema.names), SCORE, TRUTH],
        )
        kept.append(table.take(pa.array(np.arange((-seen) % step, len(loss), step))))
        seen += len(loss)
        if sum(one.num_rows for one in kept) > 2 * MOST_ROWS:
            kept, step = [pa.concat_tables(kept).take(pa.array(np.arange(0, _count(kept), 2)))], step * 2
    sample = pa.concat_tables(kept).combine_chunks()
    if sample.num_rows > MOST_ROWS:
        sample = sample.take(pa.array(np.linspace(0, sample.num_rows - 1, MOST_ROWS).astype(int)))
    lists = sample.column(SCORE).combine_chunks()
    first = np.asarray(lists.flatten(), float).reshape(len(lists), -1)[:, 0]
    spec = spec_of(features, sample, schema, task, classes, first)
    spec = with_segments(spec.with_bins_of(like) if like else spec, sample, importance or {})
    counted = profile(spec, sample.combine_chunks().to_batches()[0], first, 1)
    tally = add(tallies)
    mean = total / rows
    area_variance, excess = 0.0, tuple[float, ...]()
    if task == "binary":
        center = center_of(tally)
        excess = (center, *map(float, moments(tally, center)))
        histogram = tally.histograms().sum(axis=0)
        area_variance = float(np.nan_to_num(area_and_variance(*histogram)[1])) * rows
    return Reference(
        version=version,
        spec=spec,
        table=sample,
        counted=counted,
        promise=metric_values(task, tally),
        loss=mean,
        variance=max(square / rows - mean**2, 1e-12),
        area_variance=area_variance,
        rows=rows,
        importance=dict(importance or {}),
        run_id=run_id,
        spans=tuple(spans),
        excess=excess,
    )


def _count(tables: Sequence[pa.Table]) -> int:
    return sum(one.num_rows for one in tables)


def write_reference(reference: Reference, path: Path) -> None:
    """Write it as one Parquet file, whole or not at all."""
    told = {
        "form": VERSION,
        **{name: getattr(reference, name) for name in ("version", "promise", "loss", "variance", "area_variance")},
        **{name: getattr(reference, name) for name in ("rows", "importance", "run_id", "spans", "excess", "off")},
        "spec": reference.spec.to_json(),
    }
    table = reference.table.replace_schema_metadata({b"longhaul": json.dumps(told).encode()})
    with incoming(path) as hidden:
        pq.write_table(table, hidden, compression="zstd")


def read_reference(path: Path) -> Reference | None:
    """Read it; None where there is none, or one of another form."""
    try:
        table = pq.read_table(path)
        told = json.loads((table.schema.metadata or {})[b"longhaul"])
        if told.pop("form") != VERSION:
            return None
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None
    spec = Spec.from_json(told.pop("spec"))
    lists = table.column(SCORE).combine_chunks()
    first = np.asarray(lists.flatten(), float).reshape(len(lists), -1)[:, 0]
    counted = profile(spec, table.combine_chunks().to_batches()[0], first, 1)
    lists_of = {name: tuple(told.get(name, ())) for name in ("spans", "excess")}
    return Reference(spec=spec, table=table, counted=counted, **told | lists_of)
