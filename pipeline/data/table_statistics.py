"""TFDV's statistics by its own generators, a batch of rows at a time: for Beam, and for tables outside of a run.

Top values and uniques come from TFDV's sketches: exact up to `EXACT_VALUES` distinct values in a column and within the
sketches' stated error beyond, so that memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, TypeAlias

import pyarrow as pa
from tensorflow_data_validation.statistics.generators import basic_stats_generator, top_k_uniques_sketch_stats_generator
from tensorflow_data_validation.utils import example_weight_map
from tfx_bsl.statistics import merge_util

from pipeline.data.long_texts import shorten_in_lists
from pipeline.data.statistics_files import EXACT_VALUES, Statistics
from trainer.rows import as_lists, list_type


@cache
def _generators(weight: str | None) -> tuple[Any, ...]:
    of_weight = example_weight_map.ExampleWeightMap(weight_feature=weight)
    return (
        basic_stats_generator.BasicStatsGenerator(example_weight_map=of_weight),
        top_k_uniques_sketch_stats_generator.TopKUniquesSketchStatsGenerator(
            example_weight_map=of_weight,
            num_top_values=20,  # this and the next as in tfdv.StatsOptions
            num_rank_histogram_buckets=1000,
            num_misragries_buckets=EXACT_VALUES,
            num_kmv_buckets=EXACT_VALUES,
        ),
    )


Accumulators: TypeAlias = list[Any]
"""What the generators know of the rows so far, one of each."""


def table_statistics(batches: Iterable[pa.RecordBatch], weight: str | None = None) -> Statistics:
    """Return what StatisticsGen would say of rows in their stored types (pipeline.data.columns); one pass, bounded
    memory.

    Args:
        weight: the column that weighs rows, as `weight_feature` of TFDV's StatsOptions: then statistics that are
            weighted stand beside the others.
    """
    return extract(accumulate((in_lists(batch) for batch in batches), weight), weight)


def accumulate(batches: Iterable[pa.RecordBatch], weight: str | None = None) -> Accumulators:
    """Count rows that are in TFDV's layout (trainer.rows)."""
    generators = _generators(weight)
    accumulators = [generator.create_accumulator() for generator in generators]
    for batch in batches:
        ways = (batch, shorten_in_lists(batch))  # lengths are of whole texts
        triples = zip(generators, accumulators, ways, strict=True)
        accumulators = [generator.add_input(accumulator, rows) for generator, accumulator, rows in triples]
    return accumulators


def merge(one: Accumulators, other: Accumulators, weight: str | None = None) -> Accumulators:
    """Merge what is known of the rows of both. May change the two: nobody else must hold them."""
    pairs = zip(_generators(weight), one, other, strict=True)
    return [generator.merge_accumulators(pair) for generator, *pair in pairs]


def extract(accumulators: Accumulators, weight: str | None = None) -> Statistics:
    """Return the statistics of all rows counted."""
    pairs = zip(_generators(weight), accumulators, strict=True)
    outputs = [generator.extract_output(generator.compact(accumulator)) for generator, accumulator in pairs]
    return merge_util.merge_dataset_feature_statistics(outputs)


def in_lists(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return flat rows in TFDV's layout."""
    lists = [as_lists(column, list_type(column.type)) for column in batch.columns]
    return pa.RecordBatch.from_arrays(lists, names=batch.schema.names)
