"""Four months of flights as a team would have them: own table, schema, configuration and workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests import small
from tests.e2e.conftest import flights, forked_probes, longhaul
from tests.place import Command, Place

__all__ = ["flights", "forked_probes", "longhaul"]  # session fixtures

ROOT = Path(__file__).parents[2]
COLUMNS = ["scheduled_departure", "carrier", "origin", "distance_miles", "temp_f", "humidity_pct", "late"]


class Desk(Place):
    """In April carrier 9E is called 9Z, which the schema does not allow."""

    @property
    def schema(self) -> Path:
        return self.folder / "desk.pbtxt"


@pytest.fixture(scope="module")
def desk(flights: Path, longhaul: Command, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    for span in range(1, 5):
        table = pq.read_table(flights / f"span-{span:02}" / "flights.parquet", columns=COLUMNS)
        if span == 4:
            carrier = table.column("carrier")
            renamed = pc.if_else(pc.equal(carrier, "9E"), "9Z", carrier)
            table = table.set_column(COLUMNS.index("carrier"), "carrier", pa.chunked_array(renamed))
        (folder / f"span-{span}").mkdir()
        pq.write_table(table, folder / f"span-{span}" / "flights.parquet")
    (folder / "desk.pbtxt").write_text(_schema())
    document: dict[str, Any] = {
        "name": "desk",
        "data": {"path": "span-{SPAN}/flights.parquet", "label": "late", "task": "binary"},
        "split": {"by": "time", "column": "scheduled_departure", "eval_from": "2013-04-01"},
        "schema": {"file": "desk.pbtxt"},
        "features": {"exclude": ["scheduled_departure"]},
        "trainer": {"hidden_units": [32], "epochs": 4, "teacher": "none"},
        "infra_check": small.INFRA_CHECK,
        "evaluation": {"slices": [["origin"], ["carrier"]], "thresholds": {"auc": {"at_least": 0.3}}},
    }
    return Desk(folder, longhaul, document)


def _schema() -> str:
    """That of the flights, without the columns that are not used."""
    text = (ROOT / "schema" / "flights.pbtxt").read_text()
    kept, *features = text.split("\nfeature {\n")
    domains = [part for part in kept.split("string_domain {\n") if 'name: "' not in part or _names(part) in COLUMNS]
    described = [f"{part}\n".split("\n}\n")[0] for part in features if _names(part) in COLUMNS]
    return "string_domain {\n".join(domains) + "\n" + "".join(f"feature {{\n{part}\n}}\n" for part in described)


def _names(part: str) -> str:
    return part.split('name: "', 1)[1].split('"', 1)[0]
