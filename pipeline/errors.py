"""What users see when something is wrong, and with which exit code.

    PipelineError            anything a person can fix; never shown with a traceback
    ├── ConfigError          the YAML file: unknown key, value out of range, missing file      exit 2
    │   └── CodeError        code of the user's that the YAML file names: it failed            exit 2
    ├── DataError            the table: missing, empty, unparsable, wrong column or label      exit 2
    │   └── NotYetError      a span that is expected is not there, or not whole                exit 66
    ├── WorkspaceError       the workspace or the metadata store: read-only, damaged           exit 2
    │   ├── LockedError      another process is at work there                                  exit 75
    │   └── DiskFullError    no room is left                                                   exit 74
    ├── JobError             a job on Vertex AI or a cluster: refused, or a step failed        exit 2
    ├── UnavailableError     a server or a network does not answer (one each for the above)    exit 69
    └── TimeLimitError       the run took longer than it may                                   exit 124

`EXIT_CODES` says what each code asks of whoever reads it: it is the table of docs/exit-codes.md. A gate that says no is
a verdict, not an error: exit 1. Third-party errors are translated where they arise (`raise ... from exc`). Anything
else that escapes is a bug of ours: exit 70, with its traceback in the log.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

EXIT_GATE = 1
EXIT_INPUT = 2
EXIT_NOT_YET = 66
EXIT_UNAVAILABLE = 69
EXIT_BUG = 70
EXIT_DISK_FULL = 74
EXIT_LOCKED = 75
EXIT_TIMEOUT = 124
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

LATER = "again later"
CALL = "call someone"


class ExitCode(NamedTuple):
    """What a command's exit code says; `then` is what a job does about it: nothing, `LATER` or `CALL`."""

    code: int
    means: str
    then: str


EXIT_CODES = (
    ExitCode(0, "done; also: nothing is new, or a model waits for `longhaul approve`", "nothing"),
    ExitCode(EXIT_GATE, "a gate said no: to the data, to the model, or to serving it", CALL),
    ExitCode(EXIT_INPUT, "the input is wrong: an option, the configuration, a table, the workspace, rights", CALL),
    ExitCode(EXIT_NOT_YET, "the data are not there yet: a span is missing or not whole", LATER),
    ExitCode(EXIT_UNAVAILABLE, "a server is away: metadata, BigQuery, Cloud Storage, Vertex AI, a network", LATER),
    ExitCode(EXIT_BUG, "a bug of ours; its traceback is in the log", CALL),
    ExitCode(EXIT_DISK_FULL, "the disk is full", CALL),
    ExitCode(EXIT_LOCKED, "another process is at work there", LATER),
    ExitCode(EXIT_TIMEOUT, "a limit of time was reached (`run.timeout`, `run.step_timeout`)", LATER),
    ExitCode(EXIT_INTERRUPTED, "stopped from the keyboard (Ctrl-C)", "nothing"),
    ExitCode(EXIT_TERMINATED, "stopped by SIGTERM: `kill`, or the machine shuts down", LATER),
)
"""All that a command ends with. The numbers are those of sysexits.h, of timeout(1) and of shells; they stay."""


LOG_IN = "log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
"""The remedy where Google Cloud does not know who asks."""


class PipelineError(Exception):
    """A mistake or mishap that the user can fix.

    Args:
        what: what is wrong and where (file, line, column), in one sentence.
        remedy: what to do about it.
    """

    exit_code = EXIT_INPUT

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n  Remedy: {self.remedy}" if self.remedy else self.what


class ConfigError(PipelineError):
    """The configuration file cannot be used."""


class CodeError(ConfigError):
    """Code of the user's failed, or gave what it must not give; `what` begins with the user's own lines."""


class DataError(PipelineError):
    """The table cannot be used."""


class NotYetError(DataError):
    """A span that is expected is not there, or not whole: the same command may work later."""

    exit_code = EXIT_NOT_YET


class WorkspaceError(PipelineError):
    """The workspace or the metadata store cannot be used."""


class JobError(PipelineError):
    """A job on Vertex AI Pipelines, real or emulated, or on a Beam cluster, was refused or failed."""


class LockedError(WorkspaceError):
    """Another process is at work with the same thing: the same command may work later."""

    exit_code = EXIT_LOCKED


class UnavailableError(PipelineError):
    """A server or a network does not answer, or a quota is used up: the same command may work later."""

    exit_code = EXIT_UNAVAILABLE


class StoreAwayError(UnavailableError, WorkspaceError):
    """The metadata server, or Cloud Storage, does not answer."""


class DataAwayError(UnavailableError, DataError):
    """Where the table lies does not answer."""


class JobsAwayError(UnavailableError, JobError):
    """Vertex AI does not answer."""


class TimeLimitError(PipelineError):
    """A run took longer than `run.timeout` or `run.step_timeout` allows, and was stopped."""

    exit_code = EXIT_TIMEOUT


class DiskFullError(WorkspaceError):
    """No room is left for the workspace `root`, or for what else is said."""

    exit_code = EXIT_DISK_FULL

    def __init__(self, root: Path, what: str = "", remedy: str = "") -> None:
        super().__init__(
            what or f"the disk that holds the workspace {root} is full",
            remedy or "free some space there (`longhaul gc --apply` does) and run again; finished steps are kept",
        )


def tells_of_full_disk(text: str) -> bool:
    """Return whether the text of an error is what the system or SQLite says of a full disk."""
    return any(
        words in text for words in ("No space left on device", "Disk quota exceeded", "database or disk is full")
    )


def nothing_has_run(root: Path, *, has_jobs: bool) -> WorkspaceError:
    """Make the error for a workspace without records, which one whose runs are jobs on Vertex AI need not have."""
    if has_jobs:
        return WorkspaceError(
            f"nothing has run on this machine in workspace {root}, and its jobs run on Vertex AI",
            "this command is about runs of this machine: docs/vertex.md#what-other-commands-do says what is for jobs",
        )
    return WorkspaceError(
        f"nothing has run in workspace {root} yet", "`longhaul run` does, or name another with --workspace"
    )


def cannot_write(place: Path, exc: Exception, problem: str, remedy: str) -> WorkspaceError:
    """Return the error for what could not be written below `place`: that its disk is full, or the `problem`."""
    return DiskFullError(place) if tells_of_full_disk(str(exc)) else WorkspaceError(problem, remedy)


def causes(exc: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what it came of, and so on."""
    while exc:
        yield exc
        exc = exc.__cause__ or exc.__context__


def shown(text: str) -> str:
    """Return a column's name or a value as a sentence has it: quoted with escapes where else nobody would see what
    it is, as with line breaks or blanks around it."""
    return text if text.isprintable() and text == text.strip() else repr(text)


def as_argument(name: str) -> str:
    """Return a column's name as the last argument of a command that a message shows, for a shell to read."""
    with_escapes = "".join(map(_in_ansi_quotes, name))
    argument = shlex.quote(name) if name.isprintable() else f"$'{with_escapes}'"  # which bash and zsh know
    return f"-- {argument}" if name.startswith("-") else argument


def _in_ansi_quotes(one: str) -> str:
    if one in "\\'":
        return f"\\{one}"
    return one if one.isprintable() else f"\\U{ord(one):08x}"
