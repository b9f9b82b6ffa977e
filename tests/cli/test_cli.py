"""The command line: help, versions, exit codes; and how little is imported to answer a small question."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml
from ml_metadata.proto import metadata_store_pb2

import pipeline
from pipeline import cli
from pipeline.config.loading import load
from pipeline.lineage.runs import RUN_CONTEXT
from pipeline.lineage.store import open_store
from tests.captured import called
from tests.lineage.weeks import cats_document

COMMANDS = (
    *("run", "init", "drop", "runs", "show", "diff", "predict", "serve", "watch", "labels", "schema", "doctor"),
    *("loop", "replay", "gc", "pin", "unpin", "export", "import", "backup", "move-records", "open"),
    *("requests", "rollout", "explain", "suspects"),
)
HEAVY = ("tensorflow", "keras", "apache_beam", "tfx", "google.cloud", "kfp", "tensorflow_data_validation")


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=600)


def longhaul(*arguments: str) -> subprocess.CompletedProcess[str]:
    return python("from pipeline.cli import main; main()", *arguments)


def imported(statement: str, *arguments: str, heavy: tuple[str, ...] = HEAVY) -> set[str]:
    """Which of the heavy packages are there after `statement`, run in a process of its own."""
    # Some packages declare an empty google.cloud at every start of Python, hence the dot.
    code = f"""
import atexit, json, sys
loaded = lambda: [name for name in {heavy!r} if any(module.startswith(name + ".") for module in sys.modules)]
atexit.register(lambda: print("\\n" + json.dumps(loaded())))
{statement}
"""
    done = python(code, *arguments)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose workspace remembers one run."""
    folder = tmp_path_factory.mktemp("cats")
    file = folder / "cats.yaml"
    file.write_text(yaml.safe_dump(cats_document(folder / "workspace")))
    (folder / "workspace").mkdir()
    store = open_store(load(file))
    kind = store.put_context_type(metadata_store_pb2.ContextType(name=RUN_CONTEXT))
    context = metadata_store_pb2.Context(type_id=kind, name="20260101-000000-000")
    context.custom_properties["pipeline"].string_value = "cats"
    context.custom_properties["status"].string_value = "complete"
    store.put_contexts([context])
    return file


# What a person is told


def test_help_names_every_command() -> None:
    for flag in ("--help", "-h"):
        done = longhaul(flag)
        assert (done.returncode, done.stderr) == (0, "")
        for command in COMMANDS:
            assert re.search(rf"^\W*{command}\s", done.stdout, re.MULTILINE)
        told = " ".join(done.stdout.split())
        assert (
            "Exit codes: 0 done; 1 a gate said no; 2 the input is wrong; 66, 69, 75, 124 again later; 70 a bug" in told
        )


def test_without_a_command_the_help_is_shown() -> None:
    assert "Usage:" in longhaul().stdout


def test_the_version_is_that_of_the_distribution() -> None:
    try:
        version = importlib.metadata.version("longhaul")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("longhaul is not installed here; `make setup` installs it")
    assert pipeline.__version__ == version
    done = longhaul("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"longhaul {version}\n", "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--nope"], "No such option: --nope"),
        (["fly"], "No such command 'fly'"),
        (["init", "cats.csv", "--type", "age"], "'age' is not COLUMN=KIND"),
        (["init", "cats.csv", "--type", "age=years"], "'age=years' is not COLUMN=KIND"),
        (["predict", "cats.csv"], "Missing option '--output'"),
        (["show", "one", "two"], "unexpected extra argument"),
    ],
)
def test_what_cannot_be_parsed_exits_with_2(arguments: list[str], expected: str) -> None:
    done = called(*arguments)
    assert done.code == 2
    assert expected in done.text
    assert "Traceback" not in done.text


@pytest.mark.parametrize("command", ["run", "runs", "show", "lineage", "doctor"])
def test_a_mistake_of_the_user_is_one_message_with_a_remedy(command: str, tmp_path: Path) -> None:
    done = called(command, "--config", tmp_path / "none.yaml")
    assert done.code == 2
    assert done.text == (
        f"longhaul: {tmp_path}/none.yaml: no such configuration file\n"
        "  Remedy: `longhaul init TABLE --label COLUMN` writes one\n"
    )


