"""The whole chain again and again on a few columns: what it repeats, whom it crowns, and what is served."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from pipeline.lineage import import_closure
from pipeline.lineage.runs import Run, StepState, list_runs
from tests import small
from tests.e2e.chain import ARTIFACTS, DATA, EVERYTHING, GUARD, ROOT, TRAINING
from tests.place import Command, Place, done, state, uri

pytestmark = [pytest.mark.slow, pytest.mark.in_order]

NARROW = [
    *("scheduled_departure", "carrier", "origin", "sched_dep_minute", "humidity_pct", "wind_gust_mph"),
    *("precip_in", "visibility_miles", "plane_known", "plane_year", "late"),
]
"""A few columns of each kind, for the runs that are about what runs again: most of a short run's time is spent
on tracing and saving graphs, in proportion to the columns."""
NARROW_ROWS = 500  # a month


# What runs again: a few columns, 500 flights a month, December held out


@pytest.fixture(scope="module")
def narrow(
    longhaul: Command,
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
            "epochs": 8,
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
    return Place(folder, longhaul, document)


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
    outcome, run = narrow.run(trainer={"epochs": 12})
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
    change = {"hidden_units": [1], "epochs": 1, "learning_rate": 1e-6}
    outcome, run = narrow.run(trainer=change)
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

    again, cached = narrow.run(trainer=change)
    assert (again.code, state(cached, StepState.CACHED)) == (1, EVERYTHING)
    assert why[0] in again.text

    # The champion is still the one that was blessed last.
    _, third = narrow.run(trainer={"epochs": 12})
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


def test_a_changed_setting_runs_again_what_depends_on_it(narrow: Place, second: Any) -> None:
    """Every setting, and which steps it is told to, is tried in tests/test_step_settings.py."""
    outcome, run = narrow.run(evaluation={"thresholds": {"auc": {"at_least": 0.5}}})
    assert outcome.code == 0, outcome.text
    assert done(run) == {"Evaluator", "InfraCheck", "Pusher"}


@pytest.mark.long
def test_changed_data_run_again_all_but_the_schema_and_held_out_rows_change_neither_transform_nor_model(
    narrow: Place, first: Run, second: Any
) -> None:
    """November's and December's numbers are blown up, their carriers unheard of and all flights late."""
    november, december = (narrow.folder / "data" / f"span-{month}" / "flights.parquet" for month in (11, 12))
    with restored(november), restored(december):
        spoil(november, NARROW_ROWS)
        spoil(december, NARROW_ROWS)
        outcome, run = narrow.run("--to", "Trainer")
    assert outcome.code == 0, outcome.text
    assert done(run) == DATA - {"InferredSchema", "Evaluator", "InfraCheck", "Pusher"}
    assert run.ingestion
    assert run.ingestion["rows"] == {"train": 3_000, "eval": 2_500, "test": 500}
    # The guard saw it: the contract knows no such carrier, nor a day of a million minutes. It was told to let it pass.
    assert anomalies(run, "eval") >= {"carrier", "sched_dep_minute"}
    assert anomalies(run, "train") == set()

    (vocabulary, weights), (vocabulary_before, weights_before) = learnt(run), learnt(first)
    assert vocabulary == vocabulary_before
    assert "ZZ" not in vocabulary
    assert len(weights) > 4
    for value, before in zip(weights, weights_before, strict=True):
        np.testing.assert_array_equal(value, before)
    history = json.loads((uri(run, "Trainer", "ModelRun") / "history.json").read_text())
    assert history["rows"] == 2_700  # nine tenths of January to June

    _, back = narrow.run("--to", "Trainer")  # the files are as they were
    assert state(back, StepState.CACHED) == (EVERYTHING - {"InferredSchema", "Evaluator", "InfraCheck", "Pusher"})


def learnt(run: Run) -> tuple[str, list[np.ndarray[Any, Any]]]:
    """The vocabulary of carriers, and the model's numbers."""
    import tensorflow as tf

    words = next(uri(run, "Transform", "TransformGraph").rglob("vocabularies.tsv")).read_text().splitlines()
    vocabulary = "".join(line for line in words if '\t"carrier"\t' in line)
    reader = tf.train.load_checkpoint(str(uri(run, "Trainer", "Model") / "Format-Serving/variables/variables"))
    values = [reader.get_tensor(name) for name in sorted(reader.get_variable_to_shape_map())]
    return vocabulary, [value for value in values if getattr(value, "dtype", None) == np.float32]


@pytest.mark.long
def test_a_changed_schema_runs_again_what_reads_it(narrow: Place, second: Any) -> None:
    path = narrow.folder / "narrow.pbtxt"
    with restored(path):
        path.write_text(path.read_text() + "# one line more\n")
        outcome, run = narrow.run("--to", "Transform")
    assert outcome.code == 0, outcome.text
    assert done(run) == {"CuratedSchema", "Transform"} | GUARD


