"""A process of its own that serves a model as a server would: loads the SavedModel, scores rows, measures.

    python -P probe.py FOLDER

reads `request.json` and `rows.tfrecord` from FOLDER, writes `answer.json` and `answer.npz` there. Nothing but
TensorFlow is imported, nothing of Longhaul: what works here works wherever TensorFlow does.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP_CALLS = 3
FEWEST_CALLS = 3
"""Of a call that takes seconds no more are worth waiting for."""
EXACT_INT = 2**53
"""Beyond it float64 skips integers."""

BY_EXAMPLES, BY_TENSORS = "serving_default", "serving_tensors"
TRANSFORMS = ("transform_features", "transform_labels")


def main(folder: Path) -> None:
    """Serves and measures; a failure is an answer too."""
    request = json.loads((folder / "request.json").read_text())
    answer: dict[str, Any] = {"at": "the import of TensorFlow"}
    arrays: dict[str, Any] = {}
    try:
        _serve(request, str(folder / "rows.tfrecord"), answer, arrays)
        answer["at"] = None
    except Exception as exc:
        answer["problem"] = f"{type(exc).__name__}: {exc}"
        traceback.print_exc()
    np.savez(folder / "answer.npz", **arrays)
    (folder / "answer.json").write_text(json.dumps(answer))


def _serve(request: dict[str, Any], rows: str, answer: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Fills `answer` and `arrays` as it goes; `answer["at"]` says how far it came."""
    began = time.monotonic()
    import tensorflow as tf

    answer["import_s"] = time.monotonic() - began
    answer["memory_before_bytes"] = _memory_bytes("VmRSS")
    answer["at"], began = "loading", time.monotonic()
    signatures = tf.saved_model.load(request["model"]).signatures
    answer["load_s"] = time.monotonic() - began
    records = np.array([record.numpy() for record in tf.data.TFRecordDataset(rows)], object)

    def by_examples(chosen: Any) -> dict[str, Any]:
        found = signatures[BY_EXAMPLES](examples=tf.constant(records[chosen]))
        return {name: tensor.numpy() for name, tensor in found.items()}

    answer["at"], began = f"the first call of {BY_EXAMPLES}", time.monotonic()
    everything = np.arange(len(records))
    arrays[BY_EXAMPLES] = by_examples(everything)["prediction"]
    answer["first_call_s"] = time.monotonic() - began

    answer["at"] = BY_TENSORS
    columns, arrays["plain"] = _plain_columns(tf, records, signatures[BY_TENSORS], request["features"])

    def by_tensors(chosen: Any) -> dict[str, Any]:
        found = signatures[BY_TENSORS](**{name: tf.constant(column[chosen]) for name, column in columns.items()})
        return {name: tensor.numpy() for name, tensor in found.items()}

    arrays[BY_TENSORS] = by_tensors(everything)["prediction"]
    for name in TRANSFORMS:
        answer["at"] = name
        for key, tensor in signatures[name](examples=tf.constant(records)).items():
            arrays[f"{name}/{key}"] = tensor.numpy()

    answer["at"] = "rows in another order"
    arrays["backwards"] = by_examples(everything[::-1])["prediction"][::-1]
    answer["at"] = "rows in small batches"
    few = everything[: request["rows_in_small_batches"]]
    batches = [few[at : at + size] for size in (1, 7) for at in range(0, len(few), size)]
    arrays["small_batches"] = np.concatenate([by_examples(batch)["prediction"] for batch in batches])

    answer["latency"] = {}
    for signature, call in ((BY_EXAMPLES, by_examples), (BY_TENSORS, by_tensors)):
        answer["latency"][signature] = measured = {}
        for size, (seconds, p99_ms) in request["latency"].items():
            answer["at"] = f"{signature} at batch {size}"
            chosen = np.resize(everything, int(size))
            found = _latency(call, chosen, seconds)
            if p99_ms is not None and found["p99_ms"] > p99_ms:  # once more: the machine may have been busy
                found = {**_latency(call, chosen, seconds), "first_p99_ms": found["p99_ms"]}
            measured[size] = found
    answer["memory_bytes"] = _memory_bytes("VmHWM")


def _plain_columns(tf: Any, records: Any, signature: Any, features: dict[str, str]) -> tuple[dict[str, Any], Any]:
    """The rows as `serving_tensors` takes them, (rows,) each, and which rows it can tell as they are: to it "" is
    missing, and every number is a float64."""
    rows = [tf.train.Example.FromString(record).features.feature for record in records]
    plain = np.ones(len(rows), bool)
    columns = {}
    for name, spec in signature.structured_input_signature[1].items():
        is_text = spec.dtype == tf.string
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


def _latency(call: Callable[[Any], Any], chosen: Any, seconds: float) -> dict[str, float]:
    """How long a call takes, until `seconds` are over."""
    began = time.monotonic()
    for _ in range(WARM_UP_CALLS):
        call(chosen)
        if time.monotonic() - began > seconds:
            break
    took: list[float] = []
    began = time.monotonic()
    while len(took) < FEWEST_CALLS or time.monotonic() - began < seconds:
        start = time.perf_counter()
        call(chosen)
        took.append(1000 * (time.perf_counter() - start))
    p50, p99 = np.percentile(took, (50, 99))
    return {"p50_ms": float(p50), "p99_ms": float(p99), "calls": len(took)}


def _memory_bytes(field: str) -> int:
    """Of this process, from /proc: getrusage's maximum begins with that of the process that started this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
