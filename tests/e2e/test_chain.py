"""The whole chain on real flights: what it leaves, what it repeats, whom it crowns, and what is served."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from google.protobuf import text_format
from ml_metadata.proto import metadata_store_pb2
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from pipeline import import_closure, provenance
from pipeline.config import PipelineConfig, load
from pipeline.lineage.runs import RUN_CONTEXT, Run, StepState, find_run, list_runs
from pipeline.lineage.store import open_store
from tests import small

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CURATED = ROOT / "schema" / "flights.pbtxt"
NARROW = [
    *("scheduled_departure", "carrier", "origin", "sched_dep_minute", "humidity_pct", "wind_gust_mph"),
    *("precip_in", "visibility_miles", "plane_known", "plane_year", "late"),
]
"""A few columns of each kind, for the runs that are about what runs again: most of a short run's time is spent
on tracing and saving graphs, in proportion to the columns."""
NARROW_ROWS = 500  # a month
ARTIFACTS = {
    "TableExampleGen": {"Examples"},
    "StatisticsGen": {"ExampleStatistics"},
    "InferredSchema": {"Schema"},
    "CuratedSchema": {"Schema"},
    "ExampleValidator": {"ExampleAnomalies"},
    "DataGate": {"longhaul.DataVerdict"},
    "Transform": {"TransformGraph", "TransformCache"},
    "Trainer": {"Model", "ModelRun"},
    "Evaluator": {"ModelEvaluation", "ModelBlessing"},
    "InfraCheck": {"InfraBlessing"},
    "Pusher": {"PushedModel"},
}
LOOK_UPS = {"SeenSpans", "Champion"}
"""Resolvers, which run every time."""
TRAINING = {"Trainer", "Evaluator", "InfraCheck", "Pusher"}
GUARD = {"ExampleValidator", "DataGate"}
DATA = {"TableExampleGen", "StatisticsGen", "InferredSchema", "Transform"} | GUARD | TRAINING
EVERYTHING = DATA | {"CuratedSchema"}


@dataclass(frozen=True)
class Place:
    """A folder with a table, a schema, a configuration and a workspace."""

    folder: Path
    longhaul: Callable[..., Any]
    document: dict[str, Any]
    workspace: Path

    def run(self, change: dict[str, Any] | None = None, *flags: str) -> tuple[Any, Run]:
        """Runs with `{"section.field": value}` changed; the outcome of the command and the record of the run."""
        outcome = self.longhaul("run", "--config", self.write(change), "--workspace", self.workspace, *flags)
        return outcome, self.latest()

    def config(self, change: dict[str, Any] | None = None) -> PipelineConfig:
        return load(self.write(change), workspace=str(self.workspace))

    def latest(self) -> Run:
        return find_run(self.store, self.document["name"], "latest")

    @property
    def store(self) -> Any:
        return open_store(self.config())

    @property
    def versions(self) -> list[int]:
        """What a model server sees."""
        serving = self.workspace / "serving" / self.document["name"]
        return sorted(int(path.name) for path in serving.iterdir() if not path.name.startswith("."))

    def write(self, change: dict[str, Any] | None = None) -> Path:
        """The configuration file."""
        document = copy.deepcopy(self.document)
        for dotted, value in (change or {}).items():
            *sections, field = dotted.split(".")
            inner = document
            for section in sections:
                inner = inner[section]
            inner[field] = value
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(document))
        return path


def state(run: Run, *states: StepState) -> set[str]:
    """The steps that ended so, look-ups aside."""
    return {step.node for step in run.steps if step.state in states} - LOOK_UPS


def done(run: Run) -> set[str]:
    assert state(run, StepState.DONE, StepState.CACHED) == {s.node for s in run.steps} - LOOK_UPS
    return state(run, StepState.DONE)


def uri(run: Run, node: str, type_name: str) -> Path:
    (artifact,) = [artifact for artifact in run.artifacts[node] if artifact.type == type_name]
    return Path(artifact.uri)


# The main run: all columns, 1,500 flights a month, November and December to be judged on


@pytest.fixture(scope="module")
def main(longhaul: Callable[..., Any], flights: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    document = {
        "name": "flights",
        "data": {"path": f"{flights}/span-{{SPAN}}/flights.parquet", "label": "late", "task": "binary"},
        "split": {"by": "time", "column": "scheduled_departure", "eval_from": "2013-11-01T00:00:00-04:00"},
        "schema": {"file": str(CURATED)},
        "features": {"exclude": ["scheduled_departure", "month", "day", "flight", "tailnum"]},
        "trainer": {"hidden_units": [32], "epochs": 3, "batch_size": 256},
        "evaluation": {"slices": [["origin"]], "thresholds": {"auc": {"at_least": 0.6}}},
    }
    folder = tmp_path_factory.mktemp("main")
    return Place(folder, longhaul, document, folder / "workspace")


@pytest.fixture(scope="module")
def main_run(main: Place) -> Run:
    outcome, run = main.run()
    assert outcome.code == 0, outcome.text
    return run


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
        expected = provenance.run_properties(run.run_id, main.config())
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


# What runs again: a few columns, 500 flights a month, December held out


@pytest.fixture(scope="module")
def narrow(
    longhaul: Callable[..., Any],
    flights: Path,
    narrow_schema: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    folder = tmp_path_factory.mktemp("narrow")
    write_narrow(flights, folder)
    narrow_schema(folder / "narrow.pbtxt", NARROW)
    # Here it matters what runs again, also of data that the gate would stop; what it stops is in test_gate.py.
    (folder / "narrow.policy.yaml").write_text("severity: {any: warn}\n")
    document = {
        "name": "narrow",
        "data": {"path": "data/span-{SPAN}/flights.parquet", "label": "late", "task": "binary"},
        "split": {
            "by": "time",
            "column": "scheduled_departure",
            "eval_from": "2013-07-01T00:00:00-04:00",
            "test_from": "2013-12-01T00:00:00-05:00",
        },
        "schema": {"file": "narrow.pbtxt"},
        "features": {"exclude": ["scheduled_departure"]},
        "trainer": {
            "hidden_units": [16],
            "epochs": 2,
            "members": 1,
            "refit": False,
            "teacher": "none",
            "batch_size": 64,
            "learning_rate": 3e-3,
        },
        "evaluation": {
            "thresholds": {"auc": {"may_lose": 0.05}, "log_loss": {"may_lose": 0.05}},
            "explain": {"permutation_rows": 0, "rows": 0},
        },
        "infra_check": small.INFRA_CHECK,
    }
    return Place(folder, longhaul, document, folder / "workspace")


@pytest.fixture(scope="module")
def first(narrow: Place) -> Run:
    outcome, run = narrow.run()
    assert outcome.code == 0, outcome.text
    assert done(run) == EVERYTHING
    assert run.verdict
    assert run.verdict["champion"] is None
    return run


@pytest.fixture(scope="module")
def second(narrow: Place, first: Run) -> tuple[Run, list[int]]:
    """A few epochs more. With the versions that were served before."""
    before = narrow.versions
    outcome, run = narrow.run({"trainer.epochs": 5})
    assert outcome.code == 0, outcome.text
    return run, before


def test_an_unchanged_run_is_cached_throughout_and_pushes_nothing(narrow: Place, first: Run) -> None:
    versions = narrow.versions
    outcome, run = narrow.run()
    assert outcome.code == 0
    assert state(run, StepState.CACHED) == EVERYTHING
    assert outcome.text.count("cached") == len(EVERYTHING)
    assert narrow.versions == versions
    assert run.verdict == first.verdict
    assert run.run_id != first.run_id
    assert [r.status for r in list_runs(narrow.store, "narrow")] == ["complete", "complete"]


def test_a_second_model_is_judged_against_the_first(narrow: Place, first: Run, second: tuple[Run, list[int]]) -> None:
    run, before = second
    assert done(run) == TRAINING  # trainer.epochs, and nothing before the training
    assert first.verdict
    assert run.verdict
    assert run.verdict["champion"]["auc"] == pytest.approx(first.verdict["metrics"]["auc"], abs=1e-9)
    assert run.verdict["metrics"]["auc"] != first.verdict["metrics"]["auc"]
    assert narrow.versions[:-1] == before
    assert narrow.versions[-1] > before[-1]


def test_a_worse_model_is_not_blessed_and_not_pushed(narrow: Place, second: tuple[Run, list[int]]) -> None:
    versions = narrow.versions
    change = {"trainer.hidden_units": [1], "trainer.epochs": 1, "trainer.learning_rate": 1e-6}
    outcome, run = narrow.run(change)
    assert outcome.code == 1
    assert run.status == "complete"
    assert run.verdict
    assert not run.verdict["blessed"]
    why = []
    for name in ("auc", "log_loss"):
        now, before = run.verdict["metrics"][name], run.verdict["champion"][name]
        had = f"champion run {second[0].run_id} had {before:.4f}"
        why.append(f"{name} is {now:.4f}, {had}: {abs(now - before):.4f} worse, 0.05 is allowed")
    assert sorted(run.verdict["failures"]) == why
    assert all(text in outcome.text for text in ("Not blessed", *why))
    assert run.pushed is None
    assert narrow.versions == versions

    again, cached = narrow.run(change)
    assert (again.code, state(cached, StepState.CACHED)) == (1, EVERYTHING)
    assert why[0] in again.text

    # The champion is still the one that was blessed last.
    _, third = narrow.run({"trainer.epochs": 5})
    assert third.verdict == second[0].verdict


def test_the_champion_is_the_model_that_was_blessed_last_of_those_that_are_there(tmp_path: Path) -> None:
    """Not the newest one: who goes back to an older configuration has an older model blessed again."""
    from tfx.types import standard_artifacts

    from pipeline.components.champion import ChampionStrategy

    def blessing(number: int, model: int, blessed: int) -> Any:
        artifact = standard_artifacts.ModelBlessing()
        artifact.id = number
        artifact.set_int_custom_property("current_model_id", model)
        artifact.set_int_custom_property("blessed", blessed)
        return artifact

    models = [standard_artifacts.Model() for _ in range(4)]
    for number, model in enumerate(models, start=1):
        model.id, model.uri = number, str(tmp_path / str(number))
        (tmp_path / str(number)).mkdir()
    blessings = [blessing(10, 1, 1), blessing(11, 2, 1), blessing(12, 1, 1), blessing(13, 3, 0)]

    def check(number: int, model: int, blessed: int, checked: int = 1) -> Any:
        artifact = standard_artifacts.InfraBlessing()
        artifact.id = number
        for key, value in (("current_model_id", model), ("blessed", blessed), ("checked", checked)):
            artifact.set_int_custom_property(key, value)
        return artifact

    def champion(challenger: int, blessings: list[Any], checks: Sequence[Any] = ()) -> list[int]:
        inputs = {
            "model": models, "model_blessing": blessings, "infra_blessing": list(checks),
            "challenger": [models[challenger - 1]],
        }  # fmt: skip
        return [model.id for model in ChampionStrategy().resolve_artifacts(None, inputs)["model"]]

    assert champion(4, blessings) == [1]
    assert champion(4, blessings[:2]) == [2]
    assert champion(1, blessings) == [2]
    assert champion(1, blessings[:1]) == []
    assert champion(4, blessings, [check(20, 1, 1), check(21, 2, 0)]) == [1]
    assert champion(4, blessings, [check(20, 1, 0)]) == [2]  # not fit to serve
    assert champion(4, blessings, [check(20, 1, 0), check(21, 1, 1)]) == [1]  # the last check counts
    assert champion(4, blessings, [check(20, 1, 0, checked=0)]) == [1]  # nobody asked
    (tmp_path / "1").rmdir()
    assert champion(4, blessings) == [2]


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"features.exclude": ["scheduled_departure", "origin"]}, {"DataGate", "Transform"} | TRAINING),
        ({"evaluation.thresholds": {"auc": {"at_least": 0.5}}}, {"Evaluator", "InfraCheck", "Pusher"}),
        ({"split": {"by": "hash", "weights": {"train": 8, "eval": 2}}}, DATA),
    ],
    ids=["exclude", "thresholds", "split"],
)
def test_a_changed_setting_runs_again_what_depends_on_it(
    narrow: Place, second: Any, change: dict[str, Any], again: set[str]
) -> None:
    outcome, run = narrow.run(change)
    assert outcome.code == 0, outcome.text
    assert done(run) == again


def test_a_changed_data_file_runs_again_all_but_the_schema(narrow: Place, second: Any) -> None:
    path = narrow.folder / "data" / "span-9" / "flights.parquet"
    with restored(path):
        spoil(path, rows=1)
        outcome, run = narrow.run()
    assert outcome.code == 0, outcome.text
    assert done(run) == DATA
    assert run.ingestion
    assert run.ingestion["rows"] == {"train": 3_000, "eval": 2_500, "test": 500}
    # The guard saw it: the contract knows no such carrier, nor a day of a million minutes. It was told to let it pass.
    assert anomalies(run, "eval") >= {"carrier", "sched_dep_minute"}
    assert anomalies(run, "train") == set()

    _, back = narrow.run(None, "--to", "Trainer")  # the file is as it was
    assert state(back, StepState.CACHED) == (EVERYTHING - {"InferredSchema", "Evaluator", "InfraCheck", "Pusher"})


def test_a_changed_schema_runs_again_what_reads_it(narrow: Place, second: Any) -> None:
    path = narrow.folder / "narrow.pbtxt"
    with restored(path):
        path.write_text(path.read_text() + "# one line more\n")
        outcome, run = narrow.run()
    assert outcome.code == 0, outcome.text
    assert done(run) == {"CuratedSchema", "Transform"} | GUARD | TRAINING


def test_one_line_of_code_runs_again_what_uses_it(
    narrow: Place, second: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digests are taken of a copy of the sources: what runs is the same, only the digest differs. That every line
    counts, and for which steps, is tried in tests/test_cache_keys.py."""
    for package in import_closure.PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "pipeline/components/model_judge.py").open("a") as source:
        source.write("# one line more\n")
    monkeypatch.setattr(import_closure, "ROOT", tmp_path)
    outcome, run = narrow.run(None, "--to", "Evaluator")
    assert outcome.code == 0, outcome.text
    assert done(run) == {"Evaluator"}


