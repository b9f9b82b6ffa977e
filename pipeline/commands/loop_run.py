"""Trains for `longhaul loop`: `longhaul run` in a process of its own, and what came of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pipeline.config.loading import REFERENCE
from pipeline.config.place import Place
from pipeline.errors import EXIT_CODES, LATER
from pipeline.files import is_held, locked
from pipeline.lineage.artifact_names import MODEL_DIGEST
from pipeline.lineage.runs import Run, find_run, list_runs
from pipeline.lineage.store import has_records, open_existing_store
from pipeline.serving.approvals import WAITING, request_of

WAITS, SERVED = "waits", "served"
RETRIED = frozenset(one.code for one in EXIT_CODES if one.then == LATER)
_SHOWN = 12


def train(place: Place, log: Path) -> tuple[int, float]:
    """Run the pipeline in a child process; a blessed model waits. Return its exit code and its CPU seconds.

    A child whose loop is killed goes on and ends well; the next look waits for it (`is_training`), and finds what it
    did.

    Args:
        log: gets what it says, added to what is there.
    """
    command = [sys.executable, "-m", "pipeline.cli", "run", "--hold", "-w", str(place.root)]
    if place.file and place.file != REFERENCE.absolute():
        command += ["-c", str(place.file)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file, locked(_lock(log)) as descriptor:
        child = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, pass_fds=(descriptor,)
        )
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:  # Ctrl-C, SIGTERM: then the run, too, is stopped, and goes on at the next look
            child.terminate()
            child.wait()
            raise
        child.returncode = os.waitstatus_to_exitcode(status)
    code = child.returncode
    return (128 - code if code < 0 else code), usage.ru_utime + usage.ru_stime


def is_training(log: Path) -> bool:
    """Return whether a child is at work, also one that has no run on record yet: it holds its loop's lock."""
    return is_held(_lock(log))


def _lock(log: Path) -> Path:
    return log.parent / ".lock"


def last_words(log: Path) -> str:
    """Return the end of what the child said."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return "\n".join(lines[-_SHOWN:])


def run_since(place: Place, before: str) -> Run | None:
    """Return the newest run later than another; None if there is none."""
    if not has_records(place.metadata, place.root):
        return None
    store = open_existing_store(place)
    runs = list_runs(store, place.record_name)
    if not runs or runs[0].run_id <= before:
        return None
    return find_run(store, place.record_name, runs[0].run_id)


def is_whole(run: Run) -> bool:
    """Return whether a run got to its end, or to a gate's no."""
    return run.status == "blocked" or (
        run.status == "complete" and any(step.node in ("Pusher", "Evaluator") for step in run.steps)
    )


def outcome_of(serving: Path, run: Run) -> tuple[str, str]:
    """Return what came of a run that has ended, and the digest of its model.

    The outcome: failed, blocked, not_blessed, infra_refused, waits, served, or not_pushed.
    """
    if run.status != "complete":
        return run.status if run.status == "blocked" else "failed", ""
    digest = next(
        (str(found) for one in run.artifacts.get("Pusher", []) if (found := one.properties.get(MODEL_DIGEST))), ""
    )
    if run.verdict is not None and not run.verdict["blessed"]:
        return "not_blessed", digest
    if run.infra_verdict is not None and not run.infra_verdict["blessed"]:
        return "infra_refused", digest
    request = request_of(serving, digest)
    if request and request.state == WAITING:
        return WAITS, digest
    return (SERVED if run.pushed or run.served_already else "not_pushed"), digest
