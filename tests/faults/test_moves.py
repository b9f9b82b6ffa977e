"""A workspace, or all of a project, that is moved, copied, linked, restored: it goes on as if nothing had happened."""

from __future__ import annotations

import copy
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.lineage.version_folders import versions
from tests.faults.place import Place, digest
from tests.zygote import Zygote

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]
ODD = "élan \"q\" 'é' {a} b"


@pytest.fixture(scope="module")
def first(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Two runs, two versions; nobody writes to it afterwards."""
    place = Place(made(tmp_path_factory.mktemp("first") / "project"), zygote)
    assert place.call("run").code == 0
    place.write_config(trainer={**place.document["trainer"], "seed": 14})
    outcome = place.call("run")
    assert outcome.code == 0, outcome.text
    return place


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def at(place: Place, folder: Path, workspace: Path | None = None) -> Place:
    """The same project in another folder."""
    other = copy.copy(place)
    other.document = copy.deepcopy(place.document)
    other.folder, other.workspace, other.seen = folder, workspace or folder / "workspace", {}
    return other


def project(place: Place, to: Path) -> Place:
    """One of its own to ruin."""
    shutil.copytree(place.folder, to)
    return at(place, to)


Kind = Callable[[Place, Path], Place]


def _moved(place: Place, to: Path) -> Place:
    return at(place, place.folder.rename(to / "moved"))


def _moved_workspace(place: Place, to: Path) -> Place:
    return at(place, place.folder, place.workspace.rename(to / "ws"))


def _oddly_named(place: Place, to: Path) -> Place:
    return at(place, place.folder.rename(to / ODD))


def _deeper(place: Place, to: Path) -> Place:
    """Where the old path is the beginning of the new one."""
    aside = place.folder.rename(to / "aside")
    place.folder.mkdir()
    return at(place, aside.rename(place.folder / "project"))


def _copied(place: Place, to: Path) -> Place:
    shutil.copytree(place.folder, to / "copy")
    return at(place, to / "copy")


def _copied_workspace(place: Place, to: Path) -> Place:
    shutil.copytree(place.workspace, to / "copy", copy_function=shutil.copy)  # with times of its own, as of `cp -r`
    return at(place, place.folder, to / "copy")


def _linked(place: Place, to: Path) -> Place:
    (to / "link").symlink_to(place.folder)
    return at(place, to / "link")


def _spelt(place: Place, to: Path) -> Place:
    del to
    return at(place, place.folder, Path(f"{place.workspace}/../{place.workspace.name}/"))


def _restored(place: Place, to: Path) -> Place:
    """From `longhaul backup` and the folders, as docs/runs.md has it."""
    assert place.call("backup", "-o", str(to / "metadata.db")).code == 0
    workspace = made(to / "restored" / "workspace")
    for folder in ("artifacts", "serving"):
        shutil.copytree(place.workspace / folder, workspace / folder)
    (to / "metadata.db").rename(workspace / "metadata.db")
    for file in ("table.csv", "toy.pbtxt", "toy.yaml"):
        shutil.copy2(place.folder / file, workspace.parent)
    place.folder.rename(to / "lost")
    return at(place, workspace.parent)


KINDS: dict[str, tuple[Kind, str]] = {
    "moved": (_moved, "moved from"),
    "moved workspace": (_moved_workspace, "moved from"),
    "oddly named": (_oddly_named, "moved from"),
    "deeper": (_deeper, "moved from"),
    "copied": (_copied, "this is a copy of"),
    "copied workspace": (_copied_workspace, "this is a copy of"),
    "linked": (_linked, ""),
    "spelt": (_spelt, ""),
    "restored": (_restored, "moved from"),
}


IN_FULL = ("moved", "copied workspace", "oddly named")
"""Of which one more run judges the model by other slices."""
LOOK_UPS, JUDGE = {"SeenSpans", "Champion"}, {"Evaluator", "InfraCheck", "Pusher"}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def paths_on_record(workspace: Path) -> list[str]:
    with closing(sqlite3.connect(workspace / "metadata.db")) as store:
        uris = [uri for (uri,) in store.execute("SELECT uri FROM Artifact WHERE uri LIKE '/%'")]
        sql = "SELECT string_value FROM ArtifactProperty WHERE name = 'pushed_destination'"
        return uris + [text for (text,) in store.execute(sql)]


def test_it_goes_on(first: Place, kind: str, tmp_path: Path) -> None:
    move, said = KINDS[kind]
    before = project(first, tmp_path / "before")
    assert "this is a copy" in before.call("relocate").text
    shutil.rmtree(before.workspace / "backups")
    place = move(before, made(tmp_path / "to"))
    workspace = place.workspace.resolve()
    left = {path: digest(path, "") for path in (before.workspace,) if path.exists() and path.resolve() != workspace}

    # What only looks reads it as it lies now, and writes nothing.
    content = (workspace / "metadata.db").read_bytes()
    for arguments in (["runs"], ["lineage", "served"], ["lineage", "latest"], ["show"], ["diff"], ["gc"], ["plan"]):
        outcome = place.call(*arguments)
        assert outcome.code == 0, (arguments, outcome.text)
        assert "gone" not in outcome.text, (arguments, outcome.text)
    assert place.call("report", "latest", "-o", str(tmp_path / "page.html")).code == 0
    assert (workspace / "metadata.db").read_bytes() == content
    planned = json.loads(place.call("relocate", "--dry-run", "--json").text)
    assert bool(planned["artifacts"]) is bool(said)

    outcome = place.call("run")
    assert outcome.code == 0, outcome.text
    assert "loading" not in outcome.text  # nothing has changed
    assert outcome.text.count("the records of") == (1 if said else 0), outcome.text
    assert said in outcome.text
    assert all(Path(path).is_relative_to(workspace) for path in paths_on_record(workspace))
    assert "the records of" not in place.call("run").text
    assert json.loads(place.call("relocate", "--json").text)["artifacts"] == 0
    assert len(list(workspace.glob("backups/*.db"))) == (1 if said else 0)

    if kind in IN_FULL:  # by TFX's own cache, too
        place.write_config(evaluation={"slices": [["color"]]})
        outcome = place.call("run")
        assert outcome.code == 0, outcome.text
        assert "compared with champion" in " ".join(outcome.text.split())
        assert {step.node for step in place.latest().steps if step.state.value == "done"} - LOOK_UPS <= JUDGE

    outcome = place.call("rollback")
    assert outcome.code == 0, outcome.text
    assert len(versions(workspace / "serving" / "toy")) >= 3
    assert place.call("predict", str(place.folder / "table.csv"), "-o", str(tmp_path / "p.csv")).code == 0
    assert place.call("gc", "--keep", "1", "--apply").code == 0
    assert "✓ left-overs     none" in place.call("doctor").text
    assert place.call("run").code == 0
    assert {path: digest(path, "") for path in left} == left


def test_one_that_is_killed_goes_on_at_once(first: Place, tmp_path: Path) -> None:
    """kill -9 in the middle of the transaction."""
    place = project(first, tmp_path / "before")
    workspace = place.workspace
    outcome = place.call("relocate", faults=[("killed_while_relocating", 20)])
    assert outcome.code == -9, outcome.text
    with closing(sqlite3.connect(workspace / "metadata.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert all(not Path(path).is_relative_to(workspace) for path in paths_on_record(workspace))
    assert place.call("lineage", "served").code == 0
    outcome = place.call("run")
    assert (outcome.code, "loading" in outcome.text) == (0, False), outcome.text
    assert all(Path(path).is_relative_to(workspace) for path in paths_on_record(workspace))


def test_a_run_that_was_killed_is_resumed_where_the_workspace_lies_now(first: Place, tmp_path: Path) -> None:
    place = project(first, tmp_path / "before")
    assert place.call("relocate").code == 0
    place.write_config(trainer={**place.document["trainer"], "seed": 15})
    assert place.call("run", faults=[("kill_at", "Evaluator", "middle")]).code == -9
    moved = _moved(place, made(tmp_path / "to"))
    outcome = moved.call("resume")
    assert outcome.code == 0, outcome.text
    assert "Changed" not in outcome.text
    assert outcome.text.count("the records of") == 1
    states = moved.states()
    assert {states[node].value for node in ("TableExampleGen", "Transform", "Trainer")} == {"cached"}
    assert states["Pusher"].value == "done"


def test_a_folder_with_brackets_is_read_and_refused_in_words(first: Place, tmp_path: Path) -> None:
    """TensorFlow would take them for a pattern; the records are read all the same."""
    place = project(first, tmp_path / "w[x]")
    for arguments, code in ((["runs"], 0), (["lineage", "served"], 0), (["versions"], 0), (["run"], 2)):
        outcome = place.call(*arguments)
        assert outcome.code == code, outcome.text
    assert "TensorFlow and Beam would take [ in its path for a pattern" in outcome.text