# Parts of the chain


def test_to_stops_after_the_step_it_names(narrow: Place, first: Run) -> None:
    outcome, run = narrow.run(None, "--to", "Transform")
    assert outcome.code == 0
    ran = {step.node for step in run.steps}
    assert "Transform" in ran
    assert not ran & {"Trainer", "Evaluator", "Pusher"}
    assert run.verdict is None


def test_from_takes_what_comes_before_from_the_latest_run(narrow: Place, first: Run) -> None:
    narrow.run()
    # The changed split would make TableExampleGen run again, if it were asked.
    outcome, run = narrow.run({"split.eval_from": "2013-06-01"}, "--from", "Evaluator")
    assert outcome.code == 0, outcome.text
    assert "TableExampleGen" not in outcome.text
    assert {step.node for step in run.steps if step.state is StepState.DONE} - LOOK_UPS <= {"Evaluator", "Pusher"}
    assert run.verdict
    assert run.verdict["metrics"]["example_count"] == 2_500  # July to November, as in the run before
    assert run.ingestion == first.ingestion


def test_no_cache_runs_steps_whose_inputs_are_unchanged(narrow: Place, first: Run, tmp_path: Path) -> None:
    elsewhere = replace(narrow, workspace=tmp_path)  # its new outputs would be the newest that the others find
    seen = [done(elsewhere.run(None, "--to", "TableExampleGen", *flag)[1]) for flag in ((), (), ("--no-cache",))]
    assert seen == [{"TableExampleGen"}, set(), {"TableExampleGen"}]


