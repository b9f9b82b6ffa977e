"""Transform does not read again what it has seen: its analyzer cache over a growing table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.components import analyzer_cache
from pipeline.components.analyzer_cache import Block, reusable, shard_names
from pipeline.config.loading import REFERENCE, load
from pipeline.contract.schema import feature_table, read_schema
from pipeline.lineage.runs import Run, StepState, find_run
from pipeline.lineage.store import open_store
from trainer.features import FeatureTable
from trainer.stacks import of_parsed

COLUMNS = ["scheduled_departure", "carrier", "origin", "humidity_pct", "plane_known", "late"]


def test_a_block_is_used_again_when_all_of_it_is_there() -> None:
    cached = {"old": Block(frozenset({"a", "b"}), frozenset({"mean"})), "gone": Block(frozenset({"c"}), frozenset())}
    assert reusable(cached, {"a", "b", "d"}, {"mean"}) == {"old": cached["old"]}
    assert reusable(cached, {"a", "d"}, {"mean"}) == {}
    assert reusable(cached, {"a", "b", "d"}, {"mean", "a new analyzer"}) == {}


def test_many_small_blocks_make_way_for_one() -> None:
    cached = {f"span {i}": Block(frozenset({f"{i}"}), frozenset()) for i in range(8)}
    assert len(reusable(cached, {f"{i}" for i in range(7)}, set())) == 7
    assert reusable(cached, {f"{i}" for i in range(8)}, set()) == {}


def test_files_of_equal_content_are_told_apart() -> None:
    assert shard_names({"x": "7f", "y": "7f", "z": "e0"}) == {"7f-0": "x", "7f-1": "y", "e0-0": "z"}


@pytest.mark.slow
@pytest.mark.long
def test_a_new_span_is_all_that_is_read(
    flights: Path,
    longhaul: Callable[..., Any],
    narrow_schema: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(analyzer_cache, "WORTHWHILE_ROWS", 0)

    def transform(months: int, workspace: str, exclude: tuple[str, ...] = ("origin",)) -> Run:
        document = yaml.safe_load(REFERENCE.read_text())
        document["data"] = {
            "path": str(flights / "span-{SPAN}" / "flights.parquet"), "spans": [1, months], "label": "late",
            "task": "binary", "drop": [c.name for c in _columns(flights) if c.name not in COLUMNS],
        }  # fmt: skip
        document |= {"split": {"by": "hash"}, "schema": {"file": str(narrow)}, "workspace": str(tmp_path / workspace)}
        document |= {"features": {"exclude": ["scheduled_departure", *exclude]}}
        document["evaluation"] = {"thresholds": {"auc": {"at_least": 0.0}}}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(document))
        outcome = longhaul("run", "--config", tmp_path / "config.yaml", "--to", "Transform")
        assert outcome.code == 0, outcome.text
        config = load(tmp_path / "config.yaml")
        return find_run(open_store(config), config.name, "latest")

    narrow = narrow_schema(tmp_path / "schema.pbtxt", COLUMNS)
    first, same, grown = transform(2, "growing"), transform(2, "growing"), transform(3, "growing")
    again, fresh = transform(3, "growing"), transform(3, "fresh")
    assert [_state(run) for run in (first, same, grown, again)] == [
        StepState.DONE, StepState.CACHED, StepState.DONE, StepState.CACHED,
    ]  # fmt: skip
    (old,), both = _blocks(first).items(), _blocks(grown)
    assert both[old[0]] == old[1]
    assert len(both) == 2
    assert [len(shards) for shards, _ in both.values()] == [2, 1]  # a shard a month
    # With one more feature to learn, nothing that is known of the old months will do.
    assert [len(shards) for shards, _ in _blocks(transform(3, "growing", exclude=())).values()] == [3]

    transform(3, "growing")
    table = feature_table(load(tmp_path / "config.yaml"), read_schema(narrow))
    one, other = _learned(grown, table), _learned(fresh, table)
    assert one == other
    assert len(one["vocabulary"]) > 10
    assert np.ptp(one["numeric"]) > 0.5


def _columns(flights: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_schema(next(flights.glob("span-*/flights.parquet")))


def _state(run: Run) -> StepState:
    return next(step.state for step in run.steps if step.node == "Transform")


def _artifact(run: Run, kind: str) -> Path:
    return next(Path(a.uri) for a in run.artifacts["Transform"] if a.type == kind)


def _blocks(run: Run) -> dict[str, Any]:
    blocks: dict[str, Any] = json.loads((_artifact(run, "TransformCache") / "blocks.json").read_text())
    return blocks


def _learned(run: Run, table: FeatureTable) -> dict[str, Any]:
    """The vocabulary of carriers, and where values of a number come to lie among the quantiles."""
    import tensorflow as tf
    import tensorflow_transform as tft

    graph = tft.TFTransformOutput(str(_artifact(run, "TransformGraph")))
    values = np.linspace(0, 110, 50, dtype=np.float32)
    raw = {
        name: tf.sparse.from_dense(tf.ones((50, 1), spec.dtype))
        if spec.dtype != tf.string
        else tf.sparse.from_dense(tf.fill((50, 1), "UA"))
        for name, spec in graph.raw_feature_spec().items()
    }
    raw["humidity_pct"] = tf.sparse.SparseTensor([[i, 0] for i in range(50)], values, (50, 1))
    (words,) = _artifact(run, "TransformGraph").rglob("assets/vocabularies.tsv")
    numeric = graph.transform_features_layer()(of_parsed(raw, table))["numeric"].numpy()
    return {
        "vocabulary": [line.split("\t")[3] for line in words.read_text().splitlines() if '\t"carrier"\t' in line],
        "numeric": numeric.tolist(),
    }
