"""The list of public tables, and how the types that init reads are judged."""

from __future__ import annotations

from bench.public_report import report
from bench.public_tables import ALLOWED, Outcome, Table, judge, tables


def _table(kinds: str) -> Table:
    return Table("t.csv", "someone/data", "0" * 40, "t.csv", "MIT", "label", kinds)


def test_the_list_names_every_table_once_and_uses_only_known_letters() -> None:
    listed = tables()
    assert len(listed) >= 40
    assert len({table.file for table in listed}) == len({table.name for table in listed}) == len(listed)
    for table in listed:
        letters = table.kinds or "".join(table.columns.values())
        assert letters
        assert set(letters.lower()) <= set(ALLOWED)


def test_a_kind_is_misread_unless_the_persons_letter_allows_it() -> None:
    read = {"age": "number", "when": "category", "zip": "number", "id": "out", "sex": "boolean"}
    assert judge(_table("ndzib"), read) == {"when": ("d", "category"), "zip": ("z", "number")}


def test_a_capital_letter_allows_a_column_to_be_left_out() -> None:
    assert judge(_table("nN"), {"kept": "out", "copy": "out"}) == {"kept": ("n", "out")}


def test_the_report_names_what_was_misread_and_shows_no_path_of_the_machine() -> None:
    first = tables()[0]
    outcome = Outcome(first.file, "refused", "x.csv: no\nRemedy: see /home/someone/x.csv", rows=3)
    outcome.read, outcome.misread = {"a": "category"}, {"a": ("d", "category")}
    page = report({first.file: vars(outcome)})
    assert "1 tables: 1 refused" in page
    assert f"| {first.file} | `a` | a date or time | category |" in page
    assert "/home" not in page
