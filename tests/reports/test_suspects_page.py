"""The page of suspect labels: nothing of a user's is markup, and what a person chooses becomes the file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.decided_labels import KEEP, RELABEL, read_decisions
from pipeline.reports.suspects import render
from tests.reports.suspects import SUSPECTS, SUSPECTS_FILE


def test_all_that_comes_from_the_user_is_escaped() -> None:
    page = render(SUSPECTS, SUSPECTS_FILE)
    assert "<b>wild" not in page
    assert "alert(1)</script>" not in page
    assert "span-01/cats.csv, row 1,234" in page
    assert "hardly better than a guess" in page
    assert "2 rows were decided before" in page


@pytest.mark.extra
def test_choices_are_saved_as_the_file_of_decisions(chromium: Any, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(render(SUSPECTS, SUSPECTS_FILE))
    page = chromium.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.select_option(".decision", "relabel")
    page.click("#save")
    assert page.inner_text("#told") == "Say who decides."
    page.fill("#reviewer", "A. Meyer")
    page.click("#save")
    assert page.inner_text("#told") == "Give a reason for each decision."
    page.fill(".because", 'seen, and "heard"')
    with page.expect_download() as download:
        page.click("#save")
    saved = tmp_path / "saved.csv"
    download.value.save_as(saved)
    page.close()
    new, old = read_decisions(saved, SUSPECTS["classes"]).rows
    assert new == ("00000000000000ff", "tame", RELABEL, "<b>wild</b>", "A. Meyer", 'seen, and "heard"')
    assert (old.decision, old.reviewer) == (KEEP, "B. Kaya")
    with saved.open(newline="") as text:
        assert next(iter(csv.DictReader(text)))["note"] == '</script>, "quoted"'
