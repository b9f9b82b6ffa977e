"""Where a large text file can be cut, so that workers share it: at places where a record starts."""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.config.text_format import BLANKS, CSV, TextFormat
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.head import read_head
from pipeline.data.sources.records import MAX_RECORD_BYTES
from pipeline.data.sources.text_bytes import is_packed, keeps_ascii

BLOCK_BYTES = 64 << 20
"""A file of at least two such blocks is read in ranges of about this size."""

_SCAN_BYTES = 1 << 18  # stays in a core's cache
_LF = 10


@dataclass(frozen=True)
class _Marks:
    """What tells where a record starts: the quote, what a quote that opens a field stands after, the escape."""

    quote: int | None
    openers: tuple[int, ...]
    escaped: re.Pattern[bytes] | None

    @classmethod
    def of(cls, form: TextFormat) -> _Marks:
        """Take them from a format."""
        openers = b" \t\n\r" if form.delimiter == BLANKS else f"{form.delimiter[-1]}\n\r".encode()
        openers = openers + b" \t" if form.strip else openers
        escaped = re.compile(re.escape(form.escape.encode()) + rb".", re.DOTALL) if form.escape else None
        return cls(ord(form.quote) if form.quote else None, tuple(openers), escaped)

    def masked(self, chunk: bytes) -> npt.NDArray[np.uint8]:
        """Return the bytes of a chunk, without those that are escaped."""
        return np.frombuffer(self.escaped.sub(b"..", chunk) if self.escaped else chunk, np.uint8)


_CSV_MARKS = _Marks.of(CSV)


def byte_ranges(path: str, block_bytes: int = BLOCK_BYTES, form: TextFormat = CSV) -> list[tuple[int, int] | None]:
    """Return the units in which to read a file: [None], the whole file, or ranges [start, end) that make it up.

    Every range but the first, which has the header, starts where a record does. No range but the last
    is smaller than `block_bytes`. The file is scanned once, in under a second per GB.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        size = Path(path).stat().st_size
        if size < 2 * block_bytes:
            return [None]
        if why := _cannot_be_cut(path, form):
            logging.getLogger(__name__).warning("%s is read by one worker only, since %s", path, why)
            return [None]
        step = -(-size // (size // block_bytes))  # rounded up, so that no crumb is left at the end
        starts = record_starts(path, step, form=form, begin=read_head(path, form).raw_start)
        cuts = [cut for cut in starts if cut < size]
    except OSError as exc:
        raise corrupt(path, exc) from exc
    return list(pairwise([0, *cuts, size])) if cuts else [None]


def _cannot_be_cut(path: str, form: TextFormat) -> str | None:
    if is_packed(path):
        kind = {".gz": "gzip"}.get(Path(path).suffix.lower(), f"a {Path(path).suffix.lower()} file")
        return f"{kind} cannot be split; write it as plain CSV, as Parquet, or as several packed files"
    if not keeps_ascii(form.encoding):
        return f"{form.encoding} cannot be split; write it as UTF-8, as Parquet, or as several files"
    return None


def record_starts(
    path: str, step: int, scan_bytes: int = _SCAN_BYTES, form: TextFormat = CSV, begin: int = 0
) -> Iterator[int]:
    """Yield the first place where a record may start at `step` bytes or more after the place before, and so on.

    That is after a line feed that is not in quotes. Where there is none, the places end early.

    Args:
        scan_bytes: how much is looked at at once; makes no difference to the result.
        begin: where a record starts; before it nothing is looked at.
    """
    marks = _CSV_MARKS if form is CSV else _Marks.of(form)
    with Path(path).open("rb") as file:
        offset = begin or (len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0)
        file.seek(offset)
        wanted = step
        in_quotes = False
        # A chunk ends with a line, so that no row of quotes is torn apart.
        while chunk := file.read(scan_bytes) + file.readline(MAX_RECORD_BYTES):
            if wanted <= offset + len(chunk):
                data = marks.masked(chunk)
                places, states = _quoting(data, in_quotes, marks)
                breaks = np.flatnonzero(data == _LF)
                starts = breaks[~states[np.searchsorted(places, breaks)]] + offset + 1
                while (index := np.searchsorted(starts, wanted)) < len(starts):
                    yield (start := int(starts[index]))
                    wanted = start + step
            if chunk[-1] != _LF:
                return  # the end of the file, or of what may be a record
            in_quotes = _open_after(chunk, in_quotes, marks)
            offset += len(chunk)


def _open_after(chunk: bytes, in_quotes: bool, marks: _Marks) -> bool:
    """Return whether a quote is open after `chunk`, which is of whole lines; `in_quotes` is the same before it."""
    if marks.quote is None or marks.quote not in chunk:
        return in_quotes
    last_lines = chunk[chunk.rfind(b"\n", 0, -1 - len(chunk) // 64) + 1 :]
    for lines in (last_lines, chunk):
        data = marks.masked(lines)
        ends = [bool(_quoting(data, guess, marks)[1][-1]) for guess in (False, True)]
        if ends[0] == ends[1]:  # most often the last lines tell, whatever came before
            break
    return ends[in_quotes]


def _quoting(
    data: npt.NDArray[np.uint8], in_quotes: bool, marks: _Marks
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return which bytes of `data` are in quotes, as Arrow sees it.

    A quote opens a field only where the field starts (the one in `5" pipe` is a character like others),
    the next one closes it, and one right after that opens it again. So of quotes in a row, an even number
    changes nothing; an odd number at a field's start, or after a comma or line break in quotes, opens
    or closes; an odd number anywhere else closes or is mere text: after it, no quote is open.

    Args:
        data: starts at a line's start.
        in_quotes: whether a quote is open there.

    Returns:
        Places (n,) where an odd number of quotes begins, and whether a quote is open before the first and
        after each (n + 1,).
    """
    quotes = np.flatnonzero(data == marks.quote) if marks.quote is not None else np.empty(0, np.int64)
    before = np.where(quotes > 0, data[quotes - 1], _LF)
    first = np.flatnonzero(before != marks.quote)
    odd = first[np.diff(first, append=len(quotes)) % 2 == 1]
    before = before[odd]
    toggles = np.logical_or.reduce([before == opener for opener in marks.openers])
    count = np.cumsum(toggles) + in_quotes
    count -= np.maximum.accumulate(np.where(toggles, 0, count))  # since the last that left none open
    return quotes[odd], np.append(in_quotes, count % 2 == 1)
