"""Which models besides the champion set the bound of `may_lose`: pinned ones, the first or the last that were pushed.

Against the champion alone a model may lose a little to the one before, which had lost a little to the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ml_metadata import MetadataStore

from pipeline.config.evaluation import FIRST
from pipeline.lineage.pins import PINNED
from pipeline.lineage.version_folders import versions
from pipeline.serving.versions import newest_manifest, read_manifest


@dataclass(frozen=True)
class Pushed:
    """A version that was pushed: `digest` is the model's. Its folder may be gone."""

    version: int
    digest: str
    is_pinned: bool = False


def referred(
    pushed: list[Pushed], against: str, last: int | None, withdrawn: tuple[str, ...], challenger: str
) -> list[str]:
    """Return digests of the models that `evaluation.against` names, those pushed last first.

    Args:
        pushed: all that is known to have been pushed.
        against: that setting.
        last: so many models, where it names a number.
        withdrawn: digests of models that were rolled back: they set no bound.
        challenger: the digest of the model that is judged: when it serves already, it is none of those before it.
    """
    newest_first = sorted(pushed, key=lambda one: -one.version)
    standing = [one.digest for one in newest_first if one.digest not in withdrawn]
    chosen = [digest for digest in standing if digest != challenger]
    if against == FIRST:
        return [digest for digest in standing[-1:] if digest != challenger]
    if last is not None:
        return list(dict.fromkeys(chosen))[:last]
    pinned = {one.digest for one in pushed if one.is_pinned}
    return [digest for digest in dict.fromkeys(chosen) if digest in pinned]


def pushed_models(store: MetadataStore, base: Path) -> list[Pushed]:
    """Return all that was pushed below `base`, as far as ML Metadata or the folders there know it."""
    found: dict[int, Pushed] = {}
    for version in versions(base):
        if manifest := read_manifest(base / str(version)):
            found[version] = Pushed(version, manifest.digest)
    for artifact in store.get_artifacts_by_type("PushedModel"):
        properties = artifact.custom_properties
        where = Path(properties["pushed_destination"].string_value)
        digest = properties["model_digest"].string_value
        if where.parent == base and where.name.isdecimal() and digest:
            was = found.get(int(where.name))
            is_pinned = bool(properties[PINNED].string_value) or (was is not None and was.is_pinned)
            found[int(where.name)] = Pushed(int(where.name), digest, is_pinned)
    return list(found.values())


def reference_digests(store: MetadataStore, base: Path, against: str, last: int | None, challenger: str) -> list[str]:
    """Return `referred` of what was pushed below `base`."""
    served = newest_manifest(base)
    return referred(pushed_models(store, base), against, last, served.withdrawn if served else (), challenger)


def folders_of(base: Path, digests: list[str]) -> list[Path]:
    """Return the newest version of each model, of those that lie below `base` still."""
    found: dict[str, Path] = {}
    for version in versions(base):
        if (manifest := read_manifest(base / str(version))) and manifest.digest in digests:
            found[manifest.digest] = base / str(version)
    return [found[digest] for digest in digests if digest in found]
