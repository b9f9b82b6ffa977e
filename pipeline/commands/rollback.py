"""Moves back to an earlier version of the served model, or forward again; no TensorFlow.

A server takes the highest number. So the earlier model is published once more under a new, higher number, as
atomically as any push; no version is changed or removed. The model left behind counts as withdrawn: a run does not
push it again, until `longhaul rollback --to` brings it back.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ml_metadata import MetadataStore

from pipeline.commands.misfit import misfit_today
from pipeline.config.command_texts import as_given
from pipeline.config.model_settings import ModelSettings
from pipeline.errors import ConfigError, WorkspaceError
from pipeline.lineage.pushes import Rollback, record_rollback
from pipeline.lineage.store import open_existing_store, translated_errors
from pipeline.lineage.version_folders import versions
from pipeline.runners.local.recovery import noting
from pipeline.serving import unfinished
from pipeline.serving.publish import now, publish, pusher
from pipeline.serving.rollout import under_way
from pipeline.serving.versions import Manifest, Version, damage, newest, read_manifest, serving_version
from pipeline.workspace.lock import BRIEFLY, Wait
from pipeline.workspace.reserve import spent


def list_versions(base: Path) -> list[Version]:
    """Those that lie in the serving folder, the newest first."""
    return known_versions(base, str(base), lambda number: damage(base / str(number)))


def known_versions(base: Path, address: str, damage_of: Callable[[int], Iterable[str]]) -> list[Version]:
    """Return the versions of a folder, the newest first.

    Args:
        base: the folder that holds their manifests.
        address: where a server finds them.
    """
    numbers = versions(base)[::-1]
    manifests = {number: read_manifest(base / str(number)) for number in numbers}
    highest = manifests[numbers[0]] if numbers else None
    withdrawn = highest.withdrawn if highest else ()
    trying = under_way(base)
    used = {trying.version: "tried", trying.stable: "served"} if trying else dict.fromkeys(numbers[:1], "served")
    return [
        Version(
            number,
            used.get(number) or ("withdrawn" if found and found.digest in withdrawn else "earlier"),
            f"{address}/{number}",
            found,
            partial(damage_of, number),
        )
        for number, found in manifests.items()
    ]


def roll_back(
    settings: ModelSettings,
    to: int | None,
    note: str,
    dry_run: bool,
    *,
    force: bool = False,
    wait: Wait = BRIEFLY,
    tell: Callable[[Rollback], None] = lambda _: None,
) -> Rollback:
    """Publish an earlier version again, and record it. Waits for no run. What a killed one published it brings to its
    end, instead, if it was to be the same.

    Args:
        to: its number; when None, that of the last model before the served one that was not withdrawn.
        note: why; kept in the manifest and in ML Metadata.
        force: also a version that does not accept today's schema.
        tell: is told what was done, or would be, before the front page is written: that takes longer than all else.

    Raises:
        PipelineError: there is no such version, it is what is served, it is damaged, or it does not fit the schema; or
            another version came to serve while this waited for its turn.
    """
    check_reason(note, force=force)
    base = settings.serving_folder
    meant, begun = serving_version(base), unfinished.begun(base)
    store = open_existing_store(settings)
    with ExitStack() as held:
        held.enter_context(translated_errors(settings.root))
        if not dry_run:
            held.enter_context(spent(settings.root))
            store = held.enter_context(noting(settings, wait))
        serves = serving_version(base)
        if to is None and serves != meant and not (begun and _killed(base, to)):
            raise WorkspaceError(
                f"version {serves} has come to serve since this command began, and the model before it may not "
                "be the one that you mean; nothing was changed",
                "`longhaul versions` tells who brought it and why; name a version with --to to go back further",
            )
        done = serve_again(settings, store, to, note, dry_run, force=force)
    tell(done)
    if not dry_run:
        end(settings, done)
    return done


def serve_again(
    settings: ModelSettings, store: MetadataStore, to: int | None, note: str, dry_run: bool = False, *,
    force: bool = False, at_once: Callable[[], None] = lambda: None,
) -> Rollback:  # fmt: skip
    """Publish an earlier version again, as `roll_back` does, and record it; the caller holds the short lock, and calls
    `end` after it.

    Args:
        at_once: called in the last moment before the version appears.
    """
    base = settings.serving_folder
    if begun := _killed(base, to):
        say_published(begun)
        return begun
    known = list_versions(base)
    if not known:
        raise WorkspaceError(f"no model was pushed yet: {base} holds none", "`longhaul run` pushes one")
    choice = choose(settings, known, to, note, force=force)
    if dry_run:
        return choice.done()

    def begin(version: int) -> None:
        at_once()
        unfinished.begin(base, choice.begun(version))

    done = choice.done(publish(Path(choice.target.path), base, choice.manifest, settings.push, begin))
    record_rollback(store, settings.record_name, done, base, choice.manifest.digest)
    return done


def _killed(base: Path, to: int | None) -> Rollback | None:
    """Return the rollback to that version which a killed process published, if nothing came after what it published: a
    version that is tried since is to be taken away."""
    begun = unfinished.begun(base)
    is_it = begun and to in (None, begun.to_version) and newest(base) == str(begun.new_version)
    return begun if is_it and under_way(base) is None else None


def say_published(begun: Rollback) -> None:
    """Say that a killed rollback has done what was to be done."""
    print(
        as_given(
            f"Note: the rollback of {begun.by} on {begun.time} had not come to its end, and has published version "
            f"{begun.new_version} already; nothing is published now. `longhaul rollback --to VERSION` serves another"
        ),
        file=sys.stderr,
    )


def end(settings: ModelSettings, done: Rollback) -> None:
    """Show it on the front page, and be done with it: not before, or whoever repeats it goes back further."""
    from pipeline.reports.front import refresh_front  # which `longhaul versions` need not read

    refresh_front(settings)
    unfinished.end(settings.serving_folder, done.new_version)


def check_reason(note: str, *, force: bool) -> None:
    """Check that whoever forces something says why.

    Raises:
        ConfigError: nothing is said.
    """
    if force and not note.strip():
        raise ConfigError("--force without a reason", 'say why with --reason "TEXT": it is kept for others')


@dataclass(frozen=True)
class Choice:
    """The version that is to serve again, the manifest with which it will, and what it does not accept of today's
    schema."""

    target: Version
    manifest: Manifest
    conflict: str

    def begun(self, version: int) -> Rollback:
        """Say what is about to be published as a version."""
        return self.done(self.manifest.at(version))

    def done(self, published: Manifest | None = None) -> Rollback:
        """Say what was done, or, where nothing was published, what would be."""
        told = published or self.manifest
        return Rollback(
            from_version=told.replaces or 0,
            to_version=self.target.number,
            new_version=published.version if published else None,
            run_id=told.run_id,
            by=told.pushed_by,
            time=told.pushed,
            note=told.note,
            forced_over=self.conflict,
        )


def choose(settings: ModelSettings, known: list[Version], to: int | None, note: str, *, force: bool) -> Choice:
    """Choose the version that is to serve again.

    Args:
        known: all versions, the newest first; at least one.

    Raises:
        PipelineError: see `roll_back`.
    """
    served = known[0]
    target = _find(known, to)
    manifest = _whole(target)
    conflict = _conflict(target.number, manifest, settings, force)
    left = served.manifest
    withdrawn = {*left.withdrawn, left.digest} if left else set()
    again = replace(
        manifest,
        pushed=now(),
        pushed_by=pusher(),
        copy_of=manifest.copy_of or target.number,
        replaces=served.number,
        note=note,
        withdrawn=tuple(sorted(withdrawn - {manifest.digest})),
    )
    return Choice(target, again, conflict)


def _find(known: list[Version], to: int | None) -> Version:
    served = known[0]
    if to is not None:
        found = next((version for version in known if version.number == to), None)
        if found is None:
            numbers = ", ".join(str(version.number) for version in known)
            raise ConfigError(f"--to {to}: there is no such version", f"the versions are {numbers}")
        if found is served or (_is_same(found, served) and not served.damage):
            raise ConfigError(
                f"--to {to}: that model is what is served (version {served.number})", "nothing is to be done"
            )
        return found
    left = served.manifest.withdrawn if served.manifest else ()
    for version in known[1:]:
        # One that is tried may be the model before, or one that was withdrawn and got another chance.
        withdrawn = version.manifest and version.manifest.digest in left and version.state != "served"
        if not withdrawn and not _is_same(version, served):
            return version
    raise ConfigError(
        f"there is no model before version {served.number} to go back to", "`longhaul versions` lists what there is"
    )


def _is_same(one: Version, other: Version) -> bool:
    return bool(one.manifest and other.manifest and one.manifest.digest == other.manifest.digest)


def _whole(target: Version) -> Manifest:
    """Its manifest, if it can serve."""
    manifest = target.manifest
    if target.damage:
        raise WorkspaceError(
            f"version {target.number} is damaged: {', '.join(target.damage[:3])}; nothing was changed",
            "`longhaul versions` tells which versions are whole; name one with --to",
        )
    if manifest is None:
        raise WorkspaceError(
            f"version {target.number} has no manifest that can be read, so nobody knows what it is",
            "`longhaul versions` lists those that have one",
        )
    return manifest


def _conflict(version: int, manifest: Manifest, settings: ModelSettings, force: bool) -> str:
    """Return why the model does not fit today's schema; nothing if it does."""
    problem = misfit_today(manifest, settings)
    if problem and not force:
        raise ConfigError(
            f"version {version} does not accept the current schema: {problem}",
            f"choose another version; or bring back the schema and the configuration of run {manifest.run_id} first; "
            'or serve it all the same with --force --reason "TEXT"',
        )
    return problem
