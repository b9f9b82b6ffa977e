"""Puts a run that pipeline.lineage.archive exported into another store.

It can be looked at there, compared and reported on, and no run builds on it: its artifacts are references, where TFX
asks for live ones, and its steps are in none of the contexts by which TFX finds what earlier runs made.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf import json_format
from ml_metadata import MetadataStore
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2

from pipeline.config import PipelineConfig
from pipeline.errors import ConfigError, DataError, DiskFullError, PipelineError
from pipeline.lineage.archive import CHUNK, FOLDER, FORMAT, MANIFEST, ROWS
from pipeline.lineage.runs import RUN_CONTEXT

_NOT_TRAVELLING = ("fingerprint", "process", "workspace", "pinned")
"""Properties of a run that mean something in its own workspace only."""
_IDS = ("current_model_id", "baseline_model_id", "examples_id", "model_id")
"""Properties of artifacts that hold the id of another."""
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError),  # RuntimeError: it is encrypted
    *(json_format.ParseError, KeyError, TypeError, ValueError),
)
"""What reading a damaged zip file raises, and what its contents may."""


def import_run(store: MetadataStore, config: PipelineConfig, source: Path) -> str:
    """Puts an exported run into the store and its files into the workspace; returns its id.

    The caller holds the workspace's lock. Files come first, then all records in one transaction, so that a crash
    leaves a folder that nothing knows of, which `longhaul gc` removes.

    Raises:
        DataError: the file is not such an archive, is damaged, or wants to write elsewhere.
        ConfigError: it is of another pipeline, or of another format.
        PipelineError: the run is here already.
    """
    if not source.is_file():
        raise DataError(f"{source}: no such file", "`longhaul export RUN --output FILE` writes one")
    try:
        with zipfile.ZipFile(source) as archive:
            manifest = _checked_manifest(archive, source, config)
            run_id = str(manifest["run_id"])
            if store.get_context_by_type_and_name(RUN_CONTEXT, run_id):
                raise PipelineError(f"run {run_id} is here already", f"`longhaul show {run_id}` shows it")
            _check_members(archive, manifest, source)
            rows = json.loads(archive.read(ROWS))
            schema = archive.read("schema.pbtxt").decode() if "schema.pbtxt" in manifest["sha256"] else ""
            folder = config.root / FOLDER / "imported" / run_id
            _extract(archive, folder)
            for member, place in (("report.html", "reports/{}.html"), ("run.log", "logs/{}.log")):
                if member in manifest["sha256"]:
                    target = config.root / place.format(run_id)
                    target.parent.mkdir(exist_ok=True)
                    target.write_bytes(archive.read(member))
        _Rows(store, rows, folder).put(schema)
    except _BROKEN as exc:
        raise _damaged(source, str(exc)) from exc
    return run_id


def _damaged(source: Path, why: str) -> DataError:
    return DataError(f"{source} is not an exported run, or is damaged: {why}", "export and copy it again")


def _checked_manifest(archive: zipfile.ZipFile, source: Path, config: PipelineConfig) -> dict[str, Any]:
    if MANIFEST not in archive.namelist():
        raise _damaged(source, f"it holds no {MANIFEST}")
    manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    if manifest["format"] != FORMAT:
        raise ConfigError(
            f"{source} has format {manifest['format']}, of Longhaul {manifest['longhaul']}; this one reads {FORMAT}",
            "import it with the Longhaul that wrote it, or a newer one",
        )
    if manifest["pipeline"] != config.name:
        raise ConfigError(
            f"{source} holds a run of pipeline {manifest['pipeline']!r}, not of {config.name!r}",
            f"name the configuration of {manifest['pipeline']!r} with --config",
        )
    if _leaves(manifest["run_id"]) or "/" in manifest["run_id"]:
        raise _damaged(source, f"{manifest['run_id']!r} is no run's id")
    return manifest


def _leaves(member: str) -> bool:
    """Whether the path leads out of the folder that it is below."""
    path = PurePosixPath(member)
    return path.is_absolute() or ".." in path.parts or "\\" in member


def _check_members(archive: zipfile.ZipFile, manifest: dict[str, Any], source: Path) -> None:
    """Every member is what was written, nothing more, and stays inside the folder that it is put into."""
    for member in archive.infolist():
        if _leaves(member.filename) or stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(
                f"{source}: member {member.filename!r} would be written elsewhere", "do not trust this file"
            )
        if member.filename not in (MANIFEST, *manifest["sha256"]):
            raise _damaged(source, f"{member.filename} is not in its manifest")
    for name, wanted in manifest["sha256"].items():
        digest = hashlib.sha256()
        with archive.open(name) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != wanted:
            raise _damaged(source, f"{name} is not what was exported")


def _extract(archive: zipfile.ZipFile, folder: Path) -> None:
    """The artifacts' files; the folder appears whole or not at all."""
    members = [member for member in archive.infolist() if member.filename.startswith(f"{FOLDER}/")]
    incoming = folder.with_name(f".incoming-{folder.name}")
    incoming.parent.mkdir(parents=True, exist_ok=True)
    if sum(member.file_size for member in members) > shutil.disk_usage(incoming.parent).free:
        raise DiskFullError(folder)
    for leftover in (incoming, folder):  # of an import that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        incoming.mkdir()
        for member in members:
            target = incoming.joinpath(*PurePosixPath(member.filename).parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file, CHUNK)
        incoming.rename(folder)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


