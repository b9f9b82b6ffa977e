"""Every mark of every figure can be seen: at least 3:1 against the paper, light and dark (WCAG 2.2, 1.4.11)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from pipeline.reports import figures, model_figures
from pipeline.reports.plots import embed
from pipeline.reports.tuning import Trial, Tuning, tuning_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = Path("pipeline/reports/templates/report/style.css").read_text()
BINS = {"predicted": [0.1, 0.8], "came_true": [0.2, 0.9], "low": [0.1, 0.85], "high": [0.4, 1.0], "rows": [30, 2]}
UP = [0.0, 0.5, 1.0]
FEATURES = [{"name": "sure", "drop": 0.05, "spread": 0.001}, {"name": "noise", "drop": 0.01, "spread": 0.03}]
CURVES = {
    "binary": {
        "roc": {"false_positive_rate": UP, "true_positive_rate": UP},
        "precision_recall": {"recall": UP, "precision": UP},
        "thresholds": {"threshold": UP, "precision": UP, "recall": UP, "flagged": UP},
        "calibration": BINS,
        "distribution": {"edges": UP, "negative": [3, 1], "positive": [1, 2]},
    },
    "regression": {"points": {"true": [float(i) for i in range(400)], "predicted": [1.1 * i for i in range(400)]}},
}


def themes() -> list[dict[str, str]]:
    """Colors by the names that the page gives them, light and dark."""
    light, dark, *_ = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    read = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in (light, dark)]
    return [read[0], read[0] | read[1]]


def drawn() -> Iterator[tuple[str, Figure]]:
    for task, of in CURVES.items():
        document = {"task": task, "challenger": of} | ({"champion": of} if task == "binary" else {})
        yield from model_figures.curve_figures(document).items()
    yield "importance", model_figures.importance_figure({"metric": "auc", "features": FEATURES})
    yield "training", figures.training_curves({"loss": UP, "validation loss": UP, "auc": UP}, 2)
    trials = [Trial(rank, 0.5 + rank, {"width": rank, "rate": 0.1 * rank}) for rank in range(1, 60)]
    yield "tuning", tuning_figure(Tuning(["width", "rate"], trials, {}))


def marks(svg: str) -> Iterator[dict[str, str]]:
    """The styles of what tells something: neither grid nor frame, nor what only defines a shape."""

    def walk(element: ElementTree.Element) -> Iterator[dict[str, str]]:
        name = element.get("id", "")
        if element.tag == "defs" or "matplotlib.axis" in name or name.endswith("frame"):
            return
        style = dict(part.split(": ") for part in element.get("style", "").split("; ") if ": " in part)
        if element.tag in ("path", "use") and ("fill" in style or "stroke" in style):
            yield style
        for child in element:
            yield from walk(child)

    yield from walk(ElementTree.fromstring(svg.replace("href", "h")))


def contrast(color: str, opacity: float, theme: dict[str, str]) -> float:
    """Of a color that lies on the paper: WCAG's ratio."""
    named = re.fullmatch(r"var\(--(\w+)\)", color)
    ink, paper = (channels(theme[named[1]] if named else color), channels(theme["paper"]))
    seen = [opacity * own + (1 - opacity) * under for own, under in zip(ink, paper, strict=True)]
    high, low = sorted((luminance(seen), luminance(paper)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def channels(color: str) -> list[float]:
    return [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def luminance(color: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark"])
def test_every_mark_of_a_figure_can_be_seen(theme: dict[str, str]) -> None:
    for name, figure in drawn():
        for axes in figure.axes:
            for spine in axes.spines.values():
                spine.set_gid("frame")
        found = list(marks(str(embed(figure, "figure"))))
        assert found, name
        for style in found:
            of_all = float(style.get("opacity", 1))
            seen = [
                contrast(style[part], of_all * float(style.get(f"{part}-opacity", 1)), theme)
                for part in ("fill", "stroke")
                if style.get(part, "none") != "none"
            ]
            assert max(seen, default=3.0) >= 3.0, (name, style, seen)


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark"])
def test_every_mark_of_the_pages_own_drawings_can_be_seen(theme: dict[str, str]) -> None:
    """Histograms of columns, dots and whiskers of slices, the bars of steps: drawn by the style sheet itself."""
    rules = re.findall(r"^\.(?:shape|track|time|pale|key|decide-pictures|marks)[^{]*\{([^}]*)\}", STYLE, re.MULTILINE)
    seen = []
    for rule in rules:
        color = re.search(r"(?:fill|stroke|background|border[a-z-]*): [^;]*(var\(--(?:accent|muted|ink|bad)\))", rule)
        opacity = re.search(r"opacity: ([\d.]+)", rule)
        if color:
            seen.append(contrast(color[1], float(opacity[1]) if opacity else 1.0, theme))
    assert len(seen) > 10
    assert min(seen) >= 3.0
