"""Writes what a report shows besides metrics, as JSON: it then needs neither TensorFlow nor the model."""

from __future__ import annotations

import json
from typing import Any

from tfx.utils import io_utils

from pipeline.config.evaluation import Evaluation
from pipeline.evaluation.curves import curves
from pipeline.evaluation.explanation import explain
from pipeline.evaluation.row_sample import RowSample
from pipeline.evaluation.slice_metrics import CHAMPION
from pipeline.evaluation.tallies import Tally
from pipeline.lineage.artifact_names import CURVES_FILE, EVALUATED_ROWS_FILE, EXPLANATION_FILE, VERDICT_FILE
from trainer.probe_rows import MOST_ROWS, write_scored_rows


def write_figures(
    sample: RowSample | None,
    overall: list[dict[str, Tally]],
    settings: dict[str, Any],
    model_path: str,
    uri: str,
) -> None:
    """Write curves, explanation and some scored rows beside the verdict.

    Args:
        overall: {model: Tally} over all rows, the challenger's first; empty if there was no row.
        settings: those of eval_config.settings, and what is known of the rows: `columns` of the table, and `when`, the
            one that tells when a row was.
    """
    rules = Evaluation.model_validate(settings["evaluation"])
    by_model = overall[0] if overall else {}
    tallies = [*list(by_model.values())[:1], *(by_model[name] for name in by_model if name == CHAMPION)]
    documents = {
        CURVES_FILE: curves(
            settings["task"],
            settings["classes"],
            tallies,
            sample,
            rules.confidence,
            ordered=settings.get("ordered", False),
            when=settings.get("when"),
        ),
        EXPLANATION_FILE: explain(model_path, sample, settings, rules),
    }
    if sample is not None:
        few = sample.even(MOST_ROWS)
        write_scored_rows(f"{uri}/{EVALUATED_ROWS_FILE}", list(few.records), few.predictions)
    for name, document in documents.items():
        write_json(uri, name, document)


def write_verdict(judged: tuple[dict[str, Any], Any], uri: str, more: dict[str, Any], **besides: Any) -> None:
    """Write what pipeline.evaluation.summary.summarize says for people, with what else is known."""
    write_json(uri, VERDICT_FILE, judged[0] | more | besides)


def write_json(uri: str, name: str, document: dict[str, Any]) -> None:
    """Write a file of a ModelEvaluation."""
    io_utils.write_string_file(f"{uri}/{name}", json.dumps(document, indent=1))
