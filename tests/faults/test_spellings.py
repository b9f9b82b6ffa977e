"""Folders with names that look like markup, patterns and commands to a terminal; and one place by many spellings."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.lineage.version_folders import versions
from tests.faults.place import Place
from tests.zygote import Zygote

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]
NASTY = "[x] [red]w[/]s \x1b[31m\x9b\x07\u202e😀 {a}%s'\"&<b>"
TOUGH = "red]ws ]\x1b\x9b31m\x07\u202e😀 {a}%s'\"&<b>"
"""The same without what TensorFlow and Beam take for a pattern: artifacts lie below it."""
VALUE = "[/bold]\x1b]0;owned\x07<script>alert(1)</script>😀"


@pytest.fixture(scope="module")
def place(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A table below a folder with such a name, with such names and values in it; run once."""
    base = tmp_path_factory.mktemp("spellings")
    folder = base / NASTY / "k"
    folder.mkdir(parents=True)
    place = Place(folder, zygote)
    place.workspace = base / TOUGH / "workspace"
    place.workspace.mkdir(parents=True)
    (folder / "workspace").symlink_to(place.workspace)  # as short names for it
    (folder / "span-1").mkdir()
    text = (folder / "table.csv").read_text().replace("red", VALUE).replace("size", "[size]")
    (folder / "span-1" / "t[1].csv").write_text(text)
    schema = (folder / "toy.pbtxt").read_text().replace('"size"', '"[size]"')
    (folder / "toy.pbtxt").write_text(schema)
    place.document["data"]["path"] = "span-{SPAN}/*.csv"
    place.document["evaluation"]["slices"] = [["color"]]
    place.write_config()
    outcome = place.call("run")
    assert outcome.code == 0, outcome.text
    return place


def test_no_command_stumbles_over_a_name_or_lets_it_command_the_terminal(place: Place) -> None:
    bad = place.folder / "bad.csv"
    bad.write_text((place.folder / "span-1" / "t[1].csv").read_text().replace("blue", "\x1b[2J[/]new"))
    commands = [
        (["runs"], 0), (["show", "latest"], 0), (["lineage", "latest"], 0), (["lineage", "served"], 0), (["doctor"], 0),
        (["lineage", str(place.folder / "span-1" / "t[1].csv"), "--down"], 0), (["versions"], 0), (["gc"], 0),
        (["gc", "--apply"], 0), (["report", "latest"], 0), (["card", "latest", "-o", str(place.folder / "[c].md")], 0),
        (["schema", "show"], 0), (["schema", "diff"], 0), (["validate", str(bad)], None),
        (["predict", str(bad), "-o", str(place.folder / "[p].csv"), "--force"], 0), (["show", VALUE], 2),
        (["lineage", f"{VALUE}/x"], 2), (["pin", VALUE], 2), (["rollback", "--note", VALUE], 2),
        (["export", "latest", "-o", str(place.folder / "[e].zip"), "--force"], 0), (["backup"], 0), (["run"], 0),
        (["diff", "previous", "latest"], 0), (["run", "--from", VALUE], 2),
    ]  # fmt: skip
    for arguments, code in commands:
        outcome = place.call(*arguments)
        assert outcome.code == code or (code is None and outcome.code in (0, 1)), (arguments, outcome.text)
        assert "a bug of ours" not in outcome.text
        if arguments[0] in (
            "report",
            "card",
            "export",
            "backup",
            "schema",
        ):  # a path or a text, for whatever reads the pipe
            continue
        raw = [character for character in outcome.text if character in "\x1b\x9b\x07\u202e\x08\r"]
        assert raw == [], (arguments, outcome.text)


def test_a_workspace_with_the_name_of_a_pattern_is_refused_at_once(place: Place) -> None:
    spelt, place.workspace = place.workspace, place.folder / "w[/]s"
    outcome = place.call("run")
    place.workspace = spelt
    assert outcome.code == 2, outcome.text
    assert "TensorFlow and Beam would take [ in its path for a pattern" in outcome.text
    assert not (place.folder / "w[").exists()


