"""A table in a code page, with semicolons, decimal commas, a title and a footer: through the whole chain."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.place import Command

pytestmark = [pytest.mark.slow, pytest.mark.long]

HEAD = "Bericht\r\n\r\n;größe;stadt;größe;antwort\r\n"


def write(path: Path, rows: int, seed: int, footer: str = "") -> None:
    draw = random.Random(seed)
    lines = []
    for number in range(rows):
        size, city = draw.gauss(0, 1), draw.choice(["Köln", "Zürich", "München"])
        answer = "ja" if size + (city == "Köln") > 0 else "nein"
        lines.append(f'{number};{size:.4f};{city};"a;{draw.choice("bc")}";{answer}'.replace(".", ","))
    path.write_bytes((HEAD + "\r\n".join(lines) + "\r\n" + footer).encode("cp1252"))


def test_the_format_found_by_init_holds_in_every_command(
    longhaul: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("t.csv"), 300, 1, "(300 rows)\r\n")
    write(Path("next.csv"), 40, 2)
    said = longhaul("init", "t.csv", "--label", "antwort")
    assert said.code == 0, said.text
    document = yaml.safe_load(Path("t.yaml").read_text(encoding="utf-8"))
    assert document["data"]["format"] == {
        "delimiter": ";", "encoding": "cp1252", "skip": 2, "footer": ["("], "decimal": ",",
    }  # fmt: skip
    document["trainer"] |= {"hidden_units": [16], "members": 2, "epochs": 3}
    Path("t.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    for command in (("run",), ("validate", "next.csv"), ("predict", "next.csv", "--output", "scored.parquet")):
        said = longhaul(*command, "--config", "t.yaml")
        assert said.code == 0, said.text
    scored = pq.read_table("scored.parquet")
    assert scored.num_rows == 40
    assert scored.column_names[:4] == ["größe", "stadt", "größe_2", "antwort"]
    assert set(scored.column("stadt").to_pylist()) <= {"Köln", "Zürich", "München"}

    Path("other.csv").write_text("größe,stadt,größe,antwort\n1.5,Köln,a,ja\n", encoding="utf-8")
    for command in (("validate", "other.csv"), ("predict", "other.csv", "--output", "other.parquet")):
        said = longhaul(*command, "--config", "t.yaml")
        assert said.code == 2
        assert "is UTF-8, not cp1252 as data.format.encoding says" in " ".join(said.text.split())
    assert not Path("other.parquet").exists()
