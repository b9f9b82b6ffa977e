"""Patterns of tables below folders whose names look like patterns, and what a file would be to a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.patterns import as_glob, would_read
from pipeline.data.sources.table_files import find_files
from pipeline.errors import DataError

NASTY = (
    "[x]",
    "[0-9]",
    "a*b",
    "what?",
    "{x}",
    "(a|b)",
    "a.b+c",
    "[",
    "]",
    "[!a]",
    "**",
    "$HOME",
    "é😀",
    "[red]",
    "[/]x".replace("/", "_"),
)


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize(
    "rest", ["span-{SPAN}/t.csv", "span-{SPAN}", "{SPAN}.csv", "span-*/t.csv", "**/t.csv", "[s]pan-1/t.csv"]
)
def test_the_names_of_folders_stand_for_themselves(tmp_path: Path, name: str, rest: str) -> None:
    folder = tmp_path / name
    (folder / "span-1").mkdir(parents=True)
    (folder / "span-1" / "t.csv").write_text("a\n1\n")
    (folder / "1.csv").write_text("a\n1\n")
    (tmp_path / "x").mkdir()  # what [x] would match
    found = find_files(f"{folder}/{rest}")
    assert [Path(file.path) for file in found] == [folder / ("1.csv" if rest == "{SPAN}.csv" else "span-1/t.csv")]
    assert {file.span for file in found} == {1 if "{SPAN}" in rest else 0}


def test_a_pattern_is_one_still(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"span-{number}").mkdir()
        (tmp_path / f"span-{number}" / "t.csv").write_text("a\n1\n")
    assert [Path(file.path).parent.name for file in find_files(f"{tmp_path}/span-[12]/t.csv")] == ["span-1", "span-2"]
    assert as_glob(f"{tmp_path}/span-{{SPAN}}/*.csv") == f"{tmp_path}/span-*/*.csv"
    with pytest.raises(DataError, match=r"span-9/t.csv does not exist"):
        find_files(f"{tmp_path}/span-9/t.csv")


def test_a_span_is_a_number_in_ascii(tmp_path: Path) -> None:
    for name in ("span-3", "span-٣", "span-²"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.csv").write_text("a\n1\n")
    assert [(Path(file.path).parent.name, file.span) for file in find_files(f"{tmp_path}/span-{{SPAN}}/t.csv")] == [
        ("span-3", 3)
    ]


@pytest.mark.parametrize(
    ("pattern", "path", "would"),
    [
        ("", "scored.csv", True),
        ("", "_scored.csv", False),
        ("", ".scored.csv", False),
        ("", "span-1/scored.csv", False),
        ("*.csv", "scored.csv", True),
        ("*.csv", "scored.parquet", False),
        ("*.csv", "span-1/scored.csv", False),
        ("**/*.csv", "span-1/scored.csv", True),
        ("span-{SPAN}/t.csv", "span-7/t.csv", True),
        ("span-{SPAN}/t.csv", "span-x/t.csv", False),
        ("t.csv", "scored.csv", False),
        ("t.csv", "t.csv", True),
    ],
)
def test_what_would_be_read_the_next_time(tmp_path: Path, pattern: str, path: str, would: bool) -> None:
    (tmp_path / "span-1").mkdir()
    assert would_read(str(tmp_path / pattern), str(tmp_path / path)) is would


def found_in(folder: Path, pattern: str, *names: str) -> list[tuple[str, int]]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a\n1\n")
    files = find_files(f"{folder}/{pattern}")
    return [(Path(file.path).relative_to(folder).as_posix(), file.span) for file in files]


def test_a_date_is_a_span(tmp_path: Path) -> None:
    names = ("2025-03-02.csv", "2025-02-28.csv", "2025-02-30.csv", "12025-03-01.csv", "notes.csv")
    found = [("2025-02-28.csv", 20250228), ("2025-03-02.csv", 20250302)]
    assert found_in(tmp_path, "{YYYY}-{MM}-{DD}.csv", *names) == found
    assert found_in(tmp_path / "m", "{YYYY}/{MM}/t.csv", "2025/01/t.csv", "2025/13/t.csv") == [
        ("2025/01/t.csv", 20250101)
    ]
    assert found_in(tmp_path / "d", "d{YYYY}{MM}{DD}.csv", "d20250304.csv") == [("d20250304.csv", 20250304)]


def test_of_a_span_the_latest_version_is_read(tmp_path: Path) -> None:
    names = ("span-1/v2/t.csv", "span-1/v10/t.csv", "span-2/v1/t.csv")
    assert found_in(tmp_path, "span-{SPAN}/v{VERSION}/t.csv", *names) == [
        ("span-1/v10/t.csv", 1),
        ("span-2/v1/t.csv", 2),
    ]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{SPAN}/{SPAN}.csv", "{SPAN} stands in it more than once"),
        ("{SPAN}/{YYYY}-{MM}.csv", "{SPAN} and {YYYY} both name the span"),
        ("{YYYY}-{DD}.csv", "a date needs {YYYY} and {MM}"),
        ("{MM}-{DD}.csv", "a date needs {YYYY} and {MM}"),
        ("v{VERSION}.csv", "{VERSION} needs a span"),
    ],
)
def test_a_pattern_that_names_no_span_is_refused(tmp_path: Path, pattern: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        find_files(f"{tmp_path}/{pattern}")
    assert said in str(caught.value)
