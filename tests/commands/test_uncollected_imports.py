"""Garbage is not looked for while modules are imported, and is again afterwards."""

from __future__ import annotations

import gc

import pytest

from pipeline.commands.uncollected import uncollected


def failing() -> None:
    with uncollected():
        assert not gc.isenabled()
        raise ImportError


def test_collections_go_on_also_after_an_import_that_fails() -> None:
    with pytest.raises(ImportError):
        failing()
    assert gc.isenabled()
