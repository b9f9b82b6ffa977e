"""The evaluation rows of a model of the flights with its scores, from which bench.watch draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.commands.promised import labelled_rows
from pipeline.config.loading import load
from pipeline.contract.schema import column_type, feature_table, read_schema
from pipeline.lineage.runs import find_run
from pipeline.lineage.store import open_existing_store
from pipeline.serving.versions import newest, read_manifest
from pipeline.watch.reference import Reference, build_reference
from trainer.features import Kind

Array = npt.NDArray[Any]
A_WEEK = 6_300
"""Rows that are labelled in a week."""


class Flights:
    """The evaluation rows of a model with its scores."""

    def __init__(self, table: pa.Table, features: list[tuple[str, bool]], importance: dict[str, float]) -> None:
        self.table, self.features, self.importance = table.combine_chunks(), features, importance
        self.scores = np.asarray(table.column("score"))[:, None]
        self.truth = np.asarray(table.column("truth"), float)

    @classmethod
    def of(cls, workspace: Path) -> Flights:
        """Score the rows, once."""
        from pipeline.watch.scored import scorer

        config = load(None, workspace=str(workspace))
        version = newest(config.serving_folder)
        manifest = read_manifest(config.serving_folder / str(version))
        assert manifest is not None
        run = find_run(open_existing_store(config), config.record_name, manifest.run_id)
        schema = read_schema(config.schema_file)
        table = feature_table(config, schema)
        types = {feature.name: column_type(feature) for feature in schema.feature}
        label = table.label.name
        names = [one.name for one in table.features]
        batches = list(labelled_rows(run, {name: types[name] for name in (*names, label)}))
        score = scorer(config.serving_folder / str(version))
        found = []
        for batch in batches:
            rows = batch.select(names)
            plain = pa.Table.from_batches([rows])
            late = np.array(
                [str(one) in ("1", "True", "true", "late") for one in batch.column(label).to_pylist()], float
            )
            found.append(
                plain.append_column("score", pa.array(score(rows)[:, 0])).append_column("truth", pa.array(late))
            )
        kinds = [(one.name, one.kind is not Kind.CATEGORICAL) for one in table.features]
        return cls(pa.concat_tables(found), kinds, {})

    @classmethod
    def made(cls, rows: int = 54_000) -> Flights:
        """Make up as many rows as judge a model of the flights: skewed, calibrated scores, and columns."""
        rng = np.random.default_rng(11)
        score = rng.beta(1, 4, rows)
        columns: dict[str, Any] = {f"number_{k}": rng.normal(score * k, 1.0) for k in range(8)}
        for name, count in (("origin", 3), ("carrier", 16), ("dest", 100)):
            shares = 1 / np.arange(1, count + 1)
            columns[name] = rng.choice(np.array([f"{name}{k}" for k in range(count)]), rows, p=shares / shares.sum())
        columns |= {"score": score, "truth": (rng.random(rows) < score).astype(float)}
        features = [(name, name.startswith("number")) for name in columns if name not in ("score", "truth")]
        return cls(pa.table(columns), features, {})

    def reference(self, rng: np.random.Generator) -> Reference:
        """Return what training promised by rows that are drawn anew."""
        chosen = rng.integers(0, len(self.truth), len(self.truth))
        table = self.table.take(pa.array(chosen))
        batch = table.combine_chunks().to_batches()[0]
        late = batch.column("truth").cast(pa.int64())
        rows = batch.select([name for name, _ in self.features]).append_column("late", late)
        scores = self.scores[chosen]
        return build_reference("7", self.features, [rows], lambda _: scores, "late", "binary", ("0", "1"))
