"""What users see when something is wrong.

    PipelineError           anything a person can fix; never shown with a traceback
    ├── ConfigError         the YAML file: unknown key, value out of range, missing file      exit 2
    ├── DataError           the table: missing, empty, unparsable, wrong column or label      exit 2
    │   └── NotYetError     a span that is expected is not there, or not whole                exit 66
    ├── WorkspaceError      the workspace or the metadata store: locked, read-only, full      exit 2
    └── JobError            a job on Vertex AI Pipelines: refused, or one of its steps failed exit 2

A gate that says no is a verdict, not an error: exit 1. Third-party errors are translated where they
arise (`raise ... from exc`). Anything else that escapes is a bug of ours: exit 70, with its traceback
in the log. After Ctrl-C it is 130, after SIGTERM 143, as shells have it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

EXIT_GATE = 1
EXIT_INPUT = 2
EXIT_NOT_YET = 66
EXIT_BUG = 70
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


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


class DataError(PipelineError):
    """The table cannot be used."""


class NotYetError(DataError):
    """A span that is expected is not there, or not whole: the same command may work later."""

    exit_code = EXIT_NOT_YET


class WorkspaceError(PipelineError):
    """The workspace or the metadata store cannot be used."""


class JobError(PipelineError):
    """A job on Vertex AI Pipelines, real or emulated, or on a Beam cluster, was refused or failed."""


class DiskFullError(WorkspaceError):
    """No room is left for the workspace `root`."""

    def __init__(self, root: Path) -> None:
        super().__init__(
            f"the disk that holds the workspace {root} is full",
            "free some space there (`longhaul gc --apply` does) and run again; finished steps are kept",
        )


def tells_of_full_disk(text: str) -> bool:
    """Return whether the text of an error is what the system or SQLite says of a full disk."""
    return any(
        words in text for words in ("No space left on device", "Disk quota exceeded", "database or disk is full")
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
