"""Sources: what is found, what types are seen, what is read, and what a user is told."""

from __future__ import annotations

import datetime
import decimal
import gzip
import pickle
import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config.spans import Spans
from pipeline.data.columns import ColumnType
from pipeline.data.sources import csv
from pipeline.data.sources.source import Fragment, infer_columns, plan_fragments, read_fragment
from pipeline.data.sources.table_files import SourceFile, find_files, format_of, span_of, split_root
from pipeline.errors import DataError

INT, FLOAT, STRING, BOOL, TIMESTAMP = ColumnType


def write(path: Path, content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return str(path)


def infer(*paths: str, **kwargs: object) -> dict[str, ColumnType]:
    return infer_columns([SourceFile(path, 0) for path in paths], **kwargs)  # type: ignore[arg-type]


def read(
    path: str, columns: Mapping[str, ColumnType], batch_rows: int = 65536, block: int = csv.BLOCK_BYTES
) -> dict[str, list[object]]:
    batches = [
        batch
        for fragment in plan_fragments([SourceFile(path, 0)], block)
        for batch in read_fragment(fragment, columns, batch_rows)
    ]
    for batch in batches:
        assert batch.schema == pa.schema([(name, kind.stored) for name, kind in columns.items()])
    return pa.Table.from_batches(batches).to_pydict()


def error(call: object, *args: object, **kwargs: object) -> str:
    with pytest.raises(DataError) as caught:
        call(*args, **kwargs)  # type: ignore[operator]
    assert caught.value.remedy
    return str(caught.value)


# Finding files


def test_a_directory_gives_its_data_files_sorted_and_passes_over_the_rest(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "c.tfrecord.gz", "notes.txt", "_SUCCESS", ".hidden.csv"):
        (tmp_path / name).write_text("x")
    found = find_files(str(tmp_path))
    assert [Path(file.path).name for file in found] == ["a.parquet", "b.csv", "c.tfrecord.gz"]


def test_spans_are_numbers_not_text_and_take_all_their_digits(tmp_path: Path) -> None:
    for name in ("day-10.csv", "day-9.csv", "day-011.csv", "day-x.csv"):
        (tmp_path / name).write_text("x")
    found = find_files(str(tmp_path / "d*-{SPAN}.csv"))
    assert [(Path(file.path).name, file.span) for file in found] == [
        ("day-9.csv", 9),
        ("day-10.csv", 10),
        ("day-011.csv", 11),
    ]
    kept = find_files(str(tmp_path / "day-{SPAN}.csv"), spans=Spans(use=(9, 10)))
    assert [file.span for file in kept] == [9, 10]
    assert "there are spans 9 to 11" in error(find_files, str(tmp_path / "day-{SPAN}.csv"), spans=Spans(use=(12, 20)))


def test_a_span_that_is_written_in_two_ways_is_refused(tmp_path: Path) -> None:
    """Seen failing: both files were read as span 1."""
    for name in ("s-1.csv", "s-01.csv", "s-2.csv", "t-1-v1.csv", "t-1-v02.csv", "t-1-v2.csv"):
        (tmp_path / name).write_text("a\n1\n")
    said = error(find_files, str(tmp_path / "s-{SPAN}.csv"))
    assert "s-01.csv and " in said
    assert "s-1.csv are both span 1, written in two ways" in said
    assert "are both span 1" in error(find_files, str(tmp_path / "t-{SPAN}-v{VERSION}.csv"))
    (tmp_path / "s-01.csv").unlink()
    assert [file.span for file in find_files(str(tmp_path / "s-{SPAN}.csv"))] == [1, 2]


def test_a_span_may_be_a_directory(tmp_path: Path) -> None:
    for span in (1, 2):
        (tmp_path / f"span-{span}").mkdir()
        (tmp_path / f"span-{span}" / "p.csv").write_text("x")
    found = find_files(str(tmp_path / "span-{SPAN}"))
    assert [(file.path[-12:], file.span) for file in found] == [("span-1/p.csv", 1), ("span-2/p.csv", 2)]
    assert find_files(str(tmp_path / "**" / "span-{SPAN}" / "*.csv")) == found


def test_the_span_of_a_file_that_may_not_be_there() -> None:
    assert span_of("/data/span-013/f.csv", "/data/span-{SPAN}/*.csv") == 13
    assert span_of("/data/span-x/f.csv", "/data/span-{SPAN}/*.csv") is None
    assert span_of("/data/f.csv", "/data/*.csv") is None


def test_a_name_with_glob_characters_is_taken_literally_if_it_exists(tmp_path: Path) -> None:
    path = write(tmp_path / "data[1].csv", "a\n1\n")
    assert find_files(path) == [SourceFile(path, 0)]


def test_what_cannot_be_found_is_named(tmp_path: Path) -> None:
    write(tmp_path / "flights.csv", "a\n1\n")
    assert "'flights.csv'" in error(find_files, str(tmp_path / "flight.csv"))
    assert "no data file matches" in error(find_files, str(tmp_path / "*.parquet"))
    (tmp_path / "empty").mkdir()
    assert "holds no data file" in error(find_files, str(tmp_path / "empty"))
    write(tmp_path / "zero.csv", "")
    assert "zero.csv is empty (0 bytes)" in error(find_files, str(tmp_path / "zero.csv"))
    assert "`curl -LO https://a.b/t.csv`" in error(find_files, "https://a.b/t.csv")
    assert "`curl -LO 'https://a.b/t.csv?a=1&b=2'`" in error(find_files, "https://a.b/t.csv?a=1&b=2")
    assert "name it by its path: /data/a b.csv" in error(find_files, "file:///data/a%20b.csv")
    assert "are not read from s3://" in error(find_files, "s3://bucket/t-*.csv")
    (tmp_path / "book.docx").write_bytes(b"\x00\x01x")
    assert "unknown extension" in error(find_files, str(tmp_path / "book.docx"))


def test_what_a_file_is_called_does_not_matter_where_its_bytes_tell(tmp_path: Path) -> None:
    texts = {"SMSSpamCollection": "ham\thello\nspam\tfree\n", "u.user": "id|age\n1|24\n2|53\n"}
    for name, text in texts.items():
        assert format_of(write(tmp_path / name, text)) == "csv"
    rows = '{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n'
    for name in ("example.txt", "export.data", "events"):
        assert format_of(write(tmp_path / name, rows)) == "json"
    assert format_of(write(tmp_path / "notes.txt", "a,b\n1,2\n")) == "csv"


# CSV: types


def test_csv_types_are_seen(tmp_path: Path) -> None:
    text = "i,f,s,b,d,z,n,mixed\n1,1,x,true,2020-01-01,00501,,1\n,2.5,NA,FALSE,2020-01-01T10:11:12Z,10001,NA,a\n"
    assert infer(write(tmp_path / "t.csv", text)) == {
        "i": INT, "f": FLOAT, "s": STRING, "b": BOOL, "d": TIMESTAMP, "z": STRING, "n": STRING,
        "mixed": STRING,
    }  # fmt: skip


def test_a_later_block_widens_an_int_column(tmp_path: Path) -> None:
    rows = "".join(f"{i},{'y' * 100}\n" for i in range(40_000))  # beyond one block of 2 MiB
    assert infer(write(tmp_path / "t.csv", "a,b\n" + rows + "0.5,y\n"))["a"] is FLOAT


def test_a_leading_zero_makes_text_but_a_fraction_or_a_lone_zero_does_not(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "zip,rate,n\n10001,0.5,0\n00501,00.5,-0\n")
    assert infer(path) == {"zip": STRING, "rate": FLOAT, "n": INT}
    assert read(path, {"zip": STRING})["zip"] == ["10001", "00501"]


def test_a_column_with_two_types_names_the_first_stray_and_counts_them(tmp_path: Path) -> None:
    rows = [str(i) for i in range(1, 101)]
    rows[69], rows[80] = "abc", "?"
    message = error(infer, write(tmp_path / "t.csv", "a,b\n" + "".join(f"{row},x\n" for row in rows)))
    assert "line 71: column 'a' holds 'abc'" in message
    assert "98 of its 100 values are numbers and 2 are not" in message
    assert "by data.missing, data.columns or the column's type in the schema" in message
    path = str(tmp_path / "t.csv")
    assert infer(path, declared={"a": STRING}) == {"a": STRING, "b": STRING}
    assert infer(path, drop=["a"]) == {"b": STRING}


def test_below_95_percent_numbers_a_column_is_text(tmp_path: Path) -> None:
    rows = ["x"] * 6 + [str(i) for i in range(1, 95)]
    assert infer(write(tmp_path / "t.csv", "a\n" + "\n".join(rows)))["a"] is STRING


def test_types_are_guessed_over_all_files_together(tmp_path: Path) -> None:
    one = write(tmp_path / "1.csv", "a,b\n1,\n")
    two = write(tmp_path / "2.csv.gz", "b,a\n5,1.5\n")
    assert list(infer(one, two).items()) == [("a", FLOAT), ("b", INT)]


def test_a_table_without_rows_is_an_error_but_one_empty_part_is_not(tmp_path: Path) -> None:
    empty = write(tmp_path / "e.csv", "a,b\n")
    full = write(tmp_path / "f.csv", "a,b\n1,2\n")
    assert "has a header but no rows" in error(infer, empty)
    assert infer(empty, full) == {"a": INT, "b": INT}


def test_files_with_other_columns_are_named(tmp_path: Path) -> None:
    one = write(tmp_path / "1.csv", "a,b\n1,2\n")
    two = write(tmp_path / "2.csv", "a,c\n1,2\n")
    message = error(infer, one, two)
    assert "2.csv" in message
    assert "lacks 'b' and has 'c' besides" in message
    assert infer(one, two, drop=["b", "c"]) == {"a": INT}


# CSV: values


def test_csv_values_are_stored_as_promised(tmp_path: Path) -> None:
    text = (
        "i,f,s,b,d\n"
        '1,1.5,"a,""b""\nc",TRUE,1970-01-02\n'
        "+5, 2 ,00501,false,1970-01-01 00:00:10.9\n"
        "7.0,1e3,x,0,1970-01-01T02:00:00+02:00\n"
        ',NA,"",NaN,null\n'
    )
    columns = {"d": TIMESTAMP, "s": STRING, "b": BOOL, "f": FLOAT, "i": INT}
    assert read(write(tmp_path / "t.csv", text), columns) == {
        "d": [86400, 10, 0, None],
        "s": ['a,"b"\nc', "00501", "x", None],
        "b": [1, 0, 0, None],
        "f": [1.5, 2.0, 1000.0, None],
        "i": [1, 5, 7, None],
    }


def test_before_1970_seconds_are_rounded_down(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "d\n1969-12-31T23:59:58.5\n")
    assert read(path, {"d": TIMESTAMP})["d"] == [-2]


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", b"\xef\xbb\xbfa,b\r\n1,x\r\n")
    assert infer(path) == {"a": INT, "b": STRING}
    assert read(path, {"b": STRING, "a": INT}) == {"b": ["x"], "a": [1]}


def test_batches_have_the_size_asked_for_and_keep_the_order(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv.gz", "a,b\n" + "".join(f"{i},{'y' * 90}\n" for i in range(50_000)))
    batches = list(read_fragment(Fragment(path, 0, None), {"a": INT}, 7_000))
    assert [batch.num_rows for batch in batches] == [7_000] * 7 + [1_000]
    assert pa.Table.from_batches(batches).column("a").to_pylist() == list(range(50_000))


# CSV: errors


def test_blocks_of_few_rows_are_converted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv.diagnosis, "MAX_RECORD_BYTES", 256)
    path = write(tmp_path / "t.csv", "n,text\n" + "".join(f"{n},{'x' * 100}\n" for n in range(100)))
    batches = list(csv.read(path, {"n": INT}))
    assert 2 <= len(batches) <= 6
    assert [n for batch in batches for n in batch.column("n").to_pylist()] == list(range(100))
    bad = write(tmp_path / "bad.csv", "n,text\n" + "".join(f"{n},{'x' * 100}\n" for n in range(70)) + "y,x\n")
    assert "line 72: column 'n' holds 'y'" in error(lambda: list(csv.read(bad, {"n": INT})))


def test_a_bad_value_far_down_is_found_on_its_line(tmp_path: Path) -> None:
    lines = [f'{i},"two\nlines"' for i in range(1, 30_001)]
    lines.insert(20_000, "")  # a blank line counts as a line, not as a row
    lines[25_000] = "abc,x"
    path = write(tmp_path / "t.csv", "n,s\n" + "\n".join(lines) + "\n")
    message = error(read, path, {"n": INT, "s": STRING})
    assert "line 50001: column 'n' holds 'abc' where a whole number (int64) is expected" in message
    assert path in message


@pytest.mark.parametrize(
    ("kind", "value"),
    [(INT, "1.5"), (INT, "9223372036854775808"), (FLOAT, "1e39"), (FLOAT, "1,5"), (BOOL, "yes"),
     (TIMESTAMP, "2020-13-01"), (TIMESTAMP, "20200101")],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_shown(tmp_path: Path, kind: ColumnType, value: str) -> None:
    path = write(tmp_path / "t.csv", f'a,b\n,x\n\n"{value}",y\n')
    assert f"line 4: column 'a' holds '{value}' where" in error(read, path, {"a": kind})


def test_a_line_with_too_many_fields_is_found_on_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv.gz", 'a,b\n1,"x\ny"\n\n1,2,3\n')
    for call in (infer, lambda path: read(path, {"a": INT})):
        assert "line 5: 3 fields where 2 are expected: '1,2,3'" in error(call, path)


def test_an_unclosed_quote_is_found_where_it_opens(tmp_path: Path) -> None:
    first = write(tmp_path / "first.csv", 'a,b\n1,2\n"x,3\n4,5\n')
    assert "line 3: a quote opened in this row is not closed" in error(infer, first)
    last = write(tmp_path / "last.csv", 'a,b\n1,2\n3,"x\n4,5\n')  # Arrow reads this without complaint
    assert "line 3: a quote opened" in error(infer, last)
    assert "line 3: a quote opened" in error(read, last, {"a": INT})
    long = write(tmp_path / "long.csv", 'a,b\n1,2\n3,"x\n' + "4,5\n" * 2_000_000)
    assert "line 3: a quote opened" in error(read, long, {"a": INT})
    fine = write(tmp_path / "fine.csv", 'a,b\n3,"x\n"\n')
    assert read(fine, {"b": STRING})["b"] == ["x\n"]


def test_other_encodings_are_named_with_line_and_byte(tmp_path: Path) -> None:
    latin = write(tmp_path / "t.csv", "a,b\n1,x\n2,Zürich\n".encode("latin1"))
    for call in (infer, lambda path: read(path, {"b": STRING})):
        message = error(call, latin)
        assert "line 3: byte 0xfc at position 4" in message
        assert "iconv -f latin-1 -t utf-8" in message
    header = write(tmp_path / "h.csv", "a,\xe9\n1,2\n".encode("latin1"))
    assert "line 1: byte 0xe9" in error(infer, header)
    wide = write(tmp_path / "w.csv", "a,b\n1,2\n".encode("utf-16"))
    assert "UTF-16" in error(infer, wide)


def test_a_header_with_another_delimiter_is_an_error(tmp_path: Path) -> None:
    assert "';'" in error(infer, write(tmp_path / "t.csv", "a;b;c\n"))


def test_a_missing_column_comes_with_the_nearest_names(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "DepDelay,ArrDelay,Origin\n1,2,x\n")
    message = error(read, path, {"DepDelya": INT})
    assert "has no column 'DepDelya'" in message
    assert "'DepDelay'" in message
    assert "Origin" not in message


def test_a_missing_column_that_looks_like_another_is_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "cafe\u0301,other\n1,2\n")
    assert r"'cafe\u0301' looks the same and has other characters than 'caf\xe9'" in error(read, path, {"café": INT})


def test_corrupt_and_misnamed_files_are_named(tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(50_000)))
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    assert "cut.csv.gz cannot be read" in error(infer, str(cut))
    plain = tmp_path / "plain.csv.gz"
    plain.write_text("a,b\n1,2\n")
    assert "is no gzip file, whatever its name says" in error(infer, str(plain))
    assert "Excel" in error(infer, write(tmp_path / "x.csv", b"PK\x03\x04rest"))
    assert "is text" in error(infer, write(tmp_path / "x.parquet", b"not parquet at all"))


