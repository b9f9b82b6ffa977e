"""ML Metadata on a server: what its client lacks there.

A server may be away for a while, and two clients may create the same type at the same moment.
"""

from __future__ import annotations

import logging
import random
import socket
import time
from collections.abc import Callable, MutableMapping, MutableSequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import ml_metadata
from google.protobuf.message import Message
from ml_metadata import errors as mlmd_errors

from pipeline.errors import LockedError, StoreAwayError, WorkspaceError
from pipeline.lineage import long_strings, wide_numbers

_Result = TypeVar("_Result")

_LONGEST_WAIT_S = 10.0
_MYSQL_SILENT = "Please ensure your MySQL server is running"
"""What ML Metadata says where it cannot connect to MySQL, whether the server is away or refuses the password."""
SERVER_AWAY = (
    _MYSQL_SILENT,
    *("could not connect to server", "server closed the connection", "terminating connection", "Lost connection"),
    *("server has gone away", "Can't connect to", "Connection refused", "connection refused", "ECONNREFUSED"),
    *("the database system is starting up", "the database system is shutting down", "no connection to the server"),
)
"""What PostgreSQL and MySQL say when they cannot be reached; ML Metadata wraps all of it as an internal error."""
BUSY = (
    *("deadlock detected", "could not serialize access", "Deadlock found", "Lock wait timeout exceeded"),
    *("database is locked", "Concurrent writes aborted"),
)
"""What PostgreSQL, MySQL and SQLite say when clients are in each other's way."""
_WITHOUT_REASON = "PostgreSQL metadata source error:"
"""All that is said where a connection was lost."""
_TYPES = {"PutArtifactType": "artifact_type", "PutExecutionType": "execution_type", "PutContextType": "context_type"}
"""Methods that create a type, and the field that it is in."""
_TAKEN = ("type_external_id_key", "Conflict of external_id", "Duplicate entry")
"""What is said when another client created the type meanwhile."""
_TRIES = 5


def is_away(text: str) -> bool:
    """Return whether an error's text says that the server cannot be reached."""
    return text.strip().endswith(_WITHOUT_REASON) or any(words in text for words in SERVER_AWAY)


def kind_of(reason: str, *, may_be_away: bool = True) -> type[WorkspaceError]:
    """Return the class of the error that a store's reason is."""
    return StoreAwayError if may_be_away and is_away(reason) else LockedError if is_busy(reason) else WorkspaceError


def told_apart(reason: str, url: str | None) -> str:
    """Return why a server could not be used: ML Metadata has the same words for one of MySQL's that is away and for one
    that refuses the password, which is no reason to wait."""
    if url is None or _MYSQL_SILENT not in reason:
        return reason
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname or "", address.port or 3306), timeout=5).close()
    except OSError:
        return reason
    return "the server answers, and refuses the user, the password or the database"


def is_busy(text: str) -> bool:
    """Return whether an error's text says that another client was writing at the same moment."""
    return any(words in text for words in BUSY)


class Patience:
    """How long to wait for a server that is away; shared by all that a run asks of it.

    Args:
        seconds: from the first failure to the last try; counted anew after each success.
        tell: is told why, and how many seconds the next try is away.
    """

    def __init__(self, seconds: float, tell: Callable[[str, float], None]) -> None:
        self._seconds, self._tell = seconds, tell
        self._since: float | None = None

    def waited(self, ask: Callable[[], _Result], is_absence: Callable[[Exception], bool]) -> _Result:
        """Return what `ask` returns, tried again while it raises what is an absence. What was asked last raises in
        the end."""
        wait_s = 1.0
        while True:
            try:
                result = ask()
            except Exception as exc:
                if not is_absence(exc):
                    raise
                now = time.monotonic()
                self._since = self._since or now
                if now + wait_s > self._since + self._seconds:
                    raise
                self._tell(" ".join(str(exc).split("Remedy")[0].split())[:300], wait_s)
                time.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            else:
                self._since = None
                return result


NO_PATIENCE = Patience(0.0, lambda *_: None)


