"""The pictures of a model card: calibration, predictions, and the first slices, as far as the evaluation left them."""

from __future__ import annotations

from pipeline.lineage.artifact_names import CURVES_FILE, EVAL_CONFIG_FILE, VERDICT_FILE
from pipeline.lineage.runs import Run
from pipeline.reports.artifacts import Artifacts
from pipeline.reports.judgement import judge

_SHOWN = ("Calibration", "Predictions", "Confusion", "Predicted and true", "Residuals")
"""Of the curves, those that a reader of a card can read."""


def card_pictures(run: Run) -> dict[str, str]:
    """Draw them as SVG for a page, by what they show."""
    from pipeline.reports.model_figures import curve_figures, slices_figure
    from pipeline.reports.plots import embed

    artifacts = Artifacts(run)
    found = curve_figures(artifacts.optional_json("ModelEvaluation", CURVES_FILE))
    pictures = {name: figure for name, figure in found.items() if name in _SHOWN}
    verdict = artifacts.json("ModelEvaluation", VERDICT_FILE)
    judgement = judge(verdict, artifacts.json("ModelEvaluation", EVAL_CONFIG_FILE))
    if judgement and judgement.scale:
        main = judgement.metrics[0].name
        for group in judgement.slice_groups[:1]:
            if any(main in one.metrics for one in group.slices):
                pictures[f"{main} by {group.columns}"] = slices_figure(judgement, group)
    return {name: embed(figure, f"card-{place}") for place, (name, figure) in enumerate(pictures.items())}
