"""New versions, rollbacks and damaged folders under a stream of requests; ends, workers, ports."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.captured import called
from tests.serving.server.conftest import BIAS, ROW, Server, probability, push, seal
from tests.waiting import eventually

pytestmark = pytest.mark.slow

BODY = json.dumps({"instances": [ROW]})
PREDICT = "/v1/models/flights:predict"


class Stream:
    """Requests one after another in several threads; what was answered, by status and version."""

    def __init__(self, server: Server, clients: int = 3) -> None:
        self._server, self._over = server, threading.Event()
        self.answers: Counter[tuple[int, int]] = Counter()
        self.problems: list[str] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Stream:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with self._server.client as client:
            while not self._over.is_set():
                try:
                    found = client.post(PREDICT, content=BODY)
                except httpx.HTTPError as exc:
                    self.problems.append(repr(exc))
                    continue
                if found.status_code != 200:
                    self.problems.append(found.text)
                    continue
                answer = found.json()["predictions"][0][0]
                version = next(
                    (
                        place
                        for place, bias in enumerate(BIAS.values(), 1)
                        if abs(probability(ROW, bias) - answer) < 1e-6
                    ),
                    0,
                )
                self.answers[found.status_code, version] += 1


def cpu_s(pid: int) -> float:
    """Processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def states(server: Server) -> dict[str, str]:
    told = server.get("/v1/models/flights").json()["model_version_status"]
    return {one["version"]: one["state"] for one in told}


