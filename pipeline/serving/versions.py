"""The versions of a model that lie where a server looks for them, and what is written in each: its manifest.

The version with the highest number serves; during a rollout, the stable one. A manifest names the models that were
rolled back and that nobody has brought back since: those are not pushed again by a run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.lineage.version_folders import versions
from pipeline.serving.rollout import under_way
from trainer.digests import MANIFEST, file_digest, file_digests, model_digest
from trainer.features import FeatureTable


@dataclass(frozen=True)
class Manifest:
    """What a pushed model is; `assets.extra/manifest.json` in its folder.

    Attributes:
        pushed, pushed_by: when (ISO 8601, UTC) and as which user of which machine.
        run_id: the run that pushed it; of a rollback, the one that pushed the model first.
        artifacts: ids in ML Metadata of the model and of what the push read besides.
        spans: those of the table that training and evaluation saw.
        schema_digest: SHA-256 of the curated schema's text.
        label: the column that it predicts; empty where an older Longhaul pushed it.
        inputs: how each raw feature is stored: int, float or bytes.
        metrics: Evaluator's, over all rows.
        files: SHA-256 by path, this file left out.
        withdrawn: digests of models that were rolled back.
        places: where the version went besides the folder, see `pipeline.config.push`.
        approved_by, approved_until: who let it serve (`longhaul approve`), and until when (ISO 8601); empty if nobody
            had to, and if for ever.
        threshold: of a binary task, the probability from which on a row is called positive; None where an older
            Longhaul pushed it.
        typical: the row that explanations compare with, by the network's inputs; empty where nothing was explained.
        copy_of, replaces, note: of a rollback, the version it is a copy of, the one that served before, and why.
    """

    pipeline: str
    run_id: str
    pushed: str
    pushed_by: str
    artifacts: dict[str, int]
    spans: tuple[int, ...]
    schema_digest: str
    inputs: dict[str, str]
    task: str
    classes: tuple[str, ...]
    metrics: dict[str, float]
    files: dict[str, str]
    label: str = ""
    version: int = 0
    withdrawn: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    copy_of: int | None = None
    replaces: int | None = None
    note: str = ""
    approved_by: str = ""
    approved_until: str = ""
    typical: dict[str, list[float]] = field(default_factory=dict)
    threshold: float | None = None

    @property
    def digest(self) -> str:
        """Of the model: equal wherever it lies."""
        return model_digest(self.files)

    def at(self, version: int) -> Manifest:
        """Return the same digest as that version's."""
        return replace(self, version=version)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self) | {"digest": self.digest}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Manifest:
        """Read what `to_json` wrote.

        Raises:
            ValueError: the digests of the files do not make up the digest of the model.
        """
        lists = {key: tuple(plain[key]) for key in ("spans", "classes", "withdrawn", "places") if key in plain}
        read = cls(**{key: value for key, value in plain.items() if key != "digest"} | lists)
        if plain.get("digest", read.digest) != read.digest:
            raise ValueError("the digests of the files were changed")
        return read


def inputs_of(table: FeatureTable) -> dict[str, str]:
    """Return `Manifest.inputs` of a model with these features."""
    return {feature.name: feature.storage.value for feature in table.features}


def newest(base: Path) -> str | None:
    """Return the highest version: the one that serves, or that a rollout tries."""
    numbers = versions(base)
    return str(numbers[-1]) if numbers else None


