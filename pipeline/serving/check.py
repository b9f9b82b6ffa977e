"""Is a model fit to serve? A fresh process serves it; here that is started, and its answers are judged.

Python's loader is asked here, when the process has ended: a model that hangs hangs there, and is given up.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipeline.config.infra_check import InfraCheckSettings
from pipeline.serving import probe
from pipeline.serving.python_answers import python_answers
from pipeline.serving.verdict import BUSY, ServingVerdict
from trainer.digests import file_digests

_SHARES = {"1": 1.0, "32": 0.25, "1024": 0.25}
"""Of `measure_s`, by batch size: in a second some hundred calls of an ordinary model."""
_ROWS_IN_SMALL_BATCHES = 14
_MB = 1_000_000
_ONLY_HERE = ("Could not find callback", "Op type not registered")
"""What the C++ loader says of functions of Python and operations of a library that the run's own process has, and no
other: that Python answers here says nothing of the model."""
IN_PYTHON = "what Python answers to every signature"
"""Among the differences: of the C++ loader's answers from Python's, the greatest."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ScoredRows:
    """Rows, and what somebody else predicted for them: (rows, outputs)."""

    examples: Sequence[bytes]
    predictions: Array


def check(
    model: str,
    rows: Mapping[str, ScoredRows],
    features: Mapping[str, str],
    exported: Mapping[str, str],
    settings: InfraCheckSettings,
) -> ServingVerdict:
    """Serve the SavedModel at `model` in a fresh process, and judge what it answers.

    Args:
        rows: by who predicted, as a failure names it.
        features: the raw feature behind each plain tensor.
        exported: the files' digests when the training wrote them.
    """
    began = time.monotonic()
    files = file_digests(model)
    size_bytes = sum(tf.io.gfile.stat(f"{model}/{name}").length for name in files)
    p99_ms = {"1": settings.p99_ms_batch_1, "32": settings.p99_ms_batch_32, "1024": settings.p99_ms_batch_1024}
    with tempfile.TemporaryDirectory(prefix="longhaul-probe-") as folder:
        request = {
            "model": model,
            "features": features,
            "latency": {size: (share * settings.measure_s, p99_ms[size]) for size, share in _SHARES.items()},
            "rows_in_small_batches": _ROWS_IN_SMALL_BATCHES,
        }
        examples = [example for part in rows.values() for example in part.examples]
        _write_request(Path(folder), request, examples)
        answer, arrays = _ask(Path(folder), settings.timeout_s)
    in_python: dict[str, Array] = {}
    if _asks_python(answer):
        in_python, problem = python_answers(model, examples, features)
        if problem and "problem" not in answer:
            answer |= {"at": "the same in Python", "problem": problem}
    failures = _changed(files, exported)
    differences: dict[str, float] = {}
    if "problem" in answer:
        failures.append(_unanswered(answer, in_python))
    elif unusable := _not_finite(arrays):
        failures += unusable
    else:
        differences = _differences(arrays, rows)
        failures += [
            f"{what} differs from what serving_default predicts by up to {difference:.2g}; "
            f"{settings.tolerance:g} is allowed"
            for what, difference in differences.items()
            if not difference <= settings.tolerance
        ]
        by_python = _differences_in_python(arrays, in_python, settings.tolerance)
        failures += [
            f"{what} is not the same through TensorFlow's C++ loader, which servers have, as in Python: "
            f"it differs by up to {difference:.2g}; {settings.tolerance:g} is allowed"
            for what, difference in by_python.items()
            if not difference <= settings.tolerance
        ]
        differences[IN_PYTHON] = max(by_python.values())
    failures += _too_slow(answer.get("latency", {}), p99_ms)
    failures += _too_large("the SavedModel has", size_bytes, settings.max_size_mb)
    failures += _too_large("the process that served it took", answer.get("memory_bytes"), settings.max_memory_mb)
    return ServingVerdict(
        checked=True,
        failures=failures,
        rows={name: len(part.examples) for name, part in rows.items()},
        differences=differences,
        tolerance=settings.tolerance,
        latency=answer.get("latency", {}),
        p99_ms=p99_ms,
        load_s=answer.get("load_s"),
        first_call_s=answer.get("first_call_s"),
        size_bytes=size_bytes,
        max_size_mb=settings.max_size_mb,
        memory_bytes=answer.get("memory_bytes"),
        memory_before_bytes=answer.get("memory_before_bytes"),
        max_memory_mb=settings.max_memory_mb,
        seconds=time.monotonic() - began,
        files=files,
    )


