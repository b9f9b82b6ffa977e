"""Pictures of runs: how long the steps took, and what was made of what. See pipeline.reports.figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from pipeline.lineage.graph import Made
from pipeline.lineage.runs import Run, StepState
from pipeline.reports.figures import ACCENT, INK, MUTED, figure_of, new_axes, our_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = {
    StepState.DONE: ACCENT,
    StepState.CACHED: "#8a8f94",
    StepState.FAILED: "#b3261e",
    StepState.BLOCKED: "#7c1650",
}
_HEIGHT, _COLUMN = 0.3, 2.3
"""Of a box, and from a column of boxes to the next, in inches."""


def steps_figure(run: Run) -> Figure:
    """Draw the steps of a run one after the other, by seconds."""
    begun = list(accumulate((step.seconds for step in run.steps), initial=0.0))
    with our_style():
        axes = new_axes(6.4, 0.7 + 0.22 * max(1, len(run.steps)))
        axes.set_title(f"Steps of run {run.run_id}", loc="left")
        for place, (step, start) in enumerate(zip(run.steps, begun, strict=False)):
            outcome = step.outcome
            axes.barh(place, step.seconds, left=start, height=0.6, color=_COLORS.get(outcome.state, MUTED))
            said = f" {step.seconds:.1f} s" + ("" if outcome.state is StepState.DONE else f", {outcome.words}")
            axes.text(start + step.seconds, place, said, va="center", color=INK, fontsize=7)
        axes.set_yticks(range(len(run.steps)), labels=[step.node for step in run.steps])
        axes.set_ylim(len(run.steps) - 0.5, -0.5)
        axes.set_xlim(0, 1.18 * begun[-1] or 1.0)
        axes.set_xlabel("seconds")
        return figure_of(axes)


def graph_figure(made: Sequence[Made]) -> Figure:
    """Draw steps from left to right as one needs what the other made; below each box stands what it made."""
    levels = _levels(made)
    columns: dict[int, list[str]] = {}
    for node, level in levels.items():
        columns.setdefault(level, []).append(node)
    rows = max(map(len, columns.values()), default=1)
    places = {  # every other column a little higher, so that a long way does not end in a box that it only passes
        node: (level * _COLUMN, ((len(nodes) - 1) / 2 - place) * 3 * _HEIGHT + level % 2 * 0.8 * _HEIGHT)
        for level, nodes in columns.items()
        for place, node in enumerate(nodes)
    }
    with our_style():
        axes = new_axes(_COLUMN * max(1, len(columns)), 1.2 + 3 * _HEIGHT * rows)
        axes.set_axis_off()
        for maker, user in dict.fromkeys((artifact.maker, user) for artifact in made for user in artifact.users):
            _connect(axes, places[maker], places[user])
        for node, (x, y) in places.items():
            types = [artifact.type.rpartition(".")[2] for artifact in made if artifact.maker == node]
            axes.text(
                x, y, node, ha="center", va="center", color="white", fontsize=8, zorder=3,
                bbox={"boxstyle": "round,pad=0.4", "facecolor": ACCENT, "edgecolor": "none"},
            )  # fmt: skip
            axes.text(
                x, y - 0.72 * _HEIGHT, "\n".join(types), ha="center", va="top", color=MUTED, fontsize=6.5, zorder=3,
                linespacing=1.1, bbox={"pad": 0.5, "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
            )  # fmt: skip
        axes.set_xlim(-0.5 * _COLUMN, (max(columns, default=0) + 0.5) * _COLUMN)
        axes.set_ylim(-(rows / 2 * 3 + 1) * _HEIGHT, (rows / 2 * 3) * _HEIGHT)
        return figure_of(axes)


def _connect(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a line from the right side of a box to the left side of another; longer ways run behind the boxes
    between."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    (left, y), (right, to_y) = (start[0] + 0.25 * _COLUMN, start[1]), (end[0] - 0.29 * _COLUMN, end[1])
    middle = left + 0.5 * min(right - left, _COLUMN)
    points = [(left, y), (middle, y), (middle, to_y), (right, to_y)]
    path = Path(points, [Path.MOVETO, *[Path.CURVE4] * 3])
    axes.add_patch(
        FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=8, color="#a9b0b6", linewidth=1.1, zorder=1)
    )


def _levels(made: Sequence[Made]) -> dict[str, int]:
    """Return of each step the longest way to it from one that needs nothing; steps stand in the order of the run."""
    levels = dict.fromkeys((node for artifact in made for node in (artifact.maker, *artifact.users)), 0)
    for _ in levels:  # a way is no longer than there are steps
        for artifact in made:
            for user in artifact.users:
                if user != artifact.maker:
                    levels[user] = max(levels[user], levels[artifact.maker] + 1)
    return levels
