"""Looks after the files of the request log, in a thread of its own: finishes them, removes old ones, copies them to
Cloud Storage."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.serving.request_layout import Redaction

_KEY_FILE = ".redact.key"


@dataclass(frozen=True)
class LogOptions:
    """What is logged, and where.

    Attributes:
        folder: gets a folder for each name.
        sample: share of the requests, 0 to 1; errors are always logged.
        keep_s: how long files stay; for ever when None.
        destination: gs://bucket/folder, which gets a copy of each file.
        redact: columns that are not written as they are; see `Redaction`.
    """

    folder: str
    sample: float = 1.0
    keep_s: int | None = None
    destination: str | None = None
    redact: tuple[str, ...] = ()
    leave_out: bool = False


class Upkeep:
    """What is done with the files of one process.

    Args:
        names: of the models that are served.
        say: tells a person what happened.
    """

    def __init__(self, options: LogOptions, names: Iterable[str], say: Callable[[str], None]) -> None:
        self._options, self._say = options, say
        self._folders = [Path(options.folder, name) for name in names]
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="request-files")
        self._told: set[str] = set()

    def finish(self, part: Path, file: Any) -> None:
        """Make Parquet of a part, by and by, and close its file, by which it is held."""
        self._thread.submit(self._finish, part, file)

    def tidy(self) -> None:
        """Finish what killed writers left, remove what is too old, and copy what was not copied yet; by and by."""
        self._thread.submit(self._tidy)

    def close(self) -> None:
        """Do what is left to do."""
        self.tidy()
        self._thread.shutdown(wait=True)

    def redaction(self) -> Redaction:
        """Return which columns are hidden, with the secret of the hashes."""
        options, key = self._options, b""
        if options.redact and not options.leave_out:
            try:
                key = _key(Path(options.folder))
            except OSError as exc:
                self._say(
                    f"the key of the hashes cannot be kept in {options.folder}: {exc.strerror}; those of this process "
                    "are its own"
                )
                key = secrets.token_bytes(32)
        return Redaction(frozenset(options.redact), options.leave_out, key)

    def _finish(self, part: Path, file: Any) -> None:
        from pipeline.serving.request_files import finish

        try:
            finish(part)
        except Exception as exc:  # the part stays, and is tried again with the next hour
            self._once("finish", f"a file of the request log could not be finished yet: {exc}")
        finally:
            with suppress(OSError):
                file.close()
        self._send()

    def _tidy(self) -> None:
        from pipeline.serving.request_files import expire, recover

        for folder in self._folders:
            try:
                recover(folder)
                if self._options.keep_s:
                    expire(folder, datetime.fromtimestamp(time.time() - self._options.keep_s, UTC))
            except Exception as exc:
                self._once("tidy", f"the request log in {folder} could not be tidied: {exc}")
        self._send()

    def _send(self) -> None:
        if not (destination := self._options.destination):
            return
        from pipeline.serving.gcs import CloudObjects
        from pipeline.serving.request_files import send

        try:
            objects = CloudObjects()
            for folder in self._folders:
                send(folder, destination, objects)
        except (PipelineError, OSError) as exc:
            self._once("send", f"the request log could not be copied to {destination}, and is tried again: {exc}")
        else:
            self._told.discard("send")

    def _once(self, what: str, text: str) -> None:
        """Say it once, however often it happens."""
        if what not in self._told:
            self._told.add(what)
            self._say(text[:500])


def _key(folder: Path) -> bytes:
    """Return the secret of the hashes, which is made where there is none; all workers have the same."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / _KEY_FILE
    made = file.with_name(f"{_KEY_FILE}.{secrets.token_hex(4)}")
    if not file.exists():
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as writing:
            writing.write(secrets.token_bytes(32))
        with suppress(FileExistsError):
            os.link(made, file)  # only the first one stays
        made.unlink()
    return file.read_bytes()
