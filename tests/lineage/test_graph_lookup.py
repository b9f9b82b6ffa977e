"""Every way to name a thing, and what a name that is on no record gets for an answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.lineage.ancestry import Served
from pipeline.lineage.lookup import Lookup, Subject
from pipeline.lineage.runs import list_runs
from tests.lineage.story import MONDAY, TUESDAY, WEDNESDAY, Story, tell


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return tell(tmp_path)


def find(story: Story, text: str, served: Served = Served((100, 200))) -> Subject:  # noqa: B008 (frozen)
    runs = {run.run_id: run for run in list_runs(story.store, "cats")}
    return Lookup(story.store, story.config, runs, served).find(text)


@pytest.mark.parametrize("text", ["served", "200", "model:200", "serving/cats/200"])
def test_a_pushed_model(story: Story, text: str) -> None:
    found = find(story, text)
    assert (found.kind, found.title) == ("model", "model version 200, served now")
    assert found.ends == (story.ids["tuesday PushedModel"],)


def test_an_older_version_says_that_it_does_not_serve(story: Story) -> None:
    assert find(story, "model:100").title == "model version 100, not served now"
    assert find(story, "model:100", Served((200,))).title == "model version 100, removed since"


@pytest.mark.parametrize("text", ["{id}", "artifact:{id}", "artifacts/Trainer/model/monday", "{uri}", "{uri}/saved.pb"])
def test_an_artifact(story: Story, text: str) -> None:
    number = story.ids["monday Model"]
    uri = story.config.root / "artifacts/Trainer/model/monday"
    found = find(story, text.format(id=number, uri=uri))
    assert (found.kind, found.title, found.ends) == ("artifact", f"Model {number}", (number,))


def test_an_artifact_of_a_workspace_that_was_moved(story: Story, tmp_path: Path) -> None:
    shutil.move(tmp_path / "artifacts", tmp_path / "moved")
    assert find(story, "model/monday").ends == (story.ids["monday Model"],)


@pytest.mark.parametrize("text", [MONDAY, f"run:{MONDAY}"])
def test_a_run(story: Story, text: str) -> None:
    found = find(story, text)
    assert (found.kind, found.run_id) == ("run", MONDAY)
    assert set(found.ends) == set(story.artifacts("monday ExampleStatistics", "monday PushedModel"))
    assert set(found.starts) >= set(story.artifacts("monday Examples", "monday Model"))


def test_a_run_starts_only_what_it_made_itself(story: Story) -> None:
    starts = find(story, TUESDAY).starts
    assert set(starts) == set(story.artifacts("tuesday Model", "tuesday ModelBlessing", "tuesday PushedModel"))
    assert find(story, "latest").run_id == WEDNESDAY


def test_a_step(story: Story) -> None:
    number = story.ids["tuesday Trainer"]
    found = find(story, f"step:{number}")
    assert found.title == f"step {number}, Trainer of run {TUESDAY}: done"
    assert found.starts == (story.ids["tuesday Model"],)
    failed = find(story, f"step:{story.ids['wednesday Trainer']}")
    assert failed.ends == (story.ids["wednesday Examples"],)  # it made nothing: what led to it is what there is


@pytest.mark.parametrize(
    "text", ["span-02/cats.csv", "file:span-02", "{root}/data/span-02/cats.csv", "{root}/data/span-02"]
)
def test_a_file_of_data(story: Story, text: str) -> None:
    found = find(story, text.format(root=story.config.root))
    assert (found.kind, found.title) == ("file", "span-02/cats.csv")
    assert found.starts == tuple(story.artifacts("monday Examples", "wednesday Examples"))
    assert len(found.files) == 2


def test_the_same_name_in_several_folders(story: Story) -> None:
    assert find(story, "cats.csv").title == "2 files of cats.csv"


def test_a_schema_version(story: Story) -> None:
    found = find(story, "schema:1")
    assert found.title.startswith("schema version 1, approved by Ann Lee, 20")
    assert found.starts == tuple(story.artifacts("monday Schema", "wednesday Schema"))


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("srved", "did you mean served?"),
        ("20260105-080000-001", f"did you mean {MONDAY} or"),
        ("span-02/cat.csv", "did you mean span-02/cats.csv"),
        ("schema:7", "did you mean schema:1?"),
        ("artifact:99999", "name a run, `served`, `model:VERSION`"),
        ("artifact:x", "name a run"),
        ("step:²", "name a run"),
        ("", "name a run"),
    ],
)
def test_what_is_on_no_record(story: Story, text: str, remedy: str) -> None:
    with pytest.raises(PipelineError) as caught:
        find(story, text)
    assert caught.value.what == f"nothing on record is called {text!r}"
    assert caught.value.remedy.startswith(remedy)


def test_nothing_is_served(story: Story) -> None:
    with pytest.raises(PipelineError, match="no version of 'cats' is served"):
        find(story, "served", Served())


@pytest.mark.parametrize("text", ["9" * 23, f"artifact:{'9' * 23}", f"step:{'9' * 23}"])
def test_a_number_that_no_record_can_have_is_on_no_record(story: Story, text: str) -> None:
    with pytest.raises(PipelineError, match="nothing on record is called"):
        find(story, text)
