"""Why a request is not answered, in gRPC's codes, and what HTTP calls them (TensorFlow Serving's http_server.cc)."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """gRPC's status codes."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


_HTTP = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}


class Refusal(Exception):  # noqa: N818 (it is an answer)
    """A request that gets an error for an answer.

    Args:
        http: where HTTP has a code of its own for it, such as 413.
    """

    def __init__(self, code: Code, message: str, http: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.http = http or _HTTP.get(code, 500)


def code_of(number: int) -> Code:
    """Return the code of that number; UNKNOWN where there is none."""
    return next((code for code in Code if code == number), Code.UNKNOWN)


def invalid(message: str) -> Refusal:
    """Return the refusal of a request that is wrong in itself."""
    return Refusal(Code.INVALID_ARGUMENT, message)


def too_many_rows(rows: int, most: int) -> Refusal:
    """Return the answer to a request that is too large."""
    return invalid(f"{rows} rows are too many for one request: {most} are allowed")