class ServerStore(ml_metadata.MetadataStore):
    """Connects anew to a server that was away, and creates every type once.

    ML Metadata looks whether there is a type of a name, and else creates it; where two clients do so at the same moment
    there are two, and what belongs to the second is never found. No constraint of its tables forbids that, but one
    forbids that two types have the same external id, which a type gets here from its name.
    (https://github.com/google/ml-metadata/blob/master/ml_metadata/util/metadata_source_query_config.cc, table Type.
    To be removed when that table has a unique index over name, version and kind.)
    """

    _patience = NO_PATIENCE
    _reopen: Callable[[], Any] | None = None

    def wait_with(self, patience: Patience, reopen: Callable[[], Any]) -> None:
        """Wait from now on for the server whenever it is away; `reopen` connects anew."""
        self._patience, self._reopen = patience, reopen

    def _call(self, method_name: str, request: Message, response: Message, extra_options: Any = None) -> None:
        if field := _TYPES.get(method_name):
            kind = getattr(request, field)
            if not kind.external_id:
                kind.external_id = f"longhaul:{field}:{kind.name}"[:255]
        is_lost = False

        def ask() -> None:
            nonlocal is_lost
            if is_lost and self._reopen:
                self.__dict__.update(self._reopen().__dict__)
            is_lost = True  # a connection that failed once may refuse whatever follows
            self._call_once(method_name, request, response, extra_options)

        self._patience.waited(ask, tells_of_absence)

    def get_contexts_by_type(self, type_name: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Look in all types of that name: before types were created once, a store may have got two."""
        found = list(super().get_contexts_by_type(type_name, *args, **kwargs))
        return found + self._of_further_types(type_name, {context.id for context in found})

    def get_context_by_type_and_name(self, type_name: str, context_name: str, *args: Any, **kwargs: Any) -> Any:
        """Look in all types of that name."""
        if found := super().get_context_by_type_and_name(type_name, context_name, *args, **kwargs):
            return found
        further = self._of_further_types(type_name, set())
        return next((context for context in further if context.name == context_name), None)

    def _of_further_types(self, type_name: str, known: set[int]) -> list[Any]:
        kinds = [kind.id for kind in self.get_context_types() if kind.name == type_name]
        if len(kinds) < 2:
            return []
        return [one for one in self.get_contexts() if one.type_id in kinds and one.id not in known]

    def _call_once(self, method_name: str, request: Message, response: Message, extra_options: Any) -> None:
        for attempt in range(_TRIES):
            try:
                super()._call(method_name, request, response, extra_options)
            except mlmd_errors.StatusError as exc:
                is_taken = method_name in _TYPES and any(words in str(exc) for words in _TAKEN)
                if not is_taken or attempt == _TRIES - 1:
                    raise
                logging.getLogger(__name__).info("another client has created a type at this moment; once more")
                time.sleep(0.1 + 0.2 * random.random())
            else:
                return


def tells_of_absence(error: Exception) -> bool:
    """Return whether an error is that the server cannot be reached."""
    # WorkspaceError: connecting anew failed.
    return isinstance(error, mlmd_errors.UnavailableError) or (
        isinstance(error, mlmd_errors.StatusError | WorkspaceError) and is_away(getattr(error, "what", str(error)))
    )


class PostgreSQLStore(ServerStore):
    r"""Stores a backslash as U+FE68 (small reverse solidus), and reads it back as a backslash. Keeps long strings in
    pieces (pipeline.lineage.long_strings).

    ML Metadata cuts the first and last character off the SQL literal that libpq makes of a string, which does not
    undo the ` E'…'` of one with a backslash: a syntax error at best. JSON within JSON is full of them
    (EscapeString in https://github.com/google/ml-metadata/blob/master/ml_metadata/metadata_store/postgresql_metadata_source.cc).
    To be removed when a plain MetadataStore on PostgreSQL can put and get the string "\\".
    """

    def _call(self, method_name: str, request: Message, response: Message, extra_options: Any = None) -> None:
        sent = type(request)()
        sent.CopyFrom(request)
        _replace(sent, "\\", "\ufe68")
        wide_numbers.as_doubles(sent)
        long_strings.split(sent)
        super()._call(method_name, sent, response, extra_options)
        long_strings.join(response)
        wide_numbers.as_numbers(response)
        _replace(response, "\ufe68", "\\")


def _replace(message: Message, old: str, new: str) -> None:
    """Replace in every string of a message, in place; the keys of maps stay."""
    for field, value in message.ListFields():
        if isinstance(value, str):
            setattr(message, field.name, value.replace(old, new))
        elif isinstance(value, Message):
            _replace(value, old, new)
        elif isinstance(value, MutableMapping | MutableSequence):
            items = value.items() if isinstance(value, MutableMapping) else enumerate(value)
            for place, item in list(items):
                if isinstance(item, Message):
                    _replace(item, old, new)
                elif isinstance(item, str):
                    value[place] = item.replace(old, new)
