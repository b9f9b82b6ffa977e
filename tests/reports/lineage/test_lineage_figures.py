"""Steps stand to the right of all that they need."""

from __future__ import annotations

from pipeline.lineage.graph import Made
from pipeline.lineage.records import Step
from pipeline.lineage.runs import Run, StepState
from pipeline.reports.lineage import figures

MADE = [
    Made(1, "Examples", "Gen", ("Statistics", "Train")),
    Made(2, "ExampleStatistics", "Statistics", ("Gate",)),
    Made(3, "longhaul.DataVerdict", "Gate", ("Train",)),
    Made(4, "Model", "Train", ()),
]


def test_steps_from_left_to_right() -> None:
    axes = figures.graph_figure(MADE).axes[0]
    across = {text.get_text(): text.get_position()[0] for text in axes.texts}
    assert across["Gen"] < across["Statistics"] < across["Gate"] < across["Train"]
    assert across["DataVerdict"] == across["Gate"]
    assert len(axes.patches) == 4  # an arrow for each use


def test_arrows_end_at_boxes_of_any_width() -> None:
    """They ended in the air where a name is short, and within the box where it is long."""
    figure = figures.graph_figure([Made(1, "Examples", "Gen", ("AStepWithAVeryLongName",))])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = {text.get_text(): text.get_bbox_patch().get_window_extent() for text in axes.texts}
    (arrow,) = [patch.get_window_extent() for patch in axes.patches]
    assert abs(arrow.x0 - boxes["Gen"].x1) < 8
    assert abs(arrow.x1 - boxes["AStepWithAVeryLongName"].x0) < 8


def test_a_run_that_made_nothing() -> None:
    assert not figures.graph_figure([]).axes[0].texts


def test_seconds_and_states() -> None:
    steps = [Step("Gen", StepState.CACHED, 0.5, 1), Step("Train", StepState.FAILED, 2.0, 2)]
    axes = figures.steps_figure(Run("r1", "p", "failed", "", 2.5, "", {}, steps)).axes[0]
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(0.0, 0.5), (0.5, 2.0)]
    assert [text.get_text() for text in axes.texts] == [" 0.5 s, cached", " 2.0 s, failed"]
