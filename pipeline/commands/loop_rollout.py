"""Rolls out for `longhaul loop`: publishes into the shadow, judges each step, and takes the next, or the model back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipeline.commands import rollout as levers
from pipeline.commands.approve import decide
from pipeline.commands.rollback import list_versions
from pipeline.commands.watch import folder_of
from pipeline.config.pipeline import PipelineConfig
from pipeline.continuous.journal import Attempt
from pipeline.continuous.paired import Judgement, judge
from pipeline.continuous.pairs import Versions, canary_pairs, shadow_pairs
from pipeline.errors import WorkspaceError
from pipeline.serving import rollout
from pipeline.serving.approvals import APPROVED, WAITING, Request, decided, request_of
from pipeline.serving.publish import now
from pipeline.serving.rollout import CANARY, Rollout
from pipeline.serving.versions import Manifest, newest_manifest, read_manifest
from pipeline.watch.harm import loss_name, tolerated
from pipeline.watch.reference import Array, read_reference
from pipeline.watch.state import opened
from pipeline.watch.windows import hour_of

BY = "longhaul loop"
STEP, PROMOTE, ABORT = "step", "promote", "abort"


def published(config: PipelineConfig, attempt: Attempt) -> int:
    """Return the version as which the attempt's model was published; 0 if it was not. What a killed process left
    undecided is decided."""
    base = config.serving_folder
    request = request_of(base, attempt.digest)
    for version in list_versions(config):
        found = version.manifest
        if found and request and found.digest == attempt.digest and found.pushed >= request.since:
            if request.state == WAITING:
                decided(base, request, APPROVED, BY, "finished what was begun", now(), version.number)
            return version.number
    return 0


def publish(config: PipelineConfig, attempt: Attempt, note: str) -> int:
    """Publish the model that waits: into the shadow of what serves, or, where nothing serves, to answer.

    Raises:
        PipelineError: it may not be published.
    """
    return decide(config, attempt.run_id, by=BY, note=note).version


def request(config: PipelineConfig, attempt: Attempt) -> Request | None:
    """Return the request about the attempt's model."""
    return request_of(config.serving_folder, attempt.digest)


def trying(config: PipelineConfig) -> Rollout | None:
    """Return the rollout under way."""
    return rollout.under_way(config.serving_folder)


def serves_it(config: PipelineConfig, attempt: Attempt) -> bool:
    """Return whether the attempt's model answers alone, or would if no rollout were under way."""
    served = newest_manifest(config.serving_folder)
    return served is not None and served.digest == attempt.digest


def is_done(config: PipelineConfig, attempt: Attempt, pending: dict[str, Any]) -> bool:
    """Return whether what was decided shows already."""
    found = trying(config)
    if pending["action"] == STEP:
        return bool(found and found.mode == CANARY and found.share == pending["share"])
    if pending["action"] == PROMOTE:
        return found is None and serves_it(config, attempt)
    return not serves_it(config, attempt)


def act(config: PipelineConfig, pending: dict[str, Any]) -> None:
    """Do what was decided.

    Raises:
        PipelineError: it cannot be done.
    """
    note = str(pending["because"])
    if pending["action"] == STEP:
        levers.step(config, pending["share"], note, BY)
    elif pending["action"] == PROMOTE:
        levers.promote(config, note, BY)
    else:
        levers.abort(config, note, BY)


def judged(config: PipelineConfig, attempt: Attempt, at: Rollout) -> Judgement:
    """Judge the step that an attempt is in, by the labelled rows that both models have answered since it began."""
    settings, base = config.continuous, config.serving_folder
    champion = read_manifest(base / str(at.stable))
    if champion is None:
        raise WorkspaceError(
            f"version {at.stable}, which serves, has no manifest, so nobody knows what it predicts",
            "`longhaul rollout promote` or `longhaul rollout abort` decides by hand",
        )
    who = Versions(
        *(str(at.stable), str(at.version), champion.task, champion.classes, champion.inputs, config.watch.keys)
    )
    folder = folder_of(config)
    with opened(folder / "state.db") as state:
        hours = {hour for hour in state.all_hours() if hour >= hour_of(datetime.fromisoformat(attempt.since))}
        files = state.paths_of(hours) if hours else []
        parts = [one["part"] for one in state.labels()]
    temporary = folder / "tmp"
    if at.mode == CANARY:
        pairs = canary_pairs(files, parts, who, attempt.since, temporary, lambda: _asked(config, at.stable))
    else:
        pairs = shadow_pairs(files, parts, who, attempt.since, temporary)
    return judge(
        pairs,
        may_lose=may_lose(config, champion, at.stable),
        delta=settings.delta,
        steps=len(settings.stages),
        fewest=settings.min_pairs,
    )


def may_lose(config: PipelineConfig, champion: Manifest, version: int) -> float:
    """Return how much more a challenger may lose a row."""
    if config.continuous.may_lose is not None:
        return config.continuous.may_lose
    promised = champion.metrics.get("rmse", 0.0) ** 2
    if champion.task == "regression" and (found := read_reference(folder_of(config) / f"reference-{version}.parquet")):
        promised = found.loss
    return tolerated(loss_name(champion.task), config.watch.may_lose, promised)


def _asked(config: PipelineConfig, version: int) -> Callable[[pa.RecordBatch], Array]:
    from pipeline.watch.scored import scorer

    return scorer(config.serving_folder / str(version))
