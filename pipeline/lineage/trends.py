"""Metrics over time: only models that were judged by the same rows can be compared.

Runs on a table that has not grown judge by the same rows; where the window moves on with the months, `longhaul rejudge`
scores many models on one span.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.artifact_names import MODEL_DIGEST
from pipeline.lineage.judgements import REJUDGE
from pipeline.lineage.records import REPEATS, contexts_of, text_of
from pipeline.lineage.runs import Run, find_run
from pipeline.lineage.summary import BLESSED, UNFIT, Listed, Summary, list_summaries

_MOST = 24
"""Models in a trend, the newest."""
_INPUT = metadata_store_pb2.Event.INPUT


@dataclass(frozen=True)
class Judged:
    """A model and how it did. `name`: of the run that judged it, or of the version that was judged anew."""

    name: str
    metrics: dict[str, float]
    blessed: bool


@dataclass(frozen=True)
class Trend:
    """Models that were judged by the same rows, the oldest first. `rows`: which these are, in words."""

    rows: str
    models: list[Judged]


def trends_in(store: MetadataStore, pipeline: str, run: Run) -> list[Trend]:
    """Return those in which the run's model stands: among the runs until then that judged by the same rows, and among
    the models that `longhaul rejudge` scored on the same table; and beside the run before people decided labels. One
    alone is no trend."""
    known = list_summaries(store, pipeline)
    own = next((one for one in known if one.run.run_id == run.run_id), None)
    if own is None or not own.summary.metrics:
        return []
    alike = [
        _of_run(one)
        for one in known
        if one.summary.metrics
        and one.summary.same_rows == own.summary.same_rows
        and one.run.run_id <= run.run_id
        and not one.run.properties.get(REPEATS)
    ]
    trends = [Trend("the rows that judged this model", alike[:_MOST][::-1])]
    earlier = [one for one in known if one.summary.metrics and one.run.run_id < run.run_id]
    trends += _before_decisions(store, run, own.summary, earlier)
    models = [one for one in run.artifacts.get("Trainer", []) if one.type == "Model"]
    own_digests = {str(one.properties.get(MODEL_DIGEST)) for one in models}
    trends += [trend for digests, trend in _rejudged(store, pipeline) if own_digests & digests]
    return [trend for trend in trends if len(trend.models) > 1]


def _before_decisions(store: MetadataStore, run: Run, summary: Summary, earlier: Sequence[Listed]) -> Iterator[Trend]:
    """Yield the newest of the earlier runs that learned from the same table with other labels decided, and this one."""
    read = run.ingestion or {}
    if not read.get("label_decisions"):
        return
    for one in earlier[:_MOST]:
        before = find_run(store, run.pipeline, one.run.run_id).ingestion or {}
        if before.get("label_decisions") != read["label_decisions"] and _judging(before) == _judging(read):
            models = [_of_run(before_or_after) for before_or_after in (one, Listed(run, summary))]
            yield Trend("before and after people decided labels of the rows that trained", models)
            return


def _judging(ingestion: Mapping[str, Any]) -> Any:
    """Return what tells the table apart, and the rows in it that judge."""
    rows, labels = (ingestion.get(name, {}) for name in ("rows", "labels"))
    judging = {name: (count, labels.get("classes", {}).get(name)) for name, count in rows.items() if name != "train"}
    return judging, *(ingestion.get(name) for name in ("files", "spans", "split"))


def _of_run(one: Listed) -> Judged:
    return Judged(one.run.run_id, one.summary.metrics, one.summary.verdict in (BLESSED, UNFIT))


def _rejudged(store: MetadataStore, pipeline: str) -> list[tuple[set[str], Trend]]:
    """Return what `longhaul rejudge` scored on each table, with the digests of the models; of a model the newest."""
    executions = {
        one.id: one
        for one in store.get_executions_by_type(REJUDGE)
        if any((of.type, of.name) == ("pipeline", pipeline) for of in contexts_of(store, one.id))
    }
    tables: dict[int, dict[str, Any]] = {}
    for event in store.get_events_by_execution_ids(list(executions)) if executions else ():
        if event.type == _INPUT and event.path.steps[0].key == "table":
            execution = executions[event.execution_id]
            tables.setdefault(event.artifact_id, {})[text_of(execution, MODEL_DIGEST)] = execution
    return [
        (
            set(of),
            Trend(
                text_of(next(iter(of.values())), "judged_on"),
                [_judged(one) for one in sorted(of.values(), key=_age)][-_MOST:],
            ),
        )
        for of in tables.values()
    ]


def _age(execution: Any) -> tuple[int, int]:
    version = text_of(execution, "version")
    return (int(version) if version.isdecimal() else 0, execution.id)


def _judged(execution: Any) -> Judged:
    metrics = json.loads(text_of(execution, "metrics"))
    version = text_of(execution, "version")
    return Judged(f"version {version}", metrics, text_of(execution, "blessed") == "1")
