"""What `longhaul runs`, `show`, `diff`, `gc`, `export` and their like print, and how they end."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from ml_metadata.proto import metadata_store_pb2

from pipeline import cli
from pipeline.lineage.process import Process, _started
from pipeline.lineage.runs import RUN_CONTEXT
from pipeline.workspace.lock import locked
from tests.lineage.weeks import Weeks

WIDTH = 120
REASON = "the disk is full and so is the one beside it, and nobody knows where all of that came from overnight"


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.out.splitlines()]


Call = Callable[..., Outcome]


@pytest.fixture
def weeks(tmp_path: Path) -> Weeks:
    weeks = Weeks(tmp_path / "workspace")
    config = weeks.config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    (tmp_path / "cats.yaml").write_text(yaml.safe_dump(config))
    return weeks


@pytest.fixture
def longhaul(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command in this process, in a folder of its own."""
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")

    def call(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["longhaul", *arguments, "--config", str(tmp_path / "cats.yaml")])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        said = capsys.readouterr()
        return Outcome(int(exit_.value.code or 0), said.out, said.err)

    return call


# runs


def words(line: str) -> list[str]:
    return line.split()


def test_runs_lists_what_came_of_each(weeks: Weeks, longhaul: Call) -> None:
    weeks.week(1, auc=0.75)
    weeks.week(2, auc=0.55, blessed=False)
    weeks.failed(3, f"/data/march.csv: {REASON}\nand more")
    longhaul("pin", weeks.run_id(1))
    listed = longhaul("runs")
    assert (listed.code, listed.err) == (0, "")
    header, failed, *others = listed.lines
    assert header.split() == [
        *("run", "status", "seconds", "spans", "rows", "schema"),
        *("auc", "log_loss", "pushed", "outcome"),
    ]
    reason = f"march.csv: {REASON}"  # from where the metrics would stand to the end of the line
    assert failed == f"{weeks.run_id(3)}  failed         62  " + " " * 21 + reason[: WIDTH - 62] + "…"
    assert failed.index("march.csv") == header.index("schema") + len("schema") + 2
    assert [line.split() for line in others] == [
        [*(weeks.run_id(2), "complete", "62", "2", "100", "1", "▼", "0.5500", "▼", "0.4500", "not", "blessed")],
        [*(weeks.run_id(1), "complete", "62", "1", "100", "1", "▲", "0.7500", "▲", "0.2500", "●", "1001"),
         "blessed,", "pinned"],
        words("● serves now ▲ best ▼ worst of the runs that were judged by the same rows"),
    ]  # fmt: skip
    assert [len(line) for line in listed.lines if len(line) >= WIDTH] == [WIDTH]


def test_a_leaderboard_tells_the_hyperparameters_that_differ(weeks: Weeks, longhaul: Call) -> None:
    for number, auc, dropout in ((1, 0.7, 0.4), (2, 0.75, 0.2), (3, 0.72, 0.1)):
        weeks.week(number, auc=auc, dropout=dropout)
    board = longhaul("runs", "--sort", "auc", "--filter", "auc>0.7")
    assert [line.split() for line in board.lines[:3]] == [
        ["run", "status", "seconds", "spans", "rows", "schema", "auc", "log_loss", "dropout", "pushed", "outcome"],
        [*(weeks.run_id(2), "complete", "62", "2", "100", "1", "▲", "0.7500", "▲", "0.2500", "0.2", "1002", "blessed")],
        [*(weeks.run_id(3), "complete", "62", "3", "100", "1", "0.7200", "0.2800", "0.1", "●", "1003"),
         "blessed"],  # the second best: the worst of all is not shown
    ]  # fmt: skip
    assert board.lines[-1].split() == words("● serves now ▲ best ▼ worst of the runs that were judged by the same rows")
    assert [line.split()[0] for line in longhaul("runs", "--sort", "auc", "--reverse", "-n", "1").lines[1:2]] == [
        weeks.run_id(1)
    ]
    wrong = longhaul("runs", "--sort", "acu")
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err == "longhaul: no run has a value 'acu'\n  Remedy: did you mean auc?\n"