@pytest.mark.long
def test_one_line_of_code_runs_again_what_uses_it(
    narrow: Place, second: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digests are taken of a copy of the sources: what runs is the same, only the digest differs. That every line
    counts, and for which steps, is tried in tests/test_cache_keys.py."""
    for package in import_closure.PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "pipeline/evaluation/model_judge.py").open("a") as source:
        source.write("# one line more\n")
    monkeypatch.setattr(import_closure, "ROOT", tmp_path)
    outcome, run = narrow.run("--to", "Evaluator")
    assert outcome.code == 0, outcome.text
    assert done(run) == {"Evaluator"}


# Parts of the chain


def test_to_stops_after_the_step_it_names(narrow: Place, first: Run) -> None:
    outcome, run = narrow.run("--to", "Transform")
    assert outcome.code == 0
    ran = {step.node for step in run.steps}
    assert "Transform" in ran
    assert not ran & {"Trainer", "Evaluator", "Pusher"}
    assert run.verdict is None


@pytest.mark.long
def test_from_takes_what_comes_before_from_the_latest_run(narrow: Place, first: Run) -> None:
    narrow.run()
    # The changed split would make TableExampleGen run again, if it were asked.
    outcome, run = narrow.run("--from", "Evaluator", split={"eval_from": "2013-06-01"})
    assert outcome.code == 0, outcome.text
    assert {node for node in ARTIFACTS if node in outcome.text} == {"Evaluator", "InfraCheck", "Pusher"}
    assert run.verdict
    assert run.verdict["metrics"]["example_count"] == 2_500  # July to November, as in the run before
    assert run.ingestion == first.ingestion


@pytest.mark.long
def test_no_cache_runs_steps_whose_inputs_are_unchanged(narrow: Place, first: Run, tmp_path: Path) -> None:
    elsewhere = replace(narrow, workspace=tmp_path)  # its new outputs would be the newest that the others find
    seen = [done(elsewhere.run("--to", "TableExampleGen", *flag)[1]) for flag in ((), (), ("--no-cache",))]
    assert seen == [{"TableExampleGen"}, set(), {"TableExampleGen"}]


@pytest.mark.parametrize("flag", ["--from", "--to"])
def test_an_unknown_step_is_refused_with_the_steps_there_are(narrow: Place, first: Run, flag: str) -> None:
    runs = len(list_runs(narrow.store, "narrow"))
    outcome, _ = narrow.run(flag, "Trainr")
    assert outcome.code == 2
    assert "'Trainr'" in outcome.text
    for node in ARTIFACTS:
        assert node in outcome.text
    assert len(list_runs(narrow.store, "narrow")) == runs


def test_from_a_later_step_than_to_is_refused(narrow: Place, first: Run) -> None:
    outcome, _ = narrow.run("--from", "Trainer", "--to", "Transform")
    assert outcome.code == 2, outcome.text
    assert "Trainer" in outcome.text


def test_from_without_an_earlier_run_is_refused(narrow: Place, first: Run, tmp_path: Path) -> None:
    outcome, _ = replace(narrow, workspace=tmp_path).run("--from", "Trainer")
    assert outcome.code == 2, outcome.text
    assert "--from Trainer" in outcome.text


# The held-out split


@pytest.mark.long
def test_the_held_out_split_can_be_judged_on(narrow: Place, second: Any) -> None:
    outcome, run = narrow.run(evaluation={"splits": ["test"], "thresholds": {"auc": {"at_least": 0.5}}})
    assert outcome.code == 0, outcome.text
    assert done(run) == {"Evaluator", "InfraCheck", "Pusher"}
    assert run.verdict
    assert run.verdict["metrics"]["example_count"] == 500
    assert run.verdict["metrics"]["auc"] != second[0].verdict["metrics"]["auc"]


# What is served


@pytest.mark.long
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


@pytest.mark.long
def test_a_model_that_another_has_replaced_is_pushed_again(narrow: Place, first: Run) -> None:
    """A server takes the greatest version; to call a lesser one served would be wrong."""
    narrow.run()
    newest = narrow.versions[-1]
    shutil.copytree(
        narrow.workspace / "serving" / "narrow" / str(newest),
        narrow.workspace / "serving" / "narrow" / str(newest + 3_600),  # a version is the second that it was made in
        ignore=shutil.ignore_patterns("assets.extra"),  # whose model it is, nobody knows
    )
    _, run = narrow.run()
    assert done(run) == {"Pusher"}
    assert narrow.versions[-1] == newest + 3_601
    assert done(narrow.run()[1]) == set()


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
