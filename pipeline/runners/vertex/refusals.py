"""Says in our words what Google's service of jobs says no with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, InvalidOperation, TransportError
from requests.exceptions import RequestException

from pipeline.errors import LOG_IN, JobError, JobsAwayError

_FULL = exceptions.TooManyRequests
_REMEDIES: tuple[tuple[type[Exception], str, str], ...] = (
    (exceptions.Unauthenticated, "the credentials have expired or are not valid", LOG_IN),
    (exceptions.Unauthorized, "the credentials have expired or are not valid", LOG_IN),
    (
        exceptions.Forbidden,
        "permission denied",
        "the caller needs the role Vertex AI User, and Service Account User on vertex.service_account",
    ),
    (
        _FULL,
        "a quota is used up",
        "wait, ask for more under IAM & Admin, Quotas, or take fewer accelerators and smaller machines (vertex.steps)",
    ),
    (exceptions.Conflict, "there is one of that name already", "run again: the next name is another"),
    (exceptions.NotFound, "there is no such thing", "check vertex.project and vertex.region, and what you named"),
    (exceptions.BadRequest, "the service refuses it", "correct what it names and run again"),
)


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Raise Google's errors as ours; `what` is what was asked for."""
    try:
        yield
    except TransportError as exc:
        raise _unreachable(what, exc) from exc
    except GoogleAuthError as exc:
        if isinstance(exc, DefaultCredentialsError) and not isinstance(exc, InvalidOperation):
            raise JobError(f"{what}: no credentials of Google Cloud were found", LOG_IN) from exc
        # The client answers a 401 by refreshing its token, which failed.
        raise JobError(f"{what}: the credentials have expired or are not valid: {_short(exc)}", LOG_IN) from exc
    except exceptions.GoogleAPICallError as exc:
        for kind, problem, remedy in _REMEDIES:
            if isinstance(exc, kind):
                known = JobsAwayError if kind is _FULL else JobError
                raise known(f"{what}: {problem}: {_short(exc)}", remedy) from exc
        raise JobsAwayError(
            f"{what}: the service failed: {_short(exc)}", "run again in a while; nothing was begun"
        ) from exc
    except (exceptions.GoogleAPIError, RequestException) as exc:
        raise _unreachable(what, exc) from exc


def _unreachable(what: str, exc: Exception) -> JobsAwayError:
    return JobsAwayError(f"{what}: the service cannot be reached: {_short(exc)}", "check the network and vertex.region")


def _short(exc: Exception) -> str:
    """Return what the service itself says, without the request."""
    message = getattr(exc, "message", None) or str(exc)
    return " ".join(re.sub(r"^[A-Z]+ https?://\S+: ", "", message).split())[:300]
