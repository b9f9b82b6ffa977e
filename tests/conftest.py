"""What all tests share: the flights of a year, made once."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from pipeline.flights import collect


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All flights of 2013, span-01/flights.parquet to span-12: to be read only, since all worker processes share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "year"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever comes second finds it complete
        collect.build(folder)
    return folder
