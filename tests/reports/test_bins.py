"""Histograms of one column brought to common bins, on numbers worked out by hand."""

from __future__ import annotations

import pytest

from pipeline.reports.bins import Bar, common

TWO = [(0.0, 5.0, 0.5), (5.0, 10.0, 0.5)]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (TWO, TWO),
        ([(5.0, 10.0, 1.0)], [(0.0, 5.0, 0.0), (5.0, 10.0, 1.0)]),
        # half of a bar lies in each bin
        ([(2.5, 7.5, 1.0)], [(0.0, 5.0, 0.5), (5.0, 10.0, 0.5)]),
        # a single value, on a bound: it counts with the bin below, and the least with the first
        ([(5.0, 5.0, 1.0)], [(0.0, 5.0, 1.0), (5.0, 10.0, 0.0)]),
        ([(0.0, 0.0, 1.0)], [(0.0, 5.0, 1.0), (5.0, 10.0, 0.0)]),
        # beyond both ends, in bins of the same width
        (
            [(-5.0, 15.0, 1.0)],
            [(-5.0, 0.0, 0.25), (0.0, 5.0, 0.25), (5.0, 10.0, 0.25), (10.0, 15.0, 0.25)],
        ),
        ([(12.0, 14.0, 1.0)], [(0.0, 5.0, 0.0), (5.0, 10.0, 0.0), (10.0, 15.0, 1.0)]),
    ],
)
def test_bins_of_the_first(other: list[Bar], expected: list[Bar]) -> None:
    found = common({"train": TWO, "eval": other})
    edges = [bar[:2] for bar in expected]
    assert [bar[:2] for bar in found["train"]] == [bar[:2] for bar in found["eval"]] == edges
    assert found["eval"] == expected
    assert {bar for bar in found["train"] if bar[2]} == set(TWO)


def test_a_first_that_would_be_a_sliver_gives_no_bins() -> None:
    """One second of train, a day later one of eval: with bins of a second nobody would see either."""
    found = common({"train": [(-0.5, 0.5, 1.0)], "eval": [(99.5, 100.5, 1.0)]})
    assert [round(bar[1] - bar[0], 1) for bar in found["train"]] == [10.1] * 10
    assert [bar[2] for bar in found["train"]] == pytest.approx([1.0] + [0.0] * 9)
    assert [bar[2] for bar in found["eval"]] == pytest.approx([0.0] * 9 + [1.0])


@pytest.mark.parametrize(
    "histograms",
    [{}, {"train": []}, {"train": [(3.0, 3.0, 1.0)]}, {"train": [(-1.7e308, 0.0, 0.5), (0.0, 1.7e308, 0.5)]}],
)
def test_nothing_to_compare(histograms: dict[str, list[Bar]]) -> None:
    assert common(histograms) == {}


def test_shares_are_kept_whatever_the_bins() -> None:
    wide = [(float(i), float(i + 7), 1 / 13) for i in range(-40, 51, 7)]
    for bars in common({"a": wide, "b": TWO, "c": [(1e6, 1e6, 1.0)], "empty": []}).values():
        assert sum(bar[2] for bar in bars) == pytest.approx(1.0)
