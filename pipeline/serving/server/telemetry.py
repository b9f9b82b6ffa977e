"""Traces and metrics by OpenTelemetry's own SDK, sent by OTLP over HTTP.

Off, and not even imported, unless OTEL_EXPORTER_OTLP_ENDPOINT (or that of traces or metrics alone) is set; the SDK
reads its other variables itself. See https://opentelemetry.io/docs/specs/otel/protocol/exporter/.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pipeline
from pipeline.errors import ConfigError
from pipeline.serving.server.calls import current
from pipeline.serving.server.refusal import Code

_ENDPOINT, _PROTOCOL = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"
_OF = {kind: f"OTEL_EXPORTER_OTLP_{kind.upper()}_ENDPOINT" for kind in ("traces", "metrics")}
_OURS = {
    Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.UNIMPLEMENTED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS,
}  # fmt: skip
"""Codes that make the span of a server an error (OpenTelemetry's conventions for RPC)."""


def wanted(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is to be sent: traces, metrics, both or nothing.

    Raises:
        ConfigError: to an address that is none, or by a protocol that there is not.
    """
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ()
    found = []
    for kind, variable in _OF.items():
        name = variable if environment.get(variable) else _ENDPOINT
        if not (address := environment.get(name)):
            continue
        if not address.startswith(("http://", "https://")):
            raise ConfigError(f"{name}: {address!r} is no address", "for example http://127.0.0.1:4318")
        found.append(kind)
    protocol = environment.get(_PROTOCOL) or "http/protobuf"
    if found and protocol != "http/protobuf":
        raise ConfigError(f"{_PROTOCOL}: {protocol!r} is not spoken here", "set it to http/protobuf, or take it out")
    return tuple(found)


def telemetry_from(versions: Callable[[], Mapping[str, int]]) -> Telemetry | None:
    """Return what tells of requests as the environment wants it; None where it wants nothing.

    Args:
        versions: returns the version that answers, by model.
    """
    kinds = wanted(os.environ)
    return Telemetry(kinds, versions) if kinds else None


class Telemetry:
    """A span for each request, and its time and rows. What waits is sent when Python ends, by the SDK itself."""

    def __init__(self, kinds: Iterable[str], versions: Callable[[], Mapping[str, int]]) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        name = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "longhaul-serve"}
        resource = Resource.create(
            {"service.version": pipeline.__version__, "service.instance.id": str(os.getpid()), **name}
        )
        traces, readers = TracerProvider(resource=resource), []
        if "traces" in kinds:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        if "metrics" in kinds:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

            readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
        meters = MeterProvider(resource=resource, metric_readers=readers)
        self._tracer, meter = traces.get_tracer("longhaul"), meters.get_meter("longhaul")
        self._kind = SpanKind.SERVER
        self._failed: Callable[[str], Any] = lambda problem: Status(StatusCode.ERROR, problem)
        self._extract = TraceContextTextMapPropagator().extract
        self._seconds = meter.create_histogram("longhaul.request.duration", "s", "Time of a request.")
        self._rows = meter.create_counter("longhaul.request.rows", "{row}", "Rows that were asked.")

        def observe(_options: Any) -> Iterable[Any]:
            from opentelemetry.metrics import Observation

            return [Observation(version, {"longhaul.model": name}) for name, version in versions().items()]

        meter.create_observable_gauge("longhaul.serving.version", [observe], "", "The version that answers.")

    def ended(
        self, protocol: str, method: str, model: str, status: Code, problem: str, seconds: float, rows: int,
        parent: bytes, state: bytes,
    ) -> None:  # fmt: skip
        """Tell of a request.

        Args:
            parent, state: the headers traceparent and tracestate; empty where there are none.
        """
        told: dict[str, Any] = {
            "longhaul.model": model, "longhaul.protocol": protocol, "longhaul.method": method,
            "longhaul.status": status.name,
        }  # fmt: skip
        self._seconds.record(seconds, told)
        self._rows.add(rows, told)
        carrier = {"traceparent": parent.decode("latin-1"), "tracestate": state.decode("latin-1")}
        end = time.time_ns()
        span = self._tracer.start_span(
            f"{protocol} {method}", self._extract(carrier) if parent else None, self._kind,
            told | {"longhaul.rows": rows},
            start_time=end - int(seconds * 1e9),
        )  # fmt: skip
        if call := current():
            span.set_attribute("longhaul.request_id", call.request_id)
            if answered := call.answered:
                span.set_attributes({"longhaul.version": answered.version, "longhaul.route": call.parts[-1].route})
        if status in _OURS:
            span.set_status(self._failed(problem))
        span.end(end)