def test_a_leaderboard_tells_what_trees_and_a_guess_would_have(weeks: Weeks, longhaul: Call) -> None:
    weeks.week(1, auc=0.7)  # of an earlier Longhaul
    weeks.week(2, auc=0.75, beside={"trees": 0.7321, "guess": 0.5})
    board = longhaul("runs", "--sort", "auc")
    assert [line.split()[6:11] for line in board.lines[:3]] == [
        ["auc", "log_loss", "trees", "guess", "pushed"],
        ["▲", "0.7500", "▲", "0.2500", "0.7321"],
        ["▼", "0.7000", "▼", "0.3000", "1001"],
    ]
    assert " ".join(board.out.split()).endswith("trees and guess: auc of what the network is measured against")
    assert "trees" not in longhaul("runs").out  # that is no leaderboard
    assert [run["baselines"] for run in json.loads(longhaul("runs", "--json").out)] == [
        {"auc": {"trees": 0.7321, "guess": 0.5}},
        {},
    ]


def test_a_narrow_terminal_keeps_ids_and_verdicts(
    weeks: Weeks, longhaul: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, dropout in ((1, 0.4), (2, 0.2)):
        weeks.week(number, auc=0.7 + dropout / 10, dropout=dropout)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "76")
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in longhaul("runs", "--sort", "auc").lines]
    assert [line.split() for line in lines[:3]] == [
        ["run", "status", "auc", "log_loss", "dropout", "pushed", "outcome"],
        [weeks.run_id(1), "complete", "▲", "0.7400", "▲", "0.2600", "0.4", "1001", "blessed"],
        [weeks.run_id(2), "complete", "▼", "0.7200", "▼", "0.2800", "0.2", "●", "1002", "blessed"],
    ]
    assert " ".join(lines[3:]).endswith("a wider terminal also shows schema, seconds, spans, rows")
    assert all(len(line) <= 76 for line in lines)


def test_runs_as_json(weeks: Weeks, longhaul: Call) -> None:
    weeks.week(1)
    (run,) = json.loads(longhaul("runs", "--json").out)
    assert {key: run[key] for key in ("run_id", "spans", "rows", "verdict", "pushed_version", "serving", "pinned")} == {
        "run_id": weeks.run_id(1),
        "spans": [1],
        "rows": {"train": 80, "eval": 20},
        "verdict": "blessed",
        "pushed_version": "1001",
        "serving": True,
        "pinned": False,
    }
    assert run["hyperparameters"] == {"dropout": 0.4, "epochs": 8}
    assert run["properties"]["schema_version"] == "1"


def test_no_runs(weeks: Weeks, longhaul: Call) -> None:
    assert longhaul("runs").out == "no runs yet\n"
    weeks.week(1)
    assert longhaul("runs", "--filter", "status=failed").out == "no such run\n"


# show


def test_show_tells_steps_and_artifacts(weeks: Weeks, longhaul: Call) -> None:
    weeks.week(1)
    weeks.again(2, of=1)
    shown = longhaul("show")
    lines = [line.split() for line in shown.lines]
    examples, model = weeks.made[1, "Examples"], weeks.made[1, "Model"]
    (statistics,) = [line for line in lines if line[:1] == ["StatisticsGen"]]
    assert statistics[:5] == ["StatisticsGen", "≡", "cached", "0.0", f"#{examples}"]
    assert f"From      {weeks.run_id(1)}: all cached steps" in shown.lines
    assert [f"#{model}", "Model", f"artifacts/Trainer/model/{weeks.path(1, 'Model').name}"] in lines
    assert "Champion  no champion yet: judged by absolute thresholds only" in shown.out
    assert "the end of" not in shown.out


def test_show_ends_with_the_log_of_a_failure(weeks: Weeks, longhaul: Call) -> None:
    weeks.failed(1, "the disk is full")
    shown = longhaul("show")
    log = weeks.config.root / "logs" / f"{weeks.run_id(1)}.log"
    assert shown.lines[-16:] == [f"Trainer: the end of {log}", *(f"  line {number}" for number in range(16, 31))]
    assert "the disk is full" in shown.lines
    told = json.loads(longhaul("show", "--json").out)
    assert (told["log"], told["log_tail"][-1]) == (str(log), "line 30")
    log.unlink()
    assert longhaul("show").lines[-1] == f"no log at {log}"


