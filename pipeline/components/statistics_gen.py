"""StatisticsGen in columns: TFDV's statistics of every split, and of every span, from one pass over the rows.

Stock StatisticsGen builds some twenty Beam stages for each split, which on the flights cost more than the counting.
Here TFDV's generators (pipeline.data.table_statistics) count a row group at once and their own merging sums up: two
stages, whatever the number of splits and spans. What asks for more than that (options, samples, sharded output) is done
by stock StatisticsGen's own executor.

Derived features, where there are any, are counted in the same pass, and written beside the columns that people agreed
on, not among them: no schema has them.
"""

from __future__ import annotations

import json
import logging
import pickle
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import apache_beam as beam
import pyarrow as pa
from tensorflow_data_validation import StatsOptions
from tfx.components.statistics_gen import component
from tfx.components.statistics_gen import executor as stock
from tfx.components.util import examples_utils
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, json_utils

from pipeline.data.shards import span_of
from pipeline.data.statistics_files import DERIVED, Statistics
from pipeline.data.table_statistics import Accumulators, accumulate, extract, in_lists, merge
from pipeline.patches import histograms
from pipeline.patches.row_groups import make_tfxio
from trainer.derived_rows import derived_rows, told_by_rows
from trainer.features import FeatureTable
from trainer.rows import as_values

Total: TypeAlias = Accumulators | bytes | None
"""What is counted, or that pickled, or nothing yet."""
FEATURES = "features"
"""The execution property that holds the FeatureTable, only of a table with derived features."""


class Executor(stock.Executor):
    """Writes `Split-<name>/FeatureStats.pb` as stock StatisticsGen does, and `Span-<number>/FeatureStats.pb`, all
    splits together, if the table has spans."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do."""
        examples = artifact_utils.get_single_instance(input_dict[standard_component_specs.EXAMPLES_KEY])
        if why := _why_stock(input_dict, examples, exec_properties):
            logging.getLogger(__name__).info("StatisticsGen takes TFX's own executor: %s", why)
            # Beam's check of types refuses what TFDV says of its statistics by label.
            self._beam_pipeline_args: list[Any] = [*self._beam_pipeline_args, "--no_pipeline_type_check"]
            super().Do(input_dict, output_dict, exec_properties)
            return
        logging.getLogger(__name__).info("StatisticsGen counts in columns: every split is described whole")
        weight = _weight(exec_properties.get(standard_component_specs.STATS_OPTIONS_JSON_KEY))
        output = artifact_utils.get_single_instance(output_dict[standard_component_specs.STATISTICS_KEY])
        left_out = json_utils.loads(exec_properties.get(standard_component_specs.EXCLUDE_SPLITS_KEY) or "null") or []
        splits = [one for one in artifact_utils.decode_split_names(examples.split_names) if one not in left_out]
        if not splits:
            raise ValueError(f"No splits for examples artifact: {examples}")
        output.split_names, output.span = artifact_utils.encode_split_names(splits), examples.span
        output.set_string_custom_property(stock.STATS_DASHBOARD_LINK, "")
        output.set_json_value_custom_property(
            stock.SAMPLE_RATE_BY_SPLIT_PROPERTY_NAME, json_utils.dumps(dict.fromkeys(splits, 1.0))
        )
        derived = (
            told_by_rows(FeatureTable.from_dict(json.loads(text))) if (text := exec_properties.get(FEATURES)) else None
        )
        with self._make_beam_pipeline() as pipeline:
            _ = (
                _count(pipeline, examples, splits, derived if derived and derived.derived else None, weight)
                | "SumUp" >> beam.CombinePerKey(_SumUp(weight))
                | "WriteStatistics" >> beam.Map(_write, output.uri, weight)
            )


def _why_stock(input_dict: Any, examples: Any, exec_properties: dict[str, Any]) -> str:
    """Why the columnar path does not do what is asked for; empty if it does."""
    asked = {
        "stats_options": _options(exec_properties.get(standard_component_specs.STATS_OPTIONS_JSON_KEY)),
        "a schema": bool(input_dict.get(standard_component_specs.SCHEMA_KEY)),
        "sharded output": bool(exec_properties.get(standard_component_specs.SHARDED_STATS_OUTPUT_KEY)),
        "sampling": exec_properties.get(standard_component_specs.SAMPLE_RATE_BY_SPLIT_KEY) not in (None, "null", "{}"),
        "custom split patterns": examples.has_custom_property(examples_utils.CUSTOM_SPLIT_PATTERN_PROPERTY_NAME),
        "a data view": examples_utils.get_payload_format_string(examples)
        not in ("FORMAT_PARQUET", "FORMAT_TF_EXAMPLE"),
    }
    return ", ".join(what for what, is_asked in asked.items() if is_asked)


def _options(text: str | None) -> bool:
    """Return whether options say more than their defaults and the column of weights."""
    return bool(text) and text != StatsOptions(weight_feature=_weight(text)).to_json()


