"""The server of gRPC, with the services of TensorFlow Serving and of the Open Inference Protocol."""

from __future__ import annotations

from typing import Any

import grpc.aio
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

from pipeline.serving.server.grpc_api import Services
from pipeline.serving.server.grpc_methods import methods
from pipeline.serving.server.models import Models
from pipeline.serving.server.rest import Rest
from pipeline.serving.server.v2 import V2
from pipeline.serving.server.v2_grpc import OpenInference

_HANDSHAKE_MS = 10_000
"""Connections count before it, too: who opens many and says nothing keeps others out for no longer."""
_IDLE_MS = 600_000
"""Clients connect again by themselves, and notice nothing."""


def grpc_server(
    models: Models,
    rest: Rest,
    services: Services,
    address: str,
    most_bytes: int,
    shared: bool,
    credentials: Any,
    most_connections: int,
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
        options=[
            ("grpc.max_receive_message_length", most_bytes),
            ("grpc.so_reuseport", int(shared)),
            ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
            ("grpc.max_connection_idle_ms", _IDLE_MS),
            ("grpc.max_allowed_incoming_connections", most_connections),
        ]
    )
    ours = [file.DESCRIPTOR.services_by_name for file in (prediction_service_pb2, model_service_pb2)]
    serving = [methods(service, services) for by_name in ours for service in by_name.values()]
    server.add_generic_rpc_handlers((*serving, OpenInference(models, V2(models, rest), services).handlers()))
    if credentials:
        server.add_secure_port(address, credentials)
    else:
        server.add_insecure_port(address)
    return server
