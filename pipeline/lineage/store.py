"""Where ML Metadata lies and how to open it."""

from __future__ import annotations

import logging
import os
import random
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ml_metadata
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2

from pipeline.config.metadata import Metadata
from pipeline.config.place import Place
from pipeline.errors import (
    DiskFullError,
    PipelineError,
    StoreAwayError,
    WorkspaceError,
    causes,
    nothing_has_run,
    tells_of_full_disk,
)
from pipeline.lineage.damage import check_not_emptied, remedy_of_damage
from pipeline.lineage.records_version import check_records
from pipeline.lineage.renaming import Renaming
from pipeline.lineage.server_store import NO_PATIENCE, Patience, PostgreSQLStore, ServerStore, kind_of, told_apart
from pipeline.lineage.whereabouts import Here, known_in, move_of, rename

_CREATED_BY_ANOTHER = ("concurrent connection to the empty database", "duplicate key value", "already exists")
"""What ML Metadata says when another process creates database and tables on a server at the same moment."""
_WAITS_S = (0.5, 1.0, 2.0, 4.0)
_FULL_BYTES = 1 << 20
"""With less than that left on its disk, a store that fails has met a full disk."""
_LOOK = "`longhaul doctor` checks the store"
_OLDER = "is older than library version"
"""What ML Metadata says of a store that a release before made."""
_NEWER = "is greater than library version"
"""What it says of one that a later release made, or brought up to date."""


def connection_config(metadata: Metadata, root: Path) -> metadata_store_pb2.ConnectionConfig:
    """Return how to reach SQLite in the workspace, or the server that `metadata.url` names (password from the
    environment)."""
    connection = metadata_store_pb2.ConnectionConfig()
    if metadata.url is None:
        connection.sqlite.filename_uri = str(root / "metadata.db")
        connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        return connection
    url = urlsplit(metadata.url)
    password = os.environ.get(metadata.password_env, "")
    database = url.path.removeprefix("/")
    if url.scheme == "postgresql":
        server = connection.postgresql
        server.host, server.port, server.user = url.hostname or "", str(url.port or 5432), url.username or ""
        server.password, server.dbname = password, database
    else:
        server = connection.mysql
        server.host, server.port, server.user = url.hostname or "", url.port or 3306, url.username or ""
        server.password, server.database = password, database
    return connection


def open_store(place: Place, patience: Patience = NO_PATIENCE) -> ml_metadata.MetadataStore:
    """Open the store, creating its tables if there are none.

    Args:
        patience: with a server that is away, now or at any later call.

    Raises:
        WorkspaceError: it cannot be reached, is not a metadata store, was emptied, or a newer Longhaul wrote it.
    """
    store = _reach(place.metadata, place.root, patience)
    check_records(store, place.record_name)
    return store


def _reach(metadata: Metadata, root: Path, patience: Patience) -> ml_metadata.MetadataStore:
    if metadata.url is None:
        check_not_emptied(root)
        return _open_or_create(metadata, root)
    store: ServerStore = patience.waited(lambda: _open_or_create(metadata, root), _tells_of_absence)
    store.wait_with(patience, lambda: _open_or_create(metadata, root))
    return store


def _tells_of_absence(error: Exception) -> bool:
    return isinstance(error, StoreAwayError)


def _open_or_create(metadata: Metadata, root: Path) -> Any:
    logging.getLogger("absl").setLevel(logging.WARNING)  # it would announce every connection
    for wait_s in _WAITS_S:
        try:
            return _open(metadata, root)
        except WorkspaceError as exc:
            if metadata.url is None or not any(words in exc.what for words in _CREATED_BY_ANOTHER):
                raise
        time.sleep(wait_s + random.random())
    return _open(metadata, root)


_KINDS = {"sqlite": ml_metadata.MetadataStore, "mysql": ServerStore, "postgresql": PostgreSQLStore}
"""By what a connection is to."""


def _open(metadata: Metadata, root: Path, connection: Any = None) -> ml_metadata.MetadataStore:
    with tempfile.TemporaryFile() as chatter:
        try:
            with _standard_error_to(chatter.fileno()):
                connection = connection or connection_config(metadata, root)
                return _KINDS[connection.WhichOneof("config")](connection)
        except Exception as exc:  # ml_metadata raises a class of its own per status code, and RuntimeError
            chatter.seek(0)
            reason = without_sql(_last_native_error(chatter.read().decode(errors="replace")) or str(exc).strip())
            if tells_of_full_disk(reason) and metadata.url is None:
                raise DiskFullError(root) from exc
            place = metadata.url or root / "metadata.db"
            reason = told_apart(reason, metadata.url)
            kind = kind_of(reason, may_be_away=metadata.url is not None)
            raise kind(f"ML Metadata at {place} cannot be opened: {reason}", _remedy(metadata, root, reason)) from exc


def _remedy(metadata: Metadata, root: Path, reason: str) -> str:
    if _OLDER in reason:
        if metadata.url is None:
            return "`longhaul run` brings it up to date, and keeps a copy of it as it was"
        return (
            "back the database up, then open it once with ml_metadata.MetadataStore(…, enable_upgrade_migration=True)"
        )
    if _NEWER in reason:
        return "use the Longhaul that wrote to it last, with its newer ml-metadata, or restore a backup of before"
    if metadata.url:
        return f"check that the server runs and that ${metadata.password_env} holds the password"
    return remedy_of_damage(root)


