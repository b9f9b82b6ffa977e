"""Fixtures of the fault suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.place import Place
from tests.zygote import Zygote


@pytest.fixture(scope="session")
def second_zygote(zygote: Zygote) -> Iterator[Zygote]:
    """For a command beside one of the first."""
    twin = zygote.twin()
    yield twin
    twin.close()


@pytest.fixture(scope="session")
def undisturbed(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place after a run to which nothing happened."""
    place = Place(tmp_path_factory.mktemp("undisturbed"), zygote)
    outcome = place.call("run")
    assert outcome.code == 0, outcome.text
    place.expected = place.result()
    return place


@pytest.fixture
def place(tmp_path: Path, zygote: Zygote) -> Place:
    return Place(tmp_path, zygote)
