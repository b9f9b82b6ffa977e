"""Versions of a pipeline's curated schema in ML Metadata: which text guarded, who approved it, and on what grounds.

Every version is an artifact with the whole text in it, so that an old one can be shown when the file has moved on.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2

from pipeline.errors import PipelineError

VERSION_TYPE = "longhaul.SchemaVersion"
_TEXTS = ("pipeline", "digest", "reviewer", "note", "time", "run_id", "statistics", "text")


@dataclass(frozen=True)
class StatisticsSource:
    """An ExampleStatistics artifact."""

    id: int
    uri: str


@dataclass(frozen=True)
class SchemaVersion:
    """One version.

    Attributes:
        number: counts up from 1 in each pipeline.
        digest: SHA-256 of the text.
        reviewer, note: who approved it and why; both empty if nobody has.
        time: when it was recorded, ISO 8601, UTC.
        run_id: the run whose statistics the reviewer saw, or the first one that used a text nobody approved.
        statistics: what the approval was based on.
        text: the file, whole.
    """

    number: int
    digest: str
    reviewer: str
    note: str
    time: str
    run_id: str
    statistics: tuple[StatisticsSource, ...]
    text: str

    @property
    def review(self) -> str:
        """Who stands behind it, in words."""
        if self.reviewer:
            return f"approved by {self.reviewer}"
        return "as first seen, not reviewed" if self.number == 1 else "edited by hand, not approved"

    @property
    def run_properties(self) -> dict[str, str]:
        """What is on record of a run that it guards."""
        return {"schema_digest": self.digest, "schema_version": str(self.number), "schema_review": self.review}

    def to_json(self) -> dict[str, Any]:
        """Return plain data for a script, without the text."""
        plain = {key: value for key, value in asdict(self).items() if key != "text"}
        return plain | {"statistics": [asdict(source) for source in self.statistics], "review": self.review}


def digest_of(text: str) -> str:
    """Return what tells one text from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def list_versions(store: MetadataStore, pipeline: str) -> list[SchemaVersion]:
    """Return all versions, the newest first."""
    versions = [_read(artifact) for artifact in _artifacts(store, pipeline)]
    return sorted(versions, key=lambda version: version.number, reverse=True)


def find_version(store: MetadataStore, pipeline: str, number: int) -> SchemaVersion:
    """Return one version.

    Raises:
        PipelineError: there is no such version.
    """
    versions = {version.number: version for version in list_versions(store, pipeline)}
    if number in versions:
        return versions[number]
    raise PipelineError(
        f"pipeline {pipeline!r} has no schema version {number}",
        f"there are versions 1 to {max(versions)}; `longhaul schema history` lists them"
        if versions
        else "the first run records version 1",
    )


def version_of(store: MetadataStore, pipeline: str, text: str) -> SchemaVersion | None:
    """Return the newest version with that text, or None."""
    digest = digest_of(text)
    return next((version for version in list_versions(store, pipeline) if version.digest == digest), None)


def guarding_version(store: MetadataStore, pipeline: str, text: str, run_id: str) -> SchemaVersion:
    """Return the version that a run uses; a text that is not on record becomes one that nobody has approved."""
    return version_of(store, pipeline, text) or record_version(store, pipeline, text, run_id=run_id)


def record_version(
    store: MetadataStore,
    pipeline: str,
    text: str,
    *,
    run_id: str,
    reviewer: str = "",
    note: str = "",
    statistics: Sequence[StatisticsSource] = (),
) -> SchemaVersion:
    """Record the next version; an approval that is on record already, of one that was killed, is that version."""
    newest = next(iter(list_versions(store, pipeline)), None)
    told = (digest_of(text), reviewer, note, run_id)
    if newest and reviewer and told == (newest.digest, newest.reviewer, newest.note, newest.run_id):
        return newest
    kind = metadata_store_pb2.ArtifactType(name=VERSION_TYPE)
    kind.properties["version"] = metadata_store_pb2.INT
    for name in _TEXTS:
        kind.properties[name] = metadata_store_pb2.STRING
    values = {
        "pipeline": pipeline,
        "digest": digest_of(text),
        "reviewer": reviewer,
        "note": note,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_id": run_id,
        "statistics": json.dumps([asdict(source) for source in statistics]),
        "text": text,
    }
    artifact = metadata_store_pb2.Artifact(type_id=store.put_artifact_type(kind))
    for name, value in values.items():
        artifact.properties[name].string_value = value
    for number in itertools.count(newest.number + 1 if newest else 1):
        artifact.name = f"{pipeline}/{number}"  # unique: two people who approve at once get two numbers
        artifact.properties["version"].int_value = number
        try:
            store.put_artifacts([artifact])
            break
        except mlmd_errors.AlreadyExistsError:
            continue
    return _read(artifact)


def _artifacts(store: MetadataStore, pipeline: str) -> list[Any]:
    return [a for a in store.get_artifacts_by_type(VERSION_TYPE) if a.properties["pipeline"].string_value == pipeline]


def _read(artifact: Any) -> SchemaVersion:
    texts = {name: artifact.properties[name].string_value for name in _TEXTS}
    return SchemaVersion(
        number=artifact.properties["version"].int_value,
        statistics=tuple(StatisticsSource(**source) for source in json.loads(texts["statistics"])),
        **{name: texts[name] for name in ("digest", "reviewer", "note", "time", "run_id", "text")},
    )