def upgrade_store(place: Place) -> Path | None:
    """Bring the workspace's own store up to date, if an older ML Metadata made it.

    Returns:
        A copy of it as it was; None if there was nothing to do, or the store is not the workspace's own.
    """
    file = place.root / "metadata.db"
    if place.metadata.url is not None or not file.exists():
        return None
    try:
        open_store(place)
    except WorkspaceError as exc:
        if _OLDER not in exc.what:
            raise
    else:
        return None
    copy = file.with_name(f"{file.name}.{datetime.now():%Y%m%d-%H%M%S}")
    shutil.copy2(file, copy)
    ml_metadata.MetadataStore(connection_config(place.metadata, place.root), enable_upgrade_migration=True)
    return copy


@contextmanager
def translated_errors(root: Path) -> Iterator[None]:
    """Turn a full disk and a failing metadata store, however deep they were met, into messages."""
    try:
        yield
    except PipelineError:
        raise
    except Exception as exc:
        # One error leads to the next; Beam hands on the text of an error only, SQLite has its own words.
        story = "\n".join(map(str, causes(exc)))
        of_store = isinstance(exc, mlmd_errors.StatusError)
        # After a write that found no room, SQLite may say "cannot commit - no transaction is active".
        if tells_of_full_disk(story) or (of_store and shutil.disk_usage(root).free < _FULL_BYTES):
            raise DiskFullError(root) from exc
        if of_store:
            raise failure(exc, remedy_of_damage(root) if "malformed" in story else _LOOK) from exc
        raise


def failure(error: Exception, remedy: str = _LOOK) -> WorkspaceError:
    """Return what to say of an error that a call of the store met."""
    return kind_of(str(error))(f"ML Metadata failed: {without_sql(str(error))}", remedy)


def without_sql(text: str) -> str:
    """Return what went wrong, out of "Error when executing query: <that> query: <the whole SQL statement>"."""
    return re.sub(r".*Error when executing query: (.*?) +query: .*", r"\1", text, flags=re.DOTALL)


@contextmanager
def _standard_error_to(descriptor: int) -> Iterator[None]:
    """Catch what C++ writes straight to file descriptor 2: every connection, and alone why a server refused one."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        os.dup2(descriptor, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _last_native_error(log: str) -> str:
    """Return the last `E1121 04:08:00.397384 22725 some_file.cc:211] text` of a glog log, on one line; "" if none."""
    errors = re.findall(r"^E\d{4} [^\]]*\] (.*(?:\n\t.*)*)", log, re.MULTILINE)
    return " ".join(errors[-1].split()) if errors else ""


def open_existing_store(place: Place) -> ml_metadata.MetadataStore:
    """Open the store for reading; a command that only looks must not create one. That of a workspace that was moved
    reads as if its records named the folders where they lie now; the next command that writes rewrites them.

    Raises:
        WorkspaceError: there is none yet, or it cannot be opened.
    """
    check_store_exists(place.metadata, place.root, place.orchestrator)
    if place.metadata.url is None and (names := _names_now(here(place))):
        return _renamed_copy(place.metadata, place.root, place.record_name, names)
    return open_store(place)


def here(place: Place) -> Here:
    """Return where workspace and configuration lie."""
    base = str(place.file.parent) if place.file else ""
    return Here(place.root, place.record_name, base, place.data_pattern)


def _names_now(place: Here) -> Renaming | None:
    try:
        return move_of(known_in(place.root / "metadata.db", place.pipeline), place).names
    except sqlite3.Error:  # whoever opens it will say what is wrong
        return None


def _renamed_copy(metadata: Metadata, root: Path, pipeline: str, names: Renaming) -> ml_metadata.MetadataStore:
    """Open a copy with other names in it. Its file is gone as soon as it is open."""
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE
    with tempfile.TemporaryDirectory(prefix="longhaul-") as folder:
        file = Path(folder, "metadata.db")
        source = f"{(root / 'metadata.db').as_uri()}?mode=ro"
        with closing(sqlite3.connect(source, uri=True)) as store, closing(sqlite3.connect(file)) as copy:
            store.backup(copy)
        rename(file, names, pipeline, {}, {})
        connection.sqlite.filename_uri = str(file)
        return _open(metadata, root, connection)


def has_records(metadata: Metadata, root: Path) -> bool:
    """Return whether there may be records: in a store of the workspace's own, or on a server; opens nothing."""
    return metadata.url is not None or (root / "metadata.db").exists()


def check_store_exists(metadata: Metadata, root: Path, orchestrator: str) -> None:
    """Refuse a workspace without a store; opens nothing.

    Raises:
        WorkspaceError: nothing has run in the workspace yet.
    """
    if not has_records(metadata, root):
        raise nothing_has_run(root, has_jobs=orchestrator == "vertex")


def check_writable(metadata: Metadata, root: Path, wait_s: float) -> None:
    """See whether the workspace's own store can be written now, if there is one: ML Metadata itself would try for most
    of a minute. What is on a server is not asked.

    Args:
        wait_s: how long another process may be writing.

    Raises:
        WorkspaceError: it cannot.
    """
    file = root / "metadata.db"
    if metadata.url is not None or not file.exists():
        return
    try:
        with closing(
            sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=wait_s, isolation_level=None)
        ) as store:
            store.execute("BEGIN IMMEDIATE")
            store.execute("ROLLBACK")
    except sqlite3.Error as exc:
        raise kind_of(str(exc))(f"ML Metadata at {file} cannot be written now: {exc}") from exc