# CSV: byte ranges

NASTY = [
    b'\xef\xbb\xbf"a\n",b\r\n',
    b'1,"x,""y""\n,\r\n"\r\n',
    b"\n\r\n",  # blank lines belong to a range, never to a row
    b'"",""""\n',
    b'5" pipe,a""b\n',  # quotes within a field are characters ...
    b'6",\n',
    b'"\n7","\n"",\n"z"\n',  # ... also the last one here, so that the next line break ends the row
    b'"8"\r"9\n",10"\n',  # an old Macintosh line end
    b'\xef\xbb\xbf11,"\xc3\xbc\n"\n',  # not at the start of the file, a byte order mark is a value's
    b"NA,12\r\n",
    b'"13\n","last\n"z',
]


def starts(path: str, step: int, scan_bytes: int) -> list[int]:
    return list(csv.record_starts(path, step, scan_bytes))


def test_csv_ranges_of_any_size_hold_the_rows_of_the_file_in_order(tmp_path: Path) -> None:
    rows = [*NASTY[:7], b"8,\n", *NASTY[8:]]  # Arrow has the Macintosh row as two, of one and two fields
    columns = {"b": STRING, "a\n": STRING}
    for ending in (b"", b"\n", b"\r\n\n"):
        content = b"".join(rows) + ending
        path = write(tmp_path / "t.csv", content)
        whole = read(path, columns)
        assert whole["a\n"] == ["1", None, '5" pipe', '6"', "\n7", "8", "\ufeff11", None, "13\n"]
        assert whole["b"] == ['x,"y"\n,\r\n', '"', 'a""b', None, '\n",\nz"', None, "ü\n", "12", "last\nz"]
        for block in range(1, len(content) + 2):
            assert read(path, columns, block=block) == whole, block
            assert all(start < end for start, end in filter(None, csv.byte_ranges(path, block)))


