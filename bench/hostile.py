"""Sends hostile requests to `longhaul serve`, by default 100,000: none may crash it, none be answered with 5xx but 503.

    python -m bench.hostile workspace/serving/flights        # bench/results/hostile.json

Half are broken JSON: bytes of an honest request dropped, doubled, swapped or made up; half are JSON of odd values in
odd places. They go to every method of both HTTP protocols, many at a time, on connections that are kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

_RESULT = Path(__file__).parent / "results" / "hostile.json"
_ODD: list[Any] = [
    None, True, "", "x", "\u0000", "\ud83d", "é" * 200, 0, -1, 1.5, 1e308, -1e-320, 2**63, 10**400, float("nan"),
    float("inf"), [], {}, [[]], {"b64": "!"}, {"b64": "AA=="}, [[[[[[1]]]]]],
]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Sends them, prints what came back, and writes the result; fails if something came that must not."""
    parser = argparse.ArgumentParser(prog="python -m bench.hostile")
    parser.add_argument("model", type=Path, help="a folder of versions")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--output", type=Path, default=_RESULT)
    given = parser.parse_args(arguments)
    serve = [sys.executable, "-u", "-m", "pipeline.cli", "serve", "--model", str(given.model), "--port", "0"]
    server = subprocess.Popen([*serve, "--grpc-port", "-1"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        rest = server.stdout.readline().split()[1]
        began = time.monotonic()
        found = asyncio.run(send(rest, given.model.name, given.requests))
        told = {
            "requests": given.requests,
            "seconds": round(time.monotonic() - began, 1),
            "answers": {str(code): number for code, number in sorted(found.items())},
            "crashed": server.poll() is not None,
            "answers_after": httpx.get(f"{rest}/readyz", trust_env=False).status_code,
        }
    finally:
        server.terminate()
        server.wait()
    given.output.write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told, indent=1))
    if told["crashed"] or any(code >= 500 and code != 503 for code in found) or told["answers_after"] != 200:
        raise SystemExit(1)


async def send(rest: str, name: str, requests: int, at_once: int = 16) -> Counter[int]:
    """Returns how many answers there were of each code; 0 stands for a connection that broke."""
    found: Counter[int] = Counter()
    async with httpx.AsyncClient(base_url=rest, timeout=120, trust_env=False) as client:
        (example, *_) = (await client.get("/page/models.json")).json()["models"][0]["examples"]
        paths = [f"/v1/models/{name}:{method}" for method in ("predict", "classify", "regress", "explain")]
        paths += [f"{paths[0]}?strict=1", f"{paths[0]}?detail=1", f"/v2/models/{name}/infer"]

        async def sender(seed: int, number: int) -> None:
            draw = random.Random(seed)
            for _ in range(number):
                body = broken(draw, example) if draw.random() < 0.5 else odd(draw, example)
                try:
                    found[(await client.post(draw.choice(paths), content=body)).status_code] += 1
                except httpx.HTTPError:
                    found[0] += 1

        await asyncio.gather(*(sender(seed, requests // at_once) for seed in range(at_once)))
    return found


def broken(draw: random.Random, example: dict[str, Any]) -> bytes:
    """Bytes of an honest request, some of them changed."""
    body = bytearray(json.dumps({draw.choice(["instances", "examples"]): [example]}).encode())
    for _ in range(draw.randrange(1, 5)):
        at = draw.randrange(len(body))
        part = bytes(draw.choices(range(256), k=draw.randrange(1, 8)))
        body[at : at + draw.randrange(8)] = draw.choice([part, b"", bytes(body[at : at + 20]), b"[" * 50, b'"', b"e9"])
    return bytes(body)


def odd(draw: random.Random, example: dict[str, Any]) -> bytes:
    """JSON with odd values in odd places."""
    row = dict(example)
    for name in draw.sample([*row, "else"], min(len(row), draw.randrange(4))):
        row[name] = draw.choice(_ODD)
    rows: Any = draw.choice([[row], [row, draw.choice(_ODD)], row, draw.choice(_ODD), [row] * draw.randrange(3)])
    key = draw.choice(["instances", "inputs", "examples"])
    shapes: list[Any] = [[1], [], [0], [2**40], [-1], "x"]
    tensors = [
        {
            "name": name,
            "shape": draw.choice(shapes),
            "datatype": draw.choice(["FP64", "BYTES", None]),
            "data": draw.choice([[value], value, draw.choice(_ODD)]),
        }
        for name, value in row.items()
    ]
    body = draw.choice([{key: rows}, {key: rows, "signature_name": draw.choice(_ODD)}, {"inputs": tensors}, rows])
    return json.dumps(body).encode()


if __name__ == "__main__":
    main()