def _asks_python(answer: Mapping[str, Any]) -> bool:
    """Return whether Python's answers tell anything: of a problem, if it is the model or what the C++ loader finds."""
    if "problem" not in answer:
        return True
    return bool(answer.get("of_the_loader")) and not any(said in answer["problem"] for said in _ONLY_HERE)


def _write_request(folder: Path, request: Mapping[str, Any], examples: Sequence[bytes]) -> None:
    (folder / "request.json").write_text(json.dumps(request))
    ends = np.cumsum([len(example) for example in examples])
    np.savez(folder / "rows.npz", bytes=np.frombuffer(b"".join(examples), np.uint8), ends=ends)


def _ask(folder: Path, timeout_s: float) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the answer of the probe and its arrays; of a process that died or hung, an answer that says so."""
    command = [sys.executable, "-P", probe.__file__, str(folder)]
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        )
    except subprocess.TimeoutExpired:
        problem = f"it gave no answer within {timeout_s:g} s (infra_check.timeout_s)"
        return {"at": "serving it in a fresh process", "problem": problem}, {}
    sys.stderr.write(ended.stderr)  # into the log
    if ended.returncode != 0:
        code = ended.returncode
        died = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        last = (ended.stderr.strip().splitlines() or [""])[-1]
        return {"at": "serving it in a fresh process", "problem": f"the process ended with {died} {last}"}, {}
    answer: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    with np.load(folder / "answer.npz", allow_pickle=False) as arrays:
        return answer, dict(arrays)


def _unanswered(answer: Mapping[str, Any], in_python: Mapping[str, Array]) -> str:
    """Return why there are no predictions to compare."""
    problem = _in_one_line(answer["problem"])
    asked = answer["at"] if answer["at"] in (probe.BY_TENSORS, *probe.OTHERS) else probe.BY_EXAMPLES
    if not (answer.get("of_the_loader") and any(name.startswith(f"{asked}/") for name in in_python)):
        return f"the model cannot be served: {answer['at']} failed: {problem}"
    return (
        "only Python can serve the model: TensorFlow's C++ loader, which TensorFlow Serving and Vertex AI's containers "
        f"have, cannot: {answer['at']} failed: {problem}. Keras 3 exports a model so, unless the variables that its "
        "signatures read are tracked: for a model of Longhaul's, `longhaul run --from Trainer --no-cache` exports it "
        "anew; in code of your own, keep `[variable.value for variable in model.variables]` as an attribute of what "
        "you give to tf.saved_model.save"
    )


def _in_one_line(problem: str) -> str:
    """Return the part of an error that says what is wrong: TensorFlow tells the whole graph with its errors, and
    begins with the functions around the node."""
    return " ".join(re.sub(r"\{\{function_node [^}]*\}\}", "", problem).split())[:300]


def _changed(files: Mapping[str, str], exported: Mapping[str, str]) -> list[str]:
    changed = sorted(name for name in files.keys() | exported.keys() if files.get(name) != exported.get(name))
    return [f"{', '.join(changed[:3])} changed since the training exported the model"] if changed else []


def _not_finite(arrays: Mapping[str, Array]) -> list[str]:
    """Say which predictions are NaN or infinite, which are none."""
    found = []
    for array, values in arrays.items():
        if values.dtype.kind == "S":
            continue  # what differs is found by comparing
        name = array.removesuffix(f"/{probe.PREDICTION}")
        bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if bad.any():
            found.append(f"{name} gives NaN or infinity for {bad.sum()} of {len(bad)} rows")
    return found


def _differences(arrays: Mapping[str, Array], rows: Mapping[str, ScoredRows]) -> dict[str, float]:
    """Return the greatest difference from what `serving_default` predicts, by what is compared with it.

    Numbers beyond 1 (of a regression) are compared in units of the greatest: float32 keeps seven digits of each.
    """
    served, plain = arrays[f"{probe.BY_EXAMPLES}/{probe.PREDICTION}"], arrays["plain"]
    pairs = {
        probe.BY_TENSORS: (arrays[f"{probe.BY_TENSORS}/{probe.PREDICTION}"][plain], served[plain]),
        "the same rows in another order": (arrays["backwards"], served),
        "the same rows in small batches": (arrays["small_batches"], np.tile(served[:_ROWS_IN_SMALL_BATCHES], (2, 1))),
    }
    at = 0
    for name, part in rows.items():
        pairs[name] = (part.predictions, served[at : at + len(part.examples)])
        at += len(part.examples)
    unit = max(1.0, float(np.abs(served).max()))
    return {what: _greatest(found, expected) / unit for what, (found, expected) in pairs.items()}


def _differences_in_python(
    arrays: Mapping[str, Array], in_python: Mapping[str, Array], tolerance: float
) -> dict[str, float]:
    """Return the greatest difference between the loaders, by signature and output; numbers in the units of
    `_differences`."""
    found = {}
    for what, expected in in_python.items():
        if expected.dtype.kind == "S" and expected.ndim == 2:  # the names of all classes
            found[what] = 0.0 if np.array_equal(arrays[what], expected) else math.inf
        elif expected.dtype.kind == "S":
            scores = arrays[f"{what.rpartition('/')[0]}/{probe.PREDICTION}"]
            found[what] = _greatest_of_classes(arrays[what], expected, scores, tolerance)
        else:
            unit = max(1.0, float(np.abs(arrays[what]).max(initial=0)))
            difference = _greatest(arrays[what], expected) / unit
            found[what] = math.inf if math.isnan(difference) else difference
    return found


def _greatest_of_classes(found: Array, expected: Array, scores: Array, tolerance: float) -> float:
    """Return 0 if the classes are the same, but for rows where two are as probable; else the greatest lead of one."""
    if found.shape != expected.shape or scores.ndim != 2 or scores.shape[1] < 2:
        return 0.0 if np.array_equal(found, expected) else math.inf
    first, second = np.sort(scores, axis=1)[:, :-3:-1].T
    lead = (first - second)[found != expected].max(initial=0)
    return float(lead) if lead > 2 * tolerance else 0.0


def _greatest(found: Array, expected: Array) -> float:
    """Return the greatest absolute difference; infinity between arrays that do not even have one shape."""
    if found.shape != expected.shape:
        return math.inf
    return float(np.abs(found.astype(float) - expected).max(initial=0))


def _too_slow(
    latency: Mapping[str, Mapping[str, Mapping[str, float]]], p99_ms: Mapping[str, float | None]
) -> list[str]:
    return [
        f"{signature} at batch {size} takes {found['p99_ms']:,.1f} ms (p99 of {found['calls']} calls, "
        f"{_without_waiting(found)}measured twice); {budget:g} ms is allowed"
        for signature, by_size in latency.items()
        for size, found in by_size.items()
        if (budget := p99_ms[size]) is not None and found["p99_ms"] > budget
    ]


def _without_waiting(found: Mapping[str, float]) -> str:
    if found["waited"] < BUSY:
        return ""
    return f"without the {found['waited']:.0%} of the time that they waited for a core of the busy machine, "


def _too_large(what: str, found_bytes: int | None, most_mb: float | None) -> list[str]:
    if most_mb is None or found_bytes is None or found_bytes <= most_mb * _MB:
        return []
    return [f"{what} {found_bytes / _MB:,.1f} MB; {most_mb:g} MB is allowed"]
