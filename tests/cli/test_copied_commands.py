"""Commands that a text tells a person to copy: the real parser takes each, with the options that it needs."""

from __future__ import annotations

import ast
import html
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import typer
import yaml
from typer._click.exceptions import MissingParameter

from pipeline.cli import app, main
from pipeline.config.command_texts import copied, forget_given, with_options
from pipeline.config.loading import load
from pipeline.guard.findings import DataVerdict
from pipeline.reports.front import write_front
from pipeline.reports.page import collect, render
from pipeline.reports.what_now import Around
from tests.lineage.weeks import Weeks, cats_document
from tests.reports.test_page import ODD, complete_run, explain, with_gate

ROOT = Path(__file__).parents[2]
PARSER = typer.main.get_command(app)
GROUPS = {name for name, found in PARSER.commands.items() if hasattr(found, "commands")}
OPTIONS = ("-c", "my cats.yaml", "-w", "/w")
TICKED = re.compile(r"`(longhaul [a-z][^`]*)`")
IN_TEMPLATES = re.compile(r"\"(longhaul [a-z][^\"]*)\"|<code[^>]*>(longhaul [a-z][^<{]*)")


def parsed(command: str) -> dict[str, object]:
    """What the real parser makes of it, without calling it; its `SystemExit` or usage error is the test's."""
    words = shlex.split(re.sub(r"\bVERSION\b|\bN\b", "17", command))[1:]
    found, context = PARSER, None
    while hasattr(found, "commands"):
        name, *words = words
        context = found.make_context(name, [], parent=context, resilient_parsing=True)
        assert name in found.commands, f"{command}: there is no {name}"
        found = found.commands[name]
    try:
        return dict(found.make_context(found.name, words, parent=context).params)
    finally:
        forget_given()


def texts(file: Path) -> Iterator[str]:
    """Strings of a module that people read, with a number where a value goes; no docstrings."""
    tree = ast.parse(file.read_text())
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (documents | parts):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "17" for part in node.values)


def told() -> list[tuple[str, str]]:
    """Each command that the program's texts name, with its file."""
    found = []
    for room in ("pipeline", "trainer"):
        for file in sorted((ROOT / room).rglob("*.py")):
            for text in texts(file):
                found += [(file.name, command) for command in TICKED.findall(text)]
                if re.match(r"longhaul [a-z]+", text) and file.name in ("alarms.py", "next_steps.py", "production.py"):
                    found.append((file.name, text))
    for file in sorted((ROOT / "pipeline" / "reports" / "templates").rglob("*.j2")):
        found += [(file.name, one or other) for one, other in IN_TEMPLATES.findall(file.read_text())]
    return found


def test_every_command_in_a_text_is_one_that_the_parser_takes() -> None:
    commands = told()
    assert len(commands) > 100
    wrong = []
    for file, command in commands:
        try:
            given = parsed(with_options(command, OPTIONS))
        except MissingParameter as exc:
            if len(command.split()) > 2 + (command.split()[1] in GROUPS):  # else it is the name of a command
                wrong.append(f"{file}: {command}: {exc}")
        except Exception as exc:
            wrong.append(f"{file}: {command}: {exc!r}")
        else:
            here = {"config": "my cats.yaml", "workspace": "/w"}
            lacks = [name for name in here.keys() & given.keys() if str(given[name]) != here[name]]
            if lacks and command.split()[1] != "export" and "-c " not in command:  # another's, or has them already
                wrong.append(f"{file}: {command}: lacks {lacks}")
    assert not wrong, "\n".join(wrong)


def test_options_come_before_what_is_no_option_and_come_once() -> None:
    assert (
        with_options("longhaul drop --exclude -- -odd", OPTIONS) == "longhaul drop --exclude -c 'my cats.yaml' -- -odd"
    )
    assert with_options("longhaul run --config a.yaml", OPTIONS) == "longhaul run --config a.yaml -w /w"
    assert with_options("longhaul init TABLE --label COLUMN", OPTIONS) == "longhaul init TABLE --label COLUMN"
    assert copied("Wrote     longhaul x.zip", OPTIONS) == "Wrote     longhaul x.zip", "the name of a file"
    assert copied("Next      longhaul runs", OPTIONS) == "Next      longhaul runs -c 'my cats.yaml' -w /w"
    assert (
        copied("say `longhaul runs`, or longhaul", OPTIONS)
        == "say `longhaul runs -c 'my cats.yaml' -w /w`, or longhaul"
    )


