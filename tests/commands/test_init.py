"""`longhaul init` without a run: what it leaves out, and what it says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.commands.init import write_first_files
from pipeline.config.loading import load

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
    assert (
        "Left out  'id', 'no [x]': another value in every row tells a model nothing; features.exclude names them\n"
        in said
    )


def test_nothing_is_left_out_by_chance_or_to_the_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for rows in (10, 40):
        columns: dict[str, list[Any]] = {name: [f"{name}{i}" for i in range(rows)] for name in ("a", "color")}
        excluded, said = started(tmp_path, columns, capsys)
        assert (excluded, "Left out" in said) == ([], False)
