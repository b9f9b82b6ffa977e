"""Files that a person names: one rule for every command. And what must not be made on the way to an error."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
import yaml
from typer.core import TyperGroup

from pipeline import cli
from pipeline.lineage.pins import pin
from tests.lineage.weeks import Weeks

ROOT = Path(__file__).parent.parent
SUFFIXES = {"predict": ".csv", "compile": ".json", "card": ".md"}
Call = Callable[..., tuple[int, str]]


def _commands() -> Iterator[tuple[str, str]]:
    """(command, option) of every option that names a file to write, read off the command line's own definition."""
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    for name, command in group.commands.items():
        for option in ("--output", "--html"):
            if any(option in one.opts and one.metavar != "FOLDER" for one in command.params):
                yield name, option


COMMANDS = sorted(_commands())


def test_the_commands_are_found() -> None:
    assert {name for name, _ in COMMANDS} >= {"predict", "compile", "report", "card", "export", "backup", "lineage"}


@pytest.fixture
def weeks(tmp_path: Path) -> Weeks:
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    document = weeks.config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    (tmp_path / "cats.yaml").write_text(yaml.safe_dump(document))
    return weeks


@pytest.fixture
def longhaul(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["longhaul", *arguments, "-c", str(tmp_path / "cats.yaml")])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return call


@pytest.mark.parametrize(("command", "option"), COMMANDS)
def test_a_file_goes_into_a_folder_that_is_there(
    weeks: Weeks, longhaul: Call, tmp_path: Path, command: str, option: str
) -> None:
    table = ["table.csv"] if command == "predict" else []
    file = tmp_path / "nope" / f"x{SUFFIXES.get(command, '.html')}"
    code, said = longhaul(command, *table, option, str(file))
    assert code == 2, said
    assert said.startswith(f"longhaul: {option} {file}: there is no folder {file.parent}\n  Remedy: ")
    assert not file.parent.exists()
    file.mkdir(parents=True)
    code, said = longhaul(command, *table, option, str(file))
    assert (code, said.splitlines()[0]) == (2, f"longhaul: {option} {file}: {file} is a folder")


@pytest.mark.parametrize(("command", "option"), COMMANDS)
def test_a_file_of_another_kind_is_not_written_over(
    weeks: Weeks, longhaul: Call, tmp_path: Path, command: str, option: str
) -> None:
    endings = {SUFFIXES.get(command, ".html"), *{"compile": {".yaml"}, "card": {".html"}}.get(command, ())}
    for ending in endings:
        file = tmp_path / f"mine{ending}"
        file.write_text("name: mine\n")
        code, said = longhaul(command, *(["table.csv"] if command == "predict" else []), option, str(file))
        assert code == 2, said
        assert f"{file}" in said or command == "suspects"  # which reads the file first
        assert file.read_text() == "name: mine\n"


def test_what_a_command_wrote_is_written_anew(weeks: Weeks, longhaul: Call, tmp_path: Path) -> None:
    copy, store = tmp_path / "copy.db", weeks.config.root / "metadata.db"
    for _ in range(2):
        assert longhaul("backup", "--output", str(copy))[0] == 0
    code, said = longhaul("backup", "--output", str(store))
    assert (code, said.splitlines()[0]) == (2, f"longhaul: --output {store}: that is the store itself")


@pytest.mark.parametrize("command", ["lineage", "pin"])
def test_a_name_that_is_no_text_is_no_bug(weeks: Weeks, longhaul: Call, command: str) -> None:
    code, said = longhaul(command, "x\udcff")
    assert code == 2, said
    assert "holds bytes that are no UTF-8" in said


def test_a_command_that_is_refused_makes_no_workspace(weeks: Weeks, longhaul: Call, tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_text("no archive")
    nothing = str(tmp_path / "nothing")
    code, said = longhaul("resume", "--workspace", nothing)
    assert (code, said.splitlines()[0]) == (2, f"longhaul: nothing has run in workspace {nothing} yet")
    assert longhaul("import", str(tmp_path / "bad.zip"), "--workspace", nothing)[0] == 2
    assert not Path(nothing).exists()


def test_a_pin_that_is_not_there_cannot_be_taken_away(weeks: Weeks, longhaul: Call) -> None:
    for what, told in (("latest", f"run {weeks.run_id(1)}"), ("1001", "version 1001")):
        code, said = longhaul("unpin", what)
        assert (code, said.splitlines()[0]) == (2, f"longhaul: {told} is not pinned")
        pin(weeks.store, "cats", what)
        assert longhaul("unpin", what) == (0, f"unpinned {told}\n")


READ_ONLY = """
mount --bind {workspace} {workspace} && mount -o remount,bind,ro {workspace}
cd {desk}
{python} - <<'E'
import sys
from pipeline import cli
for arguments in {commands}:
    sys.argv = ["longhaul", *arguments, "-c", {config!r}]
    try:
        cli.main()
    except SystemExit as ended:
        print("ended:", arguments[0], ended.code or 0, flush=True)
E
"""
READS = ["runs", "show", "diff latest latest", "lineage", "versions", "export", "backup -o copy.db", "report -o p.html"]
WRITES = ["backup", "pin latest", "gc --apply", "rollback", "import run.zip", "run", "report", "card"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_read_only_workspace_can_be_read_and_what_writes_says_so(weeks: Weeks, tmp_path: Path) -> None:
    (tmp_path / "desk").mkdir()
    script = READ_ONLY.format(
        workspace=weeks.config.root,
        desk=tmp_path / "desk",
        python=sys.executable,
        commands=[line.split() for line in (*READS, *WRITES)],
        config=str(tmp_path / "cats.yaml"),
    )
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-ec", script],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    if "Operation not permitted" in done.stderr or "unshare failed" in done.stderr:
        pytest.skip("cannot mount here")
    assert "a bug of ours" not in done.stderr, done.stderr
    codes = [line for line in done.stdout.splitlines() if line.startswith("ended: ")]
    wanted = [(line, 0) for line in READS] + [(line, 2) for line in WRITES]
    assert codes == [f"ended: {line.split()[0]} {code}" for line, code in wanted], done.stdout + done.stderr
    assert done.stderr.count("Read-only file system") == len(WRITES), done.stderr