def test_show_as_json_links_steps_and_artifacts(weeks: Weeks, longhaul: Call) -> None:
    weeks.week(1)
    weeks.week(2)
    told = json.loads(longhaul("show", "latest", "--json").out)
    (evaluator,) = [step for step in told["steps"] if step["node"] == "Evaluator"]
    assert evaluator["inputs"]["model"] == [weeks.made[2, "Model"]]
    assert evaluator["outputs"]["blessing"] == [weeks.made[2, "ModelBlessing"]]
    assert [one["id"] for one in told["inputs"]] == [weeks.made[1, "Model"]]  # the champion
    assert told["verdict"]["blessed"] is True


# diff


def test_diff_tells_what_changed_and_what_it_did(weeks: Weeks, longhaul: Call) -> None:
    weeks.week(1, auc=0.7, dropout=0.4, rows=200, slices={"red": 0.6, "black": 0.8})
    weeks.week(2, auc=0.65, dropout=0.2, rows=220, slices={"red": 0.5, "black": 0.8}, schema="# another\n")
    told = longhaul("diff")
    assert told.code == 0
    assert told.lines == [
        f"- {weeks.run_id(1)}  complete, 62 s",
        f"+ {weeks.run_id(2)}  complete, 62 s",
        "",
        "What changed",
        "Data      spans: [1] → [2]",
        "          rows, train: 200 → 220 (+10.0%)",
        '          files: ["week-1.csv"] → ["week-2.csv"]',
        "Columns   age: jensen_shannon 0.311, median from about 1 to about 2",
        f"Schema    --- version 1, {weeks.run_id(1)}",
        f"          +++ version 2, {weeks.run_id(2)}",
        "          @@ -1 +1 @@",
        "          -# a schema",
        "          +# another",
        "Model     dropout: 0.4 → 0.2",
        "",
        "What it did",
        "Outcome   pushed version: 1001 → 1002",
        "metric    before   after  difference",
        "auc       0.7000  0.6500     -0.0500",
        "log_loss  0.3000  0.3500     +0.0500",
        "slice       rows     auc   after  difference",
        "coat=red      10  0.6000  0.5000     -0.1000",
        "coat=black    10  0.8000  0.8000",
    ]
    plain = json.loads(longhaul("diff", weeks.run_id(1), weeks.run_id(2), "--json").out)
    assert plain["hyperparameters"] == [{"what": "dropout", "before": 0.4, "after": 0.2}]
    assert plain["columns"][0]["column"] == "age"


def test_diff_of_equal_runs(weeks: Weeks, longhaul: Call) -> None:
    weeks.week(1)
    weeks.again(2, of=1)
    assert longhaul("diff").lines[3:5] == ["What changed", "Nothing"]
    only = longhaul("diff", "latest~2")
    assert (only.code, only.err.splitlines()[0]) == (2, "longhaul: there is no run 'latest~2': pipeline 'cats' has 2")


# gc, pin


def test_gc_tells_and_only_then_removes(weeks: Weeks, longhaul: Call) -> None:
    weeks.week(1, blessed=False)
    weeks.week(2)
    doomed = weeks.path(1, "Model")
    told = longhaul("gc", "--keep", "1")
    assert told.lines[0].split() == ["would", "go", "number", "space"]
    assert ["Model", "1", "500", "B"] in [line.split() for line in told.lines]
    assert told.lines[-1].partition(" -c ")[0].endswith("; nothing was removed: `longhaul gc --apply")
    assert doomed.is_dir()
    plain = json.loads(longhaul("gc", "--keep", "1", "--json").out)
    assert (plain["applied"], len(plain["items"])) == (False, 10)
    longhaul("pin", weeks.run_id(1))
    assert longhaul("gc", "--keep", "1").lines[-1] == f"Nothing to remove in {weeks.config.root}"
    assert longhaul("unpin", weeks.run_id(1)).out == f"unpinned run {weeks.run_id(1)}\n"
    done = longhaul("gc", "--keep", "1", "--apply")
    assert done.lines[-1].startswith("Removed   10 things, ")
    assert not doomed.exists()
    assert f"#{weeks.made[1, 'Model']}" in longhaul("show", weeks.run_id(1)).out
    assert "deleted" in longhaul("show", weeks.run_id(1)).out


