"""Every command that takes a run takes each form of its name, and answers alike where there is no such run."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
import yaml
from typer.core import TyperGroup

from pipeline import cli
from pipeline.errors import PipelineError
from pipeline.lineage.archive import export_run
from pipeline.lineage.archive_import import import_run
from pipeline.lineage.runs import find_run
from pipeline.lineage.store import open_store
from pipeline.runners.local.resume import find_resumption
from tests.lineage.weeks import Weeks, cats

FORMS = {Weeks.run_id(2): 2, "latest": 3, "latest~0": 3, "previous": 2, "latest~1": 2, "latest~2": 1}
"""The run, by number, that each form means of three."""
Call = Callable[..., tuple[int, str]]


def _commands() -> Iterator[str]:
    """Those with an argument that names a run, read off the command line's own definition."""
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    for name, command in group.commands.items():
        named = [one.metavar for one in command.params if one.param_type_name == "argument"]
        if any(one in ("RUN", "X", "RUN|VERSION") for one in named):
            yield name


COMMANDS = sorted(_commands())


def test_the_commands_are_found() -> None:
    assert {"show", "lineage", "diff", "report", "card", "export", "pin", "unpin", "resume"} <= set(COMMANDS)


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Weeks:
    weeks = Weeks(tmp_path_factory.mktemp("names") / "workspace")
    for number in (1, 2, 3):
        weeks.week(number)
    return weeks


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def longhaul(root: Path, command: str, run: str) -> tuple[int, str]:
        document = cats(root).model_dump(mode="json", by_alias=True, exclude_defaults=True)
        (tmp_path / "cats.yaml").write_text(yaml.safe_dump(document))
        monkeypatch.chdir(tmp_path)
        more = {"export": ["--force"], "approve": ["--by", "ann", "--note", "looked at it"]}.get(command, [])
        monkeypatch.setattr(sys, "argv", ["longhaul", command, run, *more, "-c", str(tmp_path / "cats.yaml")])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return longhaul


# Suspect labels are sought in the table of a run, which these have not; tests/e2e/test_suspects.py names one.
@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("resume", "approve", "suspects")])
def test_a_run_has_the_same_names_for_every_command(weeks: Weeks, call: Call, command: str) -> None:
    for form, number in FORMS.items():
        if command == "unpin":
            call(weeks.config.root, "pin", form)
        code, said = call(weeks.config.root, command, form)
        assert code == 0, (form, said)
        assert weeks.run_id(number) in said, (form, said)
    code, said = call(weeks.config.root, command, "latest~9")
    assert (code, said.splitlines()[0]) == (2, "longhaul: there is no run 'latest~9': pipeline 'cats' has 3")


def test_resume_knows_the_same_names(weeks: Weeks) -> None:
    for form, number in FORMS.items():
        with pytest.raises(PipelineError, match=f"nothing to resume: run {weeks.run_id(number)} is complete"):
            find_resumption(weeks.store, weeks.config.name, form, {})


def test_approve_knows_the_same_names(weeks: Weeks, call: Call) -> None:
    for form, number in FORMS.items():
        code, said = call(weeks.config.root, "approve", form)
        assert code == 2, (form, said)
        assert weeks.run_id(number) in said, (form, said)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "resume"])
def test_where_there_is_no_such_run_every_command_says_the_same(weeks: Weeks, call: Call, command: str) -> None:
    empty = cats(weeks.config.root.with_name("empty"))
    empty.root.mkdir(exist_ok=True)
    open_store(empty)
    code, said = call(empty.root, command, "latest")
    what, remedy = said.splitlines()
    assert (code, what) == (2, "longhaul: pipeline 'cats' has no runs yet")
    assert re.fullmatch("  Remedy: `longhaul run -c .*cats.yaml.*` makes one", remedy)


@pytest.mark.parametrize("command", ["show", "lineage"])
def test_the_latest_run_is_never_an_imported_one(weeks: Weeks, call: Call, command: str, tmp_path: Path) -> None:
    there = cats(tmp_path / "there")
    there.root.mkdir()
    export_run(weeks.store, find_run(weeks.store, "cats", "latest"), tmp_path / "run.zip", {})
    run_id = import_run(open_store(there), there, tmp_path / "run.zip")
    code, said = call(there.root, command, "latest")
    assert code == 2
    assert "pipeline 'cats' has no run of its own yet, and 'latest' means none of the 1 imported" in said
    assert f"name an imported run by its id, such as {run_id}" in said
    assert call(there.root, command, run_id)[0] == 0
