"""Columns as CSV text: minimal quotes, nulls empty, and every reader reads back what was written."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import io

import pyarrow as pa

from pipeline.data.csv_text import csv_header, csv_lines


def test_only_what_needs_quotes_has_them() -> None:
    text = pa.array(["plain", "a,b", 'the "best"', "two\nlines", "cr\r", "", None, " blank "])
    number = pa.array([1, 2, 3, 4, 5, 6, 7, None])
    assert bytes(csv_lines([text, number])).decode() == (
        'plain,1\n"a,b",2\n"the ""best""",3\n"two\nlines",4\n"cr\r",5\n,6\n,7\n blank ,\n'
    )


def test_types_are_written_as_people_write_them() -> None:
    columns = [
        pa.array([0.1], pa.float32()),
        pa.array([1234567.891]),
        pa.array([2**53 + 1]),
        pa.array([True]),
        pa.array(["Köln"]).dictionary_encode(),
        pa.array([decimal.Decimal("1.20")]),
        pa.array([dt.date(2024, 2, 29)]),
        pa.array([dt.datetime(2024, 2, 29, 5)], pa.timestamp("s")),
        pa.nulls(1),
    ]
    written = bytes(csv_lines(columns)).decode()
    assert written == "0.1,1234567.891,9007199254740993,true,Köln,1.20,2024-02-29,2024-02-29 05:00:00,\n"


def test_a_slice_is_written_alone() -> None:
    columns = [pa.array([1, 2, 3]).slice(1, 1), pa.array(["a", "b", "c"]).slice(1, 1)]
    assert bytes(csv_lines(columns)) == b"2,b\n"


def test_a_header_is_quoted_like_any_line() -> None:
    names = ["plain", "city, town", 'the "best"', "größe"]
    written = bytes(csv_header(names)).decode()
    assert written == 'plain,"city, town","the ""best""",größe\n'
    assert next(csv.reader(io.StringIO(written))) == names


def test_thousands_of_columns_make_one_line_each_row() -> None:
    lines = bytes(csv_lines([pa.array([n, -n]) for n in range(5000)])).decode().splitlines()
    assert [len(line.split(",")) for line in lines] == [5000, 5000]
    assert lines[1].endswith(",-4998,-4999")


def test_lists_of_categories_are_written_as_they_are_read() -> None:
    lists = pa.array([["red", "blue"], [], None, ["a,b"]])
    assert bytes(csv_lines([pa.array([1, 2, 3, 4]), lists])) == b'1,red|blue\n2,\n3,\n4,"a,b"\n'