def test_a_csv_range_may_start_after_every_line_break_outside_quotes_and_nowhere_else(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", b"".join(NASTY))
    ends = np.cumsum([len(part) for part in NASTY]).tolist()
    expected = sorted([*ends[:-1], ends[1] + 1])  # the blank lines are two
    for scan_bytes in range(1, ends[-1] + 1):
        assert starts(path, 1, scan_bytes) == expected
    for step in range(2, ends[-1]):
        cuts = [0]
        while after := [place for place in expected if place >= cuts[-1] + step]:
            cuts.append(after[0])
        assert starts(path, step, 1) == starts(path, step, 40) == starts(path, step, 1 << 20) == cuts[1:]


def test_random_csv_is_cut_as_arrow_reads_it(tmp_path: Path) -> None:
    draw = random.Random(0)
    for _ in range(60):
        fields = [
            '"' + "".join(draw.choices([*"a,\n\r", '""'], k=draw.randrange(5))) + draw.choice(['"', '"', '"b"', '"b'])
            if draw.random() < 0.5
            else draw.choice("ab1") + "".join(draw.choices('a"', k=draw.randrange(4)))
            for _ in range(40)
        ]
        lines = [
            f"{a},{b}" + draw.choice(["\n", "\r\n", "\n\n"]) for a, b in zip(fields[::2], fields[1::2], strict=True)
        ]
        path = write(tmp_path / "t.csv", "x,y\n" + "".join(lines))
        columns = {"x": STRING, "y": STRING}
        whole = read(path, columns)
        assert len(whole["x"]) == 20
        assert len(plan_fragments([SourceFile(path, 0)], 1)) > 20
        for block in (1, 7, 50):
            assert read(path, columns, block=block) == whole
        for step in (1, 150):
            assert starts(path, step, 1) == starts(path, step, draw.randrange(2, 100)) == starts(path, step, 1 << 20)


def test_errors_in_a_csv_range_name_the_line_in_the_file(tmp_path: Path) -> None:
    good = ['1,"x\ny"\n', "2,y\r\n", "\n", '3,"""\n\n"\n'] * 3
    for bad in ("abc,x\n", "1,2,3\n", '"4,x\n', '4,"x\n', "4,\udcff\n"):
        for place in range(len(good) + 1):
            lines = ["n,s\n", *good[:place], bad, *good[place:]]
            path = write(tmp_path / "t.csv", "".join(lines).encode(errors="surrogateescape"))
            message = error(read, path, {"n": INT, "s": STRING})
            if '"' not in bad:  # a quote too many may show only further down
                assert f"line {1 + ''.join(lines[: place + 1]).count(chr(10))}: " in message
            for block in (1, 12, 30):
                assert error(read, path, {"n": INT, "s": STRING}, block=block) == message


def test_large_plain_csv_is_split_evenly_and_nothing_else_of_it_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = b"n,s\n" + b"".join(b'%d,"a\nb"\n' % i for i in range(1000, 2000))  # 11 bytes a row
    path = write(tmp_path / "t.csv", content)
    assert plan_fragments([SourceFile(path, 3)]) == [Fragment(path, 3)]
    assert plan_fragments([SourceFile(path, 3)], len(content) // 2 + 1) == [Fragment(path, 3)]
    fragments = plan_fragments([SourceFile(path, 3)], 2700)
    assert fragments == [
        Fragment(path, 3, None, (0, 2754)),
        Fragment(path, 3, None, (2754, 5515)),
        Fragment(path, 3, None, (5515, 8276)),
        Fragment(path, 3, None, (8276, len(content))),
    ]
    assert pickle.loads(pickle.dumps(fragments)) == fragments
    # Spoil all but the header and the third range: it must not show.
    (tmp_path / "t.csv").write_bytes(content[:4] + b'\xff"' * 2755 + b"\n" + content[5515:8276] + b'"\xff,,' * 700)
    batches = list(read_fragment(fragments[2], {"n": INT}, 100))
    assert [batch.num_rows for batch in batches] == [100, 100, 51]
    assert pa.Table.from_batches(batches).column("n").to_pylist() == list(range(1501, 1752))
    zipped = write(tmp_path / "t.csv.gz", content)
    assert plan_fragments([SourceFile(zipped, 3)], 100) == [Fragment(zipped, 3)]
    assert "t.csv.gz is read by one worker only, since gzip cannot be split" in caplog.text
    # Without a line feed there is nowhere to cut.
    old = write(tmp_path / "old.csv", content.replace(b"a\nb", b"x").replace(b"\n", b"\r"))
    assert plan_fragments([SourceFile(old, 3)], 100) == [Fragment(old, 3)]
    assert read(old, {"n": INT}, block=100)["n"] == list(range(1000, 2000))


# Parquet


def test_parquet_types_and_values(tmp_path: Path) -> None:
    utc = datetime.UTC
    moment = datetime.datetime(1969, 12, 31, 23, 59, 58, 500_000)
    table = pa.table(
        {
            "u8": pa.array([1, None], pa.uint8()),
            "f16": pa.array([np.float16(1.5), None], pa.float16()),
            "f64": pa.array([1.5, float("nan")]),
            "dict": pa.array(["x", None]).dictionary_encode(),
            "large": pa.array(["NA", ""], pa.large_string()),
            "dec": pa.array([decimal.Decimal("1.25"), None]),
            "whole": pa.array([decimal.Decimal("12"), None]),
            "day": pa.array([datetime.date(1970, 1, 2), None]),
            "us": pa.array([moment, None], pa.timestamp("us")),
            "tz": pa.array([datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=utc), None],
                           pa.timestamp("ns", "Europe/Berlin")),
            "bool": pa.array([True, None]),
            "null": pa.nulls(2),
            "bin": pa.array([b"x", None]),
        }
    )  # fmt: skip
    path = str(tmp_path / "t.parquet")
    pq.write_table(table, path)
    types = infer(path)
    assert types == {
        "u8": INT, "f16": FLOAT, "f64": FLOAT, "dict": STRING, "large": STRING, "dec": FLOAT, "whole": INT,
        "day": TIMESTAMP, "us": TIMESTAMP, "tz": TIMESTAMP, "bool": BOOL, "null": STRING, "bin": STRING,
    }  # fmt: skip
    assert read(path, types) == {
        "u8": [1, None], "f16": [1.5, None], "f64": [1.5, None], "dict": ["x", None], "large": ["NA", ""],
        "dec": [1.25, None], "whole": [12, None], "day": [86400, None], "us": [-2, None], "tz": [1, None],
        "bool": [1, None], "null": [None, None], "bin": ["x", None],
    }  # fmt: skip
    assert read(path, {"u8": FLOAT, "bool": STRING}) == {"u8": [1.0, None], "bool": ["true", None]}


def test_parquet_columns_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = str(tmp_path / "t.parquet")
    pq.write_table(pa.table({"n": [[1.5]], "b": [b"\xff"], "big": pa.array([2**63], pa.uint64()), "f": [1.5]}), path)
    message = error(infer, path)
    assert "column 'n' is of type list" in message
    assert "data.drop" in message
    assert "column 'b'" in error(infer, path, drop=["n"])
    assert infer(path, drop=["n", "b"]) == {"big": STRING, "f": FLOAT}
    assert "row 1: column 'big'" in error(read, path, {"big": INT})
    assert "holds '1.5' where a whole number" in error(read, path, {"f": INT})
    assert "the nearest names are 'big'" in error(read, path, {"bigg": INT})


def test_a_bad_parquet_row_is_counted_from_the_start_of_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "t.parquet")
    pq.write_table(pa.table({"a": ["1"] * 25_000 + ["x"] + ["1"] * 4_999}), path, row_group_size=10_000)
    assert "row 25,001: column 'a' (string) holds 'x'" in error(read, path, {"a": INT})