def read_manifest(version: Path) -> Manifest | None:
    """Read the manifest of a version; None of one that was not pushed by Longhaul, or before it wrote manifests."""
    try:
        return Manifest.from_json(json.loads((version / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # or JSON of another shape
        return None


def threshold_of(manifest: Manifest | None) -> float:
    """Return the probability from which on the model calls a row positive; 0.5 where none is on record."""
    return 0.5 if manifest is None or manifest.threshold is None else manifest.threshold


def newest_manifest(base: Path) -> Manifest | None:
    """Read the manifest of the highest version."""
    highest = newest(base)
    return None if highest is None else read_manifest(base / highest)


def serving_version(base: Path) -> str | None:
    """Return the version that serves: during a rollout the stable one."""
    trying = under_way(base)
    return str(trying.stable) if trying else newest(base)


def serving_manifest(base: Path) -> Manifest | None:
    """Read the manifest of the version that serves."""
    served = serving_version(base)
    return None if served is None else read_manifest(base / served)


@dataclass(frozen=True)
class Serving:
    """What serves.

    Attributes:
        digest: of the model.
        run_id: the run that pushed it first; empty where nobody knows.
        withdrawn: digests of models that were rolled back.
        manifest: None of a version that Longhaul did not push.
    """

    version: int
    digest: str
    run_id: str
    withdrawn: tuple[str, ...]
    manifest: Manifest | None

    def to_json(self) -> str:
        """Return JSON text for the record of a run (pipeline.lineage.runs, `served`)."""
        return json.dumps({"version": self.version, "digest": self.digest, "run_id": self.run_id})


def serving_now(base: Path) -> Serving | None:
    """Tell what serves below `base`; None where nothing does."""
    version = serving_version(base)
    if version is None:
        return None
    if manifest := read_manifest(base / version):
        return Serving(int(version), manifest.digest, manifest.run_id, manifest.withdrawn, manifest)
    return Serving(int(version), model_digest(file_digests(base / version)), "", (), None)


def pushed_as(base: Path, version: int | None = None) -> str | None:
    """Return the version as which a run pushed the model of `version`, or the one that serves: after a rollback, the
    one that it copied."""
    number = serving_version(base) if version is None else str(version)
    found = read_manifest(base / number) if number else None
    return str(found.copy_of) if found and found.copy_of else number


def damage(version: Path) -> list[str]:
    """Compare a version with its manifest; return what is wrong, file by file: nothing of a whole one.

    Files that are not in the manifest are somebody else's. Of a version without a manifest nothing is known.
    """
    manifest = read_manifest(version)
    if manifest is None:
        return [f"{MANIFEST} cannot be read"] if (version / MANIFEST).exists() else []
    return [problem for name, digest in manifest.files.items() if (problem := _problem(version / name, name, digest))]


def _problem(file: Path, name: str, digest: str) -> str:
    try:
        return "" if file_digest(file) == digest else f"{name} was changed"
    except FileNotFoundError:
        return f"{name} is missing"
    except OSError as exc:
        return f"{name} cannot be read ({exc.strerror})"


def served_as(base: Path, digest: str) -> Manifest | None:
    """Return the manifest of the version that serves or is tried, if it is that model, and whole."""
    for found in (serving_manifest(base), newest_manifest(base)):
        if found and found.digest == digest and not damage(base / str(found.version)):
            return found
    return None


def is_settled(version: Path, digest: str, threshold: str = "") -> bool:
    """Return whether nothing is to be pushed for a model that once became `version`: it serves or is tried, and is
    whole, or it was rolled back.

    Args:
        digest, threshold: the model's, and the one it was pushed with; "" if it is not on record.
    """
    base = version.parent
    served = version.name if version.name == serving_version(base) else newest(base)
    manifest = read_manifest(base / served) if served else None
    if manifest is not None and digest in manifest.withdrawn:
        return True
    if served is None or not (served == version.name or (manifest is not None and digest == manifest.digest)):
        return False
    if manifest is not None and float(threshold or threshold_of(None)) != threshold_of(manifest):
        return False
    if manifest is None and digest and not (version / MANIFEST).exists():  # an older Longhaul's, or it was removed
        return model_digest(file_digests(version)) == digest
    return not damage(base / served)


@dataclass(frozen=True)
class Version:
    """A pushed version; `state`: served, tried, withdrawn, or earlier. `manifest` is None where none was kept."""

    number: int
    state: str
    path: str
    manifest: Manifest | None
    find_damage: Callable[[], Iterable[str]] = field(compare=False, repr=False)

    @cached_property
    def damage(self) -> tuple[str, ...]:
        """Say which files are not those of the manifest. All are read for it, so only of a version in question."""
        return tuple(self.find_damage())
