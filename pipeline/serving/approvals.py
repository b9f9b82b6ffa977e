"""Models that wait for a person: `push.approval: manual`.

What a push would have published is kept as a request beside the folder of versions, by the model's digest, until
somebody decides. A decision stays there, so that a model that was rejected is not asked about again. ML Metadata keeps
the same of each (pipeline.lineage.pushes).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.files import flush_file, incoming
from pipeline.serving.versions import Manifest

WAITING, APPROVED, REJECTED = "waiting", "approved", "rejected"
_DIGITS = 16


@dataclass(frozen=True)
class Request:
    """A model that waits, or was decided about.

    Attributes:
        since, until: when it was asked (ISO 8601, UTC), and when that lapses; `until` is empty if never.
        model: the SavedModel's folder, from the workspace if it lies in there.
        manifest: what it would be published with.
        judged_against: the digest of the champion then; empty without one.
        by, time, note: who decided, when and why.
        version: as which it was published.
    """

    run_id: str
    digest: str
    since: str
    until: str
    model: str
    manifest: dict[str, Any]
    judged_against: str
    state: str = WAITING
    by: str = ""
    time: str = ""
    note: str = ""
    version: int = 0

    @property
    def has_lapsed(self) -> bool:
        """Whether nobody decided in time."""
        return self.state == WAITING and is_past(self.until)

    @property
    def words(self) -> str:
        """Say what became of it, for a person to read."""
        if self.has_lapsed:
            command = f"longhaul approve {self.run_id} --by NAME --note WHY --force"
            return f"nobody approved it until {self.until}; `{command}` still can"
        if self.state == WAITING:
            until = f" until {self.until}" if self.until else ""
            return f'waits for approval{until}: `longhaul approve {self.run_id} --by NAME --note "TEXT"`, or --reject'
        return f"{self.state} by {self.by} on {self.time}: {self.note}"


def is_past(moment: str) -> bool:
    """Return whether a moment (ISO 8601) is over; "" never is."""
    return bool(moment) and datetime.fromisoformat(moment) < datetime.now(UTC)


def after(seconds: float | None) -> str:
    """Write the moment so many seconds from now as ISO 8601, UTC; "" for None."""
    return "" if seconds is None else (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def ask(base: Path, manifest: Manifest, model: Path, judged_against: str, lapses_s: float | None) -> Request:
    """Have a model wait, and return its request; of one that waits or was rejected already, that one. The caller holds
    the short lock.

    Args:
        base: the folder of versions.
        lapses_s: after so many seconds the request lapses; None for never.
    """
    file = _file(base, manifest.digest)
    if (known := _read(file)) and (known.state == REJECTED or (known.state == WAITING and not known.has_lapsed)):
        return known
    root = base.parent.parent
    request = Request(
        run_id=manifest.run_id,
        digest=manifest.digest,
        since=after(0),
        until=after(lapses_s),
        model=str(model.relative_to(root) if model.is_relative_to(root) else model),
        manifest=manifest.to_json(),
        judged_against=judged_against,
    )
    _write(file, request)
    return request


def decided(base: Path, request: Request, state: str, by: str, note: str, time: str, version: int) -> None:
    """Write down what was decided. The caller holds the short lock."""
    done = replace(request, state=state, by=by, note=note, time=time, version=version)
    _write(_file(base, request.digest), done)


def request_of(base: Path, digest: str) -> Request | None:
    """Return the request about a model; None if it was never asked about."""
    return _read(_file(base, digest)) if digest else None


def waiting(base: Path) -> list[Request]:
    """Return the requests that nobody has decided about, the newest first, lapsed ones too."""
    found = filter(None, map(_read, _folder(base).glob("*.json")))
    return sorted((one for one in found if one.state == WAITING), key=lambda one: one.run_id, reverse=True)


def _folder(base: Path) -> Path:
    return base.parent / ".approvals" / base.name


def _file(base: Path, digest: str) -> Path:
    return _folder(base) / f"{digest[:_DIGITS]}.json"


def _read(file: Path) -> Request | None:
    try:
        plain: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return Request(**plain)
    except (OSError, ValueError, TypeError):
        return None


def _write(file: Path, request: Request) -> None:
    with incoming(file) as hidden:
        hidden.write_text(json.dumps(asdict(request), indent=1), encoding="utf-8")
        flush_file(hidden)
