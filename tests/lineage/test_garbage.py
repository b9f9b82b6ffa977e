"""What `longhaul gc` takes and what it must leave, on a real store with real folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline.errors import PipelineError, WorkspaceError
from pipeline.lineage import removal
from pipeline.lineage.garbage import Item, plan
from pipeline.lineage.pins import pin, unpin
from pipeline.lineage.removal import COLLECTION_TYPE, remove
from pipeline.lineage.runs import find_run
from pipeline.lineage.store import connection_config, open_store
from tests.lineage.weeks import Weeks, cats

ALL = ("Examples", "ExampleStatistics", "TransformGraph", "TransformCache", "Model", "ModelBlessing", "ModelEvaluation")
ANCESTRY = ("Examples", "TransformGraph", "Model")
"""What a model came of."""


@pytest.fixture
def weeks(tmp_path: Path) -> Weeks:
    return Weeks(tmp_path / "workspace")


def taken(weeks: Weeks, keep: int = 1, served: int | None = None) -> set[tuple[int, str]]:
    """(week, type) of the artifacts that would go."""
    names = {number: name for name, number in weeks.made.items()}
    items = plan(weeks.store, weeks.config, keep, served).items
    return {names[item.artifact_id] for item in items if item.artifact_id and item.kind != "served version"}


def others(weeks: Weeks, keep: int = 1, served: int | None = None) -> list[tuple[str, str]]:
    """(kind, name) of whatever else would go."""
    items = plan(weeks.store, weeks.config, keep, served).items
    return [(item.kind, item.path.name) for item in items if item.artifact_id is None or item.kind == "served version"]


def test_nothing_goes_of_a_pipeline_that_never_ran(weeks: Weeks) -> None:
    assert plan(weeks.store, weeks.config, 1).items == []


def test_models_that_lie_in_the_serving_folder_keep_all_that_they_came_of(weeks: Weeks) -> None:
    for number in (1, 2, 3):
        weeks.week(number)
    # Every version is still there: blessings and what they rest on stay, what was only looked at goes.
    assert taken(weeks) == {(number, kind) for number in (1, 2) for kind in ALL[1:4:2]} | {
        (number, "ModelEvaluation") for number in (1, 2)
    }


def test_what_no_served_model_needs_goes(weeks: Weeks) -> None:
    weeks.week(1, blessed=False)
    weeks.week(2)
    weeks.week(3)
    assert {kind for number, kind in taken(weeks) if number == 1} == {*ALL, "PushedModel"}
    assert not {(2, kind) for kind in (*ANCESTRY, "ModelBlessing", "PushedModel")} & taken(weeks)


def test_the_newest_runs_keep_everything(weeks: Weeks) -> None:
    for number in (1, 2, 3, 4):
        weeks.week(number, blessed=False)
    assert {number for number, _ in taken(weeks, keep=1)} == {1, 2, 3}
    assert {number for number, _ in taken(weeks, keep=3)} == {1}
    assert taken(weeks, keep=4) == set()


def test_a_cached_run_keeps_what_it_took_from_an_earlier_one(weeks: Weeks) -> None:
    weeks.week(1, blessed=False)
    weeks.week(2, blessed=False)
    weeks.again(3, of=1)
    assert {number for number, _ in taken(weeks, keep=1)} == {2}


def test_versions_go_only_when_asked_and_with_them_what_they_came_of(weeks: Weeks) -> None:
    for number in (1, 2, 3, 4):
        weeks.week(number)
    assert ("served version", "1001") not in others(weeks)
    assert [name for kind, name in others(weeks, served=2) if kind == "served version"] == ["1001", "1002"]
    gone = taken(weeks, served=1)
    assert {(1, kind) for kind in ALL} <= gone
    assert (3, "Model") not in gone  # the champion that the served model was judged against


def test_the_newest_blessed_model_stays_though_nothing_of_it_is_served(weeks: Weeks) -> None:
    weeks.week(1)
    (served,) = (weeks.config.root / "serving" / "cats").iterdir()
    (served / "saved_model.pb").unlink()
    served.rmdir()
    weeks.week(2, blessed=False)
    weeks.failed(3)
    assert not {(1, kind) for kind in ANCESTRY} & taken(weeks)
    assert {(1, "ModelEvaluation"), (1, "PushedModel")} <= taken(weeks)


def test_the_newest_analyzer_cache_stays(weeks: Weeks) -> None:
    weeks.week(1, blessed=False)
    weeks.week(2, blessed=False)
    weeks.failed(3)
    assert (2, "TransformCache") not in taken(weeks)
    assert (1, "TransformCache") in taken(weeks)


def test_pins_keep_runs_and_models(weeks: Weeks) -> None:
    for number in (1, 2, 3, 4):
        weeks.week(number, blessed=number > 1)
    assert pin(weeks.store, "cats", weeks.run_id(1)) == f"run {weeks.run_id(1)}"
    assert pin(weeks.store, "cats", "1002") == "version 1002"
    found = plan(weeks.store, weeks.config, 1, 1)
    assert {(1, kind) for kind in ALL} & taken(weeks, served=1) == set()
    assert {(2, kind) for kind in ANCESTRY} & taken(weeks, served=1) == set()
    assert [item.path.name for item in found.items if item.kind == "served version"] == ["1003"]
    assert f"of pinned run {weeks.run_id(1)}" in found.kept
    shutil.rmtree(weeks.config.root / "serving" / "cats" / "1002")  # by hand: what the pinned model came of stays
    assert {(2, kind) for kind in ANCESTRY} & taken(weeks, served=1) == set()
    assert "pinned" in find_run(weeks.store, "cats", weeks.run_id(1)).properties
    unpin(weeks.store, "cats", weeks.run_id(1))
    unpin(weeks.store, "cats", "1002")
    assert {(1, kind) for kind in ALL} <= taken(weeks, served=1)
    assert "pinned" not in find_run(weeks.store, "cats", weeks.run_id(1)).properties


def test_a_pin_on_something_that_is_not_there(weeks: Weeks) -> None:
    weeks.week(1)
    with pytest.raises(PipelineError) as caught:
        pin(weeks.store, "cats", "1002")
    assert str(caught.value) == "no run of pipeline 'cats' pushed a version 1002\n  Remedy: it pushed 1001"
    with pytest.raises(PipelineError, match="there is no run 'latst'"):
        pin(weeks.store, "cats", "latst")


def test_what_goes_is_gone_and_its_records_stay(weeks: Weeks) -> None:
    weeks.week(1, blessed=False)
    weeks.week(2)
    doomed = weeks.path(1, "Examples")
    todo = plan(weeks.store, weeks.config, 1)
    assert Item("Examples", doomed, 1000 + (doomed / "ingestion.json").stat().st_size, weeks.run_id(1),
                weeks.made[1, "Examples"]) in todo.items  # fmt: skip
    number = remove(weeks.store, weeks.config.record_name, todo)
    assert not doomed.exists()
    assert (weeks.state(1, "Examples"), weeks.state(2, "Examples")) == ("DELETED", "LIVE")
    assert weeks.path(2, "Examples").is_dir()
    assert plan(weeks.store, weeks.config, 1).items == []
    run = find_run(weeks.store, "cats", weeks.run_id(1))
    assert [(one.type, one.state) for one in run.artifacts["Trainer"]] == [("Model", "deleted")]
    (execution,) = weeks.store.get_executions_by_type(COLLECTION_TYPE)
    assert (execution.id, execution.last_known_state) == (number, 3)  # COMPLETE
    assert execution.custom_properties["bytes"].int_value == todo.size_bytes
    events = weeks.store.get_events_by_execution_ids([execution.id])
    assert {event.artifact_id for event in events} == {item.artifact_id for item in todo.items if item.artifact_id}
    assert len(find_run(weeks.store, "cats", weeks.run_id(1)).steps) == 6  # the collection is no step of it


def test_logs_and_pages_go_with_the_last_of_a_run(weeks: Weeks) -> None:
    weeks.week(1, blessed=False)
    weeks.week(2)
    weeks.week(3)
    for foreign in (f"logs/{weeks.run_id(1)}.notes", f"reports/{weeks.run_id(1)}-mine.html", "reports/7", "logs/1.5"):
        (weeks.config.root / foreign).write_text("somebody else's")
    assert others(weeks) == [("log", f"{weeks.run_id(1)}.log"), ("report", f"{weeks.run_id(1)}.html")]


def test_the_log_of_a_newer_run_that_made_nothing_stays(weeks: Weeks) -> None:
    weeks.week(1)
    weeks.failed(2)
    weeks.week(3)
    assert others(weeks, keep=2) == []


def test_folders_that_nobody_knows_of_go(weeks: Weeks) -> None:
    weeks.week(1)
    root = weeks.config.root
    for stray in ("artifacts/Trainer/model/99", "artifacts/Trainer/model/.removing-7", "serving/cats/.incoming-5"):
        (root / stray).mkdir(parents=True)
    foreign = ("artifacts/Trainer/notes/mine", "artifacts/Trainer/model/9x", "data/1/2/3", "artifacts/photos/2024/7")
    foreign += ("artifacts/Trainer/model/007", "artifacts/Trainer/model/²", "artifacts/Trainer/model/.removing-me")
    foreign += ("serving/cats/.incoming-x", "serving/cats/007", "serving/cats/٣", "serving/cats/5", "serving/cats/1.5")
    for ours in foreign:
        (root / ours).mkdir(parents=True)
    assert others(weeks) == [
        ("stray folder", ".removing-7"),
        ("stray folder", "99"),
        ("stray folder", ".incoming-5"),
    ]


def test_a_workspace_that_was_moved_is_refused(weeks: Weeks, tmp_path: Path) -> None:
    weeks.week(1)
    moved = cats(weeks.config.root.rename(tmp_path / "elsewhere"))
    with pytest.raises(WorkspaceError, match=f"was moved or copied: ML Metadata knows {moved.root}/artifacts/"):
        plan(open_store(moved), moved, 1)


def test_another_pipeline_in_the_workspace_is_left_alone(weeks: Weeks) -> None:
    weeks.week(1, blessed=False)
    weeks.week(2)
    dogs = Weeks.__new__(Weeks)
    dogs.__dict__ = weeks.__dict__ | {"config": weeks.config.model_copy(update={"name": "dogs"})}
    assert plan(dogs.store, dogs.config, 1).items == []


def test_another_workspace_on_the_same_store_is_left_alone(weeks: Weeks, tmp_path: Path) -> None:
    weeks.week(1, blessed=False)
    weeks.week(2)
    elsewhere = weeks.config.model_copy(update={"workspace": str(tmp_path / "elsewhere")})
    assert plan(weeks.store, elsewhere, 1).items == []


class CrashError(Exception):
    """A kill, as far as the next collection can tell."""


def crash_in(name: str, after: int) -> Callable[..., Any]:
    calls = 0
    original = getattr(removal, name)

    def instead(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise CrashError
        return original(*arguments)

    return instead


@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_crash_among_the_folders_leaves_nothing_that_could_be_used(
    weeks: Weeks, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    weeks.week(1, blessed=False)
    weeks.week(2)
    todo = plan(weeks.store, weeks.config, 1)
    with monkeypatch.context() as patch:
        patch.setattr(removal, "_remove", crash_in("_remove", after))
        with pytest.raises(CrashError):
            remove(weeks.store, weeks.config.record_name, todo)
    # TFX takes live artifacts only: whole or not, those are none.
    assert {weeks.state(1, kind) for kind in ALL} == {"MARKED_FOR_DELETION"}
    again = plan(weeks.store, weeks.config, 1)
    assert {item.artifact_id for item in todo.items} == {item.artifact_id for item in again.items}
    remove(weeks.store, weeks.config.record_name, again)
    assert not any(weeks.path(1, kind).exists() for kind in ALL)
    assert {weeks.state(1, kind) for kind in ALL} == {"DELETED"}
    assert plan(weeks.store, weeks.config, 1).items == []


def test_a_crash_in_the_middle_of_a_folder_is_finished_later(weeks: Weeks, monkeypatch: pytest.MonkeyPatch) -> None:
    weeks.week(1, blessed=False)
    weeks.week(2)

    def half(path: Path) -> None:
        raise CrashError(path)

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.lineage.removal.shutil.rmtree", half)
        with pytest.raises(CrashError):
            remove(weeks.store, weeks.config.record_name, plan(weeks.store, weeks.config, 1))
    assert len(list(weeks.config.root.glob("artifacts/*/*/.removing-*"))) == 1
    remove(weeks.store, weeks.config.record_name, plan(weeks.store, weeks.config, 1))
    assert list(weeks.config.root.glob("artifacts/*/*/.removing-*")) == []
    assert plan(weeks.store, weeks.config, 1).items == []


@pytest.mark.slow
def test_tfx_takes_nothing_from_its_cache_that_went(weeks: Weeks) -> None:
    from tfx.orchestration import metadata
    from tfx.orchestration.portable import cache_utils

    weeks.week(1, blessed=False)
    weeks.week(2)
    (event,) = [
        event
        for event in weeks.store.get_events_by_artifact_ids([weeks.made[1, "Model"]])
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    kind = weeks.store.put_context_type(metadata_store_pb2.ContextType(name="execution_cache"))
    context = metadata_store_pb2.Context(type_id=kind, name="the key of the first week's Trainer")
    (context.id,) = weeks.store.put_contexts([context])
    association = metadata_store_pb2.Association(context_id=context.id, execution_id=event.execution_id)
    weeks.store.put_attributions_and_associations([], [association])
    with metadata.Metadata(connection_config(weeks.config.metadata, weeks.config.root)) as handle:
        cached = cache_utils.get_cached_outputs(handle, context)
        assert cached is not None
        assert cached["model"][0].uri == str(weeks.path(1, "Model"))
        todo = plan(weeks.store, weeks.config, 1)
        remove(weeks.store, weeks.config.record_name, todo)
        weeks.path(1, "Model").mkdir()  # not because the folder is gone: because the record says so
        assert cache_utils.get_cached_outputs(handle, context) is None
