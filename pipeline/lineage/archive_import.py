"""Puts a run that pipeline.lineage.archive exported into another store.

It can be looked at there, compared and reported on, and no run builds on it: its artifacts are references, where TFX
asks for live ones, and its steps are in none of the contexts by which TFX finds what earlier runs made. Nothing of it
stands for anything that is here already: its artifacts lie in a folder of its own, or nowhere.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2

from pipeline.config.place import Place
from pipeline.errors import DataError, DiskFullError, PipelineError, cannot_write
from pipeline.files import incoming
from pipeline.lineage.archive import CHUNK, FOLDER
from pipeline.lineage.archive_check import BROKEN, Contents, damaged, read_contents
from pipeline.lineage.runs import RUN_CONTEXT

_NOT_TRAVELLING = ("fingerprint", "process", "workspace", "pinned")
"""Properties of a run or an artifact that mean something in their own workspace only."""
_IDS = ("current_model_id", "baseline_model_id", "examples_id", "model_id")
"""Properties of artifacts that hold the id of another."""
_UNFINISHED = "import_unfinished"
"""Custom property of a run's context until all that belongs to the run is here."""
FROM_URI = "imported_from"
"""Custom property of an imported artifact: where it lay on the machine that made it."""
_REFUSED = (mlmd_errors.InvalidArgumentError, mlmd_errors.AlreadyExistsError, mlmd_errors.FailedPreconditionError)
"""What ML Metadata says of records that contradict one another."""


def import_run(store: MetadataStore, place: Place, source: Path) -> str:
    """Put an exported run into the store and its files into the workspace; return its id.

    The caller holds the workspace's lock. Files come first, then all records in one transaction, so that a crash
    leaves a folder that nothing knows of, which `longhaul gc` removes. What a killed one did after that, the
    same import again brings to its end.

    Raises:
        DataError: the file is not such an archive, is damaged, or wants to write elsewhere.
        ConfigError: it is of another pipeline, or of another format.
        PipelineError: the run is here already.
    """
    if not source.is_file():
        raise _not_there(source)
    folder = None
    try:
        with zipfile.ZipFile(source) as archive:
            found = read_contents(archive, source, place.name)
            found.context.custom_properties["pipeline"].string_value = place.record_name
            here = store.get_context_by_type_and_name(RUN_CONTEXT, found.run_id)
            if here and _UNFINISHED not in here.custom_properties:
                raise PipelineError(f"run {found.run_id} is here already", f"`longhaul show {found.run_id}` shows it")
            rows = _Rows(store, found, place.root / FOLDER / "imported" / found.run_id)
            if not here:
                folder = rows.folder
            if not here or not all(_target(member, rows.folder).exists() for member in found.files):
                _extract(archive, found.files, rows.folder)  # the export that a killed one read may have had fewer
            if not here:
                rows.put()
    except (*BROKEN, *_REFUSED) as exc:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        raise damaged(source, str(exc)) from exc
    rows.point()
    log = place.root / "logs" / f"{found.run_id}.log"
    if found.log and not log.exists():
        with incoming(log) as hidden:
            hidden.write_text(found.log)
    here = store.get_context_by_type_and_name(RUN_CONTEXT, found.run_id)
    del here.custom_properties[_UNFINISHED]
    store.put_contexts([here])
    return found.run_id


def check(name: str, source: Path) -> None:
    """Check that the file could be imported; nothing is touched.

    Raises:
        PipelineError: as import_run.
    """
    if not source.is_file():
        raise _not_there(source)
    try:
        with zipfile.ZipFile(source) as archive:
            read_contents(archive, source, name)
    except BROKEN as exc:
        raise damaged(source, str(exc)) from exc


def _not_there(source: Path) -> DataError:
    return DataError(f"{source}: no such file", "`longhaul export RUN --output FILE` writes one")


def _extract(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path) -> None:
    """Extract the artifacts' files; the folder appears whole or not at all."""
    try:
        with incoming(folder) as hidden:
            if sum(member.file_size for member in members) > shutil.disk_usage(hidden.parent).free:
                raise DiskFullError(folder)
            shutil.rmtree(folder, ignore_errors=True)  # of an import that was killed
            hidden.mkdir()
            for member in members:
                target = _target(member, hidden)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as packed, target.open("xb") as file:
                    shutil.copyfileobj(packed, file, CHUNK)
    except OSError as exc:
        raise cannot_write(
            *(folder, exc),
            f"what was exported cannot be written: {exc.filename}: {exc.strerror}",
            "check permissions and the disk; `longhaul doctor` helps",
        ) from exc


def _target(member: zipfile.ZipInfo, folder: Path) -> Path:
    return folder.joinpath(*PurePosixPath(member.filename).parts[1:])


