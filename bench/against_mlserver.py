"""How much processor time a request takes from `longhaul serve`, and from MLServer with the same model?

    python -m venv ~/mlserver && ~/mlserver/bin/pip install mlserver       # 1.7: beside, in no lock
    apt-get install wrk
    python -m bench.against_mlserver workspace/serving/flights --mlserver ~/mlserver/bin/python

Both are asked over the Open Inference Protocol for the same rows, in turns of a few seconds, so that what else the
machine does meets both. MLServer has one process, which costs it least, and a runtime as its guide describes them: the
SavedModel's signature, asked by TensorFlow's Python. What is compared is the processor time of the server, whose
inverse is what a core of its own would answer. The result: bench/results/mlserver.json.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np
import tensorflow as tf

from bench.serve import BATCH, SERVER_CORE, by_grpc, by_wrk, cpu_s
from bench.served_requests import as_json, v2_grpc_request, v2_tensor
from pipeline.lineage.version_folders import versions
from trainer.artifact_names import SIGNATURES_FILE

NAME = "model"
_RESULT = Path(__file__).parent / "results" / "mlserver.json"
_RUNTIME = """
import sys
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceResponse
sys.path.append(PACKAGES)  # behind MLServer's own
import tensorflow as tf

class SavedModel(MLModel):
    async def load(self):
        self.kept = tf.saved_model.load(FOLDER)
        self.answer = self.kept.signatures["serving_tensors"]
        return True

    async def predict(self, payload):
        columns = {}
        for one in payload.inputs:
            codec = StringCodec if one.datatype == "BYTES" else NumpyCodec
            columns[one.name] = tf.constant(codec.decode_input(one))
        columns = {name: tf.reshape(column, [-1]) for name, column in columns.items()}
        found = self.answer(**columns)
        outputs = [NumpyCodec.encode_output(name, tensor.numpy()) for name, tensor in found.items()]
        return InferenceResponse(model_name=self.name, outputs=outputs)
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints a line a case, and writes the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.against_mlserver")
    parser.add_argument("model", type=Path, help="a folder of versions")
    parser.add_argument("--mlserver", type=Path, required=True, help="Python of an environment with MLServer")
    parser.add_argument("--seconds", type=float, default=4, help="of a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--output", type=Path, default=_RESULT)
    given = parser.parse_args(arguments)
    with ExitStack() as held:
        scratch, folder, row = prepared(held, given.model)
        pinned = ("taskset", "-c", SERVER_CORE)
        ours = [*pinned, sys.executable, "-u", "-m", "pipeline.cli", "serve", "--model", str(scratch / NAME)]
        ports = [free_port() for _ in range(5)]
        write_settings(scratch, folder, ports[2:])
        theirs = [*pinned, str(given.mlserver), "-m", "mlserver.cli.main", "start", str(scratch)]
        servers = {
            "longhaul": (
                start(held, [*ours, "--port", str(ports[0]), "--grpc-port", str(ports[1])], ports[0]),
                ports[:2],
            ),
            "mlserver": (start(held, theirs, ports[2]), ports[2:4]),
        }
        found: dict[str, Any] = {"seconds": given.seconds, "turns": given.turns}
        found["difference"] = difference([its for _, its in servers.values()], row)
        found["cases"] = measured(servers, row, given.seconds, given.turns, ratio_of)
    given.output.write_text(json.dumps(found, indent=1) + "\n")


def ratio_of(turns: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """What MLServer takes over what we take."""
    ratios = [their / our for their, our in zip(turns["mlserver"], turns["longhaul"], strict=True)]
    return {
        **{f"{server}_cpu_us": round(median(each)) for server, each in turns.items()},
        "ratio": round(median(ratios), 1),
        "ratios": [round(min(ratios), 1), round(max(ratios), 1)],
    }


def prepared(held: ExitStack, model: Path) -> tuple[Path, Path, dict[str, Any]]:
    """A folder that goes with the stack and serves the newest version alone, that version, and a row to ask for."""
    folder = (model / str(versions(model)[-1])).absolute()
    told = json.loads((folder / SIGNATURES_FILE).read_text())["signatures"]["serving_tensors"]
    scratch = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="longhaul-bench-")))
    (scratch / NAME).mkdir()
    (scratch / NAME / "1").symlink_to(folder)
    return scratch, folder, told["rest"]["body"]["instances"][0]


