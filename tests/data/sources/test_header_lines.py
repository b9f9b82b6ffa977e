"""Which of the first lines is the header."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.sources.text_format import sniff

ROWS = "7,u,v,w,x,y,1\n8,v,w,x,y,z,2\n"


def header_of(folder: Path, text: str) -> tuple[int, bool]:
    """Return how many lines are passed over above the header, and whether the line below it is no row."""
    path = folder / "t.csv"
    path.write_text(text)
    form, _ = sniff(str(path))
    return form.skip, form.units


def test_a_question_over_several_answers_is_a_header_and_no_title(tmp_path: Path) -> None:
    """As SurveyMonkey writes them; see StarWars.csv of FiveThirtyEight."""
    rows = "7,u,v,w,x,y,z,1\n8,v,w,x,y,z,z,2\n"
    assert header_of(tmp_path, f"id,seen,which,,,,,\n,Response,Response,IV,V,VI,I,II\n{rows}") == (0, True)
    # Where another question has the same answers, those are the names, with the question before each.
    both = f"id,seen,which,,,rank,,\n,Response,IV,V,VI,IV,V,VI\n{rows}"
    assert header_of(tmp_path, both) == (0, False)
    assert sniff(str(tmp_path / "t.csv"))[0].header == "grouped"


def test_a_line_that_fills_a_cell_or_two_is_a_title(tmp_path: Path) -> None:
    assert header_of(tmp_path, f"Sales,,,,,,\ni,a,b,c,d,e,f\n{ROWS}") == (1, False)
    assert header_of(tmp_path, f"Sales,,,2020,,,\ni,a,b,b,c,d,e\n{ROWS}") == (1, False)


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("id,,,,\n1,,,,\n2,,,,\n3,a,b,c,d\n4,,,,\n", {}),
        ("1,,,\n,2,,\n,,3,\n,,,4\n1,2,3,4\n5,6,7,8\n2,3,4,1\n", {"header": False}),
        ("1,,,,\n1,2,,,\n1,2,3,,\n1,2,3,4,\n1,2,3,4,5\n", {"header": False}),
        ("1,,,\n2,3,,\n4,5,6,\n7,8,9,1\n3,4,5,6\n", {"header": False}),
        ("ann,,,\nbob,,,\n,eve,,\nx,y,z,w\n", {}),
        ("name,,,\nann,,,\nbob,,,\ncid,x,y,z\ndan,u,v,w\neve,x,v,z\n", {}),
        ("a,,,\nb,,,\nc,1,2,3\nd,4,5,6\n", {}),
        ("Report 2020,,,\nname,a,b,c\nx,1,2,3\ny,2,3,4\n", {"skip": 1}),
        ("2020,,,\nname,a,b,c\nx,1,2,3\ny,2,3,4\n", {"skip": 1}),
        ("Report,,,\nSource: office,,,\n,,,\nname,a,b,c\nx,1,2,3\ny,2,3,4\n", {"skip": 3}),
        (",Report,,\n,Office,,\nname,a,b,c\nx,2020-01-02,2,3\ny,2020-01-03,3,4\n", {"skip": 2}),
    ],
)
def test_sparse_rows_are_no_titles(tmp_path: Path, text: str, settings: dict[str, object]) -> None:
    """Seen failing: up to 19 rows that fill few cells were passed over."""
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert sniff(str(path))[0].written() == settings
