"""Methods of gRPC: a message that cannot be read is the client's fault, which gRPC itself calls UNKNOWN."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass


def method(answer: Callable[[Any, Any], Awaitable[Any]], request: Any, response: Any) -> Any:
    """Return what a server of gRPC is given of a method.

    Args:
        request, response: the classes of its messages.
    """

    def read(content: bytes) -> Any:
        try:
            return request.FromString(content)
        except DecodeError:
            return None

    async def answered(given: Any, context: Any) -> Any:
        if given is None:
            name = request.DESCRIPTOR.full_name
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"the message cannot be read as {name}")
        return await answer(given, context)

    return grpc.unary_unary_rpc_method_handler(answered, read, response.SerializeToString)


def methods(service: Any, services: Any) -> Any:
    """Return what a server of gRPC is given of a service.

    Args:
        service: its descriptor.
        services: has a method for each of the service's.
    """
    by_name = {
        each.name: method(
            getattr(services, each.name), GetMessageClass(each.input_type), GetMessageClass(each.output_type)
        )
        for each in service.methods
    }
    return grpc.method_handlers_generic_handler(service.full_name, by_name)