def test_a_bug_of_ours_exits_with_70_and_keeps_its_traceback(config_file: Path) -> None:
    spoilt = "from pipeline.config import loading; loading.load = lambda *a, **k: 1 // 0"
    code = f"from pipeline import cli; {spoilt}; cli.main()"
    done = python(code, "runs", "--config", str(config_file))
    assert done.returncode == 70
    assert done.stderr.startswith("longhaul: a bug of ours: ZeroDivisionError: ")
    assert "Traceback" in done.stderr


def test_the_schema_for_editors_is_printed_or_written(tmp_path: Path) -> None:
    file = tmp_path / "longhaul.schema.json"
    printed, written = longhaul("config", "schema"), longhaul("config", "schema", "--output", str(file))
    assert (written.returncode, written.stdout) == (0, "")
    assert printed.stdout == file.read_text()
    assert "trainer" in json.loads(printed.stdout)["properties"]
    nowhere = longhaul("config", "schema", "-o", str(tmp_path / "none" / "x.json"))
    assert nowhere.returncode == 2
    assert "there is no folder" in nowhere.stderr


def test_runs_and_show_also_speak_json(config_file: Path) -> None:
    runs = json.loads(longhaul("runs", "--config", str(config_file), "--json").stdout)
    assert [(run["run_id"], run["status"]) for run in runs] == [("20260101-000000-000", "complete")]
    shown = json.loads(longhaul("show", "--config", str(config_file), "--json").stdout)
    assert (shown["run_id"], shown["status"], shown["steps"]) == ("20260101-000000-000", "complete", [])
    missing = longhaul("show", "20260101-000000-00", "--config", str(config_file))
    assert missing.returncode == 2
    assert "did you mean 20260101-000000-000?" in missing.stderr


# What is imported


def test_the_command_line_itself_imports_nothing_heavy() -> None:
    assert imported("import pipeline.cli") == set()


def test_what_every_command_needs_imports_nothing_heavy() -> None:
    light = (
        *("config.loading", "data.sources.source", "doctor", "errors", "lineage.runs", "terminal.results"),
        *("commands.init", "commands.predict", "commands.run"),
    )
    assert imported("import " + ", ".join(f"pipeline.{name}" for name in light)) == set()


@pytest.mark.parametrize("command", ["runs", "show"])
def test_the_lists_of_runs_import_no_reader_of_tables(command: str, config_file: Path, tmp_path: Path) -> None:
    """It takes longer than all else that they do."""
    statement = f"import os; os.chdir({str(tmp_path)!r}); from pipeline.cli import main; main()"
    assert imported(statement, command, "--config", str(config_file), heavy=("pyarrow", "duckdb")) == set()


def test_a_rollback_imports_no_reader_of_tables_and_no_numpy() -> None:
    """It is for an emergency: with them it took a quarter longer."""
    rooms = ("commands.elsewhere", "commands.rollback", "reports.front", "terminal.versions")
    statement = "import " + ", ".join(f"pipeline.{name}" for name in rooms)
    assert imported(statement, heavy=(*HEAVY, "pyarrow", "numpy", "pandas", "duckdb", "matplotlib")) == set()


@pytest.mark.parametrize("command", ["runs", "show", "lineage", "doctor", "gc", "export", "backup", "open"])
def test_a_command_that_looks_imports_nothing_heavy(command: str, config_file: Path, tmp_path: Path) -> None:
    statement = f"import os; os.chdir({str(tmp_path)!r}); from pipeline.cli import main; main()"
    assert imported(statement, command, "--config", str(config_file)) == set()


def test_a_command_is_built_alone() -> None:
    """Seen failing: a rollback waited for the options of 60 others. What is no command by itself has all of them."""
    whole = typer.main.get_command(cli.app)
    for name, command in whole.commands.items():
        alone = typer.main.get_command(cli.needed([name, "--help"])).commands
        assert {*alone} == ({*whole.commands} if hasattr(command, "commands") or name == "requests" else {name}), name
    assert cli.needed(["rolback"]) is cli.needed([]) is cli.app
