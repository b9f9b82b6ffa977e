"""A process of its own that serves a model as a server would: loads the SavedModel, scores rows, measures.

    python -P probe.py FOLDER

reads `request.json` and `rows.tfrecord` from FOLDER, writes `answer.json` and `answer.npz` there. Nothing but
TensorFlow is imported, nothing of Longhaul: what works here works wherever TensorFlow does.

TensorFlow's C++ loader answers first, and alone while time and memory are measured: it is what servers have. Then
Python's loader, by which models are evaluated, answers the same.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
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
    answer: dict[str, Any] = {"at": "the import of TensorFlow"}
    arrays: dict[str, Any] = {}
    try:
        _import_tensorflow(answer)
        records = _records(str(folder / "rows.tfrecord"))
        requests: Requests = {name: {"examples": records} for name in (BY_EXAMPLES, BY_TENSORS)}
        try:
            _serve(request, requests, answer, arrays)
        except Exception as exc:
            if _is_tensorflow_s(exc):  # is it the model, or only what the C++ loader finds of it?
                asked = answer["at"] if answer["at"] in requests else BY_EXAMPLES
                answer["python_answers"] = _python_answers(request["model"], asked, requests[asked])
            raise
        answer["at"] = None
    except Exception as exc:
        answer["problem"] = str(exc) if _is_tensorflow_s(exc) else f"{type(exc).__name__}: {exc}"
        traceback.print_exc()
    np.savez(folder / "answer.npz", **arrays)
    (folder / "answer.json").write_text(json.dumps(answer))


def _is_tensorflow_s(problem: Exception) -> bool:
    """Return whether the C++ loader has said it, in its own words."""
    return type(problem).__name__ == "LoaderError"


def _import_tensorflow(answer: dict[str, Any]) -> None:
    began = time.monotonic()
    import tensorflow  # noqa: F401

    answer["import_s"] = time.monotonic() - began
    answer["memory_before_bytes"] = _memory_bytes("VmRSS")


def _records(file: str) -> Any:
    """Return the serialized tf.Examples of a TFRecord file."""
    import tensorflow as tf

    return np.array([record.numpy() for record in tf.data.TFRecordDataset(file)], object)


def _serve(request: dict[str, Any], requests: Requests, answer: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Fill `answer` and `arrays` as it goes; `answer["at"]` says how far it came.

    Args:
        requests: what each signature is asked; the plain tensors for `serving_tensors` are put in.
    """
    records = requests[BY_EXAMPLES]["examples"]
    answer["at"], began = "loading", time.monotonic()
    with _sibling("cpp_session").CppSession(request["model"]) as session:
        answer["load_s"] = time.monotonic() - began
        requests |= {name: {key: records} for name, key in OTHERS.items() if name in session.signatures}
        for name in (BY_EXAMPLES, BY_TENSORS):
            answer["at"], began = name, time.monotonic()
            if name == BY_TENSORS:
                requests[name], arrays["plain"] = _plain_columns(
                    records, session.signature(name).inputs, request["features"]
                )
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

        with ThreadPoolExecutor(1) as pool:  # all is measured: what is left may share the cores
            in_python = pool.submit(_ask_python, request["model"], requests)
            for name in requests.keys() & OTHERS:
                answer["at"] = name
                _keep(arrays, name, session.ask(name, requests[name]))
            answer["at"] = "the same in Python"
            for name, found in in_python.result().items():
                _keep(arrays, f"{PYTHON}{name}", found)


def _ask_python(model: str, requests: Requests) -> dict[str, dict[str, Any]]:
    """Return what the other loader answers: by signature, an array by output."""
    import tensorflow as tf

    signatures = tf.saved_model.load(model).signatures
    return {
        name: {
            key: tensor.numpy()
            for key, tensor in signatures[name](**{key: tf.constant(column) for key, column in inputs.items()}).items()
        }
        for name, inputs in requests.items()
    }


def _python_answers(model: str, signature: str, inputs: dict[str, Any]) -> bool:
    """Return whether Python's loader has an answer."""
    try:
        _ask_python(model, {signature: inputs})
    except Exception:
        return False
    return True


def _keep(arrays: dict[str, Any], name: str, found: Mapping[str, Any]) -> None:
    """Keep text as bytes of one length: objects would need pickle."""
    for key, values in found.items():
        arrays[f"{name}/{key}"] = values.astype(bytes) if values.dtype == object else values


def _plain_columns(records: Any, inputs: Mapping[str, Any], features: dict[str, str]) -> tuple[dict[str, Any], Any]:
    """Return the rows as `serving_tensors` takes them, (rows,) each, and which rows it can tell as they are: to it ""
    is missing, and every number is a float64.

    Args:
        inputs: its TensorInfo by name.
    """
    import tensorflow as tf

    rows = [tf.train.Example.FromString(record).features.feature for record in records]
    plain = np.ones(len(rows), bool)
    columns = {}
    for name, info in inputs.items():
        is_text = info.dtype == _STRING
        values: list[Any] = []
        for number, row in enumerate(rows):
            feature = row[features[name]] if features[name] in row else None  # noqa: SIM401 (a map of messages)
            kind = feature.WhichOneof("kind") if feature is not None else None
            found = getattr(feature, kind).value if kind else ()
            value: Any = found[0] if found else (b"" if is_text else np.nan)
            if found and (value == b"" if is_text else kind == "int64_list" and abs(value) > EXACT_INT):
                plain[number] = False
            values.append(value)
        columns[name] = np.array(values, object if is_text else np.float64)
    return columns, plain


def _memory_bytes(field: str) -> int:
    """Read the peak of this process from /proc: getrusage's maximum begins with that of the process that started
    this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def _sibling(name: str) -> ModuleType:
    """Return the module in the file beside this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]))
