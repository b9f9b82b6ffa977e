"""The whole chain on real flights, once: what it leaves, and that what is served is what was measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage import provenance
from pipeline.lineage.runs import RUN_CONTEXT, Run
from tests.e2e.chain import ARTIFACTS, CURATED, GUARD, LOOK_UPS, ROOT, read_schema
from tests.place import Command, Place, done, uri

pytestmark = [pytest.mark.slow, pytest.mark.in_order]

# The main run: all columns, 1,500 flights a month, November and December to be judged on


@pytest.fixture(scope="module")
def forked_probes() -> None:
    """None: here InfraCheck starts its process itself."""


@pytest.fixture(scope="module")
def main(longhaul: Command, flights: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    document = {
        "name": "flights",
        "data": {"path": f"{flights}/span-{{SPAN}}/flights.parquet", "label": "late", "task": "binary"},
        "split": {"by": "time", "column": "scheduled_departure", "eval_from": "2013-11-01T00:00:00-04:00"},
        "schema": {"file": str(CURATED)},
        "features": {"exclude": ["scheduled_departure", "month", "day", "flight", "tailnum"]},
        "trainer": {"hidden_units": [32], "epochs": 3, "batch_size": 256},
        "evaluation": {"slices": [["origin"]], "thresholds": {"auc": {"at_least": 0.6}}},
        "infra_check": {"p99_ms_batch_1": 20_000, "timeout_s": 900},  # the machine may be busy
    }
    folder = tmp_path_factory.mktemp("main")
    return Place(folder, longhaul, document)


PROGRAM = """
import sys
from pipeline import cli
try:
    cli.main()
finally:
    print("cloud:", sorted(n for n in sys.modules if n == "kfp" or n.startswith(("kfp.", "google.cloud.aiplatform"))))
"""


@pytest.fixture(scope="module")
def shown(main: Place) -> str:
    """What the main run shows, in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, "run", "-c", main.write(), "-w", main.workspace],
        cwd=main.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""
    return ran.stdout


@pytest.fixture(scope="module")
def main_run(main: Place, shown: str) -> Run:
    return main.latest()


def test_a_run_in_a_new_process_shows_no_chatter_and_imports_no_cloud(main: Place, shown: str) -> None:
    *lines, cloud = shown.splitlines()
    assert cloud == "cloud: []"
    assert len(lines) < 45, shown
    for number, node in enumerate(ARTIFACTS, start=1):
        assert [line.split()[2] for line in lines if "/11 " in line].count(node) == 1, shown
        assert f"{number}/{len(ARTIFACTS)}" in shown
    (log,) = (main.workspace / "logs").glob("*.log")
    assert "apache_beam" in log.read_text()


def test_every_step_ran_in_order_and_left_its_artifact(main: Place, main_run: Run) -> None:
    order = [step.node for step in main_run.steps]
    assert sorted(order) == sorted([*ARTIFACTS, *LOOK_UPS])
    for earlier, later in (
        ("TableExampleGen", "StatisticsGen"),
        ("StatisticsGen", "InferredSchema"),
        ("StatisticsGen", "ExampleValidator"),
        ("CuratedSchema", "ExampleValidator"),
        ("ExampleValidator", "DataGate"),
        ("DataGate", "Transform"),
        ("CuratedSchema", "Transform"),
        ("TableExampleGen", "SeenSpans"),
        ("SeenSpans", "Transform"),
        ("Transform", "Trainer"),
        ("Trainer", "Champion"),
        ("Champion", "Evaluator"),
        ("Evaluator", "InfraCheck"),
        ("InfraCheck", "Pusher"),
    ):
        assert order.index(earlier) < order.index(later)
    assert done(main_run) == set(ARTIFACTS)
    for node, types in ARTIFACTS.items():
        assert {artifact.type for artifact in main_run.artifacts[node]} >= types
        for artifact in main_run.artifacts[node]:
            if artifact.type in types:
                assert any(path.is_file() for path in Path(artifact.uri).rglob("*")), artifact
    assert main_run.ingestion
    assert main_run.ingestion["rows"] == {"train": 15_000, "eval": 3_000}
    assert main_run.ingestion["spans"] == list(range(1, 13))
    assert main_run.verdict
    assert main_run.verdict["metrics"]["auc"] > 0.62
    assert [entry["slice"] for entry in main_run.verdict["slices"]] == [{"origin": o} for o in ("EWR", "JFK", "LGA")]
    assert sum(entry["metrics"]["example_count"] for entry in main_run.verdict["slices"]) == 3_000
    assert main_run.pushed == str(main.workspace / "serving" / "flights" / str(main.versions[-1]))