def test_parquet_is_read_by_row_group_unless_they_are_tiny(tmp_path: Path) -> None:
    table = pa.table({"a": list(range(30_000))})
    big, tiny = str(tmp_path / "big.parquet"), str(tmp_path / "tiny.parquet")
    pq.write_table(table, big, row_group_size=10_000)
    pq.write_table(table, tiny, row_group_size=100)
    fragments = plan_fragments([SourceFile(big, 3), SourceFile(tiny, 4)])
    assert fragments == [
        Fragment(big, 3, 0),
        Fragment(big, 3, 1),
        Fragment(big, 3, 2),
        Fragment(tiny, 4, None),
    ]
    assert pickle.loads(pickle.dumps(fragments)) == fragments
    assert [b.column(0)[0].as_py() for b in read_fragment(fragments[2], {"a": INT})] == [20_000]
    assert read(tiny, {"a": INT})["a"] == list(range(30_000))


def test_parquet_files_that_disagree_are_named(tmp_path: Path) -> None:
    paths = []
    for name, values in (("1", [1]), ("2", [1.5]), ("3", ["x"])):
        paths.append(str(tmp_path / f"{name}.parquet"))
        pq.write_table(pa.table({"a": values}), paths[-1])
    assert infer(*paths[:2]) == {"a": FLOAT}
    message = error(infer, *paths[1:])
    assert "column 'a' is of type float" in message
    assert "string in " + paths[2] in message


