"""A process of its own that serves a model as a server would: loads the SavedModel, scores rows, measures.

    python -P probe.py FOLDER

reads `request.json` and `rows.npz` from FOLDER, writes `answer.json` and `answer.npz` there. Nothing of Longhaul is
imported but the files beside this one, which need TensorFlow only: what works here works wherever TensorFlow does.

TensorFlow's C++ loader answers, as in servers, and its time and memory are measured. In a child of this process
Python's loader, by which models are evaluated, answers the same: importing it takes longer than all the rest.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

EXACT_INT = 2**53
"""Beyond it float64 skips integers."""

BY_EXAMPLES, BY_TENSORS = "serving_default", "serving_tensors"
OTHERS = {
    "transform_features": "examples",
    "transform_labels": "examples",
    "classification": "inputs",
    "regression": "inputs",
}
"""Not measured, with the name of their input. A model has what suits its label, one of an earlier Longhaul neither
`classification` nor `regression`."""
PREDICTION = "prediction"
PYTHON = "python/"
"""Begins the names of the arrays that Python's loader gave; the others are the C++ loader's. `SIGNATURE/OUTPUT`."""
_STRING = 7
"""DataType of text (tensorflow/core/framework/types.proto)."""

Requests = dict[str, dict[str, Any]]


def main(folder: Path) -> None:
    """Serve and measure; a failure is an answer too."""
    request = json.loads((folder / "request.json").read_text())
    with np.load(folder / "rows.npz", allow_pickle=False) as rows:
        records = np.array([part.tobytes() for part in np.split(rows["bytes"], rows["ends"][:-1])], object)
    python = _Python(folder, request, records)
    answer: dict[str, Any] = {"at": "the import of TensorFlow"}
    arrays: dict[str, Any] = {}
    try:
        try:
            _serve(request, records, answer, arrays)
        except Exception as exc:
            if _is_tensorflow_s(exc):  # is it the model, or only what the C++ loader finds of it?
                asked = answer["at"] if answer["at"] in (BY_EXAMPLES, BY_TENSORS, *OTHERS) else BY_EXAMPLES
                answer["python_answers"] = any(name.startswith(f"{PYTHON}{asked}/") for name in python.found()[0])
            raise
        answer["at"] = "the same in Python"
        found, problem = python.found()
        if problem:
            raise RuntimeError(problem)
        arrays |= found
        answer["at"] = None
    except Exception as exc:
        answer["problem"] = str(exc) if _is_tensorflow_s(exc) or answer["at"] == "the same in Python" else _told(exc)
        traceback.print_exc()
    np.savez(folder / "answer.npz", **arrays)
    (folder / "answer.json").write_text(json.dumps(answer))


def _told(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"


def _is_tensorflow_s(problem: Exception) -> bool:
    """Return whether the C++ loader has said it, in its own words."""
    return type(problem).__name__ == "LoaderError"


def _serve(request: dict[str, Any], records: Any, answer: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Fill `answer` and `arrays` as it goes; `answer["at"]` says how far it came."""
    _sibling("server/protos").without_tensorflow()
    cpp_session = _sibling("cpp_session")
    cpp_session.library()
    answer["memory_before_bytes"] = _memory_bytes("VmRSS")
    requests: Requests = {BY_EXAMPLES: {"examples": records}, BY_TENSORS: {}}
    answer["at"], began = "loading", time.monotonic()
    with cpp_session.CppSession(request["model"]) as session:
        answer["load_s"] = time.monotonic() - began
        requests |= {name: {key: records} for name, key in OTHERS.items() if name in session.signatures}
        for name in (BY_EXAMPLES, BY_TENSORS):
            answer["at"], began = name, time.monotonic()
            if name == BY_TENSORS:
                is_text = {key: info.dtype == _STRING for key, info in session.signature(name).inputs.items()}
                requests[name], arrays["plain"] = _plain_columns(records, is_text, request["features"])
            _keep(arrays, name, session.ask(name, requests[name]))
            answer.setdefault("first_call_s", time.monotonic() - began)

        def predict(chosen: Any) -> Any:
            return session.ask(BY_EXAMPLES, {"examples": records[chosen]})[PREDICTION]

        everything = np.arange(len(records))
        answer["at"] = "rows in another order"
        arrays["backwards"] = predict(everything[::-1])[::-1]
        answer["at"] = "rows in small batches"
        few = everything[: request["rows_in_small_batches"]]
        batches = [few[at : at + size] for size in (1, 7) for at in range(0, len(few), size)]
        arrays["small_batches"] = np.concatenate([predict(batch) for batch in batches])

        measure = _sibling("latency").measure
        answer["latency"] = {}
        for name in (BY_EXAMPLES, BY_TENSORS):
            answer["latency"][name] = measured = {}
            for size, (seconds, p99_ms) in request["latency"].items():
                answer["at"] = f"{name} at batch {size}"
                chosen = np.resize(everything, int(size))
                inputs = {key: values[chosen] for key, values in requests[name].items()}
                with session.request(name, inputs) as call:
                    found = measure(call.send, seconds)
                    if p99_ms is not None and found["p99_ms"] > p99_ms:  # once more: it may have been chance
                        found = {**measure(call.send, seconds), "first_p99_ms": found["p99_ms"]}
                measured[size] = found
        answer["memory_bytes"] = _memory_bytes("VmHWM")

        for name in requests.keys() & OTHERS:
            answer["at"] = name
            _keep(arrays, name, session.ask(name, requests[name]))


