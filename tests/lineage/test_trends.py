"""Models over time: only what was judged by the same rows stands side by side."""

from __future__ import annotations

from pathlib import Path

from pipeline.lineage.judgements import record_judgement
from pipeline.lineage.predictions import Scoring
from pipeline.lineage.runs import find_run
from pipeline.lineage.trends import trends_in
from tests.lineage.weeks import Weeks


def rejudged(weeks: Weeks, version: int, auc: float, span: int, digest: str) -> None:
    report = weeks.config.root / "reports" / f"rejudged-{version}-{span}.json"
    report.write_text("{}")
    told = {"judged_on": f"span {span}", "metrics": f'{{"auc": {auc}}}', "blessed": str(int(auc > 0.6))}
    files = [(f"/data/{span}.csv", 1, 1)]
    scoring = Scoring(Path("/m"), str(version), digest, files, str(span) * 64, report, "longhaul rejudge", told)
    record_judgement(weeks.store, "cats", scoring)


def test_runs_on_the_same_rows_and_models_judged_anew_stand_side_by_side(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    store = weeks.store
    for number, auc, rows in ((1, 0.8, "a"), (2, 0.7, "a"), (3, 0.9, "b"), (4, 0.65, "a")):
        context = store.get_context_by_type_and_name("pipeline_run", weeks.week(number, auc=auc))
        context.custom_properties["judged_rows"].string_value = rows
        store.put_contexts([context])

    def trends(number: int) -> list[tuple[str, list[tuple[str, float]]]]:
        run = find_run(store, "cats", weeks.run_id(number))
        found = trends_in(store, "cats", run)
        return [(one.rows, [(model.name, model.metrics["auc"]) for model in one.models]) for one in found]

    same = [(weeks.run_id(1), 0.8), (weeks.run_id(2), 0.7)]
    assert trends(1) == trends(3) == []
    assert trends(2) == [("the rows that judged this model", same)]
    assert trends(4) == [("the rows that judged this model", [*same, (weeks.run_id(4), 0.65)])]
    (model,) = [one for one in find_run(store, "cats", weeks.run_id(3)).artifacts["Trainer"] if one.type == "Model"]
    digest = str(model.properties.get("model_digest"))
    for version, auc, span, of in (
        (3, 0.5, 7, digest),
        (1, 0.8, 7, "b" * 64),
        (3, 0.6, 7, digest),
        (1, 0.7, 8, "b" * 64),
    ):
        rejudged(weeks, version, auc, span, of)
    assert trends(3) == [("span 7", [("version 1", 0.8), ("version 3", 0.6)])]
