"""Tables drawn by chance from the kinds that people have: what `longhaul init` writes reads what is meant."""

from __future__ import annotations

import bz2
import csv
import datetime as dt
import gzip
import io
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import yaml

from pipeline.commands.init import write_first_files
from pipeline.config.loading import load
from pipeline.contract.first_reading import Wishes
from pipeline.data.sources.source import infer_columns, plan_fragments, read_fragment
from pipeline.data.sources.table_files import find_files
from pipeline.data.values.readings import readings_of

ROWS = 150
_DRAWN = 25
_FOUND = (108, 163, 208, 290, 309, 347, 369, 448, 477, 512, 596, 1710)
"""Once read wrongly: a header that begins with '#' or has the name '100%', a row that begins with '#N/A' below a
comment, a title above quoted rows, fields of blanks among words, dates with commas between tabs."""


class Column(NamedTuple):
    """What a file says of a column, and what that means: None, a number, a text, or seconds."""

    texts: list[str]
    values: list[Any]
    name: str = ""


Draw = random.Random
Kind = Callable[[Draw, str], Column]


def swap(text: str) -> str:
    return text.translate(str.maketrans(",.", ".,"))


def amounts(draw: Draw, decimal: str) -> Column:
    style = draw.choice(["{:.2f}", "{:,.2f}", "${:,.2f}", "{:.2f} €", "{:.1f}%", "{:.1f} kg", "({:,.2f})", "{:+.3f}"])
    values = [draw.choice([-1, 1, 1]) * draw.randrange(100, 10_000_000) / 100 for _ in range(ROWS)]
    values = [abs(value) if style.startswith(("$", "(")) else value for value in values]
    texts = [style.format(value) for value in values]
    shown = {"{:.1f}%": 1, "{:.1f} kg": 1, "{:+.3f}": 3}.get(style, 2)
    values = [round(float(f"{value:.{shown}f}"), shown) * (-1 if style[0] == "(" else 1) for value in values]
    return Column([swap(text) for text in texts] if decimal == "," else texts, values)


def counts(draw: Draw, decimal: str) -> Column:
    values = [draw.randrange(10 ** draw.randrange(1, 7)) for _ in range(ROWS)]
    return Column(list(map(str, values)), values)


def dates(draw: Draw, decimal: str) -> Column:
    form = draw.choice(
        ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%b-%Y", "%b %d, %Y", "%Y%m%d", "%Y-%m-%dT%H:%M:%S",
         "%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M:%S"]
    )  # fmt: skip
    days = [dt.datetime(1995, 1, 1) + dt.timedelta(minutes=draw.randrange(15_000_000)) for _ in range(ROWS)]
    texts = [day.strftime(form) for day in days]
    read = [dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC) for text in texts]
    return Column(texts, [int(day.timestamp()) for day in read], "date ")


def truths(draw: Draw, decimal: str) -> Column:
    words = draw.choice([("no", "yes"), ("False", "True"), ("N", "Y"), ("nein", "ja"), ("off", "on")])
    values = [draw.randrange(2) for _ in range(ROWS)]
    return Column([words[value] for value in values], values)


def durations(draw: Draw, decimal: str) -> Column:
    values = [draw.randrange(360_000) for _ in range(ROWS)]
    return Column([f"{value // 3600}:{value // 60 % 60:02}:{value % 60:02}" for value in values], values)


def texts(draw: Draw, decimal: str) -> Column:
    words = draw.choice(
        [
            ["red", "green", "blue"], ["Zürich", "Köln", "Façade"], ["a, b", 'say "x"', "c;d|e"],
            ["1-2", "3-4", "65+"], ["None", "brick", "stone"], ["A12", "B7", "7C"], ["10x20", "S", "XL"],
        ]
    )  # fmt: skip
    values = [draw.choice(words) for _ in range(ROWS)]
    return Column(list(values), list(values))


def codes(draw: Draw, decimal: str) -> Column:
    form = draw.choice(["{:05}", "+49151{:08}", "{:03}-{:04}", "{:08x}"])
    values = [form.format(draw.randrange(900), draw.randrange(9000)) for _ in range(ROWS)]
    return Column(values, list(values), "zip " if form == "{:05}" else "")


KINDS: list[Kind] = [amounts, amounts, counts, dates, truths, durations, texts, texts, codes]
MARKERS = ["", "NA", "N/A", "?", "-", " ", "null", "NaN", "--", "#N/A", "."]
NAMES = [
    "a.b",
    "1st",
    "class",
    "size",
    "SIZE",
    "größe",
    "x y",
    "100%",
    "{x}",
    "[0]",
    "l" * 300,
    "a:b",
    "None",
    "#1",
    "_",
]


