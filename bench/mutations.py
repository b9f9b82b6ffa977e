"""Break the product on purpose, and see whether the tests notice.

python -m bench.mutations [--at COMMIT] [NAME ...]   # in a worktree of its own, removed afterwards; some minutes

A break replaces one piece of text. It is named by the end of its file's path, so that it can also be tried on an
earlier commit, where the file had another place; of several pieces the first that is there counts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measure import ROOT


@dataclass(frozen=True)
class Break:
    """What is broken, how, and which tests must fail.

    Attributes:
        edits: (end of the file's path, text, text in its place).
        tests: files, wherever they lie below tests/, with the name of a test or without.
    """

    name: str
    edits: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...]


BREAKS = (
    Break(
        "the gate never blocks",
        (("guard/findings.py", "return bool(self.blocking)", "return False"),),
        ("test_judge.py::test_what_blocks_comes_first_and_what_is_ignored_not_at_all",),
    ),
    Break(
        "the cache does not ask for the code",
        (
            (
                "provenance.py",
                'return import_closure.digest(import_closure.closure(modules)) if modules else ""',
                "return ''",
            ),
        ),
        ("test_cache_keys.py::test_every_step_but_those_of_tfx_is_told_the_digest_of_its_code",),
    ),
    Break(
        "the champion is the newest blessed model, also after a rollback",
        (("champion.py", "champion = model_of(served, models)", "champion = last_fit(models, input_dict)"),),
        ("test_champion.py::test_the_champion_is_what_serves",),
    ),
    Break(
        "Pusher pushes what was not blessed",
        (("components/pusher.py", "if not self.CheckBlessing(input_dict):", "if not input_dict:"),),
        ("test_pusher.py",),
    ),
    Break(
        "rows go to other splits",
        (("data/split.py", "0x9E3779B97F4A7C15", "0x9E3779B97F4A7C17"),),
        ("test_split.py::test_the_assignments_are_these_for_ever",),
    ),
    Break(
        "AUC is off by half a bucket",
        (("tallies.py", "np.cumsum(negative, axis=1) - negative / 2", "np.cumsum(negative, axis=1)"),),
        ("test_tallies.py",),
    ),
    Break(
        "a model on its threshold is refused",
        (("model_judge.py", "value >= bounds.at_least", "value > bounds.at_least"),),
        ("test_model_judge.py",),
    ),
    Break(
        "resume does not see what has changed",
        (("resume.py", "if known.get(name) != now.get(name)", "if name not in known"),),
        ("test_changes.py::test_a_changed_setting_runs_again_what_it_concerns",),
    ),
    Break(
        "gc takes a pinned model",
        (("lineage/garbage.py", "elif PINNED in artifact.custom_properties:", "elif not artifact:"),),
        ("test_garbage.py::test_pins_keep_runs_and_models",),
    ),
    Break(
        "drift compares a span with itself",
        (("guard/drift.py", "_measure(spans[now], spans[before],", "_measure(spans[now], spans[now],"),),
        ("test_drift.py::test_the_distances_are_tfdvs_from_span_to_span",),
    ),
    Break(
        "the served probability is that of the other class",
        (("trainer/signatures.py", "return {PREDICTION: scores}", "return {PREDICTION: 1 - scores}"),),
        ("test_signatures.py::test_a_trained_model_answers_through_the_cpp_loader_as_in_python",),
    ),
    Break(
        "nobody holds the workspace's lock",
        (
            ("pipeline/files.py", "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass"),
            ("runners/workspace.py", "fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass"),
        ),
        ("test_lock.py", "test_workspace.py"),
    ),
    Break(
        "a push writes where the model serves",
        (
            ("pipeline/files.py", "hidden.replace(path)", "shutil.copytree(hidden, path)"),
            (
                "push/publish.py",
                "incoming.rename(base / str(version))",
                "shutil.copytree(incoming, base / str(version))",
            ),
        ),
        ("test_publish.py::test_a_push_that_is_killed_leaves_the_old_version_serving",),
    ),
    Break(
        "the loss of the only epoch is told wrong",
        (("reports/training.py", "loss on {held} is {number(least)}", "loss on {held} is {number(0.0)}"),),
        ("test_fitting.py::test_what_was_fitted_is_what_is_said",),
    ),
    Break(
        "one worker of a cluster reads all row groups",
        (("statistics_gen.py", '| "SpreadRowGroups" >> beam.Reshuffle()', ""),),
        ("test_dataflow.py::test_workers_get_the_image_the_machine_and_the_account",),
    ),
)


def main() -> int:
    """Prints a line for each break; the exit code is 1 if the tests do not notice one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at", default="HEAD", metavar="COMMIT", help="whose product and tests (default: HEAD)")
    parser.add_argument("names", nargs="*", help="parts of the names of breaks; default: all")
    chosen = parser.parse_args()
    breaks = [one for one in BREAKS if not chosen.names or any(name in one.name for name in chosen.names)]
    unseen = 0
    with _worktree(chosen.at) as tree:
        tests = {path for one in breaks for path in _tests_of(one, tree)}
        if not _pass(tests, tree):
            raise SystemExit("a test fails before anything is broken")
        for one in breaks:
            begin = time.monotonic()
            answer = _tried(one, tree)
            unseen += answer != "noticed"
            print(f"{answer:<12} {time.monotonic() - begin:5.0f} s  {one.name}", flush=True)
    return int(unseen > 0)


@contextmanager
def _worktree(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="longhaul-mutations-") as folder:
        tree = Path(folder, "tree")
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--detach", "-q", tree, commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree], check=True)


def _tests_of(one: Break, tree: Path) -> list[str]:
    return [
        f"{path.relative_to(tree)}{colons}{test}"
        for file, colons, test in (name.partition("::") for name in one.tests)
        for path in tree.glob(f"tests/**/{file}")
    ]


def _tried(one: Break, tree: Path) -> str:
    """'noticed', 'not noticed', or what keeps the break from being tried."""
    tests = _tests_of(one, tree)
    if not tests:
        return "no test"
    for ending, text, instead in one.edits:
        for file in (path for room in ("pipeline", "trainer") for path in (tree / room).rglob("*.py")):
            original = file.read_text()
            if not file.as_posix().endswith(ending) or text not in original:
                continue
            file.write_text(original.replace(text, instead))
            try:
                return "not noticed" if _pass(tests, tree) else "noticed"
            finally:
                file.write_text(original)
    return "no such text"


def _pass(tests: Collection[str], tree: Path) -> bool:
    call = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *sorted(tests)]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(call, cwd=tree, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if done.returncode > 1:
        raise SystemExit(f"pytest ended with {done.returncode}: {' '.join(call)}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
