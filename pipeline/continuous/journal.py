"""The journal of `longhaul loop`: what it decided, with its numbers, and what it then did. It is only ever added to.

A line is a JSON object. What is to be done is written down before it is done, and that it was done after it: whoever
finds the first without the second looks whether it was, and does it if not. So a kill at any moment costs nothing, and
nothing is done twice. A line that is not whole, the last one of a process that was killed, counts as not written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.errors import EXIT_LOCKED, EXIT_NOT_YET, WorkspaceError, cannot_write

FORM = 1
"""Of the lines; a journal of a later one is refused."""
BEGAN, TRAINED, PUBLISHED, DECIDED, DONE, ENDED = "began", "trained", "published", "decided", "done", "ended"


def journal_of(root: Path, name: str) -> Path:
    """Return where the journal of a pipeline lies in a workspace."""
    return root / "continuous" / name / "journal.jsonl"


@dataclass(frozen=True)
class Entry:
    """One line.

    Attributes:
        number: from 1; attempt: that of the entry that began it; time: ISO 8601, UTC.
        kind: began, trained, published, decided, done, ended; told: what it is about, and its numbers.
    """

    number: int
    attempt: int
    time: str
    kind: str
    told: dict[str, Any]


@dataclass(frozen=True)
class Attempt:
    """One training, from the event that began it to its end, as the journal tells it.

    Attributes:
        number: of the entry that began it. keys: of the events that it answers. before: the newest run then.
        tries: how often the run was started. run_id, outcome, cpu_s: of it, once it has ended. digest: of its model.
        version: as which it was published. stage: the share of the step that it is in; 0 is the shadow. since: of that.
        pending: what was decided and perhaps not done; None where all is done. asked: whether a person was asked.
        waits: whether a person was told that the step waits for long.
        ended: how; "" while it goes on.
    """

    number: int
    keys: tuple[str, ...]
    began: str
    before: str
    tries: int = 0
    run_id: str = ""
    outcome: str = ""
    cpu_s: float = 0.0
    digest: str = ""
    version: int = 0
    stage: float = 0.0
    since: str = ""
    pending: dict[str, Any] | None = None
    asked: bool = False
    waits: bool = False
    ended: str = ""
    ended_at: str = ""

    @property
    def step(self) -> str:
        """The one that it is in, in words."""
        return f"canary {self.stage:g} %" if self.stage else "shadow"


@dataclass
class Journal:
    """See above; the caller holds the lock of the loop."""

    file: Path
    entries: list[Entry] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> Journal:
        """Read it; empty where there is none.

        Raises:
            WorkspaceError: a line other than the last cannot be read, or a later Longhaul wrote it.
        """
        try:
            lines = file.read_bytes().split(b"\n")
        except FileNotFoundError:
            return cls(file)
        except OSError as exc:
            raise WorkspaceError(f"the journal {file} cannot be read: {exc.strerror}", "fix its permissions") from exc
        return cls(file, list(_entries(file, lines)))

    def write(self, kind: str, attempt: int = 0, *, time: str, **told: Any) -> Entry:
        """Add an entry; it is on the disk when this returns. Without an attempt, it begins one.

        Raises:
            WorkspaceError: it cannot be written.
        """
        number = len(self.entries) + 1
        entry = Entry(number, attempt or number, time, kind, told)
        line = json.dumps({"form": FORM, **vars(entry)}, sort_keys=True).encode() + b"\n"
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                os.truncate(descriptor, _whole(descriptor))
                os.lseek(descriptor, 0, os.SEEK_END)
                while line:
                    line = line[os.write(descriptor, line) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as exc:
            problem = f"the journal {self.file} cannot be written: {exc.strerror}"
            raise cannot_write(self.file.parent, exc, problem, "fix its permissions") from exc
        self.entries.append(entry)
        return entry

    def attempts(self) -> list[Attempt]:
        """Return all attempts, the oldest first."""
        found: dict[int, Attempt] = {}
        for entry in self.entries:
            before = found.get(entry.attempt)
            found[entry.attempt] = _begun(entry) if before is None else _after(before, entry)
        return list(found.values())

    def keys(self) -> set[str]:
        """Return the keys of all events that were answered."""
        return {key for attempt in self.attempts() for key in attempt.keys}

    def under_way(self) -> Attempt | None:
        """Return the attempt that has not ended."""
        return next((one for one in reversed(self.attempts()) if not one.ended), None)


def _begun(entry: Entry) -> Attempt:
    return Attempt(entry.number, tuple(entry.told["keys"]), entry.time, entry.told["before"])


def _after(attempt: Attempt, entry: Entry) -> Attempt:
    told = entry.told
    if entry.kind == TRAINED:
        of_run = {name: told[name] for name in ("run_id", "outcome", "digest")}
        return replace(attempt, pending=None, cpu_s=attempt.cpu_s + told["cpu_s"], **of_run)
    if entry.kind == PUBLISHED:
        return replace(attempt, version=told["version"], stage=0.0, since=entry.time)
    if entry.kind == DECIDED:
        tries = attempt.tries + (told["action"] == "run")
        return replace(attempt, pending=told, tries=tries)
    if entry.kind == DONE:
        if told["action"] == "run":  # and it is to be tried again
            counts = told["exit_code"] not in (EXIT_NOT_YET, EXIT_LOCKED)
            cpu_s, tries = attempt.cpu_s + told["cpu_s"], attempt.tries - (not counts)
            return replace(attempt, pending=None, cpu_s=cpu_s, tries=tries)
        if told["action"] == "step":
            return replace(attempt, pending=None, stage=told["share"], since=entry.time, asked=False, waits=False)
        asked, waits = attempt.asked or told["action"] == "ask", attempt.waits or told["action"] == "wait"
        return replace(attempt, pending=None, asked=asked, waits=waits)
    return replace(attempt, pending=None, ended=told["outcome"], ended_at=entry.time)


def _whole(descriptor: int) -> int:
    """Return how many bytes are whole lines."""
    size = os.fstat(descriptor).st_size
    end = size
    while end:
        begin = max(0, end - 4096)
        found = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _entries(file: Path, lines: Sequence[bytes]) -> Iterator[Entry]:
    for place, line in enumerate(lines[:-1], 1):  # behind the last line break stands nothing, or half a line
        try:
            plain = json.loads(line)
            form = plain.pop("form")
            entry = Entry(**plain)
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise WorkspaceError(
                f"{file}, line {place}, is no entry of a journal", "restore the file from a backup, or move it away"
            ) from exc
        if form > FORM:
            raise WorkspaceError(f"{file} was written by a later Longhaul", "use that one, or move the file away")
        yield entry
