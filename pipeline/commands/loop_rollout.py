"""Rolls out for `longhaul loop`: publishes into the shadow, judges each step, and takes the next, or the model back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.commands import rollout as levers
from pipeline.commands.approve import decide
from pipeline.commands.rollback import list_versions
from pipeline.config.model_settings import ModelSettings
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.value_types import seconds_of
from pipeline.config.watch import Watch
from pipeline.continuous.answers import Versions
from pipeline.continuous.estimated import judge_estimated, number_of
from pipeline.continuous.failures import judge_failures
from pipeline.continuous.journal import Attempt
from pipeline.continuous.paired import ABORT as WORSE
from pipeline.continuous.paired import Judgement, judge
from pipeline.continuous.pairs import answered, arms, canary_pairs, failures, shadow_pairs
from pipeline.continuous.unpaired import judge_unpaired
from pipeline.errors import WorkspaceError
from pipeline.serving import rollout
from pipeline.serving.approvals import APPROVED, WAITING, decided, request_of
from pipeline.serving.publish import now
from pipeline.serving.rollout import CANARY, Rollout
from pipeline.serving.versions import Manifest, newest_manifest, read_manifest
from pipeline.watch.harm import loss_name, tolerated
from pipeline.watch.reference import Array, read_reference
from pipeline.watch.samples import columns_of, difference
from pipeline.watch.state import opened
from pipeline.watch.windows import hour_of

BY = "longhaul loop"
STEP, PROMOTE, ABORT = "step", "promote", "abort"
KINDS = 3
"""Of tests that may abort a model at a step: by failures, by labels, by estimates."""


def published(serving: Path, attempt: Attempt) -> int:
    """Return the version as which the attempt's model was published; 0 if it was not. What a killed process left
    undecided is decided."""
    request = request_of(serving, attempt.digest)
    for version in list_versions(serving):
        found = version.manifest
        if found and request and found.digest == attempt.digest and found.pushed >= request.since:
            if request.state == WAITING:
                decided(serving, request, APPROVED, BY, "finished what was begun", now(), version.number)
            return version.number
    return 0


def publish(config: PipelineConfig, attempt: Attempt, note: str) -> int:
    """Publish the model that waits: into the shadow of what serves, or, where nothing serves, to answer.

    Raises:
        PipelineError: it may not be published.
    """
    return decide(config, attempt.run_id, by=BY, note=note).version


def serves_it(serving: Path, attempt: Attempt) -> bool:
    """Return whether the attempt's model answers alone, or would if no rollout were under way."""
    served = newest_manifest(serving)
    return served is not None and served.digest == attempt.digest


def is_done(serving: Path, attempt: Attempt, pending: dict[str, Any]) -> bool:
    """Return whether what was decided shows already."""
    found = rollout.under_way(serving)
    if pending["action"] == STEP:
        return bool(found and found.mode == CANARY and found.share == pending["share"])
    if pending["action"] == PROMOTE:
        return found is None and serves_it(serving, attempt)
    return not serves_it(serving, attempt)


def is_unrecorded(serving: Path, pending: dict[str, Any]) -> bool:
    """Return whether what was decided shows, and a killed process did not put all of it on record."""
    return levers.ended_unrecorded(serving, pending["action"]) is not None


def waits_long(watch: Watch, attempt: Attempt, now: datetime) -> bool:
    """Return whether a step has waited for twice the time that labels take."""
    waited = now - datetime.fromisoformat(attempt.since)
    return waited.total_seconds() >= 2 * seconds_of(watch.labels_within)


def act(settings: ModelSettings, pending: dict[str, Any]) -> None:
    """Do what was decided.

    Raises:
        PipelineError: it cannot be done.
    """
    note = str(pending["because"])
    if pending["action"] == STEP:
        levers.step(settings, pending["share"], note, BY)
    elif pending["action"] == PROMOTE:
        levers.promote(settings, note, BY)
    else:
        levers.abort(settings, note, BY)


def judged(config: PipelineConfig, attempt: Attempt, at: Rollout) -> Judgement:
    """Judge the step that an attempt is in, by what both models have answered since it began."""
    return Judged(config, attempt, at).judgement()


