"""The pictures show the numbers that they are given, and take any name for what it is."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from pipeline.guard.findings import Distances
from pipeline.reports import figures, plots
from pipeline.reports.artifacts import Column, SplitStatistics
from pipeline.reports.regression_figures import regression_figures

EVIL = "$<script>alert(1)</script>&$ \\frac{"


def number(missing: float, *bars: tuple[float, float, float]) -> SplitStatistics:
    return SplitStatistics(10, missing, low=bars[0][0] if bars else None, bars=list(bars))


def text(missing: float, top: list[tuple[str, float]], shares: list[float]) -> SplitStatistics:
    return SplitStatistics(10, missing, top=top, shares=shares)


SPEED = Column(
    "speed", "float", True, {"train": number(0.25, (0, 5, 0.5), (5, 10, 0.5)), "eval": number(0, (5, 10, 1))}
)
NAME = Column(
    EVIL, "string", False, {"train": text(0, [("a", 0.75), (EVIL, 0.25)], [0.75, 0.25]), "eval": text(0.5, [], [0, 1])}
)
EMPTY = Column("empty", "float", True, {"train": number(1.0)})


def words(figure: Figure) -> list[str]:
    figure.savefig(BytesIO(), format="svg")  # ticks are set when it is drawn
    (axes,) = (axes for axes in figure.axes if axes.get_label() != "<colorbar>")
    labels = [*axes.get_yticklabels(), *axes.get_xticklabels()]
    return [axes.get_title(loc="left") or axes.get_title(), *(label.get_text() for label in labels)]


def test_numbers_share_their_bins() -> None:
    figure = figures.feature_distribution(SPEED)
    train, evaluation = (step.get_data() for step in figure.axes[0].patches)
    assert [*train.edges] == [*evaluation.edges] == [0, 5, 10]
    assert ([*train.values], [*evaluation.values]) == ([0.1, 0.1], [0.0, 0.2])
    assert words(figure)[0] == "speed"


def test_a_column_without_values() -> None:
    (said,) = figures.feature_distribution(EMPTY).axes[0].texts
    assert said.get_text() == "no values"
    constant = Column("one", "int", True, {"train": number(0, (3.0, 3.0, 1.0))})
    (said,) = figures.feature_distribution(constant).axes[0].texts
    assert said.get_text() == "every value is 3"


def test_texts_by_their_commonest_values() -> None:
    figure = figures.feature_distribution(NAME)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.75, 0.25, 0, 1]
    assert words(figure)[:3] == [EVIL, "a", EVIL]


def test_missing_values_worst_first() -> None:
    figure = figures.missing_overview([SPEED, NAME, EMPTY], most=2)
    assert words(figure)[:3] == ["Missing values", "empty", EVIL]
    assert [bar.get_width() for bar in figure.axes[0].patches] == [1.0, 0.0, 1.0, 0.5]  # empty is not in eval
    assert words(figures.missing_overview([Column("a", "int", True, {"train": number(0)})]))[0] == "No value is missing"


def test_drift_by_column_and_span() -> None:
    drift = {
        "speed": Distances("jensen_shannon", 0.2, {"2": 0.1, "10": 0.3}),
        EVIL: Distances("l_infinity", 1, {"3": 1}),
    }
    figure = figures.drift_heat_map(drift, {"speed": Distances("jensen_shannon", 0.2, {"serving": 0.5})})
    assert words(figure) == ["", EVIL, "speed", "2", "3", "10", "serving"]
    cells = [(text.get_position(), text.get_text(), text.get_weight()) for text in figure.axes[0].texts]
    assert cells == [
        ((1, 0), "1.00", "normal"),
        ((2, 0), "gone", "bold"),
        ((0, 1), "0.10", "normal"),
        ((2, 1), "0.30", "bold"),
        ((3, 1), "0.50", "bold"),
    ]
    assert words(figures.drift_heat_map(drift, most=1))[1:] == [EVIL, "2", "3", "10"]
    slight = drift | {EVIL: Distances("l_infinity", 1, {"3": 0.01})}
    assert words(figures.drift_heat_map(slight, most=1))[1:] == [EVIL, "2", "3", "10"], "what is gone comes first"
    assert words(figures.drift_heat_map({}))[0] == "No drift is on record"


def test_correlations_strongest_first() -> None:
    figure = figures.label_correlations({"a": 0.1, "b": -0.9, EVIL: 0.5}, most=2)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [-0.9, 0.5]
    assert words(figure)[:3] == ["Correlation with the label", "b", EVIL]


@pytest.mark.parametrize("column", [SPEED, NAME, EMPTY])
def test_in_a_page(column: Column) -> None:
    """Well-formed, in the page's colours, and without markup of the user's."""
    svg = plots.embed(figures.feature_distribution(column), "picture")
    elements = {element.tag for element in ElementTree.fromstring(svg).iter()}
    assert "svg" in elements
    assert "script" not in elements
    assert "var(--" in svg
    assert not any(color in svg for color in (figures.INK, figures.MUTED, figures.ACCENT, figures.LINE))
    ids = [element.get("id") for element in ElementTree.fromstring(svg).iter() if element.get("id")]
    assert all(str(name).startswith("picture-") for name in ids)


def test_numbers_of_many_digits_do_not_run_into_each_other() -> None:
    true = [float(price) for price in range(113_948, 276_883, 1_700)]
    said = [price + (-1) ** place * 9_000 for place, price in enumerate(true)]
    for name, figure in regression_figures(true, said).items():
        figure.draw_without_rendering()
        (axes,) = figure.axes
        low, high = axes.get_xlim()
        ticks = [
            tick.label1.get_window_extent() for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high
        ]
        assert all(right.x0 - left.x1 > 4 for left, right in pairwise(ticks)), name