@pytest.mark.parametrize("flag", ["--from", "--to"])
def test_an_unknown_step_is_refused_with_the_steps_there_are(narrow: Place, first: Run, flag: str) -> None:
    runs = len(list_runs(narrow.store, "narrow"))
    outcome, _ = narrow.run(None, flag, "Trainr")
    assert outcome.code == 2
    assert "'Trainr'" in outcome.text
    for node in ARTIFACTS:
        assert node in outcome.text
    assert len(list_runs(narrow.store, "narrow")) == runs


def test_from_a_later_step_than_to_is_refused(narrow: Place, first: Run) -> None:
    outcome, _ = narrow.run(None, "--from", "Trainer", "--to", "Transform")
    assert outcome.code == 2, outcome.text
    assert "Trainer" in outcome.text


def test_from_without_an_earlier_run_is_refused(narrow: Place, first: Run, tmp_path: Path) -> None:
    outcome, _ = replace(narrow, workspace=tmp_path).run(None, "--from", "Trainer")
    assert outcome.code == 2, outcome.text
    assert "--from Trainer" in outcome.text


# The held-out split


def test_the_held_out_split_can_be_judged_on(narrow: Place, second: Any) -> None:
    outcome, run = narrow.run({"evaluation.splits": ["test"], "evaluation.thresholds": {"auc": {"at_least": 0.5}}})
    assert outcome.code == 0, outcome.text
    assert done(run) == {"Evaluator", "InfraCheck", "Pusher"}
    assert run.verdict
    assert run.verdict["metrics"]["example_count"] == 500
    assert run.verdict["metrics"]["auc"] != second[0].verdict["metrics"]["auc"]


