"""TFDV's statistics of a table in memory, without Beam: for tables that are checked outside of a run."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from pipeline.guard.validation import Statistics

EXACT_VALUES = 65_536
"""As in pipeline.components.statistics_gen: so many distinct values are counted exactly."""


def table_statistics(batches: Iterable[pa.RecordBatch]) -> Statistics:
    """What StatisticsGen would say of rows in their stored types (pipeline.data.columns); one pass, bounded memory."""
    from tensorflow_data_validation.statistics.generators import (
        basic_stats_generator,
        top_k_uniques_sketch_stats_generator,
    )
    from tfx_bsl.statistics import merge_util

    from pipeline.data import histograms
    from pipeline.data.lists import as_lists, list_type

    histograms.install()
    generators = (
        basic_stats_generator.BasicStatsGenerator(),
        top_k_uniques_sketch_stats_generator.TopKUniquesSketchStatsGenerator(
            num_top_values=20,
            num_rank_histogram_buckets=1000,
            num_misragries_buckets=EXACT_VALUES,
            num_kmv_buckets=EXACT_VALUES,
        ),
    )
    totals = [generator.create_accumulator() for generator in generators]
    for batch in batches:
        lists = [as_lists(column, list_type(column.type)) for column in batch.columns]
        rows = pa.RecordBatch.from_arrays(lists, names=batch.schema.names)
        pairs = zip(generators, totals, strict=True)
        totals = [generator.add_input(total, rows) for generator, total in pairs]
    pairs = zip(generators, totals, strict=True)
    outputs = [generator.extract_output(generator.compact(total)) for generator, total in pairs]
    statistics: Statistics = merge_util.merge_dataset_feature_statistics(outputs)
    return statistics
