"""What a real export holds of the table that its run learned from."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import small

pytestmark = [pytest.mark.slow, pytest.mark.long]

SCHEMA = """\
feature { name: "customer" type: BYTES presence { min_count: 1 } }
feature { name: "remark" type: BYTES presence { min_count: 1 } }
feature { name: "metal" type: BYTES presence { min_count: 1 } }
feature { name: "size" type: FLOAT presence { min_count: 1 } }
feature { name: "answer" type: BYTES presence { min_count: 1 } not_in_environment: "SERVING" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""
METALS = ("ytterbium", "promethium", "dysprosium")


def test_an_export_without_artifacts_holds_no_cell_of_a_text_column(
    longhaul: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw = random.Random(3)
    rows = [
        (f"customer-{10_000 + i}", f"remark no. {i} by hand", draw.choice(METALS), draw.random()) for i in range(300)
    ]
    lines = [f"{c},{r},{m},{size},{'yes' if size > 0.5 else 'no'}" for c, r, m, size in rows]
    Path("table.csv").write_text("\n".join(["customer,remark,metal,size,answer", *lines, ""]))
    Path("schema.pbtxt").write_text(SCHEMA)
    document = {
        "name": "secret",
        "data": {"path": "table.csv", "label": "answer", "task": "binary", "classes": ["no", "yes"]},
        "split": {"by": "hash"},
        "schema": {"file": "schema.pbtxt"},
        "features": {"bins": 4, "exclude": ["customer"]},
        "trainer": small.TRAINER,
        "evaluation": {"thresholds": {"auc": {"at_least": 0.0}}, "explain": {"permutation_rows": 100, "rows": 3}},
        "infra_check": small.INFRA_CHECK,
    }
    Path("secret.yaml").write_text(yaml.safe_dump(document))
    ran = longhaul("run", "-c", "secret.yaml")
    assert ran.code == 0, ran.text
    cells = {cell.encode() for row in rows for cell in row[:3]}
    assert longhaul("export", "-c", "secret.yaml", "--output", "run.zip").code == 0
    with zipfile.ZipFile("run.zip") as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert not [cell for cell in cells if cell in content], name
        assert len([name for name in archive.namelist() if name.endswith("verdict.json")]) == 1
    assert longhaul("export", "-c", "secret.yaml", "--output", "all.zip", "--with-artifacts").code == 0
    with zipfile.ZipFile("all.zip") as archive:
        with_cells = [name for name in archive.namelist() if any(cell in archive.read(name) for cell in cells)]
        assert "report.html" in archive.namelist()
        assert with_cells  # the search finds what is there
