"""What a crash costs: an undisturbed run of the flights against one that is killed as Trainer begins, and resumed.

python -m bench.resume FOLDER   # FOLDER is made anew; the flights are collected into it first
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.measure import ROOT, STEP_LINE
from pipeline.flights import collect


def main(folder: Path) -> None:
    """Prints seconds of wall clock and their ratio."""
    table = folder / "flights"
    collect.build(table)
    undisturbed = _run(_workspace(folder, "undisturbed", table), "run")
    killed = _workspace(folder, "killed", table)
    before = _run(killed, "run", kill_after="Transform")
    after = _run(killed, "resume")
    print(f"undisturbed {undisturbed:.1f} s; killed after {before:.1f} s, resumed in {after:.1f} s")
    print(f"both together over undisturbed: {(before + after) / undisturbed:.3f}")


def _workspace(folder: Path, name: str, table: Path) -> Path:
    workspace = folder / name
    shutil.rmtree(workspace, ignore_errors=True)
    (workspace / "data").mkdir(parents=True)
    (workspace / "data" / "flights").symlink_to(table)
    return workspace


def _run(workspace: Path, command: str, kill_after: str | None = None) -> float:
    """Seconds of a command; it is killed when the step `kill_after` is done."""
    began = time.monotonic()
    arguments = [sys.executable, "-m", "pipeline.cli", command, "--workspace", str(workspace)]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout
        for line in process.stdout:
            if (match := STEP_LINE.match(line)) and match[1] == kill_after:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode not in (0, 1) and kill_after is None:
        sys.exit(f"{' '.join(arguments)} ended with {process.returncode}")
    return time.monotonic() - began


if __name__ == "__main__":
    main(Path(sys.argv[1]))