def test_held_out_rows_change_neither_the_transform_graph_nor_the_model(narrow: Place, first: Run) -> None:
    """November's and December's numbers are blown up, their carriers unheard of and all flights late."""
    import tensorflow as tf

    november, december = (narrow.folder / "data" / f"span-{month}" / "flights.parquet" for month in (11, 12))
    with restored(november), restored(december):
        spoil(november, NARROW_ROWS)
        spoil(december, NARROW_ROWS)
        outcome, run = narrow.run(None, "--to", "Trainer")
    assert outcome.code == 0, outcome.text
    assert {"TableExampleGen", "Transform", "Trainer"} <= done(run)
    assert run.ingestion
    assert run.ingestion["rows"] == {"train": 3_000, "eval": 2_500, "test": 500}

    def learnt(of: Run) -> tuple[str, list[np.ndarray[Any, Any]]]:
        vocabulary = next(uri(of, "Transform", "TransformGraph").rglob("vocabulary_carrier_*")).read_text()
        reader = tf.train.load_checkpoint(str(uri(of, "Trainer", "Model") / "Format-Serving/variables/variables"))
        names = sorted(reader.get_variable_to_shape_map())
        values = [reader.get_tensor(name) for name in names]
        return vocabulary, [value for value in values if getattr(value, "dtype", None) == np.float32]

    (vocabulary, weights), (vocabulary_before, weights_before) = learnt(run), learnt(first)
    assert vocabulary == vocabulary_before
    assert "ZZ" not in vocabulary
    assert len(weights) > 4
    for value, before in zip(weights, weights_before, strict=True):
        np.testing.assert_array_equal(value, before)
    history = json.loads((uri(run, "Trainer", "ModelRun") / "history.json").read_text())
    assert history["rows"] == 2_700  # nine tenths of January to June


