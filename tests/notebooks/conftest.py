"""Four months of flights as a team would have them: own table, schema, configuration and workspace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from tests import small
from tests.e2e.conftest import Outcome, flights, forked_probes, longhaul

__all__ = ["flights", "forked_probes", "longhaul"]  # session fixtures

ROOT = Path(__file__).parents[2]
COLUMNS = ["scheduled_departure", "carrier", "origin", "distance_miles", "temp_f", "humidity_pct", "late"]


@dataclass(frozen=True)
class Desk:
    """`last`: how the last run of the command line ended."""

    folder: Path
    longhaul: Callable[..., Outcome]

    @property
    def config(self) -> Path:
        return self.folder / "desk.yaml"

    @property
    def workspace(self) -> Path:
        return self.folder / "ws"

    @property
    def schema(self) -> Path:
        return self.folder / "desk.pbtxt"

    def call(self, *arguments: str) -> Outcome:
        return self.longhaul(*arguments, "-c", self.config, "-w", self.workspace)


@pytest.fixture(scope="module")
def desk(flights: Path, longhaul: Callable[..., Outcome], tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """In April carrier 9E is called 9Z, which the schema does not allow."""
    desk = Desk(tmp_path_factory.mktemp("desk"), longhaul)
    write_desk(desk.folder, flights)
    return desk


def write_desk(folder: Path, flights: Path) -> None:
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
    (folder / "desk.yaml").write_text(yaml.safe_dump(document))


def _schema() -> str:
    """That of the flights, without the columns that are not used."""
    text = (ROOT / "schema" / "flights.pbtxt").read_text()
    kept, *features = text.split("\nfeature {\n")
    domains = [part for part in kept.split("string_domain {\n") if 'name: "' not in part or _names(part) in COLUMNS]
    described = [f"{part}\n".split("\n}\n")[0] for part in features if _names(part) in COLUMNS]
    return "string_domain {\n".join(domains) + "\n" + "".join(f"feature {{\n{part}\n}}\n" for part in described)


def _names(part: str) -> str:
    return part.split('name: "', 1)[1].split('"', 1)[0]
