"""Ten thousand requests while versions come and go; a worker that is killed; a rollout that two workers follow."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.long_serve import endure
from pipeline.serving.rollout import Rollout, end, write
from tests.serving.server.conftest import ROW, Server, probability, push
from tests.serving.server.test_canary import KEYS, ROWS, versions_of
from tests.serving.server.test_versions import PREDICT, Stream
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_nothing_fails_is_wrong_or_is_lost_while_versions_come_and_go(
    exported: dict[str, Path], tmp_path: Path
) -> None:
    found = endure((exported["first"], exported["second"]), ROW, 10_000, tmp_path)
    assert found["requests"] >= 10_000
    assert (found["failed"], found["wrong_version"]) == (0, 0), found["first_problems"]
    assert (found["lost_log_rows"], found["wrong_log_rows"], found["dropped_log_rows"]) == (0, 0, 0)
    assert min(found["answers_by_version"].values()) > 0
    for version, bias in (("1", 0.0), ("2", 1.0), ("3", 0.0)):
        assert found["answers"][version] == (pytest.approx(probability(ROW, bias), abs=1e-6),) * 2
    assert found["memory_mb"][-1] <= 1.05 * found["memory_mb"][2]  # from then on no version is loaded
    assert found["ended_with"] == 0


def workers(server: Server) -> set[int]:
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True)
    return set(map(int, done.stdout.split()))


def listening(server: Server) -> bool:
    """Whether every worker listens: of connections that are opened one after another some go to each."""
    return all(server.get("/readyz").status_code == 200 for _ in range(10))


def test_two_workers_follow_a_rollout_and_one_that_is_killed_takes_only_what_it_was_asked(
    exported: dict[str, Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    base = tmp_path / "flights"
    push(exported["first"], base, 1)
    push(exported["second"], base, 2)
    server = serve("--model", base, "--workers", "2")
    eventually(lambda: len(workers(server)) == 2 and listening(server))
    rollout = Rollout(2, 1, 2, "canary", 30, "miles", "Ann", "2026-01-01T00:00:00+00:00")
    expected = [2 if rollout.meets(miles) else 1 for miles in KEYS]

    def answered() -> list[int]:
        """Over a connection of its own, so by either worker."""
        return versions_of([answer[0] for answer in server.post(PREDICT, {"instances": ROWS}).json()["predictions"]])

    with Stream(server) as stream:
        write(base, rollout)
        eventually(lambda: all(answered() == expected for _ in range(10)))
        for _ in range(30):
            assert answered() == expected
        before = workers(server)
        os.kill(min(before), signal.SIGKILL)
        eventually(lambda: len(workers(server)) == 2 and workers(server) != before)
        eventually(lambda: server.errors().count(rollout.words) == 3)  # both, then the one in the killed one's place
        # Each of three clients has a request under way. Its next connection may wait for the worker that is killed,
        # too: the system closes that queue last.
        most = 3 + 3
        assert len(stream.problems) <= most, stream.problems
        for _ in range(30):  # the new one answers at all only when it follows
            assert answered() == expected
        end(base)
        eventually(lambda: all(server.version() == 2 for _ in range(10)))
        assert len(stream.problems) <= most, stream.problems
    assert server.end() == 0