class Judged:
    """A step, and what there is to judge it by."""

    def __init__(self, config: PipelineConfig, attempt: Attempt, at: Rollout) -> None:
        champion = read_manifest(config.serving_folder / str(at.stable))
        if champion is None:
            raise WorkspaceError(
                f"version {at.stable}, which serves, has no manifest, so nobody knows what it predicts",
                "`longhaul rollout promote` or `longhaul rollout abort` decides by hand",
            )
        self._config, self._at, self._since = config, at, attempt.since
        self._who = Versions(
            *(str(at.stable), str(at.version), champion.task, champion.classes, champion.inputs, config.watch.keys)
        )
        asked, folder = config.continuous.may_lose, config.watch_folder
        self._may_lose = may_lose(config.watch, folder, champion, at.stable) if asked is None else asked
        with opened(folder / "state.db") as state:
            hours = {hour for hour in state.all_hours() if hour >= hour_of(datetime.fromisoformat(attempt.since))}
            self._files = state.paths_of(hours) if hours else []
            self._parts = [one["part"] for one in state.labels()]
        self._temporary = folder / "tmp"
        self._hidden = not set(config.serving.redact).isdisjoint(champion.inputs)
        self._champion = cache(partial(scorer_of, config.serving_folder, at.stable))

    def judgement(self) -> Judgement:
        """Return what failures say, else what labels say, else, with too few of them, what is estimated."""
        settings = self._config.continuous
        steps = len(settings.stages)
        log = self._files, self._who
        failed = failures(*log, self._at.mode, self._since, self._temporary)
        by_failures = judge_failures(failed, delta=settings.delta / (KINDS * steps))
        if by_failures.action == WORSE:
            return by_failures
        bounds = {
            "may_lose": self._may_lose,
            "delta": settings.delta / (2 if settings.estimates == "promote" else 1),
            "aborts": KINDS * steps,
        }
        found = self._by_labels(bounds | {"fewest": settings.min_pairs})
        if settings.estimates == "ignore" or found.rows >= settings.min_pairs:
            return found
        return self._estimated(found, bounds)

    def _by_labels(self, bounds: dict[str, Any]) -> Judgement:
        given = self._files, self._parts, self._who, self._since, self._temporary
        if self._at.mode != CANARY:
            return judge(shadow_pairs(*given), **bounds)
        if self._hidden:
            return judge_unpaired(arms(*given, self._config.continuous.key), **bounds)
        return judge(canary_pairs(*given, self._champion), **bounds)

    def _estimated(self, waits: Judgement, bounds: dict[str, Any]) -> Judgement:
        """Return what is estimated of the rows that both have answered; what labels said, if nothing can be."""
        reference = read_reference(self._config.watch_folder / f"reference-{self._at.version}.parquet")
        inputs = self._who.inputs
        if reference is None or self._hidden or not set(inputs) <= set(reference.table.schema.names):
            return waits
        fewest = self._config.continuous.min_pairs
        number = 0

        def most(rows: int) -> int:
            nonlocal number
            number = number_of(rows, fewest)
            return fewest * 2 ** (number - 1) if number else 0

        columns = columns_of(reference)
        names = {one.name: one.is_number for one in columns}
        log = self._files, self._who, self._at.mode, self._since, self._temporary
        rows = answered(*log, names, most, self._champion)
        if rows is None:
            return waits
        features, champion, challenger = rows
        both = difference(reference, columns, self._champion(), features, champion, challenger)
        passes = self._config.continuous.estimates == "promote"
        return judge_estimated(waits, both, len(challenger), number, **bounds, passes=passes)


def may_lose(watch: Watch, folder: Path, champion: Manifest, version: int) -> float:
    """Return how much more a challenger may lose a row."""
    promised = champion.metrics.get("rmse", 0.0) ** 2
    if champion.task == "regression" and (found := read_reference(folder / f"reference-{version}.parquet")):
        promised = found.loss
    return tolerated(loss_name(champion.task), watch.may_lose, promised)


def scorer_of(serving: Path, version: int) -> Callable[[pa.RecordBatch], Array]:
    """Load a version that serves."""
    from pipeline.watch.scored import scorer

    return scorer(serving / str(version))