def measured(
    servers: Mapping[str, tuple[subprocess.Popen[bytes], Sequence[int]]],
    row: dict[str, Any],
    seconds: float,
    turns: int,
    figures_of: Callable[[Mapping[str, Sequence[float]]], dict[str, Any]],
) -> dict[str, Any]:
    """Ask the servers in turns and print a line a case; by case its rows and the figures of its turns."""
    found = {}
    for name, size, ask in cases(row, seconds):
        found[name] = {"rows": size} | figures_of(in_turns(servers, ask, turns))
        print(name, found[name], flush=True)
    return found


def in_turns(
    servers: Mapping[str, tuple[subprocess.Popen[bytes], Sequence[int]]],
    ask: Callable[[int, int], dict[str, float]],
    number: int,
) -> dict[str, list[float]]:
    """Processor time of a request in microseconds, by server and turn.

    Args:
        servers: their processes and ports.
    """
    found: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(number):
        for name, (process, (rest, grpc)) in servers.items():
            before = cpu_s(process.pid)
            told = ask(rest, grpc)
            found[name].append((cpu_s(process.pid) - before) / told["requests"] * 1e6)
    return found


def cases(row: dict[str, Any], seconds: float) -> list[tuple[str, int, Callable[[int, int], dict[str, float]]]]:
    """Name, rows of a request, and what asks a server at two ports."""

    def by_http(size: int, clients: int) -> Callable[[int, int], dict[str, float]]:
        body = as_json({"inputs": [v2_tensor(name, [value] * size) for name, value in row.items()]})
        return lambda rest, _: by_wrk(f"http://127.0.0.1:{rest}/v2/models/{NAME}/infer", body, clients, seconds)

    def grpc(size: int, clients: int) -> Callable[[int, int], dict[str, float]]:
        request = v2_grpc_request(NAME, {name: [value] * size for name, value in row.items()})
        return lambda _, port: by_grpc(f"127.0.0.1:{port}", request, clients, seconds)

    return [
        ("REST, one row, 64 clients", 1, by_http(1, 64)),
        ("gRPC, one row, 64 clients", 1, grpc(1, 64)),
        (f"REST, {BATCH} rows", BATCH, by_http(BATCH, 2)),
        (f"gRPC, {BATCH} rows", BATCH, grpc(BATCH, 2)),
    ]


def difference(addresses: Sequence[Sequence[int]], row: dict[str, Any]) -> float:
    """The greatest between both servers' answers to some rows."""
    columns = {
        name: [value] * 16 if isinstance(value, str) else [float(place) for place in range(16)]
        for name, value in row.items()
    }
    body = as_json({"inputs": [v2_tensor(name, values) for name, values in columns.items()]})
    told = []
    for rest, _ in addresses:
        answer = httpx.post(
            f"http://127.0.0.1:{rest}/v2/models/{NAME}/infer?strict=1", content=body, timeout=60, trust_env=False,
            headers={"content-type": "application/json"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text[:500]
        told.append(np.array(answer.json()["outputs"][0]["data"]))
    return float(np.abs(told[0] - told[1]).max())


def write_settings(scratch: Path, folder: Path, ports: list[int]) -> None:
    """What MLServer reads from its folder: its settings, the model's, and the runtime."""
    packages = str(Path(tf.__file__).parents[1])
    constants = f"PACKAGES, FOLDER = {packages!r}, {str(folder)!r}\n"
    (scratch / "longhaul_runtime.py").write_text(constants + _RUNTIME)
    names = ("http_port", "grpc_port", "metrics_port")
    settings = dict(zip(names, ports, strict=True)) | {"parallel_workers": 0, "host": "127.0.0.1", "debug": False}
    (scratch / "settings.json").write_text(json.dumps(settings))
    model = {"name": NAME, "implementation": "longhaul_runtime.SavedModel"}
    (scratch / "model-settings.json").write_text(json.dumps(model))


def start(held: ExitStack, command: list[str], port: int) -> subprocess.Popen[bytes]:
    """Start a server, which ends with the stack; return when its models answer."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    )
    held.callback(process.wait)
    held.callback(process.terminate)
    for _ in range(600):
        assert process.poll() is None, f"{command} ended with {process.returncode}"
        try:
            if httpx.get(f"http://127.0.0.1:{port}/v2/models/{NAME}/ready", trust_env=False).status_code == 200:
                return process
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise TimeoutError(f"{command} does not answer")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        found: int = tried.getsockname()[1]
        return found


if __name__ == "__main__":
    main()
