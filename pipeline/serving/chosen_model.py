"""Which model somebody means: a pushed version, or the folder of a SavedModel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline.config.evaluation import COUNT
from pipeline.config.place import Place
from pipeline.errors import ConfigError, WorkspaceError
from pipeline.lineage.version_folders import version_number, versions
from pipeline.serving.versions import damage, read_manifest, serving_version, threshold_of
from trainer.digests import file_digests, model_digest

_DIGITS = 12


@dataclass(frozen=True)
class ChosenModel:
    """A SavedModel; `named` is how `--model` names it from anywhere."""

    folder: Path
    named: str

    @cached_property
    def digest(self) -> str:
        """Of its files: equal for equal models, wherever they lie."""
        return model_digest(file_digests(self.folder))

    @cached_property
    def name(self) -> str:
        """Its version; of one that was never pushed the beginning of its digest."""
        if version_number(self.named):
            return self.named
        manifest = read_manifest(self.folder)
        return str(manifest.version) if manifest else self.digest[:_DIGITS]

    @cached_property
    def threshold(self) -> float:
        """Of a binary task, the probability from which on a row is called positive."""
        return threshold_of(read_manifest(self.folder))

    @cached_property
    def judged_by(self) -> int | None:
        """How many rows it was judged by; None of one that was never pushed."""
        manifest = read_manifest(self.folder)
        return int(manifest.metrics[COUNT]) if manifest and COUNT in manifest.metrics else None


def find_model(place: Place, wanted: str | None) -> ChosenModel:
    """Find a model.

    Args:
        wanted: a version, or a folder; the version that serves when None.

    Raises:
        PipelineError: there is no such model, or it is damaged.
    """
    base = place.serving_folder
    pushed = versions(base)
    wanted = serving_version(base) if wanted is None else wanted
    if wanted is None:
        raise _none_pushed(place)
    if version_number(wanted) in pushed:
        return ChosenModel(_whole(base / wanted), wanted)
    if Path(wanted).is_dir():
        return ChosenModel(Path(wanted).absolute(), str(Path(wanted).absolute()))
    known = f"the versions pushed are {', '.join(map(str, pushed))}" if pushed else f"{base} holds none"
    raise ConfigError(
        f"--model {wanted}: neither a version nor a folder; {known}", "name a version or a SavedModel's folder"
    )


def _none_pushed(place: Place) -> WorkspaceError:
    if place.orchestrator == "vertex" and place.vertex:
        bucket = f"{place.vertex.root}/serving/{place.name}"
        return WorkspaceError(
            f"no model was pushed on this machine: jobs push to {bucket}",
            f"`gcloud storage cp -r {bucket}/VERSION FOLDER` brings one of `longhaul versions` here; then name FOLDER",
        )
    return WorkspaceError(
        f"no model was pushed yet: {place.serving_folder} holds none",
        "`longhaul run` pushes a model that holds its thresholds; or name one with --model",
    )


def _whole(version: Path) -> Path:
    """Return the version, if its files are those of its manifest."""
    if wrong := damage(version):
        raise WorkspaceError(
            f"version {version.name} is damaged: {', '.join(wrong[:3])}; nothing was predicted",
            "`longhaul run` pushes a whole copy of what serves; `longhaul versions` lists what can be had by --model",
        )
    return version
