"""The quantiles' way through Beam: from batches to one answer, without a sketch being written more than is needed."""

from __future__ import annotations

import pickle
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that

from trainer import quantile_sketch
from trainer.quantile_sketch import Sketch

COLUMNS, BUCKETS = 2, 20


def learn(batches: list[np.ndarray[Any, Any]], check: Any) -> None:
    """Analyse as TFT does: it merges what it counted of a span, and then all spans."""
    analyzer = quantile_sketch.analyzer(COLUMNS, BUCKETS)
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        found = pipeline | beam.Create([(batch,) for batch in batches])
        found = found | "Make" >> analyzer.make_accumulators_ptransform
        found = found | "OfSpan" >> analyzer.merge_accumulators_ptransform
        found = found | "OfAll" >> analyzer.merge_accumulators_ptransform
        assert_that(found | "Ask" >> analyzer.extract_output_ptransform, check)


def test_a_sketch_is_written_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has megabytes a column: TFT's own combiner writes it a dozen times, most of the time of an analysis."""
    written = []
    monkeypatch.setattr(Sketch, "__getstate__", lambda self: written.append(1) or vars(self), raising=False)
    values = np.random.default_rng(1).normal(size=(300, COLUMNS)).astype(np.float32)

    def check(answers: list[Any]) -> None:
        (found,) = answers
        ranks = [(values[:, column : column + 1] <= found[column]).mean(axis=0) for column in range(COLUMNS)]
        assert np.abs(np.array(ranks) - np.arange(1, BUCKETS) / BUCKETS).max() <= 1 / BUCKETS

    learn(np.split(values, 3), check)
    assert 0 < len(written) <= 6


def test_no_row_has_no_quantiles() -> None:
    def check(answers: list[Any]) -> None:
        (found,) = answers
        assert found.shape == (COLUMNS, BUCKETS - 1)
        assert np.isnan(found).all()

    learn([], check)


def test_what_an_earlier_span_taught_is_read_again_as_it_was() -> None:
    sketch = Sketch(COLUMNS, BUCKETS)
    sketch.add(np.arange(80, dtype=np.float32).reshape(40, COLUMNS))
    coder = quantile_sketch._Coder()
    read = coder.decode_cache(coder.encode_cache(pickle.loads(pickle.dumps(sketch))))
    assert np.array_equal(read.quantiles(), sketch.quantiles())


@pytest.mark.parametrize("exact_rows", [0, 100_000, quantile_sketch.EXACT_ROWS])
def test_quantiles_of_many_skewed_rows_are_as_near_as_they_are_said_to_be(
    exact_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two merges and a pickle, also where a part saw no row; whether all, some or none are kept exactly."""
    monkeypatch.setattr(quantile_sketch, "EXACT_ROWS", exact_rows)
    rows, buckets = 200_000, 1000
    random = np.random.default_rng(2)
    empty, flat = np.full(rows, np.nan), np.where(random.random(rows) < 0.9, 0, random.normal(size=rows))
    values = np.stack([random.lognormal(0, 3, rows), empty, np.sort(random.pareto(0.5, rows)), flat], axis=1)
    values = values.astype(np.float32)
    found = []
    for part in np.split(values, [0, 10, 10, 50_000, 50_001, 180_000]):
        sketch = Sketch(4, buckets)
        sketch.add(part)
        found.append(pickle.loads(pickle.dumps(sketch.merge([]))))
    spans = [pickle.loads(pickle.dumps(Sketch(4, buckets).merge(some))) for some in (found[:3], [], found[3:])]
    answer = Sketch(4, buckets).merge(spans).quantiles()
    assert np.isnan(answer[1]).all()
    for column in (0, 2, 3):
        known = np.sort(values[:, column])
        wanted = np.arange(1, buckets) / buckets
        least, most = (np.searchsorted(known, answer[column], side) / rows for side in ("left", "right"))
        assert max((least - wanted).max(), (wanted - most).max()) <= 0.5 / buckets