class _Rows:
    """ML Metadata's messages of one run, on their way from the ids of one store to those of another."""

    def __init__(self, store: MetadataStore, found: Contents, folder: Path) -> None:
        self._store, self._found, self.folder = store, found, folder
        self._keys = [_key(artifact) for artifact in found.artifacts]
        self._pointers = [_pointers(artifact) for artifact in found.artifacts]
        self._old_ids = [artifact.id for artifact in found.artifacts]

    def put(self) -> None:
        """Put all of them in one transaction."""
        artifacts, executions = list(self._found.artifacts), self._found.executions
        places = {number: place for place, number in enumerate(self._old_ids)}
        steps = {execution.id: place for place, execution in enumerate(executions)}
        edges = [
            (steps[event.execution_id], places[event.artifact_id], _without_ids(event)) for event in self._found.events
        ]
        self._take_over(artifacts)
        for execution in executions:
            kind = metadata_store_pb2.ExecutionType(name=execution.type)
            execution.type_id = self._store.put_execution_type(kind, can_omit_fields=True)
            _loosen(execution)
        self._store.put_lineage_subgraph(executions, artifacts, [self._context()], edges)

    def _take_over(self, artifacts: list[Any]) -> None:
        """Make them fit to be put here, in place. Those that came with a run imported before stay as they are."""
        known = self._already_here()
        for place, (artifact, key) in enumerate(zip(list(artifacts), self._keys, strict=True)):
            if key in known:
                artifacts[place] = known[key]
                continue
            for name in self._pointers[place]:  # until the new ids are known
                del artifact.custom_properties[name]
            kind = metadata_store_pb2.ArtifactType(name=artifact.type)
            artifact.type_id, artifact.external_id = self._store.put_artifact_type(kind, can_omit_fields=True), key
            artifact.custom_properties[FROM_URI].string_value = artifact.uri
            artifact.uri = str(self.folder / str(artifact.id))  # where it lay may be another's place here
            artifact.state = metadata_store_pb2.Artifact.REFERENCE
            _loosen(artifact)

    def _already_here(self) -> dict[str, Any]:
        try:
            found = self._store.get_artifacts_by_external_ids(self._keys) if self._keys else []
        except mlmd_errors.NotFoundError:  # not one of them
            return {}
        return {artifact.external_id: artifact for artifact in found}

    def _context(self) -> Any:
        context = self._found.context
        context.ClearField("id")
        context.type_id = self._store.put_context_type(metadata_store_pb2.ContextType(name=RUN_CONTEXT))
        for name in _NOT_TRAVELLING:
            if name in context.custom_properties:
                del context.custom_properties[name]
        context.custom_properties[_UNFINISHED].int_value = 1
        context.custom_properties["imported"].string_value = datetime.now(UTC).isoformat(timespec="seconds")
        if self._found.schema:
            context.custom_properties["schema_text"].string_value = self._found.schema
        return context

    def point(self) -> None:
        """Set the ids of other artifacts that are here; one that did not come along is pointed to no more."""
        here = self._already_here()
        new = {old: here[key].id for old, key in zip(self._old_ids, self._keys, strict=True) if key in here}
        changed = {}
        for key, held in zip(self._keys, self._pointers, strict=True):
            for name, before in held.items():
                if before in new and key in here:
                    changed[key] = here[key]
                    here[key].custom_properties[name].int_value = new[before]
        if changed:
            self._store.put_artifacts(list(changed.values()))


def _pointers(artifact: Any) -> dict[str, int]:
    """Return the properties that hold ids of other artifacts."""
    held = artifact.custom_properties
    return {name: held[name].int_value for name in _IDS if name in held}


def _loosen(message: Any) -> None:
    """Take from an artifact or an execution what ties it to the store that it comes from. What is a property there is
    a custom one here: a type's properties are whoever's who runs the pipeline here."""
    for name in (
        "id",
        "name",
        "type",
        *(("external_id",) if isinstance(message, metadata_store_pb2.Execution) else ()),
    ):
        message.ClearField(name)
    for name, value in message.properties.items():
        if name not in message.custom_properties:
            message.custom_properties[name].CopyFrom(value)
    message.properties.clear()
    for name in _NOT_TRAVELLING:
        if name in message.custom_properties:
            del message.custom_properties[name]


def _without_ids(event: Any) -> Any:
    event.ClearField("artifact_id")
    event.ClearField("execution_id")
    return event


def _key(artifact: Any) -> str:
    """Return the same for an artifact in whichever run's archive it comes."""
    text = f"{artifact.type}\n{artifact.uri}\n{artifact.id}\n{artifact.create_time_since_epoch}"
    return f"longhaul-import:{hashlib.sha256(text.encode()).hexdigest()}"
