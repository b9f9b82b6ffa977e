"""What reaches standard output and error, what their end does to a run, and what the exit codes say."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import errors
from tests.faults.place import Place
from tests.place import Outcome
from tests.zygote import ROOT, Zygote

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def runs(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, Outcome]]:
    """A run of every kind, one after the other."""
    place = Place(tmp_path_factory.mktemp("streams"), zygote)
    outcomes = {"fresh": place.call("run"), "unchanged": place.call("run")}
    table, config = place.folder / "table.csv", place.folder / "toy.yaml"
    text = table.read_text()
    header, _, rows = text.partition("\n")
    (place.folder / "toy.policy.yaml").write_text("severity: {duplicate_rows: block}\n")
    table.write_text(f"{header}\n{rows}{rows}")
    outcomes["blocked"] = place.call("run")
    table.write_text(text)
    (place.folder / "toy.policy.yaml").unlink()
    outcomes["a bug"] = place.call(
        "run", "--to", "StatisticsGen", faults=[["run_without_cache", "StatisticsGen"],
                                                ["fail_first", "StatisticsGen", 9, "RuntimeError", "\x1b[31mred"]]
    )  # fmt: skip
    document = config.read_text()
    config.write_text(document.replace("answer", "reply"))
    outcomes["wrong input"] = place.call("run")
    config.write_text(document)
    return place, outcomes


def test_nothing_but_our_words_reaches_standard_error(runs: tuple[Place, dict[str, Outcome]]) -> None:
    _, outcomes = runs
    for kind in ("fresh", "unchanged", "blocked"):
        assert outcomes[kind].errors == "", kind
    assert re.fullmatch(r"longhaul: .*\n  Remedy: .*\n", outcomes["wrong input"].errors)
    assert outcomes["a bug"].errors.startswith(r"longhaul: a bug of ours: RuntimeError: \x1b[31mred")
    assert all("\x1b" not in outcome.text for outcome in outcomes.values())


def test_each_exit_code_occurs_as_documented(runs: tuple[Place, dict[str, Outcome]]) -> None:
    """130 and 143: see test_signals.py."""
    _, outcomes = runs
    expected = {"blocked": errors.EXIT_GATE, "wrong input": errors.EXIT_INPUT, "a bug": errors.EXIT_BUG}
    assert {kind: outcome.code for kind, outcome in outcomes.items()} == {"fresh": 0, "unchanged": 0} | expected


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_the_end_of_a_pipe_or_a_terminal_ends_no_run(runs: tuple[Place, dict[str, Outcome]], kind: str) -> None:
    """`longhaul run | head`; a window that is closed, a connection that breaks: SIGHUP comes with it."""
    place, _ = runs
    if kind == "pipe":
        out = place.folder / "pipe"
        os.mkfifo(out)
        reader = os.open(out, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(reader, True)
        holder = os.open(out, os.O_WRONLY)  # else a read before the command opens it would find the end
        place.zygote.start(place.argv("run", "--to", "StatisticsGen"), out, [["run_without_cache", "StatisticsGen"]])
        assert os.read(reader, 10)
        os.close(holder)
        os.close(reader)
    else:
        reader, terminal = pty.openpty()
        out = Path(os.ttyname(terminal))
        place.zygote.start(place.argv("run", "--to", "StatisticsGen"), out, [["run_without_cache", "StatisticsGen"]])
        assert os.read(reader, 10)
        os.close(terminal)
        os.close(reader)
    assert place.zygote.end() == 0
    run = place.latest()
    assert run.status == "complete"
    assert (place.workspace / "reports" / f"{run.run_id}.html").stat().st_size > 10_000
    lines = [json.loads(line) for line in (place.workspace / "logs" / f"{run.run_id}.jsonl").read_text().splitlines()]
    assert ("StatisticsGen", "finished") in [(line["step"], line.get("event")) for line in lines]
    assert "Traceback" not in (place.workspace / "logs" / f"{run.run_id}.log").read_text()


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "> /dev/full"])
def test_a_command_without_streams_ends_as_it_would_with_them(
    runs: tuple[Place, dict[str, Outcome]], closed: str
) -> None:
    place, _ = runs
    command = f"{sys.executable} -m pipeline.cli runs -c {place.folder / 'toy.yaml'} -w {place.workspace} {closed}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ("complete" in ended.stdout) == (closed in ("2>&-", "<&-"))
