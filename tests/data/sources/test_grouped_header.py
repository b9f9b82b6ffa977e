"""Names in two lines: groups of columns, and what stands again below each; in text and in workbooks."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from pipeline.config.text_format import CSV, TextFormat
from pipeline.data.sources import source
from pipeline.data.sources.grouped_header import grouped
from pipeline.data.sources.head import read_head
from pipeline.data.sources.table_files import find_files
from pipeline.data.sources.text_format import sniff
from pipeline.errors import DataError

NAMES = ["Region", "2019 Sales", "2019 Profit", "2020 Sales", "2020 Profit"]


def rows(delimiter: str, more: str = "") -> str:
    return "".join(delimiter.join((f"N{i}", str(i), str(i + 1), str(i), str(2 * i))) + more + "\n" for i in range(9))


@pytest.mark.parametrize(
    ("head", "delimiter", "more", "names"),
    [
        (",2019,,2020,\nRegion,Sales,Profit,Sales,Profit\n", ",", "", NAMES),
        ("Region,2019,2019,2020,2020\nRegion,Sales,Profit,Sales,Profit\n", ",", "", NAMES),  # as pandas writes them
        ("Report 2024;;;;\nRegion;2019;;2020;\n;Sales;Profit;Sales;Profit\n", ";", "", NAMES),
        (",2019,,2020,,\nRegion,Sales,Profit,Sales,Profit,Comment\n", ",", ",ok", [*NAMES, "Comment"]),
    ],
)
def test_groups_are_part_of_the_names(tmp_path: Path, head: str, delimiter: str, more: str, names: list[str]) -> None:
    """Seen failing: the columns were Sales, Profit, Sales_2 and Profit_2."""
    path = tmp_path / "t.csv"
    path.write_text(head + rows(delimiter, more))
    form, said = sniff(str(path))
    assert form.header == "grouped"
    assert "names stand in two lines, as that of '2019 Sales'" in said
    assert read_head(str(path), form).names == names
    files = find_files(str(path), form=form)
    assert source.column_names(files) == names


@pytest.mark.parametrize(
    "head",
    [
        "Region,height,weight,width,depth\n,m,kg,m,m\n",  # units
        "id,score,score,x,y\n",  # one name twice
        "My report,,,,\nRegion,a,b,c,d\n",  # a title
    ],
)
def test_what_are_no_groups_are_none(tmp_path: Path, head: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(head + rows(","))
    assert sniff(str(path))[0].header is True
    path.write_text(
        "name,,,flag\n" + "".join(f"n{i % 3},{'ny'[i % 2]},{'ny'[i % 5 > 1]},{'ny'[i % 3 > 1]}\n" for i in range(20))
    )
    assert sniff(str(path))[0].header is True  # names that are blank, above values that come again


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("name,score,score,kind,kind\nann,A,B,A,B\nbob,A1,B2,C3,D4\ncid,A2,B3,C1,D9\ndan,A5,B6,C7,D8\n", {}),
        ("home,home,away,away\nred,blue,red,blue\nred,green,pink,blue\ntan,red,blue,tan\n", {}),
        ("w,w,v,v,age\ncat,dog,cat,dog,\nsun,sea,sea,sun,3\nred,tea,pea,red,4\n", {}),
        ("time,x,x,y,y\ns,m,m,m,m\n1,2,3,4,5\n2,3,4,5,6\n3,4,5,6,7\n", {"units": True}),
        ("a,a,b,b\nx,y,x,y\n1,2,3,4\n2,3,4,5\n4,5,6,7\n", {"header": "grouped"}),  # as pandas writes them
        ("R,2019,2019,2020,2020\nR,Best,Last,Best,Last\nN,a,b,c,d\nM,e,b,f,d\nO,g,h,i,j\n", {"header": "grouped"}),
    ],
)
def test_names_that_come_twice_are_no_groups_over_words(tmp_path: Path, text: str, settings: dict[str, object]) -> None:
    """Seen failing: the first row became part of the names."""
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert sniff(str(path))[0].written() == settings


def test_a_later_file_without_groups_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("Region,a,b,c,d\n" + rows(","))
    with pytest.raises(DataError, match=r"line 1: there are no groups of columns, as data\.format\.header: grouped"):
        read_head(str(path), TextFormat(header="grouped"))
    with pytest.raises(ValueError, match="say `skip` instead"):
        TextFormat(header="grouped", names=("a", "b"))
    assert CSV.written() == {}


def test_a_workbook_has_groups_too(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in ([None, 2019, None, 2020, None], ["Region", "Sales", "Profit", "Sales", "Profit"]):
        book.active.append(row)
    for i in range(5):
        book.active.append([f"N{i}", i, i, i, i])
    content = io.BytesIO()
    book.save(content)
    (tmp_path / "t.xlsx").write_bytes(content.getvalue())
    assert source.column_names(find_files(str(tmp_path / "t.xlsx"))) == NAMES


def test_every_column_of_any_groups_has_a_name_of_its_own() -> None:
    seeded = random.Random(7)
    for _ in range(300):
        below = [f"m{i}" for i in range(seeded.randint(2, 4))]
        groups = [f"G{i}" for i in range(seeded.randint(2, 4))]
        above, names = [""] * 2, ["id", "kind"]
        for group in groups:
            above += [group, *([""] * (len(below) - 1))] if seeded.random() < 0.5 else [group] * len(below)
            names += below
        found = grouped(above, names)
        assert found == ["id", "kind", *(f"{group} {name}" for group in groups for name in below)]


def test_groups_above_names_that_stand_once_are_a_title(tmp_path: Path) -> None:
    """Seen failing: the groups were the names, and the names were units."""
    path = tmp_path / "t.csv"
    path.write_text("Place,,Lab,\nlat,lon,crp,result\n" + "".join(f"{n}.5,{n},{n},ok\n" for n in range(9)))
    form, said = sniff(str(path))
    assert (form.written(), read_head(str(path), form).names) == ({"skip": 1}, ["lat", "lon", "crp", "result"])
    assert "the first line is a title" in said
    for text in (
        "id,temp,,\nx,C,hPa,s\n" + "".join(f"a,{n},{n},x\n" for n in range(9)),  # a title, too: all cells are named
        "name,,city\n" + "Anna,x,Bern\n" * 2 + "Eva,y,Rome\n" * 7,
        "t,p,,\ns,hPa,,\n" + "".join(f"{n},{n},,\n" for n in range(9)),
        "city,,price\nRome,north,high\n" + "".join(f"Bern{n},n{n},{n}\n" for n in range(9)),  # one name is blank
        "name,,,n\nAnna,tall,red,n/a\n" + "".join(f"Eva,a{n},b{n},{n}\n" for n in range(9)),
    ):
        path.write_text(text)
        assert sniff(str(path))[0].skip == text.startswith("id,")
