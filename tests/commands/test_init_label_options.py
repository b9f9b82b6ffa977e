"""What `longhaul init` says where no column can be the label."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from pipeline.commands.init import write_first_files
from pipeline.config.loading import load
from pipeline.contract.first_reading import Wishes
from pipeline.errors import DataError


def refusal(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        write_first_files(str(path), None, None, path.parent, force=False)
    return caught.value


def test_another_sheet_is_offered_where_the_first_holds_notes(tmp_path: Path) -> None:
    """Seen failing: 'which column is to be predicted?', and no column or sheet was named."""
    book = openpyxl.Workbook()
    book.active.title = "Read me"
    book.active.append(["The data of 2023"])
    book.active.append(["Contact: x@y.z"])
    sheet = book.create_sheet("2023")
    sheet.append(["x", "y"])
    for n in range(30):
        sheet.append([n, "ab"[n % 2]])
    book.save(tmp_path / "t.xlsx")
    error = refusal(tmp_path / "t.xlsx")
    assert "has 1 row and the columns 'The data of 2023'; none of them looks like a label" in error.what
    assert "the sheet is 'Read me'; others are named behind the file, as in FILE#SHEET: '2023'" in error.remedy
    assert "--label y" in refusal(Path(f"{tmp_path / 't.xlsx'}#2023")).what


def test_a_table_of_one_row_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,a\n")
    assert "1 row is too few" in refusal(tmp_path / "t.csv").what


def test_the_word_that_keeps_a_label_from_being_a_quantity_is_named(tmp_path: Path) -> None:
    """Seen failing: 178 classes, and no word of the rows that are no amounts, nor of the option that lifts it."""
    path = tmp_path / "t.csv"
    path.write_text("x,price\n" + "".join(f"{n},{f'$1{n:03}.50' if n % 9 else 'call us'}\n" for n in range(200)))
    with pytest.raises(DataError) as caught:
        write_first_files(str(path), "price", None, tmp_path, force=False)
    assert "all its values but 23 are numbers (row 1: 'call us'" in caught.value.what
    assert "`--missing='call us'`" in caught.value.remedy
    wishes = Wishes(missing=("call us",))
    assert (
        "task: regression"
        in write_first_files(str(path), "price", None, tmp_path, force=False, wishes=wishes).read_text()
    )


def test_rows_without_a_label_are_left_out_where_an_option_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seen failing: a label missing in more than half of the rows was refused, and no option lifted that."""
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{n},{('a', 'b')[n % 2] if n % 4 < 2 else ''}\n" for n in range(90)) + "1,\n")
    with pytest.raises(DataError) as caught:
        write_first_files(str(path), "y", None, tmp_path, force=False, wishes=Wishes(unlabelled_at_most=0.3))
    assert "`--unlabelled-at-most 0.5` leaves these rows out" in caught.value.remedy
    path.write_text(path.read_text() + "2,\n" * 30)
    with pytest.raises(DataError) as caught:
        write_first_files(str(path), "y", None, tmp_path, force=False)
    assert "`--unlabelled-at-most 0.62` leaves these rows out" in caught.value.remedy
    wishes = Wishes(unlabelled_at_most=0.62)
    config = write_first_files(str(path), "y", None, tmp_path, force=False, wishes=wishes)
    assert load(config).data.unlabelled_at_most == 0.62
    write_first_files(str(path), None, None, tmp_path, force=False, again=True)
    assert load(config).data.unlabelled_at_most == 0.62
    assert "75 of 121 rows have no label" in capsys.readouterr().out


def test_the_screen_of_again_lists_no_proposal_that_a_person_took_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seen failing: derived features and columns left out were listed as if they stood in the file."""
    path = tmp_path / "t.csv"
    rows = (f"k{n:04},{40 + n % 7 / 10},{9 + n % 5 / 10},{n % 3},{('a', 'b')[n % 2]}\n" for n in range(60))
    path.write_text("key,latitude,longitude,x,y\n" + "".join(rows))
    config = write_first_files(str(path), "y", None, tmp_path, force=False)
    said = capsys.readouterr().out
    assert "Derived   'from_centre'" in said
    assert "Left out  'key'" in said
    text = config.read_text()
    derive = text[text.index("  derive:") : text.index("from_centre")]
    text = "".join(
        line
        for line in text.splitlines(keepends=True)
        if "from_centre" not in line and line != derive.splitlines(True)[0]
    )
    text = "".join(line for line in text.splitlines(keepends=True) if '- "key"' not in line)
    config.write_text(text.replace("  exclude: #", "  exclude: [] #"))
    write_first_files(str(path), None, None, tmp_path, force=False, again=True)
    said = capsys.readouterr().out
    assert "Derived" not in said
    assert "Left out" not in said
