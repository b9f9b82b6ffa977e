"""`longhaul lineage`, as a person and as a script reads it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import cli
from tests.lineage.story import MONDAY, TUESDAY, WEDNESDAY, Story, settings, tell


@pytest.fixture
def story(tmp_path: Path) -> Story:
    (tmp_path / "cats.yaml").write_text(yaml.safe_dump(settings(tmp_path)))
    return tell(tmp_path)


@pytest.fixture
def ask(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    def call(*arguments: str) -> tuple[int, str]:
        where = ["-c", str(tmp_path / "cats.yaml"), "-w", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", ["longhaul", "lineage", *arguments, *where])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return call


def test_what_made_the_served_model(story: Story, ask: Callable[..., tuple[int, str]]) -> None:
    ids = story.ids
    code, text = ask("served", "--up")
    assert code == 0
    made, again = text.split("\nTo make it again\n")
    assert made.splitlines() == [
        "model version 200, served now",
        "",
        "What made it",
        f"PushedModel {ids['tuesday PushedModel']}  Pusher 1.0 s, run {TUESDAY}",
        f"├── Model {ids['tuesday Model']}  Trainer 20.0 s",
        f"│   ├── Schema {ids['monday Schema']}  CuratedSchema 1.0 s, run {MONDAY}, version 1, approved by Ann Lee",
        f"│   └── Examples {ids['monday Examples']}  TableExampleGen 1.0 s, run {MONDAY}",
        f"│       └── 2 files of {story.config.root}/data, 6 bytes, 1 changed or gone",
        "│           └── span-02/cats.csv changed",
        f"└── ModelBlessing {ids['tuesday ModelBlessing']}  Evaluator 1.0 s",
        f"    ├── Examples {ids['monday Examples']}, see above",
        f"    ├── compared with Model {ids['monday Model']}  run {MONDAY}",
        f"    └── Model {ids['tuesday Model']}, see above",
    ]
    root = story.config.root
    assert again.splitlines()[0] == f"  longhaul run --no-cache -c {root}/cats.yaml -w {root}"
    assert "✗ data      2 files, 6 bytes: span-02/cats.csv changed" in again


def test_which_models_used_a_bad_file(story: Story, ask: Callable[..., tuple[int, str]]) -> None:
    code, text = ask("span-02/cats.csv")
    assert code == 0
    lines = text.splitlines()
    assert lines[:3] == ["span-02/cats.csv", "", "What came of it"]
    file = f"{story.config.root}/data/span-02/cats.csv"
    assert lines[3].startswith(f"{file}, 3 bytes, last changed ")
    assert lines[3].endswith(", changed")
    assert lines[4:8] == [
        f"Model {story.ids['tuesday Model']}  trained by run {TUESDAY}",
        f"└── version 200, served now  pushed by run {TUESDAY}",
        f"Model {story.ids['monday Model']}  trained by run {MONDAY}",
        f"└── version 100, not served now  pushed by run {MONDAY}",
    ]
    assert lines[8].endswith(", as it was")  # Wednesday's, of which no model came
    assert lines[9:] == ["2 models; pushed: 2; served now: 1"]


def test_a_schema_version_and_an_artifact_without_models(story: Story, ask: Callable[..., tuple[int, str]]) -> None:
    _, text = ask("schema:1")
    assert "approved by Ann Lee" in text
    assert "\n  looks right\n" in text
    assert "2 models; pushed: 2; served now: 1" in text
    _, text = ask(f"artifact:{story.ids['wednesday Examples']}", "--down")
    assert f"  ExampleStatistics {story.ids['wednesday ExampleStatistics']}  StatisticsGen\n  no model\n" in text
    _, text = ask(f"artifact:{story.ids['wednesday ExampleStatistics']}", "--down")
    assert "no model, nor anything else" in text


def test_a_script_gets_the_same(story: Story, ask: Callable[..., tuple[int, str]]) -> None:
    _, text = ask("span-02/cats.csv", "--json")
    found: dict[str, Any] = json.loads(text)
    assert [file["now"] for file in found["subject"]["files"]] == ["changed", "as it was"]
    assert [(model["run_id"], model["is_served"]) for model in found["down"]["models"]] == [
        (TUESDAY, True),
        (MONDAY, False),
    ]
    assert (found["up"], found["again"]) == (None, None)
    _, text = ask("served", "--json")
    found = json.loads(text)
    assert {step["node"] for step in found["up"]["steps"]} == {
        "CuratedSchema", "TableExampleGen", "Trainer", "Evaluator", "Pusher",
    }  # fmt: skip
    assert [one["what"] for one in found["again"]["ingredients"]] == ["code", "packages", "config", "schema", "data"]


def test_a_page(ask: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    for arguments in (["latest"], ["served"], ["--all"], ["--all", "--limit", "1"]):
        file = tmp_path / "page.html"
        code, text = ask(*arguments, "--html", str(file))
        assert (code, text.strip()) == (0, str(file))
        assert file.read_text().startswith("<!doctype html>")
        file.unlink()


def test_mistakes(ask: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, text = ask("srved")
    assert (code, text) == (2, "longhaul: nothing on record is called 'srved'\n  Remedy: did you mean served?\n")
    assert ask("--all")[0] == 2
    (tmp_path / "file").write_text("")
    code, text = ask(WEDNESDAY, "--html", str(tmp_path / "file" / "page.html"))
    assert code == 2
    assert "there is no folder" in text
