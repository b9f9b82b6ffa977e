"""Where ML Metadata lies and how to open it."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import ml_metadata
from ml_metadata.proto import metadata_store_pb2

from pipeline.config import PipelineConfig
from pipeline.errors import WorkspaceError


def connection_config(config: PipelineConfig) -> metadata_store_pb2.ConnectionConfig:
    """SQLite in the workspace, or the server that `metadata.url` names (password from the environment)."""
    connection = metadata_store_pb2.ConnectionConfig()
    if config.metadata.url is None:
        connection.sqlite.filename_uri = str(config.root / "metadata.db")
        connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        return connection
    url = urlsplit(config.metadata.url)
    password = os.environ.get(config.metadata.password_env, "")
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


def open_store(config: PipelineConfig) -> ml_metadata.MetadataStore:
    """Opens the store, creating its tables if there are none.

    Raises:
        WorkspaceError: it cannot be reached or is not a metadata store.
    """
    logging.getLogger("absl").setLevel(logging.WARNING)  # it would announce every connection
    with tempfile.TemporaryFile() as chatter:
        try:
            with _standard_error_to(chatter.fileno()):
                return ml_metadata.MetadataStore(connection_config(config))
        except Exception as exc:  # ml_metadata raises a class of its own per status code, and RuntimeError
            chatter.seek(0)
            reason = _last_native_error(chatter.read().decode(errors="replace")) or str(exc).strip()
            place = config.metadata.url or config.root / "metadata.db"
            raise WorkspaceError(
                f"ML Metadata at {place} cannot be opened: {reason}",
                f"check that the server runs and that ${config.metadata.password_env} holds the password"
                if config.metadata.url
                else "check the file's permissions and the disk; move a damaged file away to start lineage anew",
            ) from exc


@contextmanager
def _standard_error_to(descriptor: int) -> Iterator[None]:
    """C++ writes straight to file descriptor 2: every connection, and alone why a server refused one."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        os.dup2(descriptor, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _last_native_error(log: str) -> str:
    """The last `E1121 04:08:00.397384 22725 some_file.cc:211] text` of a glog log, on one line; "" if none."""
    errors = re.findall(r"^E\d{4} [^\]]*\] (.*(?:\n\t.*)*)", log, re.MULTILINE)
    return " ".join(errors[-1].split()) if errors else ""


def open_existing_store(config: PipelineConfig) -> ml_metadata.MetadataStore:
    """Opens the store for reading; a command that only looks must not create one.

    Raises:
        WorkspaceError: there is none yet, or it cannot be opened.
    """
    if config.metadata.url is None and not (config.root / "metadata.db").exists():
        raise WorkspaceError(
            f"nothing has run in workspace {config.root} yet",
            "`longhaul run` does, or name another with --workspace",
        )
    return open_store(config)