def name(draw: Draw, letters: str) -> str:
    """One that the encoding can write."""
    if draw.random() < 0.6:
        return draw.choice(NAMES)
    return "".join(draw.choice(letters) for _ in range(draw.randrange(1, 9))).strip() or "n"


SCRIPTS = "abcXYZ_.- éàüñß" + "语言データ가나مرحباשלוםжшщ😀"
LATIN = "abcdefghijkl"


def table(seed: int) -> tuple[list[Column], list[str], dict[str, Any]]:
    """Draw columns, their names, and how they are written."""
    draw = random.Random(seed)
    delimiter = draw.choice([",", ",", ";", "\t", "|"])
    decimal = "," if delimiter != "," and draw.random() < 0.5 else "."
    encoding = draw.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"])
    columns = [draw.choice(KINDS)(draw, decimal) for _ in range(draw.randrange(3, 9))]
    letters = LATIN if encoding == "cp1252" else SCRIPTS
    names: dict[str, None] = {}
    for column in columns:
        while (given := column.name + name(draw, letters)) in names or given == "label":
            pass
        names[given] = None
    for column in columns:
        if draw.random() < 0.4:
            marker = draw.choice(MARKERS)
            for row in draw.sample(range(ROWS), 12):
                column.texts[row], column.values[row] = marker, None
    label = draw.choice([["0", "1"], ["0.0", "1.0"], ["no", "yes"], ["a", "b", "c"], ["lo", "mid", "hi"]])
    answers = [draw.choice(label) for _ in range(ROWS)]
    columns.append(Column(list(answers), list(answers)))
    written = {
        "delimiter": delimiter, "encoding": encoding, "quoting": draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "end": draw.choice(["\n", "\r\n"]), "head": draw.choice(["", "", "title", "comment", "index"]),
        "ending": draw.choice([".csv", ".txt", ".CSV", ".dat", ".csv.gz", ".csv.bz2"]),
    }  # fmt: skip
    return columns, [*names, "label"], written


def write(columns: list[Column], names: list[str], how: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=how["delimiter"], quoting=how["quoting"], lineterminator=how["end"])
    index = how["head"] == "index"
    writer.writerow([*([""] if index else []), *names])
    for row, fields in enumerate(zip(*(column.texts for column in columns), strict=True)):
        writer.writerow([*([row] if index else []), *fields])
    head = {"title": f"What was sold{how['end']}{how['end']}", "comment": f"# by hand{how['end']}"}.get(how["head"], "")
    data = (head + text.getvalue()).encode(how["encoding"])
    data = gzip.compress(data) if how["ending"].endswith("gz") else data
    data = bz2.compress(data) if how["ending"].endswith("bz2") else data
    path = f"t{how['ending']}"
    Path(path).write_bytes(data)
    return path


def read() -> pa.Table:
    """The table as a run reads it."""
    data = load(Path("t.yaml")).data
    files = find_files(data.path, form=data.format, readings=readings_of(data))
    types = infer_columns(files, data.drop)
    return pa.Table.from_batches([batch for one in plan_fragments(files) for batch in read_fragment(one, types)])


def same(found: Any, meant: Any) -> bool:
    if meant is None or found is None:
        return found is None and meant is None
    if isinstance(meant, str):
        return str(found).strip() == meant.strip()
    return math.isclose(float(np.float32(found)), float(np.float32(meant)), rel_tol=1e-6)


def judge(seed: int) -> str:
    """Draw a table, give it to `init`, and say what is read otherwise than it is meant; "" if nothing is."""
    columns, names, how = table(seed)
    path = write(columns, names, how)
    write_first_files(path, "label", "t", Path(), True, wishes=Wishes(), as_json=True)
    document = yaml.safe_load(Path("t.yaml").read_text(encoding="utf-8"))
    found = read()
    wrong = []
    for given, column in zip(names, columns, strict=True):
        if given in document["data"].get("drop", {}) or given == "label":
            continue
        if given not in found.column_names:
            wrong.append(f"{given!r} is lost: {found.column_names}")
            continue
        values = found.column(given).to_pylist()
        pairs = [(text, one, meant) for text, one, meant in zip(column.texts, values, column.values, strict=True)]
        if bad := [pair for pair in pairs if not same(*pair[1:])]:
            wrong.append(f"{given!r}: {len(bad)} of {ROWS}, as {bad[:3]}")
    return "; ".join(wrong) and f"{seed} {how}: " + "; ".join(wrong)


@pytest.mark.parametrize("seeds", [_FOUND, range(_DRAWN), range(_DRAWN, 2 * _DRAWN)], ids=["found", "a", "b"])
def test_what_init_writes_reads_what_is_meant(
    seeds: Sequence[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = [said for seed in seeds if (said := judge(seed))]
    assert not wrong, "\n".join(wrong)
