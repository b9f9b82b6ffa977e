"""What is worth another try."""

from __future__ import annotations

import errno

import pytest
from google.api_core import exceptions as google_errors
from ml_metadata import errors as mlmd_errors

from pipeline.config.run import RunSettings
from pipeline.errors import ConfigError, DataError, WorkspaceError
from pipeline.runners.local.retry import is_transient, waits


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ETIMEDOUT, "Connection timed out"),
        OSError(errno.ESTALE, "Stale file handle"),
        OSError(errno.EIO, "Input/output error"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        google_errors.ServiceUnavailable("503"),
        google_errors.TooManyRequests("429"),
        mlmd_errors.InternalError(
            "ERROR:  deadlock detected",
        ),
        mlmd_errors.InternalError("ERROR:  could not serialize access due to concurrent update"),
        mlmd_errors.InternalError("mysql_query failed: errno: Deadlock found when trying to get lock"),
        mlmd_errors.UnavailableError("the server is away"),
        caused(WorkspaceError("ML Metadata cannot be opened"), RuntimeError("could not connect to server: refused")),
        caused(RuntimeError("while running 'Evaluate'"), OSError(errno.EIO, "Input/output error")),
    ],
)
def test_a_failure_that_may_pass(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        PermissionError(errno.EACCES, "Permission denied"),
        ValueError("deadlock detected"),
        google_errors.PermissionDenied("403"),
        mlmd_errors.InvalidArgumentError("no type"),
        caused(WorkspaceError("ML Metadata cannot be opened"), RuntimeError("password authentication failed")),
        caused(ConfigError("the file is gone"), OSError(errno.EIO, "Input/output error")),
        caused(DataError("the table is gone"), OSError(errno.EIO, "Input/output error")),
        KeyboardInterrupt(),
    ],
)
def test_one_that_will_not(error: BaseException) -> None:
    assert not is_transient(error)


def test_each_wait_is_twice_as_long_as_the_one_before() -> None:
    assert list(waits(RunSettings(retries=3, backoff_s=0.5))) == [0.5, 1.0, 2.0]
    assert list(waits(RunSettings(retries=0))) == []
