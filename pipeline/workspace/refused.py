"""Runs that were refused before they began: a file of the workspace remembers when and why, since no record does."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.files import incoming

_FILE = "refused.jsonl"
_MOST = 100


@dataclass(frozen=True)
class Refused:
    """A run that did not begin. `time` is ISO 8601, UTC."""

    time: str
    exit_code: int
    reason: str
    command: str


def note(root: Path, reason: str, exit_code: int) -> None:
    """Remember that a run was refused, and forget the oldest of many. No workspace is made for it, and what fails here
    is no reason to stop."""
    if not root.is_dir():
        return
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    now = datetime.now(UTC).isoformat(timespec="seconds")
    known = [*refused(root), Refused(now, exit_code, reason[:2000], command)][-_MOST:]
    with suppress(OSError), incoming(root / _FILE) as hidden:
        hidden.write_text("".join(json.dumps(asdict(one)) + "\n" for one in known))


def refused(root: Path) -> list[Refused]:
    """Return those that are remembered, the oldest first."""
    try:
        lines = (root / _FILE).read_text().splitlines()
        return [Refused(**json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError):
        return []