def test_the_curated_schema_guards_and_trains_and_the_inferred_one_is_kept(main: Place, main_run: Run) -> None:
    curated = uri(main_run, "CuratedSchema", "Schema") / "schema.pbtxt"
    inferred = uri(main_run, "InferredSchema", "Schema") / "schema.pbtxt"
    assert read_schema(curated) == read_schema(CURATED)
    assert {f.name for f in read_schema(inferred).feature} == {f.name for f in read_schema(CURATED).feature}
    assert read_schema(inferred) != read_schema(CURATED)
    readers: dict[str, set[str]] = {}
    nodes = {step.execution_id: step.node for step in main_run.steps}
    events = main.store.get_events_by_execution_ids(list(nodes))
    for event in events:
        if event.type == metadata_store_pb2.Event.INPUT:
            (artifact,) = main.store.get_artifacts_by_id([event.artifact_id])
            readers.setdefault(artifact.uri, set()).add(nodes[event.execution_id])
    assert readers[str(curated.parent)] == GUARD | {"Transform", "Trainer", "Evaluator", "Pusher"}
    assert str(inferred.parent) not in readers


def test_every_execution_says_what_it_was_made_with(main: Place, main_run: Run) -> None:
    _, cached = main.run()
    for run in (main_run, cached):
        context = main.store.get_context_by_type_and_name(RUN_CONTEXT, run.run_id)
        executions = main.store.get_executions_by_context(context.id)
        assert len(executions) == len(ARTIFACTS) + len(LOOK_UPS)
        expected = provenance.run_properties(run.run_id, main.config, provenance.present_software())
        for execution in executions:
            for key in ("run_id", "config_digest", "code_digest", "package_versions"):
                assert execution.custom_properties[key].string_value == expected[key], (execution.type, key)
        assert context.custom_properties["status"].string_value == "complete"
    assert len(expected["config_digest"]) == len(expected["code_digest"]) == 64
    assert json.loads(expected["package_versions"])["tfx"].startswith("1.")
    assert [context.name for context in main.store.get_contexts_by_type("pipeline")] == ["flights"]


SERVE = """
import json, sys
import numpy as np, pyarrow.parquet as pq, tensorflow as tf
model_path, table_path, out_path, kinds = *sys.argv[1:4], json.loads(sys.argv[4])
table = pq.read_table(table_path).to_pylist()
table.append({})  # nothing is known
def feature(kind, value):
    if kind == "bytes":
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
    if kind == "float":
        return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))
examples = [
    tf.train.Example(features=tf.train.Features(feature={
        name: feature(kind, row[name]) for name, kind in kinds.items() if row.get(name) is not None
    })).SerializeToString()
    for row in table
]
def plain(kind, values):
    if kind == "bytes":
        return tf.constant([value or "" for value in values])
    return tf.constant([np.nan if value is None else float(value) for value in values], tf.float64)
tensors = {name: plain(kind, [row.get(name) for row in table]) for name, kind in kinds.items()}
model = tf.saved_model.load(model_path)
of_examples = model.signatures["serving_default"](examples=tf.constant(examples))["prediction"]
of_tensors = model.signatures["serving_tensors"](**tensors)["prediction"]
foreign = [name for name in sys.modules if name.split(".")[0] in
           ("tfx", "tfx_bsl", "tensorflow_transform", "tensorflow_model_analysis", "trainer", "pipeline")]
np.savez(out_path, examples=of_examples, tensors=of_tensors, foreign=foreign)
"""


def test_the_pushed_model_predicts_in_a_new_process_what_the_evaluator_measured(
    main: Place, main_run: Run, flights: Path, tmp_path: Path
) -> None:
    from sklearn.metrics import log_loss, roc_auc_score

    months = [pq.read_table(flights / f"span-{month}" / "flights.parquet") for month in (11, 12)]
    table = pa.concat_tables(months)
    labels = table["late"].to_numpy()
    assert table["wind_gust_mph"].null_count > 100  # missing values are asked for too
    assert table["engine"].null_count > 100
    pq.write_table(table.drop_columns(["late", "scheduled_departure"]), tmp_path / "rows.parquet")
    not_features = {*main.document["features"]["exclude"], "late"}
    kinds = {
        feature.name: {1: "bytes", 2: "int", 3: "float"}[feature.type]
        for feature in read_schema(CURATED).feature
        if feature.name not in not_features
    }
    assert main_run.pushed
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-c", SERVE, main_run.pushed, "rows.parquet", "out.npz", json.dumps(kinds)],
        cwd=tmp_path,
        env=environment | {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
    )
    out = np.load(tmp_path / "out.npz")
    assert list(out["foreign"]) == []
    assert out["examples"].shape == (len(table) + 1, 1)
    np.testing.assert_allclose(out["examples"], out["tensors"], atol=1e-6)
    assert 0 < out["examples"][-1, 0] < 1
    served = out["examples"][:-1, 0].astype(np.float64)
    assert main_run.verdict
    metrics = main_run.verdict["metrics"]
    assert roc_auc_score(labels, served) == pytest.approx(metrics["auc"], abs=1e-4)
    assert log_loss(labels, served) == pytest.approx(metrics["log_loss"], abs=1e-5)
    assert ((served > 0.5) == labels).mean() == pytest.approx(metrics["accuracy"], abs=1e-6)
