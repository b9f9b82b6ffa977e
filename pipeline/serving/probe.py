"""A process of its own that serves a model as a server would: loads the SavedModel, scores rows, measures.

    python -P probe.py FOLDER

reads `request.json` and `rows.npz` from FOLDER, writes `answer.json` and `answer.npz` there. Nothing of Longhaul is
imported but the files beside this one, which need TensorFlow only: what works here works wherever TensorFlow does.

TensorFlow's C++ loader answers, as in servers, and its time and memory are measured. Whoever started this process asks
Python's loader, by which models are evaluated, for the same: importing it takes longer than all the rest.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import traceback
from collections.abc import Mapping
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
_STRING = 7
"""DataType of text (tensorflow/core/framework/types.proto)."""

Requests = dict[str, dict[str, Any]]


def main(folder: Path) -> None:
    """Serve and measure; a failure is an answer too."""
    request = json.loads((folder / "request.json").read_text())
    with np.load(folder / "rows.npz", allow_pickle=False) as rows:
        records = np.array([part.tobytes() for part in np.split(rows["bytes"], rows["ends"][:-1])], object)
    answer: dict[str, Any] = {"at": "the import of TensorFlow"}
    arrays: dict[str, Any] = {}
    try:
        _serve(request, records, answer, arrays)
        answer["at"] = None
    except Exception as exc:
        answer["of_the_loader"] = type(exc).__name__ == "LoaderError"  # it has said so in its own words
        answer["problem"] = str(exc) if answer["of_the_loader"] else f"{type(exc).__name__}: {exc}"
        traceback.print_exc()
    np.savez(folder / "answer.npz", **arrays)
    (folder / "answer.json").write_text(json.dumps(answer))


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
                requests[name], arrays["plain"] = plain_columns(records, is_text, request["features"])
            keep(arrays, name, session.ask(name, requests[name]))
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
            keep(arrays, name, session.ask(name, requests[name]))


def keep(arrays: dict[str, Any], name: str, found: Mapping[str, Any]) -> None:
    """Keep text as bytes of one length: objects would need pickle."""
    for key, values in found.items():
        arrays[f"{name}/{key}"] = values.astype(bytes) if values.dtype == object else values


def plain_columns(records: Any, is_text: Mapping[str, bool], features: Mapping[str, str]) -> tuple[dict[str, Any], Any]:
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