# What is served


def test_a_model_that_is_not_there_any_more_is_pushed_again(narrow: Place, first: Run) -> None:
    narrow.run()
    shutil.rmtree(narrow.workspace / "serving" / "narrow")
    outcome, run = narrow.run()
    assert outcome.code == 0
    assert done(run) == {"Pusher"}
    assert run.pushed
    assert Path(run.pushed, "saved_model.pb").is_file()
    assert run.pushed in outcome.text.replace("\n", "")
    assert len(narrow.versions) == 1


def test_a_model_that_another_has_replaced_is_pushed_again(narrow: Place, first: Run) -> None:
    """A server takes the greatest version; to call a lesser one served would be wrong."""
    narrow.run()
    newest = narrow.versions[-1]
    shutil.copytree(
        narrow.workspace / "serving" / "narrow" / str(newest),
        narrow.workspace / "serving" / "narrow" / str(newest + 5),
        ignore=shutil.ignore_patterns("assets.extra"),  # whose model it is, nobody knows
    )
    _, run = narrow.run()
    assert done(run) == {"Pusher"}
    assert narrow.versions[-1] == newest + 6
    assert done(narrow.run()[1]) == set()


def test_a_run_in_a_new_process_shows_no_chatter_and_imports_no_cloud(narrow: Place, tmp_path: Path) -> None:
    program = """
import sys
from pipeline import cli
try:
    cli.main()
finally:
    print("cloud:", sorted(n for n in sys.modules if n == "kfp" or n.startswith(("kfp.", "google.cloud.aiplatform"))))
"""
    config = narrow.write()
    ran = subprocess.run(
        [sys.executable, "-c", program, "run", "-c", config, "-w", tmp_path / "workspace"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    *lines, cloud = ran.stdout.splitlines()
    assert cloud == "cloud: []"
    assert len(lines) < 40, ran.stdout
    for number, node in enumerate(ARTIFACTS, start=1):
        assert sum(node in line for line in lines) == 1, node
        assert f"{number}/{len(ARTIFACTS)}" in ran.stdout
    (log,) = (tmp_path / "workspace" / "logs").glob("*.log")
    assert "apache_beam" in log.read_text()


def read_schema(path: Path) -> schema_pb2.Schema:
    return text_format.Parse(path.read_text(), schema_pb2.Schema())


def anomalies(run: Run, split: str) -> set[str]:
    """The columns of a split in which ExampleValidator found something."""
    found = anomalies_pb2.Anomalies()
    file = uri(run, "ExampleValidator", "ExampleAnomalies") / f"Split-{split}" / "SchemaDiff.pb"
    found.ParseFromString(file.read_bytes())
    return set(found.anomaly_info)


def spoil(path: Path, rows: int) -> None:
    """The first rows become late flights of a carrier unheard of, after the end of the day."""
    table = pq.read_table(path)
    for name, value in (("carrier", "ZZ"), ("sched_dep_minute", 10**6), ("late", True)):
        index = table.schema.get_field_index(name)
        values = [value] * rows + table[name].to_pylist()[rows:]
        table = table.set_column(index, table.field(index), pa.array(values, table.field(index).type))
    pq.write_table(table, path)


def write_narrow(flights: Path, folder: Path) -> None:
    """NARROW_ROWS rows a month and the columns NARROW of the flights."""
    for path in sorted(flights.glob("span-*/flights.parquet")):
        table = pq.read_table(path, columns=NARROW)
        target = folder / "data" / f"span-{int(path.parent.name[5:])}"
        target.mkdir(parents=True)
        step = table.num_rows // NARROW_ROWS
        pq.write_table(table.take(pa.array(range(0, step * NARROW_ROWS, step))), target / path.name)


@contextmanager
def restored(path: Path) -> Iterator[None]:
    """The file is afterwards what it was before, also in its time."""
    content, times = path.read_bytes(), path.stat()
    try:
        yield
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
