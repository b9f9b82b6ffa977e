"""A rollout: beside the version that answers, another gets the same requests and answers only to the log (shadow), or
answers a share of them (canary). Its state is a file beside the versions, which servers follow.

It is over as soon as a higher version appears: a rollback, or a push, ends it in the same instant in which it answers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.files import incoming
from pipeline.lineage.version_folders import versions

ROLLOUT_FILE = ".rollout.json"
SHADOW, CANARY = "shadow", "canary"


@dataclass(frozen=True)
class Rollout:
    """What is tried, beside what.

    Attributes:
        version: the candidate. stable: what answers the rest. newest: the highest version when it began.
        share: percent of the keys that meet the candidate; of a shadow 0.
        key: the column whose values are told apart; the id of the request when empty.
        by, time, note: who began it or took the last step, when (ISO 8601, UTC), and why.
        ending: promote or abort, from its beginning on until all of it is on record.
    """

    version: int
    stable: int
    newest: int
    mode: str
    share: float = 0.0
    key: str = ""
    by: str = ""
    time: str = ""
    note: str = ""
    ending: str = ""

    @property
    def words(self) -> str:
        """Say it in a line."""
        whom = (
            f"{self.share:g} % by {self.key or 'request'}" if self.mode == CANARY else "all requests, to the log only"
        )
        return f"{self.mode} of version {self.version} beside {self.stable}: {whom}; {self.by}, {self.time}"

    def meets(self, value: Any) -> bool:
        """Return whether who has this key, or this id of a request, meets the candidate; who does goes on to, as the
        share grows."""
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        text = value if isinstance(value, str) else repr(float(value))
        digest = hashlib.blake2b(f"{self.version} {text}".encode(errors="replace"), digest_size=6).digest()
        return int.from_bytes(digest, "big") < self.share / 100 * 2**48


def under_way(base: Path) -> Rollout | None:
    """Return the rollout that servers of this folder follow; None if there is none, or it is over."""
    found = last(base)
    numbers = versions(base) if found else ()
    if found and numbers and found.newest == found.version > numbers[-1] > found.stable:
        # It is about to appear; what was tried until now answers to the log only.
        found = replace(found, version=numbers[-1], newest=numbers[-1], mode=SHADOW, share=0.0)
    if found is None or not numbers or numbers[-1] != found.newest or not {found.version, found.stable} <= {*numbers}:
        return None
    return found


def last(base: Path) -> Rollout | None:
    """Return what the file says, also if it is over."""
    try:
        return Rollout(**json.loads((base / ROLLOUT_FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def begin(base: Path, version: int, share: float, key: str, by: str, time: str, note: str = "") -> Rollout | None:
    """Have a version that is about to appear tried beside the one that answers now; None where none does.

    Args:
        share: percent; 0 is a shadow.
    """
    going_on, numbers = under_way(base), versions(base)
    if not numbers:
        return None
    stable = going_on.stable if going_on else numbers[-1]
    begun = Rollout(version, stable, version, CANARY if share else SHADOW, share, key, by, time, note)
    write(base, begun)
    return begun


def write(base: Path, rollout: Rollout) -> None:
    """Have servers follow it."""
    plain = asdict(rollout)
    if not rollout.ending:
        del plain["ending"]  # which a server that an older Longhaul started does not know
    with incoming(base / ROLLOUT_FILE) as hidden:
        hidden.write_text(json.dumps(plain, indent=1))


def end(base: Path) -> None:
    """Have the highest version answer alone."""
    (base / ROLLOUT_FILE).unlink(missing_ok=True)
