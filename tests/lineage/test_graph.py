"""What was made of what, read back from a real, small store on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.many_runs import fill
from pipeline.config.loading import load
from pipeline.lineage.ancestry import ModelMade, Push, Served, descent, list_files
from pipeline.lineage.graph import Graph, made_in
from pipeline.lineage.runs import StepState, find_run, list_runs
from pipeline.lineage.tracing import downstream, run_graph, upstream
from tests.lineage.story import MONDAY, TUESDAY, WEDNESDAY, Story, tell

SERVED = Served((100, 200))


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return tell(tmp_path)


def artifacts_of(story: Story, graph: Graph) -> set[str]:
    kinds = {"Schema", "Examples", "ExampleStatistics", "Model", "ModelBlessing", "PushedModel"}
    names = {number: name for name, number in story.ids.items() if name.split()[1] in kinds}
    return {names[number] for number in graph.artifacts}


def steps_of(story: Story, graph: Graph) -> set[str]:
    return {f"{step.node} {step.state}" for step in graph.steps.values()}


def test_upstream_is_the_steps_that_really_did_the_work(story: Story) -> None:
    graph = upstream(story.store, story.artifacts("tuesday PushedModel"))
    assert {(step.node, step.run_id) for step in graph.steps.values()} == {
        ("Pusher", TUESDAY), ("Evaluator", TUESDAY), ("Trainer", TUESDAY),
        ("TableExampleGen", MONDAY), ("CuratedSchema", MONDAY),
    }  # fmt: skip
    assert {step.state for step in graph.steps.values()} == {StepState.DONE}  # the cached ones did nothing


def test_the_champion_is_shown_but_is_no_ancestor(story: Story) -> None:
    graph = upstream(story.store, story.artifacts("tuesday PushedModel"))
    assert artifacts_of(story, graph) == {
        "tuesday PushedModel", "tuesday ModelBlessing", "tuesday Model", "monday Examples", "monday Schema",
        "monday Model",
    }  # fmt: skip
    champion = story.ids["monday Model"]
    assert [(link.role, link.step) for link in graph.links if link.artifact == champion] == [
        ("baseline_model", story.ids["tuesday Evaluator"])
    ]


def test_downstream_goes_through_cached_steps_to_what_later_runs_made(story: Story) -> None:
    graph = downstream(story.store, story.artifacts("monday Examples"))
    assert artifacts_of(story, graph) == {
        "monday Examples", "monday ExampleStatistics", "monday Model", "monday ModelBlessing", "monday PushedModel",
        "tuesday Model", "tuesday ModelBlessing", "tuesday PushedModel",
    }  # fmt: skip


def test_downstream_of_a_model_leaves_out_those_judged_against_it(story: Story) -> None:
    graph = downstream(story.store, story.artifacts("monday Model"))
    assert artifacts_of(story, graph) == {"monday Model", "monday ModelBlessing", "monday PushedModel"}


def test_a_run_has_its_own_steps_and_says_what_it_reuses(story: Story) -> None:
    graph = run_graph(story.store, [TUESDAY])
    assert steps_of(story, graph) == {
        "CuratedSchema cached", "TableExampleGen cached", "StatisticsGen cached",
        "Trainer done", "Evaluator done", "Pusher done",
    }  # fmt: skip
    assert graph.origins[story.ids["monday Examples"]] == MONDAY
    assert graph.origins[story.ids["tuesday Model"]] == TUESDAY


def test_several_runs_at_once(story: Story) -> None:
    graph = run_graph(story.store, [MONDAY, WEDNESDAY])
    assert {step.run_id for step in graph.steps.values()} == {MONDAY, WEDNESDAY}
    assert graph.steps[story.ids["wednesday Trainer"]].state is StepState.FAILED
    assert run_graph(story.store, ["never"]) == Graph()


def test_models_that_came_of_a_file_and_what_became_of_them(story: Story) -> None:
    first, second = (
        ModelMade(
            story.ids[f"{day} Model"],
            str(story.config.root / "artifacts/Trainer/model" / day),
            "live",
            run_id,
            (story.ids["monday Examples"],),
            (Push(story.ids[f"{day} PushedModel"], version, "Pusher", run_id, state),),
        )
        for day, run_id, version, state in (
            ("monday", MONDAY, "100", "kept"),
            ("tuesday", TUESDAY, "200", "served"),
        )
    )
    found = descent(story.store, story.artifacts("monday Examples", "wednesday Examples"), SERVED)
    assert found.models == [second, first]
    assert [model.is_served for model in found.models] == [True, False]


def test_without_a_model_there_is_what_else_came_of_it(story: Story) -> None:
    found = descent(story.store, story.artifacts("wednesday Examples"), SERVED)
    assert found.models == []
    assert {artifact.type for artifact in found.graph.artifacts.values()} == {"Examples", "ExampleStatistics"}


def test_a_version_is_served_kept_or_removed() -> None:
    assert [SERVED.state_of(version) for version in ("200", "100", "50", "")] == [
        "served",
        "kept",
        "removed",
        "removed",
    ]
    assert (SERVED.now, Served().now, Served((100, 200), 100).now) == ("200", "", "100")


def test_a_file_that_changed_is_known_in_both_states(story: Story) -> None:
    found = {(read.file.name, read.file.bytes): (read.examples, read.file.now) for read in list_files(story.store)}
    monday, wednesday = story.artifacts("monday Examples", "wednesday Examples")
    assert found == {
        ("span-01/cats.csv", 3): ((monday, wednesday), "as it was"),
        ("span-02/cats.csv", 3): ((monday,), "changed"),
        ("span-02/cats.csv", 5): ((wednesday,), "as it was"),
    }


def test_an_artifact_whose_folder_is_gone_says_so(story: Story) -> None:
    graph = upstream(story.store, story.artifacts("monday Model"))
    model = graph.artifacts[story.ids["monday Model"]]
    assert (model.label, model.state) == (f"Model {model.id}", "live")
    Path(model.uri).rmdir()
    assert model.state == "gone"


def test_the_notebooks_view_of_a_run(story: Story) -> None:
    made = made_in(story.store, find_run(story.store, "cats", MONDAY))
    assert [(one.type, one.maker, one.users) for one in made][:2] == [
        ("Schema", "CuratedSchema", ("Trainer",)),
        ("Examples", "TableExampleGen", ("StatisticsGen", "Trainer", "Evaluator")),
    ]


def test_questions_to_the_store_do_not_grow_with_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand runs are answered with as many round trips as ten."""
    asked = {}
    for runs in (10, 40):
        (tmp_path / str(runs)).mkdir()
        settings = load(workspace=str(tmp_path / str(runs)))
        store = fill(settings, runs)
        newest = list_runs(store, "flights")[0].run_id
        examples = [artifact.id for artifact in store.get_artifacts_by_type("Examples")]
        pushed = [artifact.id for artifact in store.get_artifacts_by_type("PushedModel")]
        calls: list[str] = []
        whole = type(store)._call

        def counted(self: object, method: str, *rest: object, calls: list[str] = calls, whole: object = whole) -> None:
            calls.append(method)
            whole(self, method, *rest)  # type: ignore[operator]

        with monkeypatch.context() as patch:
            patch.setattr(type(store), "_call", counted)
            models = descent(store, examples, SERVED).models
            upstream(store, pushed)
            run_graph(store, [newest])
        assert len(models) == runs - runs // 10
        asked[runs] = len(calls)
    assert asked[40] == asked[10] < 50
