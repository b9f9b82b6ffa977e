"""Tables whose fields are quoted, some or all, with empty texts and quotes in them, are read as they were written."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from pipeline.data.sources.records import Records
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