class _Rows:
    """ML Metadata's messages of one run, on their way from the ids of one store to those of another."""

    def __init__(self, store: MetadataStore, rows: dict[str, Any], folder: Path) -> None:
        self._store, self._rows, self._folder = store, rows, folder

    def put(self, schema: str) -> None:
        """All of them in one transaction."""
        artifacts = self._read("artifacts", metadata_store_pb2.Artifact)
        executions = self._read("executions", metadata_store_pb2.Execution)
        events = self._read("events", metadata_store_pb2.Event)
        old_ids = [artifact.id for artifact in artifacts]
        places = {number: place for place, number in enumerate(old_ids)}
        steps = {execution.id: place for place, execution in enumerate(executions)}
        edges = [(steps[event.execution_id], places[event.artifact_id], _without_ids(event)) for event in events]
        pointers = self._take_over(artifacts)
        types = self._types("execution_types", metadata_store_pb2.ExecutionType, self._store.put_execution_type)
        for execution in executions:
            execution.type_id = types[execution.type_id]
            execution.ClearField("id")
            execution.ClearField("name")  # unique among those of its type
        context = self._context(schema)
        _, new_ids, _ = self._store.put_lineage_subgraph(executions, artifacts, [context], edges)
        self._point(pointers, dict(zip(old_ids, new_ids, strict=True)))

    def _read(self, name: str, kind: Any) -> list[Any]:
        return [json_format.ParseDict(one, kind(), ignore_unknown_fields=True) for one in self._rows[name]]

    def _types(self, name: str, kind: Any, put: Any) -> dict[int, int]:
        """New id of each type by the one it had."""
        found = {}
        for message in self._read(name, kind):
            before = message.id
            message.ClearField("id")
            found[before] = int(put(message, can_add_fields=True, can_omit_fields=True))
        return found

    def _take_over(self, artifacts: list[Any]) -> dict[int, dict[str, int]]:
        """Makes them fit to be put here, in place. Those that came with a run imported before stay as they are.

        Returns:
            By place the properties that hold ids of other artifacts; they are out until the new ids are known.
        """
        types = self._types("artifact_types", metadata_store_pb2.ArtifactType, self._store.put_artifact_type)
        keys = [_key(artifact) for artifact in artifacts]
        known = {artifact.external_id: artifact for artifact in self._already_here(keys)}
        pointers = {}
        for place, (artifact, key) in enumerate(zip(list(artifacts), keys, strict=True)):
            if key in known:
                artifacts[place] = known[key]
                continue
            held = [name for name in _IDS if name in artifact.custom_properties]
            pointers[place] = {name: artifact.custom_properties[name].int_value for name in held}
            for name in held:
                del artifact.custom_properties[name]
            if (self._folder / str(artifact.id)).is_dir():
                artifact.uri = str(self._folder / str(artifact.id))
            artifact.type_id, artifact.external_id = types[artifact.type_id], key
            artifact.state = metadata_store_pb2.Artifact.REFERENCE
            artifact.ClearField("id")
            artifact.ClearField("name")  # unique among those of its type
        return pointers

    def _already_here(self, keys: list[str]) -> list[Any]:
        try:
            return self._store.get_artifacts_by_external_ids(keys) if keys else []
        except mlmd_errors.NotFoundError:  # not one of them
            return []

    def _context(self, schema: str) -> Any:
        (context,) = self._read("contexts", metadata_store_pb2.Context)
        context.ClearField("id")
        context.type_id = self._store.put_context_type(metadata_store_pb2.ContextType(name=RUN_CONTEXT))
        for name in _NOT_TRAVELLING:
            if name in context.custom_properties:
                del context.custom_properties[name]
        context.custom_properties["imported"].string_value = datetime.now(UTC).isoformat(timespec="seconds")
        if schema:
            context.custom_properties["schema_text"].string_value = schema
        return context

    def _point(self, pointers: dict[int, dict[str, int]], new: dict[int, int]) -> None:
        """Sets what was taken out; an artifact that did not come along is pointed to no more."""
        ids = list(new.values())
        found = {artifact.id: artifact for artifact in self._store.get_artifacts_by_id(ids)} if ids else {}
        changed = {}
        for place, held in pointers.items():
            for name, before in held.items():
                if before in new:
                    changed[ids[place]] = found[ids[place]]
                    found[ids[place]].custom_properties[name].int_value = new[before]
        if changed:
            self._store.put_artifacts(list(changed.values()))


def _without_ids(event: Any) -> Any:
    event.ClearField("artifact_id")
    event.ClearField("execution_id")
    return event


def _key(artifact: Any) -> str:
    """The same for an artifact in whichever run's archive it comes."""
    text = f"{artifact.type}\n{artifact.uri}\n{artifact.id}\n{artifact.create_time_since_epoch}"
    return f"longhaul-import:{hashlib.sha256(text.encode()).hexdigest()}"
