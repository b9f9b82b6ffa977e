"""A label that a line below the first ones names: the refusal says which, and the option reads the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.contract.first_reading import Wishes, read_table
from pipeline.errors import DataError


def test_a_refusal_names_the_line_that_holds_the_label(tmp_path: Path) -> None:
    """Seen failing: the remedy was to correct the label, or the delimiter."""
    path = tmp_path / "t.csv"
    above = "".join(f"{word};{word} 1\n" for word in ("Umsätze", "IBAN", "Konto", "Bank", "Kunde", "Zeit", "Saldo"))
    path.write_text(f"{above}\nTag;Text;Betrag\n09.01.2020;Yabox;-1,62\n10.01.2020;Ulm;16,20\n", encoding="latin-1")
    with pytest.raises(DataError, match="give --format skip=8"):
        read_table(str(path), "Betrag", Wishes())
    assert read_table(str(path), "Betrag", Wishes(format={"skip": 8})).rows.num_rows == 2
    with pytest.raises(DataError) as refused:
        read_table(str(path), "Preis", Wishes())
    assert "skip" not in str(refused.value)
