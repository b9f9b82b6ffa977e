"""Pages that are near empty or odd say what there is to say, and nothing of a user's is markup."""

from __future__ import annotations

import pytest

from pipeline.lineage.runs import Run
from pipeline.reports.page import collect, render
from tests.reports.odd import LONG, odd_runs
from tests.reports.test_page import Reader, assert_accessible

SAME = "The model says the same of every row"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    return odd_runs(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="module")
def pages(runs: dict[str, Run]) -> dict[str, str]:
    return {name: render(collect(run)) for name, run in runs.items()}


def test_they_are_whole(pages: dict[str, str]) -> None:
    for name, html in pages.items():
        assert "<script>alert(1)" not in html, name
        assert_accessible(Reader(html))
        assert len(html) < 600_000, name


def test_equal_predictions_are_told_and_have_no_tenths(pages: dict[str, str]) -> None:
    assert f"{SAME}: no threshold tells them apart." in pages["equal predictions"]
    assert f"{SAME}: 100." in pages["equal numbers"]
    assert "The error by tenth" in pages["20 numbers"]
    assert "The error by tenth" not in pages["equal numbers"]
    assert SAME not in pages["20 rows"] + pages["20 numbers"] + pages["long names"]


def test_a_heap_of_classes_is_no_class_that_is_confused(pages: dict[str, str]) -> None:
    lines = Reader(pages["60 classes"]).lines("curves")
    at = lines.index("Most often confused")
    pairs = [line for line in lines[at:] if " taken for " in line]
    assert len(pairs) == 5
    assert not [line for line in pairs if "others" in line]


def test_of_few_rows_and_one_class_the_page_says_so(pages: dict[str, str]) -> None:
    assert "20 rows were evaluated" in pages["20 rows"]
    assert "the rows are of one class only" in pages["one class"]
    assert "one class only" in Reader(pages["one class"]).lines("slices")
    assert "By tail, those of most rows first; 100 of fewer rows are left out" in Reader(pages["200 slices"]).lines(
        "slices"
    )
    assert LONG in pages["long names"]
