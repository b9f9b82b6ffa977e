"""Asks `longhaul serve` a million times while versions come, go and are tried: what failed, was wrong, or is lost?

    python -m bench.long_serve workspace/serving/flights                      # bench/results/long-serve.json
    python -m bench.long_serve workspace/serving/flights --requests 20000

Over the Open Inference Protocol, which names the version in each answer. Of six parts the first meets version 1; then 2
is pushed; then 1 is rolled back to, as version 3; then 2 is a canary of 20, and of 60 percent; then that is aborted. A
version is wrong if it did not answer at that time, or is not the one that the request's id meets. At the end
the log has to hold each request once, with the version of its answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from pipeline.lineage.version_folders import versions
from pipeline.serving.request_files import tables
from pipeline.serving.rollout import Rollout, end, write
from trainer.artifact_names import SIGNATURES_FILE

CLIENTS = 16
NAME = "model"
_FOLLOWED_S = 2.0
"""After which servers follow, and what was under way is answered."""
_RESULT = Path(__file__).parent / "results" / "long-serve.json"
_ID, _VERSION = re.compile(rb"x-request-id: (\S+)"), re.compile(rb'"model_version":"(\d+)"')
_VALUE = re.compile(rb'"data":\[([0-9.e-]+)\]')
_CANARY = Rollout(2, 3, 3, "canary", 20.0, by="bench", time="2026-01-01T00:00:00+00:00")


@dataclass
class Seen:
    """What was answered.

    Attributes:
        allowed: tells whether a version may answer the request of this id now.
        versions: of each answer, by the request's id.
        values: the least and the greatest that each version said to the one request.
    """

    allowed: Callable[[str, int], bool]
    versions: dict[str, int] = field(default_factory=dict)
    values: dict[int, tuple[float, float]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> None:
    """Asks, prints what was found, and writes it; fails if anything is not as it has to be."""
    parser = argparse.ArgumentParser(prog="python -m bench.long_serve")
    parser.add_argument("model", type=Path, help="a folder of versions; the newest is asked")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path, default=_RESULT)
    given = parser.parse_args(arguments)
    newest = given.model / str(versions(given.model)[-1])
    row = json.loads((newest / SIGNATURES_FILE).read_text())["signatures"]["serving_tensors"]["rest"]["body"]
    with tempfile.TemporaryDirectory(prefix="longhaul-bench-") as folder:
        found = endure((newest, newest), row["instances"][0], given.requests, Path(folder))
    given.output.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    if any(found[key] for key in ("failed", "wrong_version", "lost_log_rows", "wrong_log_rows")):
        raise SystemExit(1)


def endure(models: tuple[Path, Path], row: dict[str, Any], requests: int, folder: Path) -> dict[str, Any]:
    """Asks for one row again and again.

    Args:
        models: two folders of one version each, which may be the same.
        folder: empty.
    """
    base, log = folder / NAME, folder / "log"
    push(models[0], base, 1)
    command = [sys.executable, "-u", "-m", "pipeline.cli", "serve", "--model", str(base), "--log", str(log)]
    server = subprocess.Popen([*command, "--port", "0", "--grpc-port", "-1"], stdout=subprocess.PIPE, text=True)
    seen = Seen(lambda _, version: version == 1)
    try:
        assert server.stdout
        address = server.stdout.readline().split()[1]
        body = json.dumps({"inputs": [tensor(name, value) for name, value in row.items()]}).encode()
        memory, began = [], time.monotonic()
        for change in changes(models, base, address, seen):
            asyncio.run(ask(address, body, requests // 6, seen, change))
            memory.append(memory_mb(server.pid))
        took = time.monotonic() - began
        dropped = re.search(r"dropped_rows_total\{[^}]*\} (\S+)", httpx.get(f"{address}/metrics", trust_env=False).text)
    finally:
        server.terminate()
        server.wait()
    logged = [(one["request_id"], int(one["version"])) for table in tables(log / NAME) for one in pairs(table)]
    return {
        "requests": len(seen.versions) + len(seen.failed),
        "per_s": round(len(seen.versions) / took),
        "failed": len(seen.failed),
        "wrong_version": len(seen.wrong),
        "answers_by_version": {str(one): list(seen.versions.values()).count(one) for one in sorted(seen.values)},
        "answers": {str(number): values for number, values in sorted(seen.values.items())},
        "lost_log_rows": len(seen.versions.keys() - {name for name, _ in logged}),
        "wrong_log_rows": len(logged) - len(set(logged) & set(seen.versions.items())),
        "dropped_log_rows": float(dropped[1]) if dropped else 0.0,
        "memory_mb": memory,
        "ended_with": server.returncode,
        "first_problems": (seen.failed + seen.wrong)[:5],
    }


def changes(models: tuple[Path, Path], base: Path, address: str, seen: Seen) -> Iterator[Callable[[], Any]]:
    """Yields what happens at the beginning of each part, while requests go on."""

    def becomes(happens: Callable[[], Any], followed: Callable[[], bool], then: Callable[[str, int], bool]) -> Any:
        async def change() -> None:
            before = seen.allowed
            seen.allowed = lambda name, version: before(name, version) or then(name, version)
            happens()
            while not await asyncio.to_thread(followed):
                await asyncio.sleep(0.05)
            await asyncio.sleep(_FOLLOWED_S)
            seen.allowed = then

        return change

    def is_there(path: str) -> bool:
        return httpx.get(f"{address}{path}", trust_env=False).status_code == 200

    def canary(share: float) -> Any:
        rollout = replace(_CANARY, share=share)
        return becomes(
            lambda: write(base, rollout),
            lambda: is_there(f"/v1/models/{NAME}/labels/canary"),
            lambda name, version: version == (2 if rollout.meets(name) else 3),
        )

    async def nothing() -> None:
        pass

    yield nothing
    yield becomes(
        lambda: push(models[1], base, 2),
        lambda: is_there(f"/v2/models/{NAME}/versions/2/ready"),
        lambda _, version: version == 2,
    )
    yield becomes(
        lambda: push(models[0], base, 3),
        lambda: is_there(f"/v2/models/{NAME}/versions/3/ready"),
        lambda _, version: version == 3,
    )
    yield canary(20.0)
    yield canary(60.0)
    yield becomes(
        lambda: end(base), lambda: not is_there(f"/v1/models/{NAME}/labels/canary"), lambda _, version: version == 3
    )


async def ask(address: str, body: bytes, requests: int, seen: Seen, change: Callable[[], Any]) -> None:
    """Sends requests by several clients until the change is over, and then so many more."""
    changing = asyncio.ensure_future(change())
    host, _, port = address.removeprefix("http://").rpartition(":")
    left = requests

    async def client() -> None:
        nonlocal left
        reader, writer = await asyncio.open_connection(host, int(port))
        while left > 0:
            if changing.done():
                left -= 1
            name = f"r{next(seen.numbers)}"
            writer.write(
                b"POST /v2/models/%b/infer HTTP/1.1\r\nhost: x\r\nx-request-id: %b\r\ncontent-length: %d\r\n\r\n%b"
                % (NAME.encode(), name.encode(), len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().rpartition(b"content-length: ")[2].split(b"\r\n")[0])
            note(seen, name, head, await reader.readexactly(size))
        writer.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    await changing


def note(seen: Seen, name: str, head: bytes, content: bytes) -> None:
    """Notes an answer."""
    version, its, its_value = _VERSION.search(content), _ID.search(head), _VALUE.search(content)
    if not head.startswith(b"HTTP/1.1 200") or not (version and its and its_value) or its[1].decode() != name:
        seen.failed.append(f"{name}: {head[:80]!r} {content[:200]!r}")
        return
    number = int(version[1])
    seen.versions[name] = number
    value = float(its_value[1])
    least, most = seen.values.get(number, (value, value))
    seen.values[number] = min(least, value), max(most, value)
    if not seen.allowed(name, number):
        seen.wrong.append(f"{name}: version {number}")


def push(model: Path, base: Path, version: int) -> None:
    """Copies a model as a version that appears whole."""
    hidden = base / f".incoming-{version}"
    shutil.copytree(model, hidden)
    hidden.rename(base / str(version))


def tensor(name: str, value: Any) -> dict[str, Any]:
    """A value in the Open Inference Protocol."""
    return {"name": name, "shape": [1], "datatype": "BYTES" if isinstance(value, str) else "FP64", "data": [value]}


def pairs(table: Any) -> list[dict[str, Any]]:
    """Which request was answered by which version."""
    found: list[dict[str, Any]] = table.select(["request_id", "version"]).to_pylist()
    return found


def memory_mb(pid: int) -> int:
    """Memory of a process."""
    told = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return round(int(told[1]) / 1000) if told else 0


if __name__ == "__main__":
    main()
