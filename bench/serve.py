"""How many requests `longhaul serve` answers on one core, by protocol; and whether all say the same.

    apt-get install wrk
    python -m bench.serve workspace/serving/flights        # bench/results/serve.json

The server has the first core, the load the second. On a machine with other work the times say little; so beside them
stands the processor time that the server took for a request, whose inverse is what a core of its own would answer.
`wrk` asks over HTTP, the stubs of tensorflow-serving-api over gRPC. The answers of every protocol are compared with
those of the SavedModel in this process.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.served_requests import METHODS, as_json, grpc_request, v2_bytes, v2_grpc_request, v2_tensor
from pipeline.lineage.version_folders import versions
from pipeline.serving.cpp_session import CppSession
from pipeline.serving.server.proto_tensors import to_array
from pipeline.serving.server.protos import without_tensorflow
from trainer.artifact_names import SIGNATURES_FILE

SERVER_CORE, LOAD_CORE = "0", "1"
BATCH = 1024
_RESULT = Path(__file__).parent / "results" / "serve.json"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints a line a case, and writes the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.serve")
    parser.add_argument("model", type=Path, help="a folder of versions")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--output", type=Path, default=_RESULT)
    given = parser.parse_args(arguments)
    without_tensorflow()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    folder = given.model / str(versions(given.model)[-1])
    told = json.loads((folder / SIGNATURES_FILE).read_text())["signatures"]["serving_tensors"]
    row = told["rest"]["body"]["instances"][0]
    began = time.monotonic()
    pinned = ["taskset", "-c", SERVER_CORE, sys.executable, "-u", "-m", "pipeline.cli", "serve"]
    server = subprocess.Popen(
        [*pinned, "--model", str(given.model), "--port", "0", "--grpc-port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout
        lines = [server.stdout.readline() for _ in range(3)]
        found: dict[str, Any] = {"first_answer_s": round(time.monotonic() - began, 2), "cases": {}}
        rest, grpc_at = lines[0].split()[1], lines[2].split()[1]
        found["differences"] = differences(rest, grpc_at, given.model.name, folder, row, told["inputs"])
        url = f"{rest}/v1/models/{given.model.name}:predict"
        one = {"signature_name": "serving_tensors", "instances": [row]}
        rows = one | {"instances": [row] * BATCH}
        repeated = {name: [value] * BATCH for name, value in row.items()}
        columns = {"signature_name": "serving_tensors", "inputs": repeated}
        by_v2 = {"inputs": [v2_tensor(name, values) for name, values in repeated.items()]}
        v2_url = f"{rest}/v2/models/{given.model.name}/infer"
        in_bytes, json_size = v2_bytes(repeated)
        for name, at, body, clients, size, head in (
            ("REST, one row, 1 client", url, as_json(one), 1, 1, None),
            ("REST, one row, 64 clients", url, as_json(one), 64, 1, None),
            (f"REST, {BATCH} rows", url, as_json(rows), 2, BATCH, None),
            (f"REST, {BATCH} rows by column", url, as_json(columns), 2, BATCH, None),
            (f"Open Inference Protocol, {BATCH} rows", v2_url, as_json(by_v2), 2, BATCH, None),
            (f"Open Inference Protocol, {BATCH} rows in bytes", v2_url, in_bytes, 2, BATCH, json_size),
        ):
            measure(found, name, server.pid, size, lambda: by_wrk(at, body, clients, given.seconds, head))  # noqa: B023
        for protocol, ask in (("gRPC", grpc_request), ("Open Inference Protocol by gRPC", v2_grpc_request)):
            for size, clients in ((1, 64), (BATCH, 2)):
                name = f"{protocol}, {f'{size} rows' if size > 1 else f'one row, {clients} clients'}"
                request = ask(given.model.name, {key: [value] * size for key, value in row.items()})
                measure(found, name, server.pid, size, lambda: by_grpc(grpc_at, request, clients, given.seconds))  # noqa: B023
        found["memory_mb"] = round(int(re.search(r"VmRSS:\s+(\d+)", status_of(server.pid))[1]) / 1000)  # type: ignore[index]
    finally:
        server.terminate()
        server.wait()
    given.output.write_text(json.dumps(found, indent=1) + "\n")


def measure(found: dict[str, Any], name: str, pid: int, rows: int, ask: Callable[[], dict[str, float]]) -> None:
    """Adds what `ask` found, with the processor time that the server took for it."""
    before = cpu_s(pid)
    told = ask()
    cpu_us = (cpu_s(pid) - before) / told["requests"] * 1e6
    told |= {"cpu_us": round(cpu_us, 1), "rows_per_cpu_s": round(rows * 1e6 / cpu_us)}
    found["cases"][name] = told
    print(name, told, flush=True)


def by_wrk(url: str, body: bytes, clients: int, seconds: float, json_size: int | None = None) -> dict[str, float]:
    """Requests over HTTP; fails if one is not answered with 200.

    Args:
        json_size: of a body in which bytes follow the JSON.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "body").write_bytes(body)
        script = Path(folder) / "ask.lua"
        script.write_text(
            f'wrk.method = "POST"\nwrk.body = io.open("{folder}/body", "rb"):read("*a")\n'
            'wrk.headers["content-type"] = "application/json"\n'
            + (f'wrk.headers["inference-header-content-length"] = "{json_size}"\n' if json_size else "")
        )
        done = subprocess.run(
            [*("taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "30s"),
             *("--latency", "-s", str(script), url)], capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert "Non-2xx" not in done.stdout, done.stdout
    number, took = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout).groups()  # type: ignore[union-attr]
    return {"requests": int(number), "per_s": round(int(number) / float(took), 1), "p99_ms": latency_ms(done.stdout)}


def latency_ms(text: str) -> float:
    """wrk's 99th percentile."""
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def by_grpc(address: str, request: Any, clients: int, seconds: float) -> dict[str, float]:
    """Requests over gRPC, so many at a time, from this process."""
    import asyncio

    import grpc.aio

    os.sched_setaffinity(0, {int(LOAD_CORE)})
    took: list[float] = []
    path, answer = METHODS[type(request).__name__]()
    content = request.SerializeToString()

    async def client(ask: Any, until: float) -> None:
        while time.monotonic() < until:
            began = time.monotonic()
            await ask(content)
            took.append(time.monotonic() - began)

    async def all_clients() -> float:
        async with grpc.aio.insecure_channel(address) as channel:
            ask = channel.unary_unary(path, None, answer.FromString)
            began = time.monotonic()
            await asyncio.gather(*(client(ask, began + seconds) for _ in range(clients)))
            return time.monotonic() - began

    whole = asyncio.run(all_clients())
    return {
        "requests": len(took),
        "per_s": round(len(took) / whole, 1),
        "p99_ms": round(float(np.percentile(took, 99)) * 1000, 2),
    }


def differences(
    rest: str, grpc_at: str, name: str, folder: Path, row: dict[str, Any], told: dict[str, Any]
) -> dict[str, float]:
    """Returns the greatest difference of each protocol's answers from the SavedModel's, for rows that differ.

    Args:
        told: what the model says of its inputs.
    """
    import grpc
    import httpx
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    draw = np.random.default_rng(3)
    columns = {
        key: [value] * BATCH if isinstance(value, str) else drawn(draw, value, told[key]) for key, value in row.items()
    }
    with CppSession(str(folder)) as session:
        expected = session.ask("serving_tensors", columns)["prediction"]
    at = f"{rest}/v1/models/{name}:predict?strict=1"
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    signature = {"signature_name": "serving_tensors"}
    by_v2 = {"inputs": [v2_tensor(key, values) for key, values in columns.items()]}
    in_bytes, json_size = v2_bytes(columns)
    with httpx.Client(timeout=60, trust_env=False) as client:
        answers = {
            "REST rows": client.post(at, json=signature | {"instances": rows}).json()["predictions"],
            "REST columns": client.post(at, json=signature | {"inputs": columns}).json()["outputs"],
            "Open Inference Protocol": np.reshape(
                client.post(f"{rest}/v2/models/{name}/infer?strict=1", json=by_v2).json()["outputs"][0]["data"],
                expected.shape,
            ),
            "Open Inference Protocol in bytes": np.reshape(
                client.post(
                    f"{rest}/v2/models/{name}/infer?strict=1",
                    content=in_bytes,
                    headers={"inference-header-content-length": str(json_size)},
                ).json()["outputs"][0]["data"],
                expected.shape,
            ),
        }
    with grpc.insecure_channel(grpc_at) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answers["gRPC"] = to_array(stub.Predict(grpc_request(name, columns)).outputs["prediction"])
        path, answer = METHODS["ModelInferRequest"]()
        infer = channel.unary_unary(path, type(v2_grpc_request(name, {})).SerializeToString, answer.FromString)
        told = infer(v2_grpc_request(name, columns)).raw_output_contents[0]
        answers["Open Inference Protocol by gRPC"] = np.frombuffer(told, "<f4").reshape(expected.shape)
    return {key: float(np.abs(np.array(found) - expected).max()) for key, found in answers.items()}


def drawn(draw: np.random.Generator, value: float, told: dict[str, Any]) -> list[float]:
    """Numbers around a value that the schema allows."""
    if told.get("values"):
        return [float(one) for one in draw.choice(told["values"], BATCH)]
    least, most = max(told.get("min", -np.inf), value - 25), min(told.get("max", np.inf), value + 25)
    found: list[float] = np.clip(np.rint(draw.uniform(least, most, BATCH)), least, most).tolist()
    return found


def cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status_of(pid: int) -> str:
    """What the system says of a process."""
    return Path(f"/proc/{pid}/status").read_text()


if __name__ == "__main__":
    main()
