"""What a person decides about suspect labels, written into their file: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.commands.suspects_file import decide
from pipeline.data.decided_labels import DROP, KEEP, RELABEL, read_decisions
from pipeline.errors import ConfigError
from pipeline.reports.notebook.tables import decided_table, suspects_table
from tests.reports.suspects import SUSPECTS, SUSPECTS_FILE

CLASSES = SUSPECTS["classes"]
ROW, BEFORE = "00000000000000ff", "00000000000000aa"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "label_decisions.csv"
    path.write_text(SUSPECTS_FILE)
    return path


def test_decisions_are_written_and_those_before_stay(file: Path) -> None:
    lines = decide(file, CLASSES, {ROW: (RELABEL, "seen", "both")}, "A. Meyer")
    assert [line["reviewer"] for line in lines] == ["A. Meyer", "B. Kaya"]
    new, old = read_decisions(file, CLASSES).rows
    assert new == (ROW, "tame", RELABEL, "both", "A. Meyer", "seen")
    assert (old.row, old.decision, old.reason) == (BEFORE, KEEP, "checked")
    written = file.read_text()
    assert '</script>, ""quoted""' in written
    decide(file, CLASSES, {ROW: (RELABEL, "seen", "both")}, "A. Meyer")
    assert file.read_text() == written
    decide(file, CLASSES, {ROW: (DROP, "two animals")}, "A. Meyer")
    assert read_decisions(file, CLASSES).rows[0].decision == DROP
    assert "seen" in repr(decided_table(lines))


def test_nothing_decided_writes_nothing(file: Path) -> None:
    before = (file.stat().st_ino, file.stat().st_mtime_ns)
    assert [line["reviewer"] for line in decide(file, CLASSES, {}, "")] == ["B. Kaya"]
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == before  # the time of the last look changes


@pytest.mark.parametrize(
    ("row", "decision", "reviewer", "said"),
    [
        (ROW, (KEEP, "seen"), "", "without a reviewer"),
        (ROW, (KEEP, ""), "A. Meyer", "without a reason"),
        (ROW, ("maybe", "seen"), "A. Meyer", "is none of keep, relabel, drop"),
        (ROW, (RELABEL, "seen", "no such class"), "A. Meyer", "the label's values are"),
        ("0" * 16, (KEEP, "seen"), "A. Meyer", "has no such row"),
        (1, (KEEP, "seen"), "A. Meyer", "has no such row"),
    ],
)
def test_what_breaks_a_rule_leaves_the_file_as_it_was(
    file: Path, row: str, decision: tuple[str, ...], reviewer: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        decide(file, CLASSES, {row: decision}, reviewer)
    assert file.read_text() == SUSPECTS_FILE


def test_a_row_with_two_labels_is_decided_in_the_file(file: Path) -> None:
    file.write_text(f"{SUSPECTS_FILE}{ROW},both,tame,,,,\n")
    with pytest.raises(ConfigError, match="with the labels tame and both"):
        decide(file, CLASSES, {ROW: (KEEP, "seen")}, "A. Meyer")


def test_lines_within_a_value_and_cells_beyond_the_header_stay(file: Path) -> None:
    """Seen failing: a value with U+2028 was cut into two rows, and a cell beyond the header was gone."""
    odd = "a\u2028b\x85c\x0cd\ve\x1cf"
    file.write_text(f'{SUSPECTS_FILE}00000000000000bb,both,tame,,,,"{odd}\r\ng",beyond\n', newline="")
    decide(file, CLASSES, {ROW: (KEEP, "seen")}, "A. Meyer")
    written = file.read_bytes().decode()
    assert f'"{odd}\r\ng",beyond\n' in written
    assert len(read_decisions(file, CLASSES).rows) == 3


def test_a_file_that_is_away_or_no_text_is_told(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    for path in (file, file.with_name("away.csv")):
        with pytest.raises(ConfigError, match=rf"{path.name} cannot be read: "):
            decide(path, CLASSES, {ROW: (KEEP, "seen")}, "A. Meyer")


def test_the_table_of_a_notebook_shows_text_as_text() -> None:
    html = suspects_table(SUSPECTS["rows"])._repr_html_()
    assert "<b>wild" not in html
    assert "span-01/cats.csv, row 1,234" in html
