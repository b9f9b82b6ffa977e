"""JSON: an object a line (.jsonl, .ndjson, .json), one array of objects, or objects over several lines (.json).

Objects within a row become columns with dots, {"home": {"city": …}} the column `home.city`. Lists of texts or whole
numbers are text, `red|blue`; other lists are no value of a column. A key that a row lacks is missing there, as null is.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.data.convert import ITEMS_APART, shorten
from pipeline.data.sources.compressed import compression_of, plain_file
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.magic import check_is
from pipeline.data.sources.text_tables import as_text
from pipeline.data.sources.typed import unusable
from pipeline.errors import DataError

BLOCK_BYTES = 64 << 20
"""A file of lines of at least two such blocks is read in ranges of about this size."""
_BATCH_ROWS = 16384


class JsonTable:
    """A JSON file; see TextTable. Its rows are numbered by line, or by their place in the array."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._unusable: dict[str, DataError] = {}
        try:
            with Path(plain_file(path)).open("rb") as file:
                head = file.read(4096).removeprefix(codecs.BOM_UTF8)
        except OSError as exc:
            raise corrupt(path, exc) from exc
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError(f"{path} is UTF-16; JSON is UTF-8", f"convert it: iconv -f utf-16 -t utf-8 {path}")
        check_is(path, "json")
        first = head.lstrip()
        self._is_whole = first.startswith(b"[") or (bool(first) and first.splitlines()[0].strip() == b"{")

    def names(self) -> None:
        """See TextTable; the keys of all rows are they."""

    def unusable(self) -> Mapping[str, DataError]:
        """See TextTable."""
        return self._unusable

    def byte_ranges(self, block_bytes: int) -> list[tuple[int, int] | None]:
        """Return the units in which to read it: [None], the whole, or ranges [start, end) of whole lines."""
        if self._is_whole or compression_of(self.path):
            return [None]
        size = Path(self.path).stat().st_size
        if size < 2 * block_bytes:
            return [None]
        cuts = [0]
        with Path(self.path).open("rb") as file:
            for wanted in range(block_bytes, size - block_bytes // 2, block_bytes):
                if wanted > cuts[-1]:
                    file.seek(wanted - 1)
                    file.readline()
                    cuts.append(file.tell())
        ends = [*cuts[1:], size]
        return [(start, end) for start, end in zip(cuts, ends, strict=True) if start < end]

    def batches(
        self, names: Collection[str] | None, byte_range: tuple[int, int] | None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """See TextTable."""
        rows = self._rows(byte_range)
        first_row = 0
        while chunk := list(islice(rows, _BATCH_ROWS)):
            yield first_row, self._columns(chunk, names, byte_range)
            first_row += len(chunk)

    def place(self, row: int, name: str, byte_range: tuple[int, int] | None) -> str:
        """See TextTable."""
        return self._place(next(islice(self._rows(byte_range), row, None))[0], byte_range)

    def _place(self, number: int, byte_range: tuple[int, int] | None) -> str:
        if self._is_whole:
            return f"{self.path}, object {number:,}"
        before = 0
        if byte_range and byte_range[0]:
            with Path(self.path).open("rb") as file:
                while file.tell() < byte_range[0]:
                    file.readline()
                    before += 1
        return f"{self.path}, line {before + number:,}"

    def _columns(
        self, rows: Sequence[tuple[int, dict[str, Any]]], names: Collection[str] | None, byte_range: Any
    ) -> pa.RecordBatch:
        if names is None:
            names = list(dict.fromkeys(name for _, row in rows for name in row))
        arrays = []
        for name in names:
            values = [row.get(name) for _, row in rows]
            if list in set(map(type, values)):
                other = next((number for number, row in rows if not _is_value(row.get(name))), None)
                if other is not None:
                    self._unusable.setdefault(name, _is_list(self._place(other, byte_range), name))
            arrays.append(_array(values))
        if not names:  # a row without a key is one
            return pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
        return pa.RecordBatch.from_arrays(arrays, names=list(names))

    def _rows(self, byte_range: tuple[int, int] | None) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the flat rows, each with the number of its line in the range, or its place in the array."""
        for number, record in self._whole() if self._is_whole else self._lines(byte_range):
            if not isinstance(record, dict):
                raise DataError(
                    f"{self._place(number, byte_range)}: {shorten(json.dumps(record))} is no object",
                    'write every row as {"column": value, …}',
                )
            if any(isinstance(value, dict) for value in record.values()):
                flat: dict[str, Any] = {}
                if twice := _flatten(record, "", flat):
                    raise DataError(
                        f"{self._place(number, byte_range)}: {twice!r} is there twice, once with its dot in the key",
                        "rename one of the two",
                    )
                record = flat
            yield number, record

    def _whole(self) -> Iterator[tuple[int, Any]]:
        try:
            records = list(_values(Path(plain_file(self.path)).read_bytes().decode("utf-8-sig")))
        except json.JSONDecodeError as exc:
            raise _broken(f"{self.path}, line {exc.lineno:,}", exc) from exc
        except (OSError, UnicodeDecodeError) as exc:
            raise corrupt(self.path, exc) from exc
        if len(records) == 1 and isinstance(records[0], dict):
            raise _one_object(self.path, records[0])
        yield from enumerate(records[0] if len(records) == 1 else records, start=1)

    def _lines(self, byte_range: tuple[int, int] | None) -> Iterator[tuple[int, Any]]:
        start, end = byte_range or (0, None)
        with Path(plain_file(self.path)).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            at = file.seek(start)
            for number, line in enumerate(file, start=1):
                if end is not None and at >= end:
                    break
                line = line.removeprefix(codecs.BOM_UTF8) if at == 0 else line
                at += len(line)
                if not line.strip():
                    continue
                try:
                    record = json.loads(line)
                except ValueError as exc:  # also of bytes that are not UTF-8
                    raise _broken(self._place(number, byte_range), exc) from exc
                if at == len(line) == size and _holds_tables(record):
                    raise _one_object(self.path, record)
                yield number, record


def _values(text: str) -> Iterator[Any]:
    """Yield the values of a text that holds one behind the other."""
    decoder, blank, at = json.JSONDecoder(), re.compile(r"\s*"), 0
    while (at := blank.match(text, at).end()) < len(text):  # type: ignore[union-attr]
        value, at = decoder.raw_decode(text, at)
        yield value


def _flatten(record: Mapping[str, Any], before: str, flat: dict[str, Any]) -> str | None:
    """Put the values of an object, and of those in it, into `flat`; return a name that is there twice."""
    for key, value in record.items():
        name = before + key
        if isinstance(value, dict):
            if twice := _flatten(value, f"{name}.", flat):
                return twice
        elif name in flat:
            return name
        else:
            flat[name] = value
    return None


def _array(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(list(map(_text, values)), pa.string())
    except UnicodeEncodeError:  # half of a pair that stands for one character, as cutting a text leaves it
        whole = (text if text is None else text.encode(errors="replace").decode() for text in map(_text, values))
        return pa.array(list(whole), pa.string())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):  # of what is no category the column is no use, whatever stands here
        return ITEMS_APART.join("" if item is None else str(item) for item in value) or None
    return as_text(value)


def _is_value(value: Any) -> bool:
    """Return whether a value may stand in a column: all but lists of other than texts and whole numbers."""
    return not isinstance(value, list) or all(item is None or type(item) in (str, int) for item in value)


def _holds_tables(record: Any) -> bool:
    """Return whether the only object of a file is what pandas writes by default, or a wrapping of a table."""
    if not isinstance(record, dict) or not record:
        return False
    return all(isinstance(value, dict | list) for value in record.values()) or bool(_wrapped(record))


def _wrapped(record: Mapping[str, Any]) -> list[str]:
    """Return the keys of lists of objects, which may be the rows."""
    return [key for key, value in record.items() if isinstance(value, list) and value and isinstance(value[0], dict)]


def _one_object(path: str, record: Mapping[str, Any]) -> DataError:
    if keys := _wrapped(record):
        code = f"import json, sys; json.dump(json.load(open({path!r}))[{keys[0]!r}], sys.stdout)"
        return DataError(
            f"{path} is one object, not one for each row; those may be in {keys[0]!r}",
            f"write them as an array: python3 -c {shlex.quote(code)} > rows.json",
        )
    return DataError(
        f"{path} is one object, not one for each row",
        "write an object a line, or an array of objects; from pandas: to_json(path, orient='records', lines=True)",
    )


def _is_list(place: str, name: str) -> DataError:
    what = (
        f"{place}: {name!r} is a list; a column must hold one number, text, boolean or time per row, or a list of texts"
    )
    return unusable(name, what, "or flatten it before")


def _broken(place: str, exc: ValueError) -> DataError:
    where = f", at character {exc.colno}" if isinstance(exc, json.JSONDecodeError) else ""
    reason = exc.msg if isinstance(exc, json.JSONDecodeError) else str(exc)
    return DataError(f"{place}: this is no whole JSON{where}: {reason}", "correct the line, or write the file again")
