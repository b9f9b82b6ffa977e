"""Where ML Metadata lies and how to open it."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator, MutableMapping, MutableSequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import ml_metadata
from google.protobuf.message import Message
from ml_metadata.proto import metadata_store_pb2

from pipeline.config import PipelineConfig
from pipeline.errors import DiskFullError, WorkspaceError, tells_of_full_disk


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
                connection = connection_config(config)
                on_postgresql = connection.WhichOneof("config") == "postgresql"
                return (_PostgreSQLStore if on_postgresql else ml_metadata.MetadataStore)(connection)
        except Exception as exc:  # ml_metadata raises a class of its own per status code, and RuntimeError
            chatter.seek(0)
            reason = _last_native_error(chatter.read().decode(errors="replace")) or str(exc).strip()
            reason = without_sql(reason)
            if tells_of_full_disk(reason) and config.metadata.url is None:
                raise DiskFullError(config.root) from exc
            place = config.metadata.url or config.root / "metadata.db"
            raise WorkspaceError(
                f"ML Metadata at {place} cannot be opened: {reason}",
                f"check that the server runs and that ${config.metadata.password_env} holds the password"
                if config.metadata.url
                else "check the file's permissions and the disk; move a damaged file away to start lineage anew",
            ) from exc


def without_sql(text: str) -> str:
    """What went wrong, out of "Error when executing query: <that> query: <the whole SQL statement>"."""
    return re.sub(r".*Error when executing query: (.*?) +query: .*", r"\1", text, flags=re.DOTALL)


class _PostgreSQLStore(ml_metadata.MetadataStore):
    r"""Stores a backslash as U+FE68 (small reverse solidus), and reads it back as a backslash.

    ML Metadata cuts the first and last character off the SQL literal that libpq makes of a string, which does not
    undo the ` E'…'` of one with a backslash: a syntax error at best. JSON within JSON is full of them
    (EscapeString in https://github.com/google/ml-metadata/blob/master/ml_metadata/metadata_store/postgresql_metadata_source.cc).
    To be removed when a plain MetadataStore on PostgreSQL can put and get the string "\\".
    """

    def _call(self, method_name: str, request: Message, response: Message, extra_options: Any = None) -> None:
        sent = type(request)()
        sent.CopyFrom(request)
        _replace(sent, "\\", "\ufe68")
        super()._call(method_name, sent, response, extra_options)
        _replace(response, "\ufe68", "\\")


def _replace(message: Message, old: str, new: str) -> None:
    """Replaces in every string of a message, in place; the keys of maps stay."""
    for field, value in message.ListFields():
        if isinstance(value, str):
            setattr(message, field.name, value.replace(old, new))
        elif isinstance(value, Message):
            _replace(value, old, new)
        elif isinstance(value, MutableMapping):
            for key, item in list(value.items()):
                if isinstance(item, Message):
                    _replace(item, old, new)
                elif isinstance(item, str):
                    value[key] = item.replace(old, new)
        elif isinstance(value, MutableSequence):
            for index, item in enumerate(value):
                if isinstance(item, Message):
                    _replace(item, old, new)
                elif isinstance(item, str):
                    value[index] = item.replace(old, new)


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
