"""Both of TensorFlow's loaders answer alike; the whole claim is measured by `python -m bench.served_equal`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import served_equal


@pytest.mark.slow
def test_two_small_tables_are_answered_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = ["multiclass", "text with gaps"]
    served_equal.main(["--rows", "300", "--tables", *tables, "--output", str(tmp_path / "found.json")])
    found = json.loads((tmp_path / "found.json").read_text())
    assert list(found["tables"]) == tables
    assert "classification/scores" in found["tables"]["multiclass"]["differences"]
    for table in found["tables"].values():
        assert {"serving_default/prediction", "serving_tensors/prediction", "transform_labels/label_xf"} <= set(
            table["differences"]
        )
        assert max(table["differences"].values()) <= 1e-6
    assert "text with gaps: greatest difference " in capsys.readouterr().out
