"""Counts and times what is answered, under TensorFlow Serving's own names, for Prometheus.

With several workers prometheus-client keeps the numbers in files that all of them share, so that each tells the sum:
PROMETHEUS_MULTIPROC_DIR, which is set before this is imported.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.utils import floatToGoString

from pipeline.serving.server.refusal import Code

PATH = "/monitoring/prometheus/metrics"
_US = [10 * 1.8**power for power in range(33)]
_ROWS = [float(2**power) for power in range(15)]

REQUESTS = Counter(":tensorflow:serving:request_count", "Requests by model and status.", ["model_name", "status"])
LATENCY = Histogram(
    ":tensorflow:serving:request_latency", "Microseconds for a request.", ["model_name", "API", "entrypoint"],
    buckets=_US,
)  # fmt: skip
RUNTIME = Histogram(
    ":tensorflow:serving:runtime_latency", "Microseconds from the queue to the model's answer.",
    ["model_name", "API", "runtime"], buckets=_US,
)  # fmt: skip
ROWS = Histogram(":tensorflow:serving:request_example_counts", "Rows of a request.", ["model"], buckets=_ROWS)
ALL_ROWS = Counter(":tensorflow:serving:request_example_count", "Rows of all requests.", ["model"])
_ABOUT = ("status", "metadata", "ready", "getmodelstatus", "getmodelmetadata")
"""What is asked about a model, not of it."""
_NAMES = {code: code.name for code in Code}
VERSION = Gauge(
    "longhaul_serving_version", "The version that answers.", ["model"], multiprocess_mode="max",
)  # fmt: skip

LOGGED = Counter("longhaul_request_log_rows", "Rows written to the request log.", ["model"])
DROPPED = Counter("longhaul_request_log_dropped_rows", "Rows that the request log had no room for.", ["model"])


def record_logged(model: str, written: int, dropped: int) -> None:
    """Count rows that were logged, or were not."""
    _of(LOGGED, model).inc(written)
    _of(DROPPED, model).inc(dropped)


def record(model: str, method: str, entrypoint: str, status: Code, seconds: float, rows: int) -> None:
    """Count a request that ended."""
    _of(REQUESTS, model, _NAMES[status]).inc()
    if status is Code.OK:
        _of(LATENCY, model, method, entrypoint).observe(seconds * 1e6)
        if rows:
            _of(ROWS, model).observe(rows)
            _of(ALL_ROWS, model).inc(rows)


def record_runtime(model: str, api: str, seconds: float) -> None:
    """Time what the model took for a request, with its time in the queue."""
    _of(RUNTIME, model, api, "TF1").observe(seconds * 1e6)


@lru_cache(maxsize=1024)
def _of(metric: Any, *labels: str) -> Any:
    return metric.labels(*labels)


@dataclass
class Counted:
    """What a model was asked since the server started.

    Attributes:
        requests, failed: all, and those that got no answer.
        times: requests by the bucket of `_US` in which their time lies, and those beyond.
    """

    requests: int = 0
    failed: int = 0
    rows: int = 0
    times: list[int] = field(default_factory=lambda: [0] * (len(_US) + 1))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: `counts` are cumulative, of requests that took at most `bounds` microseconds."""
        return {
            "requests": self.requests, "failed": self.failed, "rows": self.rows, "counts": self.times,
            "bounds": [*_US, None],
        }  # fmt: skip


def counted() -> dict[str, Counted]:
    """Return the numbers by model."""
    found: dict[str, Counted] = defaultdict(Counted)
    for metric in _registry().collect():
        for sample in metric.samples:
            its = found[sample.labels.get("model_name") or sample.labels.get("model") or ""]
            number = int(sample.value) if sample.value == sample.value else 0
            if sample.name == f"{_name(REQUESTS)}_total":
                its.requests += number
                its.failed += number * (sample.labels["status"] != Code.OK.name)
            elif sample.name == f"{_name(ALL_ROWS)}_total":
                its.rows += number
            elif sample.name == f"{_name(LATENCY)}_bucket" and sample.labels["API"].lower() not in _ABOUT:
                its.times[bisect_left(_US, float(sample.labels["le"]))] += number
    return found


def _name(metric: Any) -> str:
    (described,) = metric.describe()
    name: str = described.name
    return name


def _registry() -> Any:
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry


def page() -> bytes:
    """Return all numbers in Prometheus' text format; counters without the `_total` that TensorFlow Serving lacks."""
    lines = []
    for metric in _registry().collect():
        bare = metric.type == "counter" and metric.name.startswith(":") and not metric.name.endswith("example_count")
        name = metric.name if bare or metric.type != "counter" else f"{metric.name}_total"
        lines += [f"# HELP {name} {metric.documentation}", f"# TYPE {name} {metric.type}"]
        for sample in metric.samples:
            if sample.name.endswith("_created"):
                continue
            its = sample.name.removesuffix("_total") if bare else sample.name
            labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sorted(sample.labels.items()))
            lines.append(f"{its}{{{labels}}} {floatToGoString(sample.value)}" if labels
                         else f"{its} {floatToGoString(sample.value)}")  # fmt: skip
    return ("\n".join(lines) + "\n").encode()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
