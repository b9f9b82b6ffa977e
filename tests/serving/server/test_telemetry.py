"""OpenTelemetry: spans and metrics as a receiver of OTLP gets them, read by the protocol's own messages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tensorflow_serving.apis import prediction_service_pb2_grpc

from pipeline.errors import ConfigError
from pipeline.serving.server.telemetry import wanted
from tests.serving.server.conftest import ROW, Server, push
from tests.serving.server.test_grpc import asking
from tests.waiting import eventually

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


class Receiver(HTTPServer):
    """What came, by path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.services: set[str] = set()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.server.services.add(attributes(of_resource.resource)["service.name"])
                self.server.spans += [one for scope in of_resource.scope_spans for one in scope.spans]
        elif self.path == "/v1/metrics":
            for of_resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.server.metrics |= {one.name: one for scope in of_resource.scope_metrics for one in scope.metrics}
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def attributes(holder: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in holder.attributes}


@pytest.mark.slow
def test_spans_and_metrics_arrive(
    serve: Callable[..., Server], exported: dict[str, Path], tmp_path: Path, receiver: Receiver
) -> None:
    push(exported["first"], tmp_path / "flights", 1)
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.server_port}", "NO_PROXY": "127.0.0.1",
        "OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_METRIC_EXPORT_INTERVAL": "100",
    }  # fmt: skip
    server = serve("--model", tmp_path / "flights", environment=environment)
    body = {"instances": [ROW, ROW]}
    headers = TRACEPARENT | {"x-request-id": "one"}
    assert server.post("/v1/models/flights:predict", body, headers=headers).status_code == 200
    assert server.post("/v1/models/flights:predict", {"instances": 3}).status_code == 400
    with grpc.insecure_channel(server.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        stub.Predict(asking([ROW]), metadata=tuple(TRACEPARENT.items()))
    eventually(lambda: len(receiver.spans) == 3 and "longhaul.request.duration" in receiver.metrics)
    by_rest, refused, by_grpc = receiver.spans
    assert attributes(by_rest) == {
        "longhaul.model": "flights", "longhaul.protocol": "REST", "longhaul.method": "predict",
        "longhaul.status": "OK", "longhaul.rows": 2, "longhaul.request_id": "one", "longhaul.version": 1,
        "longhaul.route": "stable",
    }  # fmt: skip
    assert by_rest.start_time_unix_nano < by_rest.end_time_unix_nano
    for span in (by_rest, by_grpc):  # the caller's trace goes on
        assert (span.trace_id.hex(), span.parent_span_id.hex(), span.kind) == (TRACE, PARENT, span.SPAN_KIND_SERVER)
    assert (by_grpc.name, attributes(by_grpc)["longhaul.rows"]) == ("GRPC Predict", 1)
    assert (refused.parent_span_id, attributes(refused)["longhaul.status"]) == (b"", "INVALID_ARGUMENT")
    assert refused.status.code == refused.status.STATUS_CODE_UNSET  # the caller's mistake is no error of the server
    assert receiver.services == {"longhaul-serve"}
    assert server.end() == 0
    counts = {
        (told["longhaul.protocol"], told["longhaul.status"]): point.count
        for point in receiver.metrics["longhaul.request.duration"].histogram.data_points
        for told in [attributes(point)]
    }
    assert counts == {("REST", "OK"): 1, ("REST", "INVALID_ARGUMENT"): 1, ("GRPC", "OK"): 1}
    assert sum(point.as_int for point in receiver.metrics["longhaul.request.rows"].sum.data_points) == 3
    assert [point.as_int for point in receiver.metrics["longhaul.serving.version"].gauge.data_points] == [1]


def test_it_is_off_unless_somebody_names_a_receiver() -> None:
    at = "http://127.0.0.1:4318"
    assert wanted({}) == ()
    assert wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": at}) == ("traces", "metrics")
    assert wanted({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": at}) == ("metrics",)
    assert wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": at, "OTEL_SDK_DISABLED": "true"}) == ()
    with pytest.raises(ConfigError, match="'collector:4318' is no address"):
        wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"})
    with pytest.raises(ConfigError, match="'grpc' is not spoken here"):
        wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": at, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
