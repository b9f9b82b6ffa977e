"""What is written for contributors names what is there; every machine checks the same."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import SECONDS

ROOT = Path(__file__).parent.parent
NEW = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/architecture.md", ".github/pull_request_template.md")
TEXTS = sorted({*NEW, "README.md", *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))})
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / name).read_text(), flags=re.DOTALL)
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link}
    assert [link for link in sorted(links - {""}) if not (ROOT / name).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_are_named_are_there(name: str) -> None:
    files = re.findall(r"`((?:pipeline|trainer|schema|tests|bench|requirements)/[\w./*-]+)`", (ROOT / name).read_text())
    assert [file for file in files if not any(ROOT.glob(file.rstrip("/")))] == []


@pytest.mark.parametrize("name", TEXTS)
def test_targets_that_are_named_are_there(name: str) -> None:
    assert set(re.findall(r"`make ([a-z-]+)", (ROOT / name).read_text())) <= TARGETS


def test_every_room_has_its_sentence() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [path for path in (ROOT / "pipeline").iterdir() if path.is_dir() and any(path.glob("*.py"))]
    assert [room.name for room in rooms if f"| `pipeline/{room.name}/` |" not in text] == []


def test_long_tests_are_marked_in_their_own_file() -> None:
    """`make test-all` does not import a file that says neither `long` nor `extra`: see tests/conftest.py."""
    shared = [file for file in (ROOT / "tests").rglob("*.py") if not file.name.startswith("test_")]
    marking = [file for file in shared if re.search(r"mark\.(long|extra)\b", file.read_text())]
    assert marking == [ROOT / "tests" / "conftest.py"]


def test_no_file_has_more_than_300_lines() -> None:
    files = [file for package in ("pipeline", "trainer", "schema") for file in (ROOT / package).rglob("*.py")]
    lines = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in files}
    assert {file: count for file, count in lines.items() if count > 300} == {}


def test_ci_runs_what_everybody_can_run() -> None:
    jobs = [
        job
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        for job in yaml.safe_load(path.read_text())["jobs"].values()
    ]
    assert jobs
    for job in jobs:
        assert job["container"].startswith("python:3.11-bookworm")  # Debian 12
        commands = [step["run"] for step in job["steps"] if "run" in step]
        assert commands == [".ci/run"]
        assert all(os.access(ROOT / command, os.X_OK) for command in commands)


def test_hooks_before_a_commit_are_those_of_make_check_and_fetch_nothing() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [hook for repository in repositories for hook in repository["hooks"]]
    assert {repository["repo"] for repository in repositories} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    assert [hook["entry"].split()[0] for hook in hooks] == [".venv/bin/ruff", ".venv/bin/ruff", ".venv/bin/mypy"]
    for hook in hooks:
        subprocess.run([*hook["entry"].split(), "--help"], cwd=ROOT, check=True, capture_output=True, timeout=60)


def test_forms_for_issues_ask_for_something() -> None:
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text())
        if path.name == "config.yml":
            continue
        assert form["name"]
        assert form["description"]
        fields = [part for part in form["body"] if part["type"] != "markdown"]
        assert any(part.get("validations", {}).get("required") for part in fields)
        assert len({part["id"] for part in fields}) == len(fields)


def test_files_of_tests_that_take_long_are_there() -> None:
    assert {name for name in SECONDS if not any((ROOT / "tests").rglob(name))} == set()
