"""Where the trials of a search lie: a search goes on only with what the same code learned of the same rows."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.components.tuner import _digest

CONFIG = {"tuner": {"algorithm": "random", "trials": 3, "minutes": None}, "trainer": {"seed": 13}, "folder": "f"}


@pytest.mark.parametrize(
    ("config", "rows", "code", "same"),
    [
        (CONFIG, ["a"], "code", True),
        (CONFIG | {"folder": "elsewhere"}, ["a"], "code", True),
        (CONFIG | {"tuner": {"algorithm": "random", "trials": 30, "minutes": 5.0}}, ["a"], "code", True),
        (CONFIG | {"tuner": {"algorithm": "bayesian", "trials": 3, "minutes": None}}, ["a"], "code", False),
        (CONFIG | {"trainer": {"seed": 14}}, ["a"], "code", False),
        (CONFIG, ["b"], "code", False),
        (CONFIG, ["a"], "edited", False),
    ],
    ids=["all", "folder", "length", "algorithm", "seed", "rows", "code"],
)
def test_which_trials_go_on(config: dict[str, Any], rows: list[str], code: str, same: bool) -> None:
    assert (_digest(config, rows, code) == _digest(CONFIG, ["a"], "code")) is same
