"""Where the model is worst, on the page: of configured slices, and of columns that nobody configured."""

from __future__ import annotations

from pipeline.config.evaluation import METRICS
from pipeline.lineage.runs import Run
from pipeline.reports.judgement import judge
from pipeline.reports.metric_words import what_it_says
from pipeline.reports.page import collect, render
from pipeline.reports.single_rows import waterfall
from pipeline.reports.worst_slices import worst_slices
from tests.reports.test_page import EVIL, EXPLANATION, VERDICT, Reader, eval_config, explained, rewrite, run

__all__ = ["explained", "run"]  # fixtures
WEAK = {
    "rows": 4000,
    "looked_at": 612,
    "loss": "log_loss",
    "overall": 0.5,
    "slices": [
        {"where": f"fur = {EVIL}", "rows": 120, "loss": 0.9, "p": 0.0002, "said": 0.1, "true": 0.4},
        {"where": "age missing and fur = red", "rows": 60, "loss": 0.8, "p": 0.03, "said": 0.2, "true": 0.25},
    ],
}


def entry(city: str, auc: float, ends: tuple[float, float], rows: int = 900) -> dict[str, object]:
    metrics = {"auc": auc, "example_count": float(rows)}
    return {"slice": {"city": city}, "metrics": metrics, "intervals": {"auc": list(ends)}}


def test_the_worst_of_the_configured_slices_are_those_clearly_below_all_rows() -> None:
    slices = [
        entry("even", 0.66, (0.6, 0.72)),
        entry("bad", 0.6, (0.58, 0.62)),
        entry("worst", 0.5, (0.4, 0.6)),
        entry("good", 0.8, (0.75, 0.85)),
        entry("few", 0.2, (0.1, 0.3), rows=50),
    ]
    found = worst_slices(judge(VERDICT | {"slices": slices}, eval_config({"valueThreshold": {"lowerBound": 0.5}})))
    assert [(one.where, one.value) for one in found] == [("city = worst", 0.5), ("city = bad", 0.6)]
    assert worst_slices(None) == []


def test_where_the_model_is_worst_is_on_the_page(explained: Run) -> None:
    rewrite(explained, "ModelEvaluation", "explanation.json", EXPLANATION | {"weak": WEAK})
    html = render(collect(explained))
    assert EVIL not in html
    lines = Reader(html).lines("slices")
    assert any("612 values and pairs of values were looked at on 4,000 rows" in line for line in lines)
    start = lines.index(f"fur = {EVIL}")
    assert lines[start + 1 : start + 6] == ["120", "0.9000", "0.1000", "0.4000", "under 0.1%"]
    rewrite(explained, "ModelEvaluation", "explanation.json", EXPLANATION | {"weak": WEAK | {"slices": []}})
    assert "worse than chance explains: 612 were looked at" in render(collect(explained))


def test_the_parts_of_a_row_fall_from_the_typical_one_to_its_own() -> None:
    row = {"typical": 0.2, "parts": [{"part": 0.5}, {"part": -0.1}], "others": 0.05, "gap": 0.05}
    assert [tuple(round(end, 3) for end in bar) for bar in waterfall(row)] == [(0, 1), (0.8, 0.2), (0.8, 0.2)]
    assert waterfall({"typical": 0.2, "parts": [], "others": 0.0, "gap": 0.0}) == [(0.0, 0.0)]


def test_every_metric_has_a_sentence_which_the_page_tells(explained: Run) -> None:
    for metric in {name for of_task in METRICS.values() for name in of_task}:
        assert len(what_it_says(metric)) > 30
    assert f"log_loss\n{what_it_says('log_loss')}" in Reader(render(collect(explained))).text["metrics"]
