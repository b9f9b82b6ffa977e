"""Lines and characters that look like marks of a format, and are what people wrote."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from pipeline.data.sources.text_format import sniff


@pytest.mark.parametrize("firm", ['"Meier &amp; Sohn {0}"', "Barnes&Noble", '"K&ouml;ln, {0}"', "R&Dept"])
def test_semicolons_cut_fields_that_have_entities_or_ampersands(tmp_path: Path, firm: str) -> None:
    """Seen failing: cut at the commas of the prices, with the header for a title."""
    path = tmp_path / "t.csv"
    path.write_text("id;firm;price\n" + "".join(f"{n};{firm.format(n)};{n},5\n" for n in range(40)))
    form, _ = sniff(str(path))
    assert form.written() == {"delimiter": ";", "decimal": ","}


@pytest.mark.parametrize("line", ["-----", "==========", "Total: 5"])
def test_lines_of_a_quoted_text_mark_nothing(tmp_path: Path, line: str) -> None:
    """Seen failing: a comment's mark, or advice to leave such rows out."""
    path = tmp_path / "t.csv"
    path.write_text("id,text,y\n" + "".join(f'{n},"hello {n}\n{line}\nworld",{n % 2}\n' for n in range(40)))
    form, said = sniff(str(path))
    assert (form.written(), said) == ({}, [])


def test_the_option_that_leaves_sums_out_keeps_what_else_was_found(tmp_path: Path) -> None:
    """Seen failing: with `comment=Subtotal` lines of '#' were titles, and `,,` rows."""
    path = tmp_path / "t.csv"
    rows = [f"x{n},{n},{'ab'[n % 2]}" + ("\nSubtotal,5,\n,," if n % 20 == 0 else "") for n in range(60)]
    path.write_text("\n".join(["# made by a program", "cat,v,label", *rows, ""]))
    form, said = sniff(str(path))
    assert form.comments == ("#", ",,\n")
    option = shlex.split(said[-1].rpartition("--format ")[2])[0].removeprefix("comment=")
    assert json.loads(option) == ["#", "Subtotal"]
    form, said = sniff(str(path), {"comment": json.loads(option)})
    assert (set(form.comments), form.skip) == ({"#", ",,\n", "Subtotal"}, 0)
    assert not [one for one in said if "Subtotal" in one]


def test_a_line_of_known_units_is_one_though_one_of_them_is_a_value_as_well(tmp_path: Path) -> None:
    """Seen failing: a row, which made texts of three columns of numbers."""
    path = tmp_path / "t.csv"
    path.write_text("t,a,b,y\ns,mV,mV,kg\n" + "".join(f"{n},{n * 3},{n},{['kg', 'g'][n % 2]}\n" for n in range(40)))
    assert sniff(str(path))[0].units


def test_names_of_arff_are_found_below_its_comments(tmp_path: Path) -> None:
    """Seen failing: '@attribute b {x' was a name, and the line of '@data' held units."""
    path = tmp_path / "t.csv"
    head = "% made by hand\n@relation r\n% and\n@attribute a numeric\n@attribute b {x,y}\n@data\n"
    path.write_text(head + "".join(f"{n},{'xy'[n % 2]}\n" for n in range(40)))
    form, _ = sniff(str(path))
    assert (form.comments, form.names, form.header) == (("%", "@"), ("a", "b"), False)


@pytest.mark.parametrize(("first", "second"), [("==,<=", "==,!="), ('"--","A"', '"--","B"'), ("__,a", "__,b")])
def test_a_row_of_values_that_could_be_drawn_is_a_row(tmp_path: Path, first: str, second: str) -> None:
    """Seen failing: every fourth row was left out, as one of separators."""
    path = tmp_path / "t.csv"
    pairs = [f"{one},{two}" for one in first.split(",") for two in second.split(",")]
    path.write_text("first,second\n" + "".join(f"{pairs[n % 4]}\n" for n in range(40)))
    assert sniff(str(path))[0].written() == {}
