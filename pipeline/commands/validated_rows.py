"""The rows of a table that is validated: read from its files each time, and counted as they pass."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.data import Data
from pipeline.config.model_settings import ModelSettings
from pipeline.config.split import Split
from pipeline.contract.schema import feature_table
from pipeline.data.labels import LabelTally
from pipeline.data.row_weights import check_weights
from pipeline.data.set_aside import Aside
from pipeline.data.sources import fragments, source, table_files
from pipeline.data.sources.meaning import without_misfits
from pipeline.data.split import check_times
from pipeline.errors import ConfigError, WorkspaceError
from pipeline.guard.checks import TRAIN_SPLIT
from pipeline.guard.rows import Source
from pipeline.lineage.version_folders import versions
from pipeline.serving.chosen_model import find_model
from pipeline.serving.met import Met, Part, put_together

if TYPE_CHECKING:
    from pipeline.serving.meter import Contract


def served_contract(settings: ModelSettings, schema: schema_pb2.Schema, columns: Collection[str]) -> Contract | None:
    """Return what the model that serves knows; None if there is none, or none for such a table."""
    if not versions(settings.serving_folder):
        return None
    with suppress(ConfigError, WorkspaceError):
        features = feature_table(settings, schema)
        if all(feature.name in columns for feature in features.features):
            folder = str(find_model(settings, None).folder)

            import tensorflow as tf

            from pipeline.serving.meter import Contract
            from pipeline.serving.signature_check import check_signature

            check_signature(folder, features)
            return Contract(tf.saved_model.load(folder), folder, features)
    return None


class Rows:
    """The rows that a run would take in: those with a label, or all of serving requests.

    They are read from the files each time, so that memory stays bounded.
    """

    def __init__(self, where: Source, data: Data, split: Split, contract: Contract | None) -> None:
        self._where = where
        self._data, self._split = data, split
        self._contract = contract
        self._parts: list[Part] = []
        self.tally = LabelTally()
        self.aside = Aside()

    def read(self, counted: bool = False) -> Iterator[pa.RecordBatch]:
        """Yield batches in their stored types; `counted` adds their labels to `tally`, and what else is in them to
        `aside` and `met`."""
        where = self._where
        files = table_files.find_files(where.pattern, form=where.form, readings=where.readings)
        for fragment in source.plan_fragments(files):
            yield from self._counted(fragment) if counted else self._taken_in(fragment)

    @property
    def met(self) -> list[Met]:
        """What the served model was not made for, the worst first; rows without a label, and those that were set aside,
        count, too."""
        return put_together(self._parts, self._contract.optional if self._contract else ())

    def _taken_in(self, fragment: source.Fragment) -> Iterator[pa.RecordBatch]:
        for batch, misfits in source.read_marked(fragment, self._where.columns):
            yield self._labelled(without_misfits(batch, misfits))

    def _labelled(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        label = self._where.label
        return batch if label is None else batch.filter(batch.column(label).is_valid())

    def _counted(self, fragment: source.Fragment) -> Iterator[pa.RecordBatch]:
        meter, names = (self._contract.meter(), self._contract.names) if self._contract else (None, [])
        before = self.aside.read
        weight = self._data.weight
        for whole, misfits in source.read_marked(fragment, self._where.columns):
            if weight is not None and (label := self._where.label) is not None:
                place = partial(fragments.place_of, fragment, self.aside.read - before)
                check_weights(whole, weight, label, misfits, place)
            self.aside.add(whole.num_rows, misfits)
            if meter:
                meter.add(whole.select(names), misfits)
            batch = without_misfits(whole, misfits)
            kept = self._labelled(batch)
            if (label := self._where.label) is not None:
                check_times(kept, self._split)
                self.tally.unlabelled += batch.num_rows - kept.num_rows
                self.tally.add(TRAIN_SPLIT, kept.column(label), self._data.task)
            yield kept
        if meter:
            self._parts.append(Part(fragment.path, self.aside.read - before, meter.to_json()))
