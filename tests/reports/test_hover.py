"""Values where a pointer rests: of every figure that has some, right ones, in the place of the mark, and few bytes."""

from __future__ import annotations

import re

import pytest

from pipeline.reports import model_figures
from pipeline.reports.plots import embed
from tests.reports.test_contrast import drawn

TITLE = re.compile(r'<path class="hit" d="M([\d.-]+) ([\d.-]+)h0"><title>([^<]*)</title></path>')


def hits(svg: str) -> list[tuple[float, float, str]]:
    return [(float(x), float(y), text) for x, y, text in TITLE.findall(svg)]


def test_every_figure_of_a_page_tells_values() -> None:
    for name, figure in drawn():
        svg = str(embed(figure, "figure"))
        found = hits(svg)
        assert found, name
        box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
        assert box
        assert all(0 <= x <= float(box[1]) and 0 <= y <= float(box[2]) for x, y, _ in found), name
        assert sum(map(len, re.findall(r'<g class="hover">.*</g>', svg))) < 30_000


def test_the_values_are_those_of_the_curve_in_their_places() -> None:
    curve = {"false_positive_rate": [0.0, 0.25, 1.0], "true_positive_rate": [0.0, 0.75, 1.0]}
    first, middle, last = hits(str(embed(model_figures.roc_figure(curve), "roc")))
    assert middle[2] == "this model: false positive rate 0.2500, true positive rate 0.7500"
    assert middle[0] == pytest.approx(first[0] + (last[0] - first[0]) / 4, abs=0.2)
    assert middle[1] == pytest.approx(first[1] + (last[1] - first[1]) * 0.75, abs=0.2)


def test_a_bin_is_told_once_and_a_curve_of_one_point_is_told() -> None:
    bins = {"predicted": [0.2, 0.5, 0.8], "came_true": [0.3, 0.5, 0.7], "rows": [900.0, 900.0, 900.0]}
    bins |= {"low": [0.25, 0.45, 0.65], "high": [0.35, 0.55, 0.75]}
    told = [text for *_, text in hits(str(embed(model_figures.calibration_figure(bins), "calibration")))]
    assert [sum(f"share that came true {share}" in text for text in told) for share in ("0.3", "0.5", "0.7")] == [1] * 3
    dot = hits(str(embed(model_figures.precision_recall_figure({"recall": [0.5], "precision": [0.25]}), "dot")))
    assert [text for *_, text in dot] == ["this model: recall 0.5000, precision 0.2500"]


def test_a_long_curve_has_few_marks_and_a_class_is_text() -> None:
    up = [place / 199 for place in range(200)]
    curve = {"false_positive_rate": up, "true_positive_rate": up}
    assert len(hits(str(embed(model_figures.roc_figure(curve, dict(curve)), "roc")))) == 80
    svg = str(embed(model_figures.confusion_figure(["<b>", "$x$"], [[3, 1], [0, 4]]), "confusion"))
    assert "<b>" not in svg
    assert [text for *_, text in hits(svg)][-1] == "&lt;b&gt; taken for $x$: 1 row, 25.0% of the class"


def test_bars_tell_their_names_and_what_they_reach() -> None:
    features = [{"name": "speed", "drop": 0.05, "spread": 0.001}, {"name": "noise", "drop": 0.01, "spread": 0.03}]
    svg = str(embed(model_figures.importance_figure({"metric": "auc", "features": features}), "importance"))
    assert [text for *_, text in hits(svg)] == ["speed: 0.0500", "noise: 0.0100"]
    shares = model_figures.distribution_figure([0.0, 0.5, 1.0], [3, 1], [0, 2])
    assert [text for *_, text in hits(str(embed(shares, "shares")))] == [
        *("negative: predicted probability 0 to 0.5000, share of the class 0.7500",),
        *("negative: predicted probability 0.5000 to 1, share of the class 0.2500",),
        *("positive: predicted probability 0.5000 to 1, share of the class 1",),
    ]
