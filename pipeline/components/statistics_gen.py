"""StatisticsGen in columns: TFDV's statistics of every split, and of every span, from one pass over the rows.

Stock StatisticsGen builds some twenty Beam stages for each split, which on the flights cost more than the counting.
Here TFDV's generators count a row group at once and their own merging sums up: two stages, whatever the number of
splits and spans. Top values and uniques come from TFDV's sketches: exact up to `EXACT_VALUES` distinct values in a
column and within the sketches' stated error beyond, so that memory stays bounded.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import pyarrow as pa
from tensorflow_data_validation.statistics.generators import basic_stats_generator, top_k_uniques_sketch_stats_generator
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.components.statistics_gen import component
from tfx.components.util import examples_utils, tfxio_utils
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils
from tfx_bsl.statistics import merge_util

from pipeline.data import histograms, parquet_tfxio
from pipeline.data.shards import span_of

parquet_tfxio.install()
histograms.install()

EXACT_VALUES = 65_536

_BASIC = basic_stats_generator.BasicStatsGenerator()
_TOP_VALUES = top_k_uniques_sketch_stats_generator.TopKUniquesSketchStatsGenerator(
    num_top_values=20,  # this and the next as in tfdv.StatsOptions
    num_rank_histogram_buckets=1000,
    num_misragries_buckets=EXACT_VALUES,
    num_kmv_buckets=EXACT_VALUES,
)
_GENERATORS = (_BASIC, _TOP_VALUES)


Total = list[Any] | bytes | None
"""An accumulator for each of the generators, or that pickled, or none yet."""


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes `Split-<name>/FeatureStats.pb` as stock StatisticsGen does, and `Span-<number>/FeatureStats.pb`, all
    splits together, if the table has spans."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do."""
        del exec_properties  # nothing here can be set
        examples = artifact_utils.get_single_instance(input_dict[standard_component_specs.EXAMPLES_KEY])
        output = artifact_utils.get_single_instance(output_dict[standard_component_specs.STATISTICS_KEY])
        output.split_names, output.span = examples.split_names, examples.span
        with self._make_beam_pipeline() as pipeline:
            _ = (
                _count(pipeline, examples)
                | "SumUp" >> beam.CombinePerKey(_SumUp())
                | "WriteStatistics" >> beam.Map(_write, output.uri)
            )


def _count(pipeline: beam.Pipeline, examples: Any) -> beam.PCollection[tuple[str, bytes]]:
    """(folder of a split or span, accumulators of a part of its rows)."""
    payload = examples_utils.get_payload_format_string(examples)
    sources = {
        part: tfxio_utils.make_tfxio(files, ["StatisticsGen"], payload) for part, files in _files(examples).items()
    }
    if payload == "FORMAT_PARQUET":
        row_groups = [
            (part, source.reader(), group) for part, source in sources.items() for group in source.row_groups()
        ]
        return (
            pipeline
            | "ListRowGroups" >> beam.Create(row_groups)
            | "SpreadRowGroups" >> beam.Reshuffle()  # else one worker of a cluster would read them all
            | "CountRowGroup" >> beam.FlatMapTuple(lambda part, read, group: _accumulate(part, read(group)))
        )
    return [
        pipeline
        | f"Read{part}" >> source.BeamSource()
        | f"Count{part}" >> beam.FlatMap(lambda batch, part: _accumulate(part, [batch]), part)
        for part, source in sources.items()
    ] | beam.Flatten()


def _files(examples: Any) -> Mapping[tuple[str, ...], list[str]]:
    """The shards by the folders whose statistics their rows belong to: a split's and, if there are spans, a span's."""
    files: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for split in artifact_utils.decode_split_names(examples.split_names):
        uri = artifact_utils.get_split_uri([examples], split)
        for name in fileio.listdir(uri):
            span = span_of(name)
            part = (f"Split-{split}",) if span is None else (f"Split-{split}", f"Span-{span}")
            files[part].append(f"{uri}/{name}")
    return files


def _accumulate(folders: tuple[str, ...], batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, bytes]]:
    """The same accumulators for each folder, pickled.

    Left to Beam's coder, every sketch in them would be pickled, and more than once. And nobody else must hold what is
    merged into: merging changes it.
    """
    accumulators = [generator.create_accumulator() for generator in _GENERATORS]
    for batch in batches:
        pairs = zip(_GENERATORS, accumulators, strict=True)
        accumulators = [generator.add_input(accumulator, batch) for generator, accumulator in pairs]
    packed = pickle.dumps(accumulators)
    for folder in folders:
        yield folder, packed


class _SumUp(beam.CombineFn):
    """Pickled accumulators to one DatasetFeatureStatisticsList."""

    def create_accumulator(self) -> Total:
        return None

    def add_input(self, total: Total, packed: bytes) -> Total:
        return self.merge_accumulators([total, packed])

    def merge_accumulators(self, totals: Iterable[Total]) -> Total:
        merged: Total = None
        for total in totals:
            if merged is None or total is None:
                merged = merged or total
            else:
                pairs = zip(_GENERATORS, _unpacked(merged), _unpacked(total), strict=True)
                merged = [generator.merge_accumulators(pair) for generator, *pair in pairs]
        return merged

    def compact(self, total: Total) -> Total:
        return pickle.dumps(total) if isinstance(total, list) else total

    def extract_output(self, total: Total) -> statistics_pb2.DatasetFeatureStatisticsList:
        pairs = zip(_GENERATORS, _unpacked(total), strict=True)
        outputs = [generator.extract_output(generator.compact(part)) for generator, part in pairs]
        return merge_util.merge_dataset_feature_statistics(outputs)


def _unpacked(total: Total) -> list[Any]:
    return pickle.loads(total) if isinstance(total, bytes) else total or []


def _write(found: tuple[str, statistics_pb2.DatasetFeatureStatisticsList], uri: str) -> None:
    folder, statistics = found
    io_utils.write_bytes_file(f"{uri}/{folder}/FeatureStats.pb", statistics.SerializeToString())


class StatisticsGen(component.StatisticsGen):
    """Component: `statistics`."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
