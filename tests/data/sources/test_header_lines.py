"""Which of the first lines is the header."""

from __future__ import annotations

from pathlib import Path

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