def test_versions_come_and_go_without_a_failed_request(
    exported: dict[str, Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    base = tmp_path / "flights"
    push(exported["first"], base, 1)
    server = serve("--model", base)
    with Stream(server) as stream:
        push(exported["second"], base, 2)
        eventually(lambda: server.version() == 2)
        assert states(server) == {"2": "AVAILABLE", "1": "AVAILABLE"}  # the one before stays
        one = server.post("/v1/models/flights/versions/1:predict", BODY).json()["predictions"][0][0]
        assert one == pytest.approx(probability(ROW), abs=1e-6)
        labelled = server.post("/v1/models/flights/labels/previous:predict", BODY).json()["predictions"][0][0]
        assert labelled == pytest.approx(one)

        # A rollback publishes the earlier model once more.
        began = time.monotonic()
        push(exported["first"], base, 3)
        eventually(lambda: server.version() == 1)
        took = time.monotonic() - began
        assert states(server) == {"3": "AVAILABLE", "2": "AVAILABLE"}

        # Damaged, of other answers, no model at all: refused, and whatever answered goes on.
        push(exported["second"], base, 4)
        weights = base / "4" / "variables" / "variables.data-00000-of-00001"
        hidden = base / ".incoming-5"
        shutil.copytree(exported["second"], hidden)
        (hidden / "variables" / weights.name).write_bytes((exported["first"] / "variables" / weights.name).read_bytes())
        (hidden / "variables" / "variables.index").write_bytes(
            (exported["first"] / "variables" / "variables.index").read_bytes()
        )
        seal(hidden, 5)  # whole by its manifest, but not the weights that its rows were kept with
        hidden.rename(base / "5")
        (base / "6").mkdir()
        (base / "6" / "saved_model.pb").write_bytes(b"\xff no model")
        eventually(lambda: {"5", "6"} <= {version for version, state in states(server).items() if state == "END"})
        eventually(lambda: server.version() == 2)  # version 4 is whole, and the highest that is
        told = {
            one["version"]: one["status"]["error_message"]
            for one in server.get("/v1/models/flights").json()["model_version_status"]
        }
        assert "it does not answer the rows that were kept with it as it did when it was trained" in told["5"]
        assert "it cannot be loaded" in told["6"]
        shutil.rmtree(base / "4")
        eventually(lambda: server.version() == 1)  # back to 3, which is still loaded
    assert stream.problems == []
    assert stream.answers[200, 0] == 0
    assert min(stream.answers[200, 1], stream.answers[200, 2]) > 0
    assert took < 30  # a second when the machine is idle


def test_a_version_that_was_changed_is_refused_at_the_start(
    exported: dict[str, Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    base = tmp_path / "flights"
    push(exported["first"], base, 1)
    push(exported["second"], base, 2)
    with (base / "2" / "variables" / "variables.data-00000-of-00001").open("ab") as file:
        file.write(b"x")
    server = serve("--name", f"flights={base}", "--name", f"only={base / '1'}")
    # The time of a start, however busy the machine is: Python's TensorFlow alone would take twice as long.
    assert cpu_s(server.process.pid) < 4
    assert (server.version("flights"), server.version("only")) == (1, 1)
    (problem,) = [one["status"]["error_message"] for one in
                  server.get("/v1/models/flights/versions/2").json()["model_version_status"]]  # fmt: skip
    assert problem == "it is damaged: variables/variables.data-00000-of-00001 was changed"


def test_what_has_begun_is_answered_before_the_end(
    exported: dict[str, Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    push(exported["first"], tmp_path / "flights", 1)
    server = serve("--model", tmp_path / "flights")
    rows = json.dumps({"instances": [ROW] * 20_000})
    found: list[httpx.Response] = []
    with server.client as client:
        client.get("/healthz")
        asking = threading.Thread(target=lambda: found.append(client.post(PREDICT, content=rows)))
        asking.start()
        eventually(lambda: bool(server.post(PREDICT, BODY)))
        server.process.send_signal(signal.SIGTERM)
        asking.join()
    assert found[0].status_code == 200
    assert len(found[0].json()["predictions"]) == 20_000
    assert server.process.wait(60) == 0
    with pytest.raises(httpx.ConnectError):
        server.get("/healthz")


@pytest.mark.long
def test_workers_share_the_port_and_one_that_dies_is_replaced(
    exported: dict[str, Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    push(exported["first"], tmp_path / "flights", 1)
    server = serve("--model", tmp_path / "flights", "--workers", "2")

    def workers() -> set[int]:
        done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True)
        return set(map(int, done.stdout.split()))

    def ready() -> bool:
        try:
            return all(server.get("/readyz").status_code == 200 for _ in range(10))
        except httpx.HTTPError:
            return False

    eventually(lambda: len(workers()) == 2 and ready())
    before = workers()
    os.kill(min(before), signal.SIGKILL)
    eventually(lambda: len(workers()) == 2 and workers() != before and ready())
    for _ in range(20):
        assert server.version() == 1
    assert 'request_count{model_name="flights",status="OK"}' in server.get("/metrics").text
    assert server.end() == 0
    assert workers() == set()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--name", "flights"], "not NAME=FOLDER"),
        (["--name", "a/b={tmp}/flights"], "not NAME=FOLDER"),
        (["--model", "{tmp}/flights", "--name", "flights={tmp}/flights"], "is there twice"),
        (["--model", "{tmp}/flights", "--port", "{taken}"], "choose another --port"),
        (["--model", "{tmp}/flights", "--port", "0", "--grpc-port", "{taken}"], "choose another --grpc-port"),
        (["--model", "{tmp}/flights", "--tokens", "{tmp}/none"], "cannot be read"),
        (["--model", "{tmp}/flights", "--tokens", "{tmp}/empty"], "holds no token"),
        (["--model", "{tmp}/flights", "--tls-certificate", "{tmp}/empty"], "name a certificate and its own key"),
    ],
)
def test_a_mistake_of_the_user_is_one_message(server: Server, tmp_path: Path, arguments: list[str], told: str) -> None:
    (tmp_path / "flights" / "1").mkdir(parents=True)
    (tmp_path / "flights" / "1" / "saved_model.pb").touch()
    (tmp_path / "empty").touch()
    taken = server.rest.rpartition(":")[2]
    outcome = called("serve", *(each.format(tmp=tmp_path, taken=taken) for each in arguments))
    assert outcome.code == 2, outcome.text
    assert told in outcome.text
    assert "Traceback" not in outcome.text


def test_a_process_with_nothing_to_serve_ends_and_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "serve", "--model", tmp_path / "none"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds no model" in done.stderr
    assert "Traceback" not in done.stderr
