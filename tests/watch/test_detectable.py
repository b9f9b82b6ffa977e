"""Whether a loss that `watch` says would be found is found so often, by simulation with fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.terminal.watched import print_watched
from pipeline.watch.above import above_promise
from pipeline.watch.detectable import detectable
from pipeline.watch.watched import Watched
from tests.watch.test_excess import DELTA, MAY, week

TRIALS = 300


@pytest.mark.parametrize("rows", [2_000, 6_300, 25_000])
@pytest.mark.parametrize("windows", [2, 8])
def test_what_is_said_to_be_found_is_found_in_nine_of_ten_cases(rows: int, windows: int) -> None:
    rng = np.random.default_rng(rows)
    said = detectable(week(rng, 54_000), rows, 10, MAY, DELTA)
    loss = said.loss if windows == 2 else said.longer
    found = 0
    for _ in range(TRIALS):
        weeks = [*(week(rng, rows) for _ in range(10)), *(week(rng, rows, loss) for _ in range(windows))]
        found += max(above_promise(weeks, week(rng, 54_000), MAY, DELTA).least[10:]) > 0
    assert 0.85 <= found / TRIALS <= 0.99  # a shorter or longer stretch of windows may find it, too


def test_rows_that_it_asks_for_are_enough_and_where_none_are_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    much = detectable(week(rng, 500_000), 6_300, 10, MAY, DELTA)
    assert much.needs
    assert much.needs > 6_300
    assert detectable(week(rng, 500_000), much.needs, 10, MAY, DELTA).loss == pytest.approx(much.asked, rel=0.01)
    asked = detectable(week(rng, 54_000), 6_300, 10, MAY, DELTA)
    assert asked.loss == pytest.approx(0.0155, abs=0.001)
    assert asked.needs == pytest.approx(22_600, rel=0.05)
    few = detectable(week(rng, 10_000), 6_300, 10, MAY, DELTA)
    assert few.needs is None
    print_watched(Watched([], [], [], [], [], "", detectable=few), as_json=False, window="week")
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("window version")
    assert "with 6,300 labelled rows a week, a log loss of 0.02" in said
    assert said.endswith("no number of rows finds 0.01: the promise rests on 10,000 rows only")


@pytest.mark.parametrize("total", [0.0, 1.0])
def test_a_model_that_says_the_same_of_every_row_is_told_of_too(total: float) -> None:
    said = detectable(np.array([100.0, total, total / 100]), 100, 1, MAY, DELTA)
    assert said.needs == 1
    assert said.loss == pytest.approx(MAY, abs=1e-6)