@pytest.mark.parametrize("name", ["a -- b", "x -c y", "a`b", "it's -w", '"', "longhaul run", "`longhaul runs`"])
def test_a_name_that_a_person_chose_stays_whole(name: str) -> None:
    """Seen failing: the options came into the middle of `a -- b`, or not at all."""
    text = copied(f"take it out; `longhaul drop {shlex.quote(name)} --exclude` does both, of '{name}'", OPTIONS)
    command = text.removeprefix("take it out; `").partition("` does both")[0]
    given = parsed(command)
    assert (given["columns"], str(given["config"]), given["exclude"]) == ([name], "my cats.yaml", True), command


def test_commands_that_take_no_workspace_are_those_of_the_parser() -> None:
    """Seen failing: `longhaul move-records` would have moved the records of another workspace."""
    for name, found in PARSER.commands.items():
        takes = "-w" in {option for one in found.params for option in one.opts}
        if name != "export" and name not in GROUPS:
            assert ("-w /w" in with_options(f"longhaul {name}", OPTIONS)) == takes, name


def test_commands_that_are_about_jobs_are_those_of_the_parser() -> None:
    """Seen failing: what a rollback on Vertex AI told to copy was about this machine's versions."""
    of_jobs = ("--on", "vertex", "--emulate", "")
    for name, found in PARSER.commands.items():
        takes = {option for one in found.params for option in one.opts} & {*of_jobs}
        said = with_options(f"longhaul {name}", of_jobs)
        assert said == f"longhaul {name}" + (" --on vertex --emulate" if takes else ""), name
    assert with_options("longhaul run --on local", of_jobs[:2]) == "longhaul run --on local"


LINES = (
    *("runs", "show latest", "diff", "lineage latest", "gc", "schema diff", "plan", "show no-such-run", "rollback"),
    *("pin 5", "explain age", "resume", "rollout abort", "lineage nowhere", "schema show --version 9"),
)
LINE = re.compile(r"`(longhaul [a-z][^`]*)`|^(?:\w+)? {2,}(longhaul [a-z].*)$", re.MULTILINE)


def test_what_commands_print_names_the_same_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Real commands on a real store, some with an error: all that can be copied is for the same place."""
    weeks = Weeks(tmp_path / "other place")
    weeks.week(1, auc=0.7)
    weeks.failed(2, "no memory")
    file = tmp_path / "my cats.yaml"
    file.write_text(yaml.safe_dump(cats_document(tmp_path / "workspace")))
    for line in LINES:
        monkeypatch.setattr(sys, "argv", ["longhaul", *line.split(), "-c", str(file), "-w", str(weeks.config.root)])
        with suppress(SystemExit):
            main()
    said = capfd.readouterr()
    commands = [ticked or alone for ticked, alone in LINE.findall(said.out + said.err)]
    assert len(commands) > 8, said
    for command in commands:
        if command.split()[1] not in ("init", "export"):
            given = parsed(command)
            assert str(given["config"]) == str(file), command
            assert given.get("workspace", str(weeks.config.root)) == str(weeks.config.root), command


def test_every_command_of_a_page_names_the_same_pipeline(tmp_path: Path) -> None:
    """Also those in a sentence: of a remedy, of what to try next, of the front page."""
    run = explain(complete_run(tmp_path))
    leak = replace(ODD, kind="label_leak")
    gate = DataVerdict((leak,), notes=("not compared: `longhaul run` does",))
    waits = "waits for approval: `longhaul approve 17 --by NAME --note WHY`"
    around = Around(options=OPTIONS)
    stopped = replace(with_gate(run, gate), status="blocked", reason=f"{leak.remedy}; {waits}")
    file = tmp_path / "my cats.yaml"
    file.write_text(yaml.safe_dump(cats_document(tmp_path / "workspace")))
    pages = [render(collect(one, around=around)) for one in (run, stopped)]
    Weeks(tmp_path / "w").week(1, auc=0.7)
    pages.append(write_front(load(file, workspace=str(tmp_path / "w"))).read_text())
    commands = []
    for page in pages:
        texts = re.findall(r"<code[^>]*>(.*?)</code>", page, re.DOTALL)
        commands += [text for text in map(plain, texts) if text.startswith("longhaul ")]
        assert "`longhaul" not in plain(page), "a command that is not set as one"
    assert len(commands) > 8
    for command in commands:
        given = parsed(command)
        assert Path(str(given["config"])).name == "my cats.yaml", command
        assert given.get("workspace", "w"), command


def plain(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())
