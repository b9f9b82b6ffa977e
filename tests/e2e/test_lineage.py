"""Lineage of a real run: the files are on record as they were read, and a changed one is found out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.loading import load
from pipeline.lineage.ancestry import list_files
from pipeline.lineage.provenance import present_software
from pipeline.lineage.runs import find_run
from pipeline.lineage.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.in_order]


@pytest.fixture(scope="module")
def config_file(
    small_pipeline: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
    longhaul: Callable[..., Any],
) -> Path:
    """A pipeline of a few columns and months, run up to its model."""
    file = small_pipeline(tmp_path_factory.mktemp("lineage"), "01", "11")
    outcome = longhaul("run", "--config", file, "--to", "Trainer")
    assert outcome.code == 0, outcome.text
    return file


def test_the_run_says_where_its_code_settings_and_files_came_from(config_file: Path) -> None:
    config = load(config_file)
    store = open_store(config)
    run = find_run(store, config.name, "latest")
    assert run.properties["config_file"] == str(config_file)
    if Path(".git").exists():
        assert len(run.properties["git_commit"].removesuffix("+changes")) == 40
    found = {read.file.name: (read.file.bytes, read.file.modified_ns) for read in list_files(store)}
    table = config_file.parent / "table"
    stats = {
        f"span-{month}/flights.parquet": (table / f"span-{month}/flights.parquet").stat() for month in ("01", "11")
    }
    assert found == {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def test_a_run_can_be_made_again_until_something_changes(config_file: Path, longhaul: Callable[..., Any]) -> None:
    run = find_run(open_store(load(config_file)), "flights", "latest")
    is_same = run.properties["code_digest"] == present_software().code_digest
    edited = [] if is_same else ["code"]  # while this test is at work
    exact = json.loads(longhaul("lineage", "--config", config_file, "--json").text)["again"]
    assert [one["what"] for one in exact["ingredients"] if not one["is_same"]] == edited
    assert exact["is_exact"] is not bool(edited)
    assert exact["command"] == f"longhaul run -c {config_file} -w {config_file.parent}/workspace --no-cache"
    file = config_file.parent / "table" / "span-01" / "flights.parquet"
    file.write_bytes(file.read_bytes() + b"more")
    text = longhaul("lineage", "span-01/flights.parquet", "--config", config_file).text
    assert "changed\nModel " in text
    assert "1 model; pushed: 0; served now: none" in text
    again = json.loads(longhaul("lineage", "--config", config_file, "--json").text)["again"]
    assert [one["what"] for one in again["ingredients"] if not one["is_same"]] == [*edited, "data"]