class _Python:
    """What Python's loader answers, asked in a child process, forked before anything of TensorFlow is loaded."""

    def __init__(self, folder: Path, request: dict[str, Any], records: Any) -> None:
        self._arrays, self._problem = folder / "python.npz", folder / "python.txt"
        sys.stderr.flush()
        self._child = os.fork()
        if self._child == 0:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with whoever waits for it
            self._answer(lambda arrays: _ask_python(request, records, arrays))

    def found(self) -> tuple[dict[str, Any], str]:
        """Wait for the arrays, by `python/SIGNATURE/OUTPUT`, and for what went wrong ("" if nothing did)."""
        _, status = os.waitpid(self._child, 0)
        if not self._problem.exists():
            return {}, f"the process ended with exit code {os.waitstatus_to_exitcode(status)}"
        with np.load(self._arrays, allow_pickle=False) as arrays:
            return dict(arrays), self._problem.read_text()

    def _answer(self, ask: Callable[[dict[str, Any]], None]) -> None:
        """In the child; never returns."""
        arrays: dict[str, Any] = {}
        problem = ""
        try:
            ask(arrays)
        except Exception as exc:
            problem = _told(exc)
            traceback.print_exc()
        np.savez(self._arrays, **arrays)
        self._problem.write_text(problem)
        sys.stderr.flush()
        os._exit(0)


def _ask_python(request: dict[str, Any], records: Any, arrays: dict[str, Any]) -> None:
    """Put into `arrays` what each signature answers, in the order in which the C++ loader is asked."""
    import tensorflow as tf

    signatures = tf.saved_model.load(request["model"]).signatures
    for name in (BY_EXAMPLES, BY_TENSORS, *OTHERS):
        if name in OTHERS and name not in signatures:
            continue
        inputs: dict[str, Any] = {OTHERS.get(name, "examples"): records}
        if name == BY_TENSORS:
            takes = signatures[name].structured_input_signature[1]
            is_text = {key: spec.dtype == tf.string for key, spec in takes.items()}
            inputs, _ = _plain_columns(records, is_text, request["features"])
        found = signatures[name](**{key: tf.constant(column) for key, column in inputs.items()})
        _keep(arrays, f"{PYTHON}{name}", {key: tensor.numpy() for key, tensor in found.items()})


def _keep(arrays: dict[str, Any], name: str, found: Mapping[str, Any]) -> None:
    """Keep text as bytes of one length: objects would need pickle."""
    for key, values in found.items():
        arrays[f"{name}/{key}"] = values.astype(bytes) if values.dtype == object else values


def _plain_columns(records: Any, is_text: Mapping[str, bool], features: dict[str, str]) -> tuple[dict[str, Any], Any]:
    """Return the rows as `serving_tensors` takes them, (rows,) each, and which rows it can tell as they are: to it ""
    is missing, and every number is a float64.

    Args:
        is_text: its inputs; the others are numbers.
    """
    from tensorflow.core.example import example_pb2

    rows = [example_pb2.Example.FromString(record).features.feature for record in records]
    plain = np.ones(len(rows), bool)
    columns = {}
    for name, text in is_text.items():
        values: list[Any] = []
        for number, row in enumerate(rows):
            feature = row[features[name]] if features[name] in row else None  # noqa: SIM401 (a map of messages)
            kind = feature.WhichOneof("kind") if feature is not None else None
            found = getattr(feature, kind).value if kind else ()
            value: Any = found[0] if found else (b"" if text else np.nan)
            if found and (value == b"" if text else kind == "int64_list" and abs(value) > EXACT_INT):
                plain[number] = False
            values.append(value)
        columns[name] = np.array(values, object if text else np.float64)
    return columns, plain


def _memory_bytes(field: str) -> int:
    """Read the peak of this process from /proc: getrusage's maximum begins with that of the process that started
    this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def _sibling(name: str) -> ModuleType:
    """Return the module of a file beside this one, or in a folder beside it."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]))