def _weight(text: str | None) -> str | None:
    """Return the column that weighs rows, by options as TFDV writes them; None for none."""
    return StatsOptions.from_json(text).weight_feature if text and text != "null" else None


def _count(
    pipeline: beam.Pipeline, examples: Any, splits: list[str], derived: FeatureTable | None, weight: str | None
) -> beam.PCollection[tuple[str, bytes]]:
    """Return (folder of a split or span, accumulators of a part of its rows)."""
    payload = examples_utils.get_payload_format_string(examples)
    sources = {part: make_tfxio(files, ["StatisticsGen"], payload) for part, files in _files(examples, splits).items()}
    if payload == "FORMAT_PARQUET":
        # Beside the row groups, not with each: a list of thousands is part of the job that a cluster is sent.
        readers = {part: source.reader() for part, source in sources.items()}
        row_groups = [(part, group) for part, source in sources.items() for group in source.row_groups()]
        return (
            pipeline
            | "ListRowGroups" >> beam.Create(row_groups)
            | "SpreadRowGroups" >> beam.Reshuffle()  # else one worker of a cluster would read them all
            | "CountRowGroup"
            >> beam.FlatMapTuple(lambda part, group: _packed(part, readers[part](group), derived, weight))
        )
    return [
        pipeline
        | f"Read{part}" >> source.BeamSource()
        | f"Count{part}" >> beam.FlatMap(lambda batch, part: _packed(part, [batch], derived, weight), part)
        for part, source in sources.items()
    ] | beam.Flatten()


def _files(examples: Any, splits: list[str]) -> Mapping[tuple[str, ...], list[str]]:
    """Return the shards by the folders whose statistics their rows belong to: a split's and, if there are spans, a
    span's."""
    files: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for split in splits:
        uri = artifact_utils.get_split_uri([examples], split)
        for name in fileio.listdir(uri):
            span = span_of(name)
            part = (f"Split-{split}",) if span is None else (f"Split-{split}", f"Span-{span}")
            files[part].append(f"{uri}/{name}")
    return files


def _packed(
    folders: tuple[str, ...], batches: Iterable[pa.RecordBatch], derived: FeatureTable | None, weight: str | None
) -> Iterator[tuple[str, bytes]]:
    """Yield the same accumulators for each folder, pickled; those of derived features for a folder of their own.

    Left to Beam's coder, every sketch in them would be pickled, and more than once. And nobody else must hold what is
    merged into: merging changes it.
    """
    if derived:
        batches = list(batches)
        packed = pickle.dumps(accumulate((_derived_of(batch, derived, weight) for batch in batches), weight))
        yield from ((f"{DERIVED}/{folder}", packed) for folder in folders)
    packed = pickle.dumps(accumulate(batches, weight))
    yield from ((folder, packed) for folder in folders)


def _derived_of(batch: pa.RecordBatch, derived: FeatureTable, weight: str | None) -> pa.RecordBatch:
    """Return the derived features of rows in lists, and their weights where there are any."""
    found = in_lists(derived_rows(_flat(batch), derived))
    return found.append_column(weight, batch.column(weight)) if weight else found


def _flat(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(map(as_values, batch.columns)), names=batch.schema.names)


class _SumUp(beam.CombineFn):
    """Pickled accumulators to one DatasetFeatureStatisticsList."""

    def __init__(self, weight: str | None) -> None:
        self._weight = weight

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
                merged = merge(_unpacked(merged), _unpacked(total), self._weight)
        return merged

    def compact(self, total: Total) -> Total:
        return pickle.dumps(total) if isinstance(total, list) else total

    def extract_output(self, total: Total) -> Statistics:
        return extract(_unpacked(total), self._weight)


def _unpacked(total: Total) -> Accumulators:
    return pickle.loads(total) if isinstance(total, bytes) else total or []


def _write(found: tuple[str, Statistics], uri: str, weight: str | None) -> None:
    folder, statistics = found
    if weight and folder.startswith(f"{DERIVED}/"):  # whose rows had it beside them
        for dataset in statistics.datasets:
            kept = [feature for feature in dataset.features if feature.path.step[0] != weight]
            del dataset.features[:]
            dataset.features.extend(kept)
    io_utils.write_bytes_file(f"{uri}/{folder}/FeatureStats.pb", statistics.SerializeToString())


class StatisticsGen(component.StatisticsGen):
    """Count what the columns of each split hold, from columns instead of rows.

    It takes the arguments of TFX's StatisticsGen. Output: `statistics`, ExampleStatistics.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def with_derived(self, features: dict[str, Any]) -> StatisticsGen:
        """Count the derived features of a FeatureTable, given as plain data, too; they go into the folder `DERIVED`."""
        if features.get("derived"):
            self.spec.exec_properties[FEATURES] = json.dumps(features)
        return self
