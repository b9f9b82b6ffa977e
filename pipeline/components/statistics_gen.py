"""StatisticsGen in columns: TFDV's statistics of every split, and of every span, from one pass over the rows.

Stock StatisticsGen builds some twenty Beam stages for each split, which on the flights cost more than the counting.
Here TFDV's generators (pipeline.data.table_statistics) count a row group at once and their own merging sums up: two
stages, whatever the number of splits and spans.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import apache_beam as beam
import pyarrow as pa
from tfx.components.statistics_gen import component
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils

from pipeline.data.shards import span_of
from pipeline.data.statistics_files import Statistics
from pipeline.data.table_statistics import Accumulators, accumulate, extract, merge
from pipeline.patches import histograms
from pipeline.patches.row_groups import make_tfxio

Total: TypeAlias = Accumulators | bytes | None
"""What is counted, or that pickled, or nothing yet."""


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
    """Return (folder of a split or span, accumulators of a part of its rows)."""
    payload = examples_utils.get_payload_format_string(examples)
    sources = {part: make_tfxio(files, ["StatisticsGen"], payload) for part, files in _files(examples).items()}
    if payload == "FORMAT_PARQUET":
        # Beside the row groups, not with each: a list of thousands is part of the job that a cluster is sent.
        readers = {part: source.reader() for part, source in sources.items()}
        row_groups = [(part, group) for part, source in sources.items() for group in source.row_groups()]
        return (
            pipeline
            | "ListRowGroups" >> beam.Create(row_groups)
            | "SpreadRowGroups" >> beam.Reshuffle()  # else one worker of a cluster would read them all
            | "CountRowGroup" >> beam.FlatMapTuple(lambda part, group: _packed(part, readers[part](group)))
        )
    return [
        pipeline
        | f"Read{part}" >> source.BeamSource()
        | f"Count{part}" >> beam.FlatMap(lambda batch, part: _packed(part, [batch]), part)
        for part, source in sources.items()
    ] | beam.Flatten()


def _files(examples: Any) -> Mapping[tuple[str, ...], list[str]]:
    """Return the shards by the folders whose statistics their rows belong to: a split's and, if there are spans, a
    span's."""
    files: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for split in artifact_utils.decode_split_names(examples.split_names):
        uri = artifact_utils.get_split_uri([examples], split)
        for name in fileio.listdir(uri):
            span = span_of(name)
            part = (f"Split-{split}",) if span is None else (f"Split-{split}", f"Span-{span}")
            files[part].append(f"{uri}/{name}")
    return files


def _packed(folders: tuple[str, ...], batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, bytes]]:
    """Yield the same accumulators for each folder, pickled.

    Left to Beam's coder, every sketch in them would be pickled, and more than once. And nobody else must hold what is
    merged into: merging changes it.
    """
    packed = pickle.dumps(accumulate(batches))
    for folder in folders:
        yield folder, packed


class _SumUp(beam.CombineFn):
    """Pickled accumulators to one DatasetFeatureStatisticsList."""

    def setup(self) -> None:
        histograms.install()  # here, because a worker of a cluster starts with nothing of ours

    def create_accumulator(self) -> Total:
        return None

    def add_input(self, total: Total, packed: bytes) -> Total:
        return self.merge_accumulators([total, packed])

    def merge_accumulators(self, totals: Iterable[Total]) -> Total:
        merged: Total = None
        for total in totals:
            if merged is None:
                merged = total
            elif total is not None:
                merged = merge(_unpacked(merged), _unpacked(total))
        return merged

    def compact(self, total: Total) -> Total:
        return pickle.dumps(total) if isinstance(total, list) else total

    def extract_output(self, total: Total) -> Statistics:
        return extract(_unpacked(total))


def _unpacked(total: Total) -> Accumulators:
    return pickle.loads(total) if isinstance(total, bytes) else total or []


def _write(found: tuple[str, Statistics], uri: str) -> None:
    folder, statistics = found
    io_utils.write_bytes_file(f"{uri}/{folder}/FeatureStats.pb", statistics.SerializeToString())


class StatisticsGen(component.StatisticsGen):
    """Component: `statistics`."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
