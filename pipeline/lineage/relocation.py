"""Has the records name the folders of a workspace where it lies now.

The workspace's own store is rewritten in one transaction, after a copy of it was made. What is on a server belongs to
the workspace that its pipeline is noted for.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ml_metadata import MetadataStore

from pipeline.config.place import Place
from pipeline.errors import cannot_write
from pipeline.lineage.backup import kept_copy
from pipeline.lineage.records import text_of
from pipeline.lineage.records_version import upgrade_records
from pipeline.lineage.renaming import SAME, Renaming
from pipeline.lineage.server_relocation import check_owner, count_on_server, known_on_server, rename_on_server
from pipeline.lineage.store import here
from pipeline.lineage.whereabouts import BASE, FIRST_BASE, FIRST_ROOT, ID, ROOT, count_moved, known_in, move_of, rename
from pipeline.workspace.identity import new_id, own_id, read_id


@dataclass(frozen=True)
class Relocation:
    """What was done, or would be.

    Attributes:
        before, now: where the workspace lay and where it lies; `before` is None if it has not moved.
        copied: whether it still lies there, too.
        artifacts: how many have another path now.
        backup: the store as it was; None if nothing was rewritten, or the records are on a server.
        shared: that another workspace has the same records, and what to do; nothing was rewritten then.
    """

    before: str | None
    now: str
    copied: bool = False
    artifacts: int = 0
    backup: str | None = None
    shared: str = ""

    def sentence(self) -> str:
        """Say it in a line."""
        if self.shared:
            return self.shared
        what = f"this is a copy of {self.before}, which is left alone" if self.copied else f"moved from {self.before}"
        kept = f"; the store as it was is {self.backup}" if self.backup else ""
        return f"the workspace {self.now}: {what}; the records of {self.artifacts:,} artifacts name it now{kept}"


def settle(place: Place, store: MetadataStore, *, dry_run: bool = False, take_over: bool = False) -> Relocation | None:
    """Rewrite the records of a workspace that was moved or copied, and note where it lies. The caller holds its lock.

    Args:
        take_over: records on a server that are those of another workspace belong to this one from now on.

    Returns:
        What was rewritten; None if nothing had to be.

    Raises:
        ConfigError: this is a copy, and its records are on a server.
    """
    now, database, on_server = here(place), place.root / "metadata.db", place.metadata.url is not None
    number = read_id(place.root) if dry_run else own_id(place.root)
    if on_server:
        known = known_on_server(store, now, number)
        move = move_of(known, now)
        copied = move.copied and known.number == number
        if not take_over and (said := check_owner(place, known, number, copied=copied)):
            return Relocation(None, str(place.root), shared=said)
    else:
        known = known_in(database, now.pipeline)
        move = move_of(known, now)
    if move.is_noted or (dry_run and not move.names):
        return None
    before = str(move.before) if move.before else None
    if dry_run:
        count = count_on_server(store, now, move.names) if on_server else count_moved(database, move.names)
        return Relocation(before, str(place.root), move.copied, count)
    number = new_id(place.root) if move.copied else number
    noted = {ID: number, ROOT: str(place.root), BASE: now.base}
    first = {FIRST_ROOT: known.roots[0]} if known.roots else {}
    first |= {FIRST_BASE: known.base} if known.base else {}
    if store.get_context_by_type_and_name("pipeline", now.pipeline) is None:
        upgrade_records(place, store)  # which makes it
    if on_server:
        artifacts, backup = rename_on_server(store, now, move.names, noted, first), None
    else:
        artifacts = count_moved(database, move.names)
        backup = str(kept_copy(place)) if move.names else None
        try:
            rename(database, move.names, now.pipeline, noted, first)
        except sqlite3.Error as exc:
            what = f"ML Metadata at {database} cannot be rewritten: {exc}; nothing was changed"
            raise cannot_write(database.parent, exc, what, "check the file's permissions and the disk") from exc
    return Relocation(before, str(place.root), move.copied, artifacts, backup) if before else None


def first_names(store: MetadataStore, pipeline: str) -> Renaming:
    """Return what takes paths of today for those of where workspace and configuration lay first: so TFX's cache knows
    what a step did there."""
    context = store.get_context_by_type_and_name("pipeline", pipeline)
    if context is None:
        return SAME
    pairs = [
        (text_of(context, now), text_of(context, first)) for now, first in ((ROOT, FIRST_ROOT), (BASE, FIRST_BASE))
    ]
    return Renaming({now: first for now, first in reversed(pairs) if now and first})
