"""A MariaDB server that is away, or that refuses the password: ML Metadata has the same words for both."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config.loading import load
from pipeline.config.metadata import Metadata
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import StoreAwayError, WorkspaceError
from pipeline.lineage.server_store import Patience
from pipeline.lineage.store import open_store
from tests.e2e.servers import PASSWORD, MariaDB, mariadb

pytestmark = [pytest.mark.extra, pytest.mark.in_order]


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDB]:
    with mariadb() as started:
        yield started


@pytest.fixture
def config(server: MariaDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PipelineConfig:
    monkeypatch.setenv("LONGHAUL_METADATA_PASSWORD", PASSWORD)
    return load(workspace=str(tmp_path)).model_copy(update={"metadata": Metadata(url=server.url)})


def test_a_store_that_is_open_waits_for_its_server(server: MariaDB, config: PipelineConfig) -> None:
    told: list[str] = []
    store = open_store(config, Patience(120, lambda reason, wait_s: told.append(reason)))
    store.get_context_types()
    server.stop()
    again = threading.Timer(2, server.start)
    again.start()
    assert store.get_contexts() == []
    assert told
    again.join()


def test_a_wrong_password_is_not_waited_for(
    server: MariaDB, config: PipelineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGHAUL_METADATA_PASSWORD", "wrong")
    begun = time.monotonic()
    with pytest.raises(WorkspaceError, match="refuses the user, the password or the database") as met:
        open_store(config, Patience(300, lambda *_: None))
    assert not isinstance(met.value, StoreAwayError)
    assert time.monotonic() - begun < 100


def test_a_server_that_is_not_there_is_away(server: MariaDB, config: PipelineConfig) -> None:
    server.stop()
    with pytest.raises(StoreAwayError):
        open_store(config)
