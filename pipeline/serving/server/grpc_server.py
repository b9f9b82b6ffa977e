"""The server of gRPC, with the services of TensorFlow Serving and of the Open Inference Protocol."""

from __future__ import annotations

from typing import Any

import grpc.aio
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from pipeline.serving.server.grpc_api import Services
from pipeline.serving.server.models import Models
from pipeline.serving.server.rest import Rest
from pipeline.serving.server.v2 import V2
from pipeline.serving.server.v2_grpc import OpenInference


def grpc_server(
    models: Models, rest: Rest, services: Services, address: str, most_bytes: int, shared: bool, credentials: Any
) -> Any:
    """Return a server that listens, not yet started.

    Args:
        services: of TensorFlow Serving.
        shared: the port, with other processes.
        credentials: of a connection by TLS; None without.

    Raises:
        RuntimeError: the port is taken.
    """
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", most_bytes), ("grpc.so_reuseport", int(shared))]
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(services, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, server)
    server.add_generic_rpc_handlers((OpenInference(models, V2(models, rest), services).handlers(),))
    if credentials:
        server.add_secure_port(address, credentials)
    else:
        server.add_insecure_port(address)
    return server
