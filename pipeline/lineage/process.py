"""Which process is behind a run, and whether it is still there: a killed one cannot say so itself."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Process:
    """A process, told from a later one that was given the same number.

    Attributes:
        boot_id: of the system that it runs on; another after every start of the machine.
        started: clock ticks from that start to the start of the process.
    """

    pid: int
    host: str
    boot_id: str
    started: int

    @classmethod
    def current(cls) -> Process:
        """Return this one."""
        return cls(os.getpid(), socket.gethostname(), _boot_id(), _started(os.getpid()))

    @classmethod
    def from_json(cls, text: str) -> Process | None:
        """Return what `to_json` gave, or None."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self))

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs, or ran, on another machine: nothing can be told of it here."""
        return self.host != socket.gethostname()

    @property
    def is_gone(self) -> bool:
        """Whether it has surely ended."""
        if self.is_elsewhere:
            return False
        return self.boot_id != _boot_id() or _started(self.pid) != self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""


def _started(pid: int) -> int:
    """Read field 22 of /proc/pid/stat, see proc(5); -1 if there is no such process, or only its corpse."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] in "ZX" else int(fields[19])
