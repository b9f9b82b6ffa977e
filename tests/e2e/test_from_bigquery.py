"""A run from BigQuery, by Google's own clients and a stand-in for the service, beside one of the same table's file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from bench.equal import differences_between_runs
from pipeline.config.loading import load
from pipeline.data.sources import bigquery
from pipeline.lineage.runs import find_run
from pipeline.lineage.store import open_store
from tests import small
from tests.stand_ins.bigquery import serving

pytestmark = pytest.mark.slow

NAME = "my-project.pets.cats"
STEPS = ("TableExampleGen", "StatisticsGen", "InferredSchema")


def cats() -> pa.Table:
    """3,000 rows of every kind of column, with gaps."""
    numbers = range(3_000)
    return pa.table(
        {
            "n": [None if i % 7 == 0 else i * 37 % 1_000 for i in numbers],
            "x": [i % 101 / 4 for i in numbers],
            "name": [None if i % 11 == 0 else f"name {i % 13}" for i in numbers],
            "flag": [i % 3 == 0 for i in numbers],
            "born": pa.array([i * 86_400_000_000 for i in numbers], pa.timestamp("us", "UTC")),
            "y": [i % 2 for i in numbers],
        }
    )


def place(folder: Path, data: dict[str, Any]) -> Path:
    """A configuration in a folder of its own."""
    folder.mkdir()
    types = {"n": "INT", "x": "FLOAT", "name": "BYTES", "y": "INT"}
    (folder / "cats.pbtxt").write_text("".join(f'feature {{ name: "{name}" type: {types[name]} }}\n' for name in types))
    document = {
        "name": "cats",
        "workspace": str(folder / "workspace"),
        "data": {"label": "y", "task": "binary"} | data,
        "split": {"by": "hash"},
        "schema": {"file": "cats.pbtxt"},
        "evaluation": {"thresholds": {"auc": {"at_least": 0.5}}},
    }
    file = folder / "cats.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def ingested(config: Path, split: str) -> list[tuple[Any, ...]]:
    """The rows of a split, sorted, since the streams of BigQuery come in no order."""
    (folder,) = (load(config).root / "artifacts").glob(f"TableExampleGen/examples/*/Split-{split}")
    return sorted((tuple(row.values()) for row in pq.read_table(folder).to_pylist()), key=repr)


def inferred_schema(config: Path) -> str:
    return next((load(config).root / "artifacts").glob("InferredSchema/schema/*/schema.pbtxt")).read_text()


def states(config: Path) -> dict[str, str]:
    loaded = load(config)
    return {step.node: step.state.value for step in find_run(open_store(loaded), loaded.name, "latest").steps}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"path": f"bigquery://{NAME}"}, id="table"),
        pytest.param(
            {"path": "bigquery://my-project.pets", "query": "SELECT * FROM cats"}, id="query", marks=pytest.mark.long
        ),
    ],
)
def test_a_run_from_bigquery_is_one_from_a_file(
    tmp_path: Path, longhaul: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, data: dict[str, Any]
) -> None:
    def run(config: Path) -> None:
        outcome = longhaul("run", "--config", config, "--to", "InferredSchema")
        assert outcome.code == 0, outcome.text

    monkeypatch.setattr(bigquery, "_STREAM_BYTES", 32_768)
    of_file, of_bigquery = place(tmp_path / "file", {"path": "cats.parquet"}), place(tmp_path / "bigquery", data)
    pq.write_table(cats(), tmp_path / "file" / "cats.parquet")
    with serving() as service:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", service.url)
        monkeypatch.setenv("BIGQUERY_STORAGE_EMULATOR_HOST", service.storage)
        service.put(NAME, cats())
        run(of_file)
        run(of_bigquery)
        for split in ("train", "eval"):
            rows = ingested(of_bigquery, split)
            assert len(rows) > 500
            assert rows == ingested(of_file, split)
        assert differences_between_runs(*(load(file).root / "artifacts" for file in (of_file, of_bigquery)), ()) == []
        assert inferred_schema(of_bigquery) == inferred_schema(of_file)
        assert len(service.streams) > 3
        assert len(service.queries) == ("query" in data)

        run(of_bigquery)
        assert {states(of_bigquery)[step] for step in STEPS} == {"cached"}
        assert len(service.queries) == ("query" in data)  # a dry run told that nothing has changed
        service.put(NAME, cats().slice(0, 2_500))
        run(of_bigquery)
        assert {states(of_bigquery)[step] for step in STEPS} == {"done"}

        service.put(NAME, cats().slice(0, 0))
        empty = longhaul("run", "--config", of_bigquery, "--to", "InferredSchema")
        assert (empty.code, "the table has no rows" in empty.text) == (2, True), empty.text
        service.put(NAME, cats().slice(0, 2_500))

        monkeypatch.chdir(tmp_path)
        assert longhaul("init", f"bigquery://{NAME}", "--label", "y").code == 0
        assert load(Path("cats.yaml")).data_pattern == f"bigquery://{NAME}"
        valid = longhaul("validate", f"bigquery://{NAME}", "--config", "cats.yaml")
        assert (valid.code, "2,500" in valid.text) == (0, True), valid.text

        refused = longhaul("run", "--config", place(tmp_path / "gone", {"path": f"bigquery://{NAME[:-1]}"}))
        assert refused.code == 2
        assert "near it there is 'cats'" in refused.text


@pytest.mark.long
def test_predictions_from_bigquery_are_those_from_a_file(
    tmp_path: Path, longhaul: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = place(tmp_path / "file", {"path": "cats.parquet", "drop": ["flag", "born"]})
    document = yaml.safe_load(config.read_text())
    document["trainer"] = small.TRAINER
    config.write_text(yaml.safe_dump(document))
    pq.write_table(cats(), tmp_path / "file" / "cats.parquet")
    trained = longhaul("run", "--config", config, "--to", "Trainer")
    assert trained.code == 0, trained.text
    model = next((load(config).root / "artifacts").glob("Trainer/model/*/Format-Serving"))

    def predicted(table: str | Path, output: Path) -> list[dict[str, Any]]:
        flags = ("--config", config, "--model", model, "--key", "n", "--key", "x", "--key", "name")
        outcome = longhaul("predict", table, "--output", output, *flags)
        assert outcome.code == 0, outcome.text
        return sorted(pq.read_table(output).to_pylist(), key=lambda row: repr([row["n"], row["x"], row["name"]]))

    of_file = predicted(tmp_path / "file" / "cats.parquet", tmp_path / "file.parquet")
    monkeypatch.setattr(bigquery, "_STREAM_BYTES", 32_768)
    with serving() as service:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", service.url)
        monkeypatch.setenv("BIGQUERY_STORAGE_EMULATOR_HOST", service.storage)
        service.put(NAME, cats())
        of_table = predicted(f"bigquery://{NAME}", tmp_path / "table.parquet")
        assert sorted(service.selected[-1]) == ["n", "name", "x"]  # what is not asked for is not paid for
        assert len(service.streams) > 3
        of_query = predicted("bigquery://my-project.pets?SELECT * FROM cats WHERE x > 10", tmp_path / "query.parquet")
        refused = longhaul("predict", f"bigquery://{NAME}s", "--output", tmp_path / "no.csv", "--config", config,
                           "--model", model)  # fmt: skip
    assert len(of_file) == 3_000
    for rows, expected in ((of_table, of_file), (of_query, [row for row in of_file if row["x"] > 10])):
        probabilities, wanted = ([row["probability_y_1"] for row in table] for table in (rows, expected))
        assert probabilities == pytest.approx(wanted, abs=1e-6)
        others, wanted = ([[row[name] for name in ("n", "x", "name", "predicted_y")] for row in table]
                          for table in (rows, expected))  # fmt: skip
        assert others == wanted
    assert refused.code == 2
    assert "near it there is 'cats'" in refused.text
    assert not (tmp_path / "no.csv").exists()