def test_gc_waits_for_nobody(weeks: Weeks, longhaul: Call) -> None:
    weeks.week(1)
    with locked(weeks.config.root):
        assert longhaul("gc").code == 0  # to look is free
        refused = longhaul("gc", "--apply")
    assert refused.code == 75
    assert "at work" in refused.err


def test_gc_keeps_one_run_at_least(longhaul: Call) -> None:
    assert longhaul("gc", "--keep", "0").code == 2


@pytest.mark.parametrize("command", [["gc", "--apply"], ["pin", "latest"], ["rollback"]])
def test_whatever_writes_first_closes_the_runs_that_were_killed(
    weeks: Weeks, longhaul: Call, command: list[str]
) -> None:
    weeks.week(1)
    run_id = weeks.killed(2)
    half_written = weeks.config.root / "artifacts" / "Trainer" / "model" / str(step_at_work(weeks))
    half_written.mkdir(parents=True)
    assert f"{run_id}  died" in longhaul("runs").out  # to look closes nothing, and neither does a rehearsal
    longhaul("gc")
    longhaul("rollback", "--dry-run")
    assert half_written.is_dir()
    sentence = (
        f"run {run_id} never ended: its process 1 on {socket.gethostname()} ended without a word in Trainer, or its "
        "workspace was copied while it ran"
    )
    said = longhaul(*command)
    assert said.err.splitlines()[0] == (
        f"Note: {sentence}; what that had half written is removed. Finished steps are kept"
    )
    assert not half_written.exists()
    assert f"{run_id}  interrupted" in longhaul("runs").out
    assert "Note" not in longhaul(*command).err


def test_a_killed_run_is_closed_in_the_instant_in_which_its_lock_is_free(weeks: Weeks, longhaul: Call) -> None:
    """Its process is then still on the system's list."""
    run_id = weeks.killed(2)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as listed:
        context = weeks.store.get_context_by_type_and_name(RUN_CONTEXT, run_id)
        process = replace(Process.current(), pid=listed.pid, started=_started(listed.pid))
        context.custom_properties["process"].string_value = process.to_json()
        weeks.store.put_contexts([context])
        assert f"{run_id}  running" in longhaul("runs").out
        said = longhaul("pin", "latest").err
        listed.communicate(b"\n")
    assert said.startswith(f"Note: run {run_id} never ended: its process {listed.pid} on ")


def step_at_work(weeks: Weeks) -> int:
    """The execution that a killed process left behind."""
    (found,) = [
        step.id
        for step in weeks.store.get_executions()
        if step.last_known_state == metadata_store_pb2.Execution.RUNNING
    ]
    return int(found)


# export, import, backup


def test_a_run_travels(weeks: Weeks, longhaul: Call, tmp_path: Path) -> None:
    weeks.week(1)
    run_id = weeks.run_id(1)
    assert longhaul("export").out == f"{run_id}.zip\n"
    again = longhaul("export")
    assert (again.code, again.err) == (
        2,
        f"longhaul: {run_id}.zip is there already\n  Remedy: name another with --output, or use --force\n",
    )
    assert longhaul("export", "--force").code == 0
    settings = Path("other.zip")
    settings.write_text("name: other")
    again = longhaul("export", "-o", str(settings), "--force")
    assert (again.code, settings.read_text()) == (2, "name: other")
    assert "other.zip is there already, and is no exported run" in again.err
    elsewhere = ("--workspace", str(tmp_path / "elsewhere"))
    taken = longhaul("import", f"{run_id}.zip", *elsewhere)
    assert taken.code == 0
    assert taken.out.startswith(f"imported {run_id}; `longhaul show {run_id} -c ")
    assert f"{run_id}  complete imported" in longhaul("runs", *elsewhere).out
    assert longhaul("import", f"{run_id}.zip", *elsewhere).code == 2
    unwritable = longhaul("export", "--output", "/proc/run.zip")
    assert (unwritable.code, unwritable.err.splitlines()[0][:44]) == (2, "longhaul: /proc/run.zip cannot be written: N")


def test_backup(weeks: Weeks, longhaul: Call) -> None:
    weeks.week(1)
    (line,) = longhaul("backup").lines
    assert Path(line).parent == weeks.config.root / "backups"
    assert longhaul("backup", "--output", "copy.db").out == "copy.db\n"
    assert Path("copy.db").stat().st_size == Path(line).stat().st_size
