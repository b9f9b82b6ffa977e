"""Writes down what was asked and answered, off the path of the answers.

A request is put into a bounded queue; a thread writes it within a second (pipeline.serving.request_files tells what the
files are). What does not fit into the queue is dropped and counted. A disk that is full, or cannot be written, ends
the writing until it can be written again: the requests meanwhile are dropped and counted, and answered as before.
"""

from __future__ import annotations

import secrets
import threading
import time
import zlib
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.serving.request_layout import Entry, Layout, Redaction, schema_of
from pipeline.serving.request_upkeep import LogOptions, Upkeep

_FLUSH_S = 0.5
_MOST_BYTES, _SOON_BYTES = 64 << 20, 8 << 20
"""Of requests that wait: beyond the first they are dropped, beyond the second they are written at once."""
_OVERHEAD = 512
"""Bytes of a request besides its values."""
_MOST_ROWS = 500_000
"""Of one file."""
_AGAIN_S = 10.0
"""After a disk could not be written."""


@dataclass
class Counts:
    """Of rows since the start, by name."""

    written: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)


@dataclass
class _Part:
    path: Path
    hour: str
    file: Any
    stream: Any
    rows: int = 0


class RequestLog:
    """The log of one process.

    Args:
        names: of the models that are served.
        say: tells a person what happened.
        counted: told how many rows of a name were written, and how many dropped.
    """

    def __init__(
        self,
        options: LogOptions,
        names: Iterable[str],
        say: Callable[[str], None],
        counted: Callable[[str, int, int], None] = lambda *_: None,
    ) -> None:
        self._options, self._names, self._say, self._counted = options, tuple(names), say, counted
        self.counts = Counts()
        self._writer = secrets.token_hex(4)
        self._number = 0
        self._waiting: deque[Entry] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._go_on = threading.Event()
        self._ended = False
        self._parts: dict[tuple[str, str, Layout], _Part] = {}
        self._broken_until = 0.0
        self._redaction = Redaction()
        self._upkeep = Upkeep(options, self._names, say)
        self._thread = threading.Thread(target=self._work, name="request-log", daemon=True)
        self._thread.start()

    def wants(self, request_id: str) -> bool:
        """Return whether a request that was answered is logged: for one id always the same."""
        share = self._options.sample
        return share >= 1 or zlib.crc32(request_id.encode(errors="replace")) < share * 2**32

    def add(self, entry: Entry) -> None:
        """Have a request written; dropped if too many wait."""
        size = entry.size + _OVERHEAD
        with self._lock:
            fits = self._bytes + size <= _MOST_BYTES and not self._ended
            if fits:
                self._waiting.append(entry)
                self._bytes += size
                soon = self._bytes > _SOON_BYTES
        if not fits:
            self._drop([entry])
        elif soon:
            self._go_on.set()

    def close(self, timeout_s: float = 20.0) -> None:
        """Write what waits, and finish the files."""
        with self._lock:
            self._ended = True
        self._go_on.set()
        self._thread.join(timeout_s)

    def _drop(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.counts.dropped[entry.name] += entry.rows
            self._counted(entry.name, 0, entry.rows)

    def _work(self) -> None:
        self._prepare()
        hour = ""
        while True:
            self._go_on.wait(_FLUSH_S)
            with self._lock:
                entries, self._waiting = self._waiting, deque()
                ended = self._ended
                self._go_on.clear()
            if entries:
                self._write(entries)
                with self._lock:
                    self._bytes -= sum(entry.size + _OVERHEAD for entry in entries)
            now = f"{datetime.now(UTC):%Y-%m-%d/%H}"
            if ended:
                self._end_parts()
                self._upkeep.close()
                return
            if now != hour:
                self._end_parts(but=now)
                self._upkeep.tidy()
                hour = now

    def _prepare(self) -> None:
        """Import what is needed before the first request, and read or make the key of the hashes."""
        import pyarrow.parquet  # noqa: F401

        from pipeline.serving import request_batches  # noqa: F401

        self._redaction = self._upkeep.redaction()

    def _write(self, entries: Iterable[Entry]) -> None:
        alike: dict[tuple[str, int, int], list[Entry]] = defaultdict(list)
        for entry in entries:  # by the layout's identity: to hash one of many columns takes longer than to write a row
            alike[entry.name, int(entry.time // 3600), id(entry.layout)].append(entry)
        groups: dict[tuple[str, str, Layout], list[Entry]] = defaultdict(list)
        for (name, hour, _), found in alike.items():
            groups[name, f"{datetime.fromtimestamp(hour * 3600, UTC):%Y-%m-%d/%H}", found[0].layout] += found
        for key, group in groups.items():
            if time.monotonic() < self._broken_until:
                self._drop(group)
                continue
            try:
                written = self._append(key, group)
            except OSError as exc:
                self._fail(key, exc)
                self._drop(group)
                continue
            except Exception as exc:  # a request that no file can hold must not end the log
                self._say(f"{key[0]}: {len(group)} requests could not be logged: {type(exc).__name__}: {exc}"[:500])
                self._end_part(key)
                self._drop(group)
                continue
            if self._broken_until:
                self._broken_until = 0.0
                self._say(f"requests are logged again in {self._options.folder}")
            self.counts.written[key[0]] += written
            self._counted(key[0], written, 0)
            if key in self._parts and self._parts[key].rows >= _MOST_ROWS:
                self._end_part(key)

    def _append(self, key: tuple[str, str, Layout], group: list[Entry]) -> int:
        from pipeline.serving.request_batches import batches

        try:
            made = list(batches(group, key[2], self._redaction))
        except Exception:  # of which of them? the others must not go with it
            made = self._one_by_one(key, group)
        part = self._parts.get(key) or self._open(key)
        rows = 0
        for batch in made:
            part.stream.write_batch(batch)
            rows += len(batch)
        part.file.flush()
        part.rows += rows
        return rows

    def _one_by_one(self, key: tuple[str, str, Layout], group: list[Entry]) -> list[Any]:
        """Return the batches of those requests that a file can hold; drop the others."""
        from pipeline.serving.request_batches import batches

        made: list[Any] = []
        odd: list[Entry] = []
        why = ""
        for entry in group:
            try:
                made += batches([entry], key[2], self._redaction)
            except Exception as exc:
                odd.append(entry)
                why = f"{type(exc).__name__}: {exc}"
        self._say(f"{key[0]}: {len(odd)} of {len(group)} requests could not be logged: {why}"[:500])
        self._drop(odd)
        return made

    def _open(self, key: tuple[str, str, Layout]) -> _Part:
        import fcntl

        import pyarrow as pa

        name, hour, layout = key
        day, _, number = hour.partition("/")
        folder = Path(self._options.folder, name, day)
        folder.mkdir(parents=True, exist_ok=True)
        self._number += 1
        path = folder / f".{number}-{self._writer}-{self._number}.part"
        file = path.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        # Not compressed: that would take half of the log's time. The Parquet file of the hour is.
        part = _Part(path, hour, file, pa.ipc.new_stream(file, schema_of(layout, self._redaction)))
        self._parts[key] = part
        return part

    def _fail(self, key: tuple[str, str, Layout], exc: OSError) -> None:
        """Say once that the disk cannot be written, and try again later."""
        if not self._broken_until:
            self._say(
                f"requests are not logged any more: {self._options.folder} cannot be written: {exc.strerror or exc}; "
                "they are answered as before"
            )
        self._broken_until = time.monotonic() + _AGAIN_S
        self._end_part(key)

    def _end_parts(self, but: str = "") -> None:
        for key in [key for key, part in self._parts.items() if part.hour != but]:
            self._end_part(key)

    def _end_part(self, key: tuple[str, str, Layout]) -> None:
        part = self._parts.pop(key, None)
        if part is None:
            return
        with suppress(OSError):
            part.stream.close()

        self._upkeep.finish(part.path, part.file)
