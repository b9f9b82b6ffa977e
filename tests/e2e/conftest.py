"""What the end-to-end tests share: the command line in this process, and a slice of the real flights."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.loading import REFERENCE, load
from pipeline.contract.schema import read_schema
from tests import small
from tests.captured import called
from tests.place import Command
from tests.probes import probing_by

ROWS_A_MONTH = 1500


@pytest.fixture(scope="session")
def longhaul() -> Command:
    """`longhaul(*arguments)` runs a command in this process, because importing TFX takes many seconds."""

    return called


@pytest.fixture(scope="module", autouse=True)
def forked_probes(probes: str) -> Iterator[None]:
    """InfraCheck need not import TensorFlow anew."""
    with probing_by(probes):
        yield


@pytest.fixture(scope="session")
def flights(year: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with span-01/flights.parquet to span-12, each an even choice of ROWS_A_MONTH real flights."""
    folder = tmp_path_factory.mktemp("flights")
    for path in sorted(year.glob("span-*/flights.parquet")):
        month = pq.read_table(path)
        chosen = pa.array([i * month.num_rows // ROWS_A_MONTH for i in range(ROWS_A_MONTH)])
        (folder / path.parent.name).mkdir()
        pq.write_table(month.take(chosen), folder / path.parent.name / path.name)
    return folder


@pytest.fixture(scope="session")
def narrow_schema() -> Callable[[Path, Collection[str]], Path]:
    """`narrow_schema(file, columns)` writes what the curated schema of the flights says of those columns."""
    curated = read_schema(load(REFERENCE).schema_file)

    def write(file: Path, columns: Collection[str]) -> Path:
        narrow = schema_pb2.Schema()
        narrow.CopyFrom(curated)
        del narrow.feature[:]
        narrow.feature.extend(feature for feature in curated.feature if feature.name in columns)
        file.write_text(text_format.MessageToString(narrow))
        return file

    return write


@pytest.fixture(scope="session")
def small_pipeline(flights: Path, narrow_schema: Callable[[Path, Collection[str]], Path]) -> Callable[..., Path]:
    """`small_pipeline(folder, "01", "11", **sections)` writes a configuration with a table of those months and a schema
    beside it, and returns its path. Sections that are given stand in place of its own."""
    columns = ("scheduled_departure", "carrier", "humidity_pct", "late")

    def write(folder: Path, *months: str, **sections: Any) -> Path:
        for month in months:
            shutil.copytree(flights / f"span-{month}", folder / "table" / f"span-{month}")
        names = pq.read_schema(folder / "table" / f"span-{months[0]}" / "flights.parquet").names
        document = yaml.safe_load(REFERENCE.read_text()) | {
            "data": {
                "path": str(folder / "table" / "span-{SPAN}" / "*.parquet"), "label": "late", "task": "binary",
                "drop": [name for name in names if name not in columns],
            },
            "split": {"by": "time", "column": "scheduled_departure", "eval_from": "2013-11-01"},
            "schema": {"file": str(narrow_schema(folder / "schema.pbtxt", columns))},
            "workspace": str(folder / "workspace"),
            "features": {"exclude": ["scheduled_departure"]},
            "trainer": small.TRAINER,
            "evaluation": small.EVALUATION,
            "infra_check": small.INFRA_CHECK,
        }  # fmt: skip
        (folder / "config.yaml").write_text(yaml.safe_dump(document | sections))
        return folder / "config.yaml"

    return write
