"""Which rows decide when training stops."""

from __future__ import annotations

import numpy as np

from trainer.train import hold_out


def test_with_an_order_the_latest_rows_decide() -> None:
    order = np.array([30, 10, 50, 20, 40, 60, 0, 70, 90, 80])
    fit, stop = hold_out(order, 10, 0.3, seed=1)
    assert order[fit].tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert order[stop].tolist() == [70, 80, 90]


def test_rows_of_one_moment_keep_the_order_of_the_file() -> None:
    fit, stop = hold_out(np.array([5, 5, 5, 5]), 4, 0.25, seed=1)
    assert (fit.tolist(), stop.tolist()) == ([0, 1, 2], [3])


def test_without_an_order_a_random_share_decides_the_same_for_the_same_seed() -> None:
    fit, stop = hold_out(None, 1000, 0.1, seed=7)
    assert (len(fit), len(stop)) == (900, 100)
    assert sorted([*fit, *stop]) == list(range(1000))
    again_fit, again_stop = hold_out(None, 1000, 0.1, seed=7)
    assert (again_fit == fit).all()
    assert (again_stop == stop).all()
    assert set(hold_out(None, 1000, 0.1, seed=8)[1]) != set(stop)
    # Spread over the file: a tenth of a tenth in each tenth, give or take four deviations.
    assert np.abs(np.bincount(stop // 100, minlength=10) - 10).max() <= 12


def test_at_least_one_row_decides() -> None:
    fit, stop = hold_out(None, 3, 0.01, seed=1)
    assert (len(fit), len(stop)) == (2, 1)
