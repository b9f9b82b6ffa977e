"""Begins, steers and ends a rollout; each step is on record with who and why. No TensorFlow.

The decision by quality is somebody else's: these are its levers.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from ml_metadata import MetadataStore

from pipeline.commands.rollback import list_versions, serve_again
from pipeline.config.model_settings import ModelSettings
from pipeline.config.place import Place
from pipeline.errors import ConfigError, WorkspaceError
from pipeline.lineage.pushes import record_rollout, rollout_is_recorded, rollout_was_begun
from pipeline.lineage.store import open_existing_store, translated_errors
from pipeline.reports.front import refresh_front
from pipeline.runners.local.recovery import noting
from pipeline.serving import rollout, unfinished
from pipeline.serving.publish import now, pusher
from pipeline.serving.rollout import CANARY, SHADOW, Rollout
from pipeline.serving.versions import Version, newest_manifest
from pipeline.workspace.lock import BRIEFLY, Wait
from pipeline.workspace.reserve import spent


def start(
    place: Place, version: int, *, share: float | None, key: str = "", note: str = "", by: str = "",
    wait: Wait = BRIEFLY,
) -> Rollout:  # fmt: skip
    """Have a version tried beside the one that answers; of one that is tried already, change how.

    Args:
        share: percent that it answers; None: it answers to the log only.
        key: the column whose values are told apart; the id of the request when empty.
        by: who; user@machine when empty.

    Raises:
        PipelineError: there is no such version, it is damaged, nothing could answer beside it, or another is tried.
    """
    base = place.serving_folder
    if share is not None and not 0 < share <= 100:
        raise ConfigError(f"--canary {share:g}: not a share in percent", "name more than 0 and at most 100")
    with translated_errors(place.root):
        open_existing_store(place)
        with noting(place, wait) as store:
            tried = rollout.under_way(base)
            if tried and tried.version != version:
                raise ConfigError(
                    f"version {tried.version} is tried already",
                    "`longhaul rollout promote` or `longhaul rollout abort` it",
                )
            stable, newest = _tried_beside(base, version, key)
            mode = SHADOW if share is None else CANARY
            begun = Rollout(version, stable, newest, mode, share or 0.0, key, by or pusher(), now(), note)
            note_begun(place.record_name, base, store)
            if tried and tried == replace(begun, time=tried.time):  # the same command again, after a kill
                return tried
            rollout.write(base, begun)
            note_begun(place.record_name, base, store)
    return begun


def _tried_beside(base: Path, version: int, key: str) -> tuple[int, int]:
    """Return which version answers the rest, and the newest one.

    Raises:
        PipelineError: there is no such version, it is damaged or lacks the column, or nothing could answer beside it.
    """
    known = list_versions(base)
    candidate = _whole(known, version)
    stable = _beside(known, candidate)
    columns = candidate.manifest.inputs if candidate.manifest else {}
    if key and key not in columns:
        raise ConfigError(
            f"--key {key}: version {version} has no such column", f"the columns are {', '.join(sorted(columns))}"
        )
    return stable.number, known[0].number


def step(place: Place, share: float, note: str = "", by: str = "", wait: Wait = BRIEFLY) -> Rollout:
    """Have the version that is tried answer another share, in percent.

    Raises:
        PipelineError: none is tried.
    """
    before = status(place.serving_folder)
    return start(place, before.version, share=share, key=before.key, note=note, by=by, wait=wait)


def status(serving: Path) -> Rollout:
    """Return the rollout under way.

    Raises:
        ConfigError: there is none.
    """
    found = rollout.under_way(serving)
    if found is None:
        raise ConfigError("no rollout is under way", "`longhaul rollout start VERSION --canary 10` begins one")
    return found


def promote(settings: ModelSettings, note: str = "", by: str = "", wait: Wait = BRIEFLY) -> Rollout:
    """Have the version that is tried answer all requests.

    Raises:
        PipelineError: none is tried, or it cannot be published.
    """
    return _end(settings, "promote", note, by, wait)


def abort(settings: ModelSettings, note: str = "", by: str = "", wait: Wait = BRIEFLY) -> Rollout:
    """Have the version beside it answer all requests; no run pushes the one that was tried again, if it was the newest.

    Raises:
        PipelineError: none is tried, or the version beside it cannot be published.
    """
    return _end(settings, "abort", note, by, wait)


def _end(settings: ModelSettings, how: str, note: str, by: str, wait: Wait) -> Rollout:
    base = settings.serving_folder
    published = None
    with translated_errors(settings.root):
        open_existing_store(settings)
        with spent(settings.root), noting(settings, wait) as store:
            note_begun(settings.record_name, base, store)
            found = ended_unrecorded(base, how) or status(base)
            if found.ending != how:
                found = replace(found, by=by or pusher(), time=now(), note=note, ending=how)
            winner = found.version if how == "promote" else found.stable
            write = partial(rollout.write, base, found)
            if winner != found.newest and (rollout.under_way(base) or unfinished.begun(base)):
                # Published anew, which ends the rollout in the same instant.
                why = note or f"{how} of the {found.mode} of version {found.version}"
                published = serve_again(settings, store, winner, why, at_once=write)
            else:
                write()
            if not rollout_is_recorded(store, found):
                record_rollout(store, settings.record_name, how, found, base)
            if published:
                unfinished.end(base, published.new_version)
            rollout.end(base)
    if published:
        refresh_front(settings)
    return found


def ended_unrecorded(base: Path, how: str) -> Rollout | None:
    """Return the rollout that a process ended so by what it published, and was killed before all was on record."""
    found, newest = rollout.last(base), newest_manifest(base)
    is_it = found and found.ending == how and newest and newest.replaces == found.newest
    return found if is_it and not rollout.under_way(base) else None


def _whole(known: list[Version], version: int) -> Version:
    found = next((one for one in known if one.number == version), None)
    if found is None:
        numbers = ", ".join(str(one.number) for one in known) or "none"
        raise ConfigError(f"there is no version {version}", f"the versions are {numbers}")
    if found.damage:
        raise WorkspaceError(
            f"version {version} is damaged: {', '.join(found.damage[:3])}", "`longhaul versions` tells which are whole"
        )
    return found


def _beside(known: list[Version], candidate: Version) -> Version:
    """Return the version that answers the rest: the one that serves, or, if that is the candidate, the one before."""
    digest = candidate.manifest.digest if candidate.manifest else ""
    for one in known:
        same = one.manifest and one.manifest.digest == digest
        if one is not candidate and not same and not one.damage and one.state != "withdrawn":
            return one
        if same and one is known[0] and one is not candidate:
            break
    raise ConfigError(
        f"there is no other model to answer beside version {candidate.number}",
        "`longhaul versions` lists what there is",
    )


def note_begun(pipeline: str, serving: Path, store: MetadataStore) -> None:
    """Put on record what is tried and is not yet: what the push of a run began, whose outputs come on record after it,
    or a start or a step that was killed."""
    begun = rollout.under_way(serving)
    if begun and not begun.ending and not rollout_is_recorded(store, begun):
        record_rollout(store, pipeline, "step" if rollout_was_begun(store, begun) else "start", begun, serving)
