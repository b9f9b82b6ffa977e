"""`longhaul init` of text that is no plain CSV: what the YAML says of it, and that later files are read by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.commands.init import write_first_files
from pipeline.config.loading import load
from pipeline.config.text_format import TextFormat
from pipeline.data.sources.source import infer_columns
from pipeline.data.sources.table_files import find_files
from pipeline.errors import DataError

ROWS = [(number, number / 8, ["a", "b"][number % 2], ["no", "yes"][number // 2 % 2]) for number in range(40)]


def text(delimiter: str, decimal: str = ".", header: str = "n;x;c;label") -> str:
    lines = [delimiter.join(str(value).replace(".", decimal) for value in row) for row in ROWS]
    return "\n".join([*([header.replace(";", delimiter)] if header else []), *lines, ""])


@pytest.mark.parametrize(
    ("name", "data", "label", "form"),
    [
        ("t.csv", text(";", ",").encode(), "label", TextFormat(delimiter=";", decimal=",")),
        ("t.TSV", text("\t").encode("utf-16"), "label", TextFormat(delimiter="\t", encoding="utf-16")),
        ("t.dat", text("   ").encode(), "label", TextFormat(delimiter="blanks")),
        ("t.data", text(",", header="").encode(), "column_4", TextFormat(header=False)),
        ("t.txt", b"a title\n\n" + text("|").encode(), "label", TextFormat(delimiter="|", skip=2)),
        ("t.csv", text(",").encode(), "label", TextFormat()),
    ],
)
def test_what_is_found_out_is_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, label: str, form: TextFormat
) -> None:
    (tmp_path / name).write_bytes(data)
    write_first_files(str(tmp_path / name), label, "t", tmp_path, force=False)
    config = load(tmp_path / "t.yaml")
    assert config.data.format == form
    assert (
        ("format:" in (tmp_path / "t.yaml").read_text())
        == ("Read as" in capsys.readouterr().out)
        == (form != TextFormat())
    )
    assert len(infer_columns(find_files(str(tmp_path / name), form=config.data.format))) == 4
    if form.delimiter == ";":
        (tmp_path / "next.csv").write_text(text(","))
        with pytest.raises(DataError, match=r"separated by ',', not ';'"):
            infer_columns(find_files(str(tmp_path / "next.csv"), form=config.data.format))
