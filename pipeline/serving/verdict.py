"""What the infra check found, as it is kept in `infra.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

BUSY = 0.1
"""From this share of the time on, spent waiting for a core, the machine is said to have been busy."""


@dataclass(frozen=True)
class ServingVerdict:
    """Whether a model is fit to serve.

    Attributes:
        checked: False where the model was not blessed by Evaluator, so that nobody asked.
        failures: one sentence each; none of a model that is fit.
        rows: how many were scored, by where they come from.
        differences: the greatest absolute difference from what `serving_default` predicts, by what was compared.
        tolerance: how much they may differ.
        latency: {signature: {batch size: {p50_ms, p99_ms, calls, waited}}}; `first_p99_ms` where it was measured
            again. `waited` is the share of the time that calls waited for a core, which the milliseconds leave out; a
            verdict of an earlier version has none, and its milliseconds hold the wait.
        p99_ms: the budget by batch size; None where there is none.
        load_s, first_call_s: until the model could answer.
        size_bytes: of the SavedModel's files.
        memory_bytes: peak of the process that served it; `memory_before_bytes` of it TensorFlow alone.
        files: SHA-256 by path.
    """

    checked: bool
    failures: list[str]
    rows: dict[str, int] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    tolerance: float = 0.0
    latency: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    p99_ms: dict[str, float | None] = field(default_factory=dict)
    load_s: float | None = None
    first_call_s: float | None = None
    size_bytes: int | None = None
    max_size_mb: float | None = None
    memory_bytes: int | None = None
    memory_before_bytes: int | None = None
    max_memory_mb: float | None = None
    seconds: float = 0.0
    files: dict[str, str] = field(default_factory=dict)

    @property
    def blessed(self) -> bool:
        """Whether the model may be pushed."""
        return self.checked and not self.failures

    @property
    def waited(self) -> float:
        """The greatest share of the time that calls of one kind waited for a core."""
        return max(
            (found.get("waited", 0.0) for by_size in self.latency.values() for found in by_size.values()), default=0
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"blessed": self.blessed, **asdict(self)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> ServingVerdict:
        """Read what `to_json` wrote."""
        return cls(**{key: value for key, value in plain.items() if key != "blessed"})

    def in_short(self) -> str:
        """Return one line of figures about a model that is fit."""
        greatest = max(self.differences.values(), default=0.0)
        latencies = [
            f"{max(by_size[size]['p99_ms'] for by_size in self.latency.values()):,.1f} ms at batch {size}"
            for size in next(iter(self.latency.values()), {})
        ]
        agree = f"within {greatest:.0e}" if greatest else "exactly"
        return (
            f"{sum(self.rows.values())} rows agree {agree}; p99 {', '.join(latencies)}; "
            f"{(self.size_bytes or 0) / 1e6:.1f} MB, {(self.memory_bytes or 0) / 1e6:,.0f} MB of memory"
            f"{self.busy}"
        )

    @property
    def busy(self) -> str:
        """A clause about the machine, if it was busy."""
        if self.waited < BUSY:
            return ""
        return f"; the machine was busy: requests waited for a core up to {self.waited:.0%} of the time, not counted"