# TFRecord


def records(path: Path, rows: list[dict[str, list[object]]]) -> str:
    import tensorflow as tf

    options = tf.io.TFRecordOptions(compression_type="GZIP" if path.suffix == ".gz" else "")
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for row in rows:
            example = tf.train.Example()
            for name, values in row.items():
                feature = example.features.feature[name]
                if values and isinstance(values[0], bytes):
                    feature.bytes_list.value.extend(values)
                elif values and isinstance(values[0], float):
                    feature.float_list.value.extend(values)
                else:
                    feature.int64_list.value.extend(values)
            writer.write(example.SerializeToString())
    return str(path)


@pytest.mark.parametrize("name", ["t.tfrecord", "t.tfrecord.gz"])
def test_tfrecord_types_and_values(tmp_path: Path, name: str) -> None:
    path = records(
        tmp_path / name,
        [{"i": [1], "s": [b"x"]}, {"i": [], "f": [1.5]}, {"i": [3], "s": [b"00501"], "f": [float("nan")]}],
    )
    assert infer(path) == {"i": INT, "s": STRING, "f": FLOAT}
    columns = {"s": STRING, "f": FLOAT, "i": TIMESTAMP}
    expected = {"s": ["x", None, "00501"], "f": [None, 1.5, None], "i": [1, None, 3]}
    assert read(path, columns) == expected
    assert read(path, columns, batch_rows=1) == expected


