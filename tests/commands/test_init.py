"""`longhaul init` without a run: what it leaves out, and what it says of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.commands.init import write_first_files
from pipeline.config.loading import load
from pipeline.data.sources.source import infer_columns
from pipeline.data.sources.table_files import find_files
from pipeline.errors import DataError

COLORS = ("red", "green", "blue")


def started(folder: Path, columns: dict[str, list[Any]], capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str]:
    """What `features.exclude` holds, and what was said."""
    rows = len(next(iter(columns.values())))
    table = {"color": [COLORS[i % 3] for i in range(rows)]} | columns | {"label": ["no", "yes"] * (rows // 2)}
    lines = [",".join(map(str, row)) for row in zip(*table.values(), strict=True)]
    (folder / "t.csv").write_text("\n".join([",".join(table), *lines, ""]))
    write_first_files(str(folder / "t.csv"), "label", None, folder, force=True)
    return list(load(folder / "t.yaml").features.exclude), capsys.readouterr().out


def test_what_only_names_the_rows_is_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns: dict[str, list[Any]] = {
        "id": [f"c{i}" for i in range(40)],
        "no [x]": [1000 + (i * 7) % 40 for i in range(40)],  # a serial number, in some order
        "price": [100 + i * i for i in range(40)],  # another number in every row, but they count nothing
        "share": [i / 7 for i in range(40)],
        "town": [f"t{i % 30}" for i in range(40)],
    }
    excluded, said = started(tmp_path, columns, capsys)
    assert excluded == ["id", "no [x]"]
    assert "Left out  'id', 'no [x]': kept, but not shown to the model (features.exclude)\n" in said


def test_a_table_beside_the_configuration_is_named_from_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is found again when both are moved; one that lies elsewhere is named whole."""
    project = tmp_path / "project"
    (project / "data" / "deep").mkdir(parents=True)
    columns: dict[str, list[Any]] = {"n": list(range(40))}
    started(project, columns, capsys)
    assert load(project / "t.yaml").data.path == "t.csv"
    for place, path in (("data/deep/t.csv", "data/deep/t.csv"), ("~t.csv", "./~t.csv"), ("../t.csv", "")):
        (project / place).write_bytes((project / "t.csv").read_bytes())
        monkeypatch.chdir(project / "data")  # wherever the command is called
        write_first_files(str(project / place), "label", "other", project, force=True)
        config = load(project / "other.yaml")
        assert config.data.path == (path or str(tmp_path / "t.csv"))
        assert config.data_pattern == str((project / place).resolve())
    moved = project.rename(tmp_path / "moved")
    assert Path(load(moved / "t.yaml").data_pattern) == moved / "t.csv"
    capsys.readouterr()


def test_nothing_is_left_out_by_chance_or_to_the_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for rows in (10, 40):
        columns: dict[str, list[Any]] = {name: [f"{name}{i}" for i in range(rows)] for name in ("a", "color")}
        excluded, said = started(tmp_path, columns, capsys)
        assert (excluded, "Left out" in said) == ([], False)


def test_a_column_that_no_table_can_hold_is_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pa.table({"n": [1, 2, 3, 4], "tags": [[0.5], [], [1.5, 2.0], None], "label": [0, 1, 0, 1]})
    pq.write_table(table, tmp_path / "t.parquet")
    write_first_files(str(tmp_path / "t.parquet"), "label", None, tmp_path, force=False)
    config = load(tmp_path / "t.yaml")
    assert config.data.drop == ("tags",)
    assert infer_columns(find_files(config.data_pattern), config.data.drop) == {"n": "int", "label": "int"}
    assert "Left out  'tags': never read (data.drop)" in capsys.readouterr().out
    with pytest.raises(DataError, match="'tags' is of type list"):
        write_first_files(str(tmp_path / "t.parquet"), "tags", "other", tmp_path, force=False)


@pytest.mark.parametrize("behind", ["#people", "?SELECT * FROM people WHERE n > 0", "#people ", ""])
def test_a_table_of_a_database_is_written_down_as_it_was_given(behind: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db")) as connection, connection:
        connection.execute("CREATE TABLE people (n, label)")
        connection.executemany("INSERT INTO people VALUES (?, ?)", [(0, "a"), (1, "a"), (2, "b"), (3, "b")])
        if behind:
            connection.execute("CREATE TABLE other (m)")
    given = f"{tmp_path}/t.db{behind}"
    if behind.endswith(" "):
        with pytest.raises(DataError, match="has no table 'people '"):
            write_first_files(given, "label", None, tmp_path, force=False)
        return
    write_first_files(given, "label", None, tmp_path, force=False)
    config = load(tmp_path / "t.yaml")
    assert config.data_pattern == given
    assert (config.data.query is not None) == ("SELECT" in behind)
    assert infer_columns(find_files(config.data_pattern)) == {"n": "int", "label": "string"}


def test_rows_of_a_large_table_are_told_from_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.contract.first_reading.enough_rows", lambda columns: 30)
    (tmp_path / "t.csv").write_text("n,label\n" + "".join(f"{n / 7},{n % 2}\n" for n in range(50)))
    write_first_files(str(tmp_path / "t.csv"), "label", None, tmp_path, force=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "the table is large: these 30 rows are from all over it" in said


def test_two_rows_are_refused_and_twenty_get_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("a,label\n1,yes\n2,no\n")
    with pytest.raises(DataError, match="2 rows are too few"):
        write_first_files(str(tmp_path / "t.csv"), "label", None, tmp_path, force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    (tmp_path / "t.csv").write_text("a,label\n" + "1,yes\n2,no\n" * 10)
    write_first_files(str(tmp_path / "t.csv"), "label", None, tmp_path, force=False)
    said = capsys.readouterr().out
    assert "20 rows tell little" in said
    assert "no column is left for the model" not in said
    (tmp_path / "alone.csv").write_text("a,label\n" + "1,yes\n1,no\n" * 10)
    write_first_files(str(tmp_path / "alone.csv"), "label", None, tmp_path, force=False)
    assert "no column is left for the model" in capsys.readouterr().out