def test_pages_hold_no_script_of_the_table_s(place: Place) -> None:
    pages = [*place.workspace.glob("reports/*.html"), place.folder / "[c].md"]
    assert len(pages) >= 2
    assert not any("<script>alert" in page.read_text() for page in pages)


def test_one_place_by_many_spellings_is_one(place: Place) -> None:
    assert place.call("run").code == 0
    before = versions(place.workspace / "serving" / "toy")
    link = place.folder.parent / "link"
    link.symlink_to(place.folder)
    linked = place.folder / "linked"
    linked.symlink_to(place.workspace)
    config, spelt = str(place.folder / "toy.yaml"), place.workspace
    for spelling in (
        f"{spelt}/../workspace/", f"{link}/workspace", f"{place.folder}//./linked"
    ):  # fmt: skip
        place.workspace = Path(spelling) if not spelling.endswith("/") else spelling  # type: ignore[assignment]
        outcome = place.call("run")
        assert outcome.code == 0, outcome.text
        assert "loading" not in outcome.text, spelling
        assert place.call("gc", "--apply").code == 0
    place.workspace = spelt
    # Through a link the YAML file lies elsewhere, too; what it names is the same.
    place.zygote.start(["run", "-c", str(link / "toy.yaml"), "-w", str(link / "linked")], place.folder / "out.txt", [])
    assert place.zygote.end() == 0
    assert "loading" not in (place.folder / "out.txt").read_text()
    assert versions(place.workspace / "serving" / "toy") == before
    compared = json.loads(place.call("diff", "previous", "latest", "--json").text)
    assert compared["config"] == []
    assert config


def test_a_workspace_that_an_earlier_longhaul_spelt_in_two_ways_is_understood(place: Place) -> None:
    assert place.call("run").code == 0
    before = versions(place.workspace / "serving" / "toy")
    other = f"{place.workspace.parent}/../{place.workspace.parent.name}/workspace/"
    with closing(sqlite3.connect(place.workspace / "metadata.db")) as store, store:
        sql = "UPDATE Artifact SET uri = replace(uri, ?, ?)"
        store.execute(sql, (f"{place.workspace}/", other))
        sql = "UPDATE ArtifactProperty SET string_value = replace(string_value, ?, ?) WHERE name = 'pushed_destination'"
        store.execute(sql, (f"{place.workspace}/", other))
    for arguments in (["gc"], ["gc", "--keep", "1", "--apply"]):
        outcome = place.call(*arguments)
        assert outcome.code == 0, outcome.text
    assert "moved or copied" not in place.call("doctor").text
    outcome = place.call("run")
    assert (outcome.code, "loading" in outcome.text) == (0, False), outcome.text
    outcome = place.call("run", "--from", "Evaluator")
    assert outcome.code == 0, outcome.text
    assert versions(place.workspace / "serving" / "toy") == before
    place.seen.clear()
    assert place.call("gc", "--apply").code == 0


def test_a_prediction_never_takes_the_place_of_its_input(place: Place) -> None:
    table = place.folder / "span-1" / "t[1].csv"
    link, twin = place.folder / "link.csv", place.folder / "twin.csv"
    link.symlink_to(table)
    twin.hardlink_to(table)
    content = table.read_bytes()
    inside = str(table.parent / "scored.csv")
    for source, output in (
        (str(table), str(table)), (str(table), str(link)), (str(table), str(twin)), (str(link), str(table)),
        (str(table.parent), inside), (f"{table.parent}/*.csv", inside),
    ):  # fmt: skip
        outcome = place.call("predict", source, "-o", output, "--force")
        assert outcome.code == 2, outcome.text
        assert "that is a file of the table that is to be scored, or would become one" in outcome.text
    (new := place.folder / "new.csv").write_bytes(content)
    for output in (str(table), str(link), str(twin), inside):
        outcome = place.call("predict", str(new), "-o", output, "--force")
        assert outcome.code == 2, outcome.text
        assert "that is a file of the training table (data.path), or would become one" in outcome.text
    assert table.read_bytes() == content
    assert not Path(inside).exists()
