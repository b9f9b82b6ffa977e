"""Standard output and error for the time of a command: nobody writes to them but Longhaul, and their end ends nothing.

A pipe whose reader has gone (`longhaul run | head`), a terminal that was closed, a full disk behind `> file`: what is
said is lost, and the work goes on. What libraries log goes to the log of a run, if one is at work, else nowhere: also
what their C++ writes, to file descriptor 2, past Python.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and what turns the direction of writing: a terminal acts on them."""


def visible(text: str) -> str:
    r"""Replace what a terminal would act on by its escape: \x1b, \u202e."""
    return _INVISIBLE.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def for_standard_output(text: object) -> str:
    """Make text visible for a terminal; a script that reads a pipe gets a path as it is."""
    return visible(str(text)) if sys.stdout.isatty() else str(text)


class Lasting:
    """A stream to write to, whoever may have stopped to read it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text; a reader that has gone is no error."""
        with self._let_go():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream; a reader that has gone is no error."""
        with self._let_go():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _let_go(self) -> Iterator[None]:
        """Let go of a stream after an error: what is still in the buffer goes to nowhere; Python would try again at
        its end."""
        try:
            yield
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)
            with suppress(OSError, ValueError):
                self._stream.flush()


def lasting(stream: TextIO) -> TextIO:
    """Wrap a stream so that writing to it never fails."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return cast(TextIO, Lasting(stream))


@contextmanager
def standard_streams() -> Iterator[None]:
    """Set up standard output, error and logging for one command."""
    for number in (0, 1, 2):  # `>&-`: else the next file that is opened would be standard output
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    root = logging.getLogger()
    handlers = root.handlers[:]
    if not handlers:  # else the first word of a library would have Python write all of them to standard error
        root.addHandler(logging.NullHandler())
    logging.captureWarnings(True)
    sys.stdout = lasting(before[0] or os.fdopen(1, "w", closefd=False))
    with _own_standard_error(before[1]) as own:
        sys.stderr = lasting(own)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = before
            logging.captureWarnings(False)
            root.handlers[:] = handlers


def _descriptor_of(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


@contextmanager
def _own_standard_error(stream: TextIO | None) -> Iterator[TextIO]:
    """Yield a stream to where file descriptor 2 leads, and turn the descriptor away: C++ writes to it as it likes."""
    if stream is None:
        stream = os.fdopen(2, "w", closefd=False)
    if not isinstance(stream, io.TextIOWrapper) or _descriptor_of(stream) != 2:  # a test reads it
        yield stream
        return
    stream.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    own = os.fdopen(saved, "w", buffering=1, encoding=stream.encoding, closefd=False)
    try:
        yield own
    finally:
        with suppress(OSError):
            own.flush()
        os.dup2(saved, 2)
        os.close(saved)