def test_tfrecord_errors_name_file_feature_and_record(tmp_path: Path) -> None:
    path = records(tmp_path / "t.tfrecord", [{"a": [1], "s": [b"x"]}, {"a": [1, 2], "s": [b"\xff"]}])
    assert "feature 'a' holds 2 values" in error(infer, path)
    assert infer(path, drop=["a"]) == {"s": STRING}
    assert "record 2: feature 's'" in error(read, path, {"s": STRING})
    two = records(tmp_path / "two.tfrecord", [{"a": [1]}, {"a": [1.5]}])
    assert 'feature "a"' in error(infer, two)
    one = records(tmp_path / "one.tfrecord", [{"delay": [1]}])
    assert "the nearest names are 'delay'" in error(read, one, {"delya": INT})
    cut = tmp_path / "cut.tfrecord"
    cut.write_bytes(Path(path).read_bytes()[:-5])
    message = error(read, str(cut), {"a": INT})
    assert "cut.tfrecord cannot be read: it is damaged, incomplete, or not what its name says" in message
    assert "{{" not in message
    assert "corrupted record" in error(infer, write(tmp_path / "no.tfrecord", b"not a record file at all"))


@pytest.mark.parametrize(
    ("pattern", "root", "below"),
    [
        ("gs://bucket/flights/span-{SPAN}/*.parquet", "gs://bucket/flights", "/span-{SPAN}/*.parquet"),
        ("/data/cats.csv", "/data", "/cats.csv"),
        ("/data/*/cats.csv", "/data", "/*/cats.csv"),
        ("/data/cats[1]/cats.csv", "/data/cats[1]", "/cats.csv"),
    ],
)
def test_a_pattern_falls_into_a_folder_and_what_is_below_it(pattern: str, root: str, below: str) -> None:
    assert split_root(pattern) == (root, below)
    assert root + below == pattern


def test_all_of_a_folder_is_the_folder_itself(tmp_path: Path) -> None:
    assert split_root(f"{tmp_path}/") == (str(tmp_path), "")
