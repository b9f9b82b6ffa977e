"""Which failures pass by themselves, so that a step is worth another try."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import tensorflow as tf
from google.api_core.retry import if_transient_error
from ml_metadata import errors as mlmd_errors

from pipeline.config.run import RunSettings
from pipeline.errors import ConfigError, DataError, DiskFullError, StoreAwayError, UnavailableError, causes
from pipeline.lineage.server_store import BUSY, SERVER_AWAY

_ERRNOS = {
    *(errno.EAGAIN, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH),
    *(errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE),
}
_OF_OTHER_SYSTEMS = (mlmd_errors.UnavailableError, tf.errors.UnavailableError, tf.errors.DeadlineExceededError)
_WORDS = (*BUSY, *SERVER_AWAY)
"""ML Metadata wraps all of it as an internal error."""


def is_transient(error: BaseException) -> bool:
    """Return whether the network, a server or a disk failed in a way that may be over soon."""
    story = list(causes(error))
    if any(isinstance(cause, UnavailableError) and not isinstance(cause, StoreAwayError) for cause in story):
        return True  # but for a metadata server, which was waited for already
    if any(isinstance(cause, ConfigError | DataError | DiskFullError) for cause in story):
        return False
    return any(map(_passes, story))


def _passes(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _ERRNOS
    of_metadata = isinstance(error, mlmd_errors.StatusError | RuntimeError)
    return (
        isinstance(error, _OF_OTHER_SYSTEMS)
        or (isinstance(error, Exception) and if_transient_error(error))
        or (of_metadata and any(words in str(error) for words in _WORDS))
    )


def waits(settings: RunSettings) -> Iterator[float]:
    """Yield seconds before each further try: twice as long every time."""
    for number in range(settings.retries):
        yield settings.backoff_s * 2**number
