"""Reaches BigQuery through Google's clients, and says what the service says no with.

BIGQUERY_EMULATOR_HOST (a URL) and BIGQUERY_STORAGE_EMULATOR_HOST (host:port) name stand-ins for the service; they are
asked without credentials. Google's modules are imported when they are needed, which takes seconds.
"""

from __future__ import annotations

import difflib
import functools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.data.sources.bigquery_address import Address
from pipeline.errors import LOG_IN, DataAwayError, DataError

RETRY_S = 30.0
"""How long to try again where the service is out of reach; Google's client would for ten minutes."""
_ROLES = "BigQuery Data Viewer on the data, BigQuery Job User and BigQuery Read Session User on the project"


def _hosts() -> tuple[str | None, str | None]:
    return os.environ.get("BIGQUERY_EMULATOR_HOST"), os.environ.get("BIGQUERY_STORAGE_EMULATOR_HOST")


def client_of(project: str) -> Any:
    """Make, once, the client that looks at tables and runs queries."""
    return _client(project, _hosts())


def reader_of(project: str) -> Any:
    """Make, once, the client of the Storage Read API."""
    return _reader(project, _hosts())


@functools.cache
def _client(project: str, hosts: tuple[str | None, str | None]) -> Any:
    from google.cloud.bigquery import Client

    return Client(project=project, credentials=_credentials(hosts))  # it takes the emulator's address by itself


@functools.cache
def _credentials(hosts: tuple[str | None, str | None]) -> Any:
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.bigquery import Client

    if hosts[0]:
        return AnonymousCredentials()
    try:
        credentials, _ = google.auth.default(scopes=Client.SCOPE)
    except GoogleAuthError as exc:
        raise DataError("there are no credentials for BigQuery", LOG_IN) from exc
    return credentials


@functools.cache
def _reader(project: str, hosts: tuple[str | None, str | None]) -> Any:
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient
    from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

    if hosts[1] is None:
        return BigQueryReadClient(credentials=_credentials(hosts))
    import grpc

    most = [("grpc.max_receive_message_length", -1)]  # as the client sets it by itself
    return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=grpc.insecure_channel(hosts[1], most)))


def retry_policy() -> Any:
    """Return the rule by which a request for a table or a query is repeated."""
    from google.cloud.bigquery import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(RETRY_S)


def storage_retry() -> Any:
    """Return the rule by which an interrupted stream of rows is requested again."""
    from google.api_core import exceptions
    from google.api_core.retry import Retry, if_exception_type

    return Retry(if_exception_type(exceptions.ServiceUnavailable, exceptions.DeadlineExceeded), timeout=RETRY_S)


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Make a DataError with the remedy of what the service or the network says no with."""
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError, TransportError
    from requests.exceptions import RequestException

    try:
        yield
    except exceptions.NotFound as exc:
        raise DataError(f"{address.short}: {_said(exc)}{_near(address)}", "correct the name") from exc
    except (exceptions.Forbidden, exceptions.TooManyRequests) as exc:
        is_quota = "quota" in _reason(exc).lower() or isinstance(exc, exceptions.TooManyRequests)
        remedy = "wait, or ask for more under IAM & Admin, Quotas" if is_quota else f"the caller needs {_ROLES}"
        known = DataAwayError if is_quota else DataError
        raise known(f"{address.short}: {_said(exc)}", remedy) from exc
    except exceptions.BadRequest as exc:
        said = _said(exc)
        if address.query is None:
            raise DataError(f"{address.short}: BigQuery refuses it: {said}", "correct data.path") from exc
        raise DataError(f"data.query: {said}{_place(address.query, said)}", "correct the query") from exc
    except (exceptions.RetryError, TransportError, RequestException) as exc:
        cause = exc.cause if isinstance(exc, exceptions.RetryError) and exc.cause else exc
        raise DataAwayError(
            f"{address.short}: BigQuery cannot be reached ({_said(cause)})", "check the network and try again later"
        ) from exc
    except (exceptions.Unauthorized, exceptions.Unauthenticated, GoogleAuthError) as exc:
        raise DataError(f"the credentials for BigQuery are not taken ({_said(exc)})", LOG_IN) from exc
    except exceptions.GoogleAPICallError as exc:
        raise DataAwayError(f"{address.short}: BigQuery failed: {_said(exc)}", "try again later") from exc


def _reason(error: Any) -> str:
    """Return the service's word for the kind of an error, such as quotaExceeded."""
    first = error.errors[0] if error.errors else {}
    return str(first.get("reason", "")) if isinstance(first, dict) else ""


def _said(error: Any) -> str:
    """Return the service's own sentence, without the request that Google's client puts around it."""
    errors = getattr(error, "errors", None)
    if errors and isinstance(errors[0], dict) and "message" in errors[0]:
        return str(errors[0]["message"])
    return " ".join(str(getattr(error, "message", None) or error).split())


def _place(query: str, said: str) -> str:
    """Return the line of the query that the service complains of, with a mark below the place."""
    match = re.search(r"at \[(\d+):(\d+)\]", said)
    lines = query.splitlines()
    if not match or int(match[1]) > len(lines):
        return ""
    return f"\n  {lines[int(match[1]) - 1]}\n  {' ' * (int(match[2]) - 1)}^"


def _near(address: Address) -> str:
    """Return tables of like names; nothing if there are none, or they cannot be listed."""
    if address.table is None:
        return ""
    from google.api_core.exceptions import GoogleAPIError

    try:
        listed = client_of(address.project).list_tables(f"{address.project}.{address.dataset}", retry=None)
        near = difflib.get_close_matches(address.table, [table.table_id for table in listed], n=1)
    except GoogleAPIError:
        return ""
    return f"; near it there is {near[0]!r}" if near else ""
