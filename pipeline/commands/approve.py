"""Decides about a model that waits (`push.approval: manual`): publishes it, or says that it stays away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore

from pipeline.commands.misfit import misfit_today
from pipeline.config.model_settings import ModelSettings
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.serving import RolloutSettings
from pipeline.config.value_types import seconds_of
from pipeline.continuous.journal import Journal, journal_of
from pipeline.errors import ConfigError
from pipeline.lineage.artifact_names import APPROVAL, MODEL_DIGEST
from pipeline.lineage.pushes import Approval, record_approval, record_rollout
from pipeline.lineage.records import text_of
from pipeline.lineage.runs import RUN_CONTEXT, find_run
from pipeline.lineage.store import check_store_exists, translated_errors
from pipeline.reports.front import refresh_front
from pipeline.runners.local.recovery import noting
from pipeline.serving import rollout
from pipeline.serving.approvals import APPROVED, REJECTED, WAITING, Request, after, decided, request_of, waiting
from pipeline.serving.publish import now, publish, pusher, withdrawn_now
from pipeline.serving.versions import Manifest, newest_manifest, serving_now
from pipeline.workspace.lock import BRIEFLY, Wait
from pipeline.workspace.reserve import spent


def decide(
    config: PipelineConfig,
    run_id: str,
    *,
    by: str,
    note: str,
    expires: str | None = None,
    reject: bool = False,
    force: bool = False,
    wait: Wait = BRIEFLY,
) -> Approval:
    """Publish the model of a run that waits, or reject it; record who decided, and why. Waits for no run.

    Args:
        expires: how long the approval holds, such as `90d`; for ever when None.
        force: also where the request has lapsed, another model serves than it was judged against, or the schema has
            changed.

    Raises:
        PipelineError: there is no such run, or none of its models waits; or it may not be published today.
    """
    if not by.strip() or not note.strip():
        raise ConfigError("--by and --note may not be empty", "say who decides, and why: it is kept for others")
    try:
        lasts_s = None if expires is None else seconds_of(expires)
    except ValueError as exc:
        raise ConfigError(f"--expires: {exc}", "for example --expires 90d") from exc
    check_store_exists(config.metadata, config.root, config.orchestrator)
    with translated_errors(config.root), spent(config.root), noting(config, wait) as store:
        base = config.serving_folder
        artifact, request = _request(store, config.record_name, base, run_id)
        there = _published(base, request)
        if reject and there:
            raise ConfigError(
                f"the model of run {request.run_id} was approved by {there.approved_by} and is version {there.version}",
                "approve it once more, so that this is on record; `longhaul rollback` takes it away",
            )
        forced_over = "" if reject else _check(config, base, request, force)
        done = Approval(
            run_id=request.run_id,
            decision=REJECTED if reject else APPROVED,
            by=by,
            time=now(),
            note=note,
            until=after(lasts_s),
            forced_over=forced_over,
        )
        if not reject:
            manifest = replace(
                Manifest.from_json(request.manifest),
                pushed=done.time,
                pushed_by=pusher(),
                withdrawn=tuple(one for one in withdrawn_now(base) if one != request.digest),
                note=note,
                approved_by=by,
                approved_until=done.until,
            )
            model = config.root / request.model
            begin = _beside(config, config.continuous.key, base, request, by, note, store)
            there = there or publish(model, base, manifest, config.push, begin)
            done = replace(done, version=there.version, time=there.pushed, note=there.note)
            done = replace(done, by=there.approved_by, until=there.approved_until)
        known = text_of(artifact, APPROVAL), text_of(artifact, "pushed_version")
        if known != (done.decision, str(done.version or "")):  # else a killed process recorded it
            record_approval(store, config.record_name, done, artifact, base)
        # Last, since nobody can decide once more about a request that is decided.
        decided(base, request, done.decision, done.by, done.note, done.time, done.version)
    refresh_front(config)
    return done


def _published(base: Path, request: Request) -> Manifest | None:
    """Return the newest version, if somebody approved it as this request, and was killed before that was written
    down."""
    newest = newest_manifest(base)
    if newest is None or newest.copy_of or not newest.approved_by:
        return None
    return newest if newest.digest == request.digest and newest.pushed >= request.since else None


def _beside(
    settings: ModelSettings, key: str, base: Path, request: Request, by: str, note: str, store: MetadataStore
) -> Callable[[int], None]:
    """Return what has a version tried beside the one that serves, in the instant it appears: that of `longhaul loop` in
    the shadow, others as `serving.rollout` says."""

    def begin(version: int) -> None:
        trying = Journal.read(journal_of(settings.root, settings.name)).under_way()
        if trying and trying.digest == request.digest:
            wanted: RolloutSettings | None = RolloutSettings(key=key)
        else:
            wanted = settings.serving.rollout
        if wanted and (begun := rollout.begin(base, version, wanted.canary, wanted.key, by, now(), note)):
            record_rollout(store, settings.record_name, "start", begun, base)

    return begin


def _request(store: MetadataStore, pipeline: str, base: Path, run_id: str) -> tuple[Any, Request]:
    """Return the PushedModel of a run and the request about its model."""
    run = find_run(store, pipeline, run_id)
    context = store.get_context_by_type_and_name(RUN_CONTEXT, run.run_id)
    pushed = [one for one in store.get_artifacts_by_context(context.id) if one.type == "PushedModel"]
    for artifact in pushed:
        request = request_of(base, artifact.custom_properties[MODEL_DIGEST].string_value)
        if request and request.state == WAITING:
            return artifact, request
        if request:
            version = f" as version {request.version}" if request.version else ""
            raise ConfigError(
                f"the model of run {run.run_id} does not wait: it was {request.words}{version}",
                "`longhaul rollback --to VERSION` serves another version; `longhaul versions` lists them",
            )
    others = ", ".join(one.run_id for one in waiting(base)[:5])
    raise ConfigError(
        f"no model of run {run.run_id} waits for approval",
        f"models of these runs wait: {others}" if others else "none waits; `push.approval: manual` lets them",
    )


def _check(settings: ModelSettings, base: Path, request: Request, force: bool) -> str:
    """Return what --force overrules; "" where nothing stands in the way."""
    problems = []
    served = serving_now(base)
    if request.has_lapsed:
        problems.append(f"nobody approved it until {request.until}")
    if served and served.digest not in (request.judged_against, request.digest):
        problems.append(f"it was judged against another model than version {served.version}, which serves now")
    if problem := misfit_today(Manifest.from_json(request.manifest), settings):
        problems.append(f"it does not accept the current schema: {problem}")
    if problems and not force:
        raise ConfigError(
            f"the model of run {request.run_id} is not pushed: {'; '.join(problems)}",
            "`longhaul run --from Evaluator --no-cache` judges it anew; --force pushes it all the same",
        )
    return "; ".join(problems)
