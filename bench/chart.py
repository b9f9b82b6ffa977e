"""The ratios of the stored results that have a goal, as one short SVG."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

NAMES = {"1x": "flights", "wide": "5,000 columns", "cached": "second run / first"}


def draw(results: Path, picture: Path) -> None:
    """A bar a ratio: median, least and greatest, and the goal. Equal results give equal files."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    files = {name: results / f"{size}.json" for size, name in NAMES.items()}
    found = {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}
    rows = [
        (f"{name}: {stage}{', peak memory' * (key == 'peak_mib')}", result["ratios"][stage][key], goal)
        for name, result in found.items()
        for stage, goals in result["goals"].items()
        for key, goal in goals.items()
    ]
    if not rows:
        return
    pyplot.rcParams |= {"svg.hashsalt": "longhaul", "svg.fonttype": "none", "font.size": 9}
    figure, axes = pyplot.subplots(figsize=(7.2, 0.9 + 0.26 * len(rows)), layout="constrained")
    for place, (_, ratios, goal) in enumerate(rows):
        middle = statistics.median(ratios)
        axes.barh(place, middle, height=0.6, color="#2da44e" if middle <= goal else "#cf222e")
        axes.plot([ratios[0], ratios[-1]], [place, place], color="#1f2328", linewidth=1.2)
        axes.plot([goal, goal], [place - 0.38, place + 0.38], color="#57606a", linewidth=1.6)
        axes.text(max(ratios[-1], goal) + 0.012, place, f"{middle:.2f}", va="center")
    axes.axvline(1.0, color="#57606a", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, max(1.08, *(ratios[-1] + 0.1 for _, ratios, _ in rows)))
    axes.set_xlabel("ratio to stock TFX (dotted: equal); bar median, line spread, tick goal")
    axes.spines[["top", "right"]].set_visible(False)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, metadata={"Date": None}, facecolor="white")
    pyplot.close(figure)
