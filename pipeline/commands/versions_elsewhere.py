"""Versions of a model in the bucket where jobs on Vertex AI Pipelines push them: which there are, and back to one."""

from __future__ import annotations

from pathlib import Path

from pipeline.commands.elsewhere import jobs_of
from pipeline.commands.rollback import Choice, check_reason, choose, known_versions, say_published
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.push import Push
from pipeline.errors import WorkspaceError
from pipeline.lineage.pushes import Rollback
from pipeline.runners.vertex.mirror import Mirror
from pipeline.runners.vertex.objects import EmulatedObjects
from pipeline.serving import unfinished
from pipeline.serving.publish import publish, publish_again
from pipeline.serving.versions import Manifest, Version, read_manifest


def list_versions_in_bucket(config: PipelineConfig, *, emulated: bool = False) -> list[Version]:
    """Return those in the bucket, the newest first.

    Raises:
        PipelineError: the jobs or the bucket cannot be read.
    """
    return _versions(jobs_of(config, emulated=emulated))


def roll_back_in_bucket(
    config: PipelineConfig, to: int | None, note: str, dry_run: bool, *, force: bool = False, emulated: bool = False
) -> Rollback:
    """Publish an earlier version again in the bucket. Its manifest is the record: who, when and why. What a killed one
    published, on whatever machine, it brings to its end, instead, if it was to be the same.

    Args:
        to: its number; when None, that of the last model before the served one that was not withdrawn.
        note: why.
        force: also a version that does not accept today's schema.

    Raises:
        PipelineError: there is no such version, it is what is served, it is damaged, or it does not fit the schema;
            or the bucket cannot be written.
    """
    check_reason(note, force=force)
    jobs = jobs_of(config, emulated=emulated)
    if not (known := _versions(jobs)):
        raise WorkspaceError(
            f"no model was pushed yet: {jobs.base} holds none",
            "`longhaul run --on vertex` submits a job that pushes one",
        )
    mark = f"{jobs.base}/{unfinished.FILE}"
    begun = unfinished.from_text(jobs.objects.read(mark))
    if begun and to in (None, begun.to_version) and begun.new_version == known[0].number:
        say_published(begun)
        done = begun
    else:
        choice = choose(config, known, to, note, force=force)
        done = choice.done(None if dry_run else _published(jobs, choice, config.push, mark))
    if not dry_run:
        jobs.refresh()  # which puts it on record
        left = unfinished.from_text(jobs.objects.read(mark))
        if left and left.new_version == done.new_version:  # else another machine's, which is at work
            jobs.objects.remove(mark)
    return done


def _published(jobs: Mirror, choice: Choice, elsewhere: Push, mark: str) -> Manifest:
    def begin(version: int) -> None:
        jobs.objects.write(mark, unfinished.to_text(choice.begun(version)))

    if isinstance(jobs.objects, EmulatedObjects):
        folder = jobs.objects.path(jobs.base)
        # The emulator sends nothing away.
        return publish(folder / str(choice.target.number), folder, choice.manifest, Push(), begin)
    return publish_again(choice.target.path, jobs.base, choice.manifest, elsewhere, begin)


def _versions(jobs: Mirror) -> list[Version]:
    base = jobs.config.serving_folder
    return known_versions(base, jobs.base, lambda number: _damage(base / str(number), jobs.versions[number]))


def _damage(version: Path, there: set[str]) -> list[str]:
    """Return which files are not there. What they hold, Cloud Storage checks itself; a rollback reads them all."""
    manifest = read_manifest(version)
    return [f"{name} is missing" for name in sorted(manifest.files) if name not in there] if manifest else []
