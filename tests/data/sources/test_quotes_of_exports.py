"""Tables whose fields are quoted, some or all, with empty texts and quotes in them, are read as they were written."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from pipeline.data.columns import ColumnType
from pipeline.data.sources.records import Records
from pipeline.data.sources.source import plan_fragments, read_fragment
from pipeline.data.sources.table_files import SourceFile
from pipeline.data.sources.text_format import sniff

PIECES = ("", "", "rope", 'the "best" one', '"Birther" stories', 'said "no"', '"', "5 m", "a, b; c")


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_quotes_are_no_part_of_values(tmp_path: Path, delimiter: str, quoting: int) -> None:
    """Seen failing: where many fields were "" or began with a quote of their own, all quotes were characters."""
    for seed in range(12):
        draw = random.Random(seed)
        kinds = [draw.choices(PIECES, k=draw.randint(1, 4)) for _ in range(3)]
        rows = [[str(n), *(draw.choice(kind) for kind in kinds), draw.choice(["yes", "no"])] for n in range(40)]
        path = tmp_path / f"{seed}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
            writer.writerows([["id", "one", "two", "three", "y"], *rows])
        form, _ = sniff(str(path))
        assert [fields for _, fields in Records(str(path), form)][1:] == rows, seed


def test_blanks_before_names_are_no_part_of_them(tmp_path: Path) -> None:
    """Seen failing: a column ' label', which `--label label` did not find, with values that a request had to pad."""
    path = tmp_path / "t.csv"
    path.write_text("age, job, label\n" + "".join(f"{n},{(' none', 'cook')[n % 2]},yes\n" for n in range(60)))
    form, _ = sniff(str(path))
    assert form.strip
    path.write_text("age,the job, label\n" + "".join(f"{n},cook,yes\n" for n in range(60)))
    assert not sniff(str(path))[0].strip


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quotes_behind_blanks_hold_delimiters(tmp_path: Path, quote: str) -> None:
    """Seen failing: "Smith, J" was two fields, and there was no header."""
    rows = [[str(n), ("Smith, J", "Doe", "a, b, c")[n % 3], ("yes", "no")[n % 2]] for n in range(60)]
    path = tmp_path / "t.csv"
    path.write_text("".join(f"{n}, {quote}{name}{quote}, {y}\n" for n, name, y in [["id", "name", "y"], *rows]))
    form, said = sniff(str(path))
    assert "blanks around fields are no part of them" in said
    texts = dict.fromkeys(["id", "name", "y"], ColumnType.STRING)
    batches = [
        batch for one in plan_fragments([SourceFile(str(path), 0, form)], 200) for batch in read_fragment(one, texts)
    ]
    assert [list(row.values()) for batch in batches for row in batch.to_pylist()] == rows
