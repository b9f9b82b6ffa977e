"""Pictures of runs: how long the steps took, and what was made of what. See pipeline.reports.figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from pipeline.lineage.graph import Made
from pipeline.lineage.runs import Run, StepState
from pipeline.reports.figures import ACCENT, INK, MUTED, figure_of, new_axes, our_style
from pipeline.reports.lineage.layout import GAP, LAYER, arrange

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = {
    StepState.DONE: ACCENT,
    StepState.CACHED: "#8a8f94",
    StepState.FAILED: "#b3261e",
    StepState.BLOCKED: "#7c1650",
}
_SIZE, _PAD = 8, 0.4
"""Of the name in a box, in points, and around it, in sizes of it."""
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
    steps = list(dict.fromkeys(node for artifact in made for node in (artifact.maker, *artifact.users)))
    uses = list(dict.fromkeys((artifact.maker, user) for artifact in made for user in artifact.users))
    layout = arrange(steps, [(maker, user) for maker, user in uses if maker != user])
    places = {node: _inches(place) for node, place in layout.nodes.items()}
    bends = [_inches(place) for place in layout.bends]
    across, heights = ([place[axis] for place in [*places.values(), *bends]] or [0.0] for axis in (0, 1))
    low, high = min(heights) - 3 * _HEIGHT, max(heights) + 2 * _HEIGHT
    with our_style():
        axes = new_axes(max(across) + _COLUMN, high - low)
        axes.set_axis_off()
        for path in layout.paths:
            stops = [layout.lines[path[0]][0], *(layout.lines[piece][1] for piece in path)]
            (x, y), *between, (to_x, to_y) = [bends[stop] if isinstance(stop, int) else places[stop] for stop in stops]
            _connect(axes, [(x + _half(stops[0]), y), *between, (to_x - _half(stops[-1]) - 0.03, to_y)])
        for node, (x, y) in places.items():
            types = [artifact.type.rpartition(".")[2] for artifact in made if artifact.maker == node]
            axes.text(
                x, y, node, ha="center", va="center", color="white", fontsize=_SIZE, zorder=3,
                bbox={"boxstyle": f"round,pad={_PAD}", "facecolor": ACCENT, "edgecolor": "none"},
            )  # fmt: skip
            axes.text(
                x, y - 0.72 * _HEIGHT, "\n".join(types), ha="center", va="top", color=MUTED, fontsize=7.5, zorder=3,
                linespacing=1.1, bbox={"pad": 0.5, "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
            )  # fmt: skip
        axes.set_xlim(-0.5 * _COLUMN, max(across) + 0.5 * _COLUMN)
        axes.set_ylim(low, high)
        return figure_of(axes)


def _half(node: str | int) -> float:
    """Return half of a box's width in inches: arrows end at it, whatever its name's length."""
    from matplotlib.textpath import TextPath

    return float(TextPath((0, 0), str(node), size=_SIZE).get_extents().width) / 144 + _PAD * _SIZE / 72


def _inches(place: tuple[float, float]) -> tuple[float, float]:
    """Turn pixels, y downwards, into inches, y upwards."""
    return place[0] / LAYER * _COLUMN, -place[1] / GAP * 3 * _HEIGHT


def _connect(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """Draw an arrow through points, from one box to another."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    curve, codes = [points[0]], [Path.MOVETO]
    for (left, start), (right, stop) in pairwise(points):
        curve += [((left + right) / 2, start), ((left + right) / 2, stop), (right, stop)]
        codes += [Path.CURVE4] * 3
    axes.add_patch(
        FancyArrowPatch(
            path=Path(curve, codes), arrowstyle="-|>", mutation_scale=8, color="#a9b0b6", linewidth=1.1, zorder=1
        )
    )
