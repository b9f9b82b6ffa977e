"""Reads the file of an exported run as what it is: something that anybody may have written.

What passes names nothing outside of its own folder, claims no record that people or Longhaul make (rollbacks, versions
of the schema, pins), and reads back as a run does. pipeline.lineage.archive_import puts it on record.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2

from pipeline.errors import ConfigError, DataError
from pipeline.lineage.archive import CHUNK, FOLDER, FORMAT, LOG, MANIFEST, MEMBERS, ROWS, SCHEMA
from pipeline.lineage.decisions import DECISION
from pipeline.lineage.pushes import APPROVAL_TYPE, ROLLBACK_TYPE, ROLLOUT_TYPE
from pipeline.lineage.records import NODE, SECONDS
from pipeline.lineage.removal import COLLECTION_TYPE
from pipeline.lineage.runs import is_run_id
from pipeline.lineage.schema_versions import VERSION_TYPE
from pipeline.lineage.summary import Summary

BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError),  # RuntimeError: it is encrypted
    *(json_format.ParseError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError),
)
"""What reading a damaged zip file raises, and what its contents may."""
_RESERVED = (COLLECTION_TYPE, APPROVAL_TYPE, ROLLBACK_TYPE, ROLLOUT_TYPE, DECISION, VERSION_TYPE)
"""Records that no run makes, and that other commands believe."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
"""Of a step or a type."""
_DIGEST = re.compile(r"[0-9a-f]{0,64}")
_JOB = re.compile(r"[a-z]([-a-z0-9]{0,126})-\d+")
"""Ids of jobs of Vertex AI, as Longhaul and schedules give them."""
_ENDINGS = ("complete", "blocked", "failed", "interrupted")
_MOST_TEXT_BYTES = 1 << 29
"""In a member that is read whole."""
_MOST_LETTERS = 255
"""In the name of a file, for any file system."""
_KINDS = ("int_value", "double_value", "string_value", "bool_value", "struct_value")
"""Of values of properties."""
_CLOSED = {
    *(metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED),
    *(metadata_store_pb2.Execution.FAILED, metadata_store_pb2.Execution.CANCELED),
}


@dataclass(frozen=True)
class Contents:
    """What an exported run holds, checked.

    Attributes:
        schema, log: texts; empty if they did not come along.
        files: members with the artifacts' files, by the id that the artifact had where it was made.
    """

    run_id: str
    context: metadata_store_pb2.Context
    executions: list[metadata_store_pb2.Execution]
    artifacts: list[metadata_store_pb2.Artifact]
    events: list[metadata_store_pb2.Event]
    schema: str
    log: str
    files: list[zipfile.ZipInfo]


def damaged(source: Path, why: str) -> DataError:
    """Make the error for a file that is no exported run, or not as it was written."""
    return DataError(f"{source} is not an exported run, or is damaged: {why}", "export and copy it again")


def read_contents(archive: zipfile.ZipFile, source: Path, pipeline: str) -> Contents:
    """Check every member and record.

    Raises:
        DataError: the file is damaged, or wants to write elsewhere.
        ConfigError: it is of another pipeline, or of another format.
        Exception: one of BROKEN.
    """
    _check_sizes(archive, source)
    manifest = _checked_manifest(archive, source, pipeline)
    _check_members(archive, manifest, source)
    rows = _without_control(json.loads(archive.read(ROWS)))
    (context,) = _read(rows, "contexts", metadata_store_pb2.Context)
    executions = _read(rows, "executions", metadata_store_pb2.Execution)
    artifacts = _read(rows, "artifacts", metadata_store_pb2.Artifact)
    run_id = manifest["run_id"]
    if context.name != run_id or context.custom_properties["pipeline"].string_value != manifest["pipeline"]:
        raise damaged(source, f"its records are not of run {run_id} of {pipeline}")
    names = {**_types(rows, "artifact_types"), **{-number: n for number, n in _types(rows, "execution_types").items()}}
    for one in artifacts:
        one.type = names[one.type_id]
    for one in executions:
        one.type = names[-one.type_id]
    _check_records(context, executions, artifacts, source)
    members = manifest["sha256"]
    return Contents(
        run_id,
        context,
        executions,
        artifacts,
        _read(rows, "events", metadata_store_pb2.Event),
        archive.read(SCHEMA).decode() if SCHEMA in members else "",
        _without_control(archive.read(LOG).decode(errors="replace")) if LOG in members else "",
        [member for member in archive.infolist() if member.filename.startswith(f"{FOLDER}/")],
    )


def _checked_manifest(archive: zipfile.ZipFile, source: Path, pipeline: str) -> dict[str, Any]:
    if MANIFEST not in archive.namelist():
        raise damaged(source, f"it holds no {MANIFEST}")
    manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    if manifest["format"] != FORMAT:
        raise ConfigError(
            f"{source} has format {manifest['format']!r}, of Longhaul {manifest['longhaul']}; this one reads {FORMAT}",
            "import it with the Longhaul that wrote it, or a newer one",
        )
    if str(manifest["pipeline"]).rpartition("/")[2] != pipeline:  # of whichever namespace
        raise ConfigError(
            f"{source} holds a run of pipeline {manifest['pipeline']!r}, not of {pipeline!r}",
            f"name the configuration of {manifest['pipeline']!r} with --config",
        )
    if not is_run_id(str(manifest["run_id"])) and _JOB.fullmatch(str(manifest["run_id"])):
        raise ConfigError(
            f"{source} holds {manifest['run_id']}, a job of Vertex AI, and only runs are imported",
            "unzip it to read it; `longhaul runs --on vertex` lists the jobs",
        )
    if not (isinstance(manifest["run_id"], str) and is_run_id(manifest["run_id"])):
        raise damaged(source, f"{manifest['run_id']!r} is no run's id")
    return manifest


def _check_sizes(archive: zipfile.ZipFile, source: Path) -> None:
    """Check sizes before anything is read into memory."""
    for member in archive.infolist():
        if member.filename in MEMBERS and member.file_size > _MOST_TEXT_BYTES:
            raise damaged(source, f"{member.filename} is larger than the records of any run")


def _check_members(archive: zipfile.ZipFile, manifest: dict[str, Any], source: Path) -> None:
    """Check that every member is what was written, nothing more, and stays inside the folder that it is put into."""
    seen = set()
    for member in archive.infolist():
        name = member.filename
        if _leaves(name) or stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(f"{source}: member {name!r} would be written elsewhere", "do not trust this file")
        if name not in (MANIFEST, *manifest["sha256"]):
            raise damaged(source, f"{name} is not in its manifest")
        if name in seen or not (name in MEMBERS or _is_artifact_file(name)):
            raise damaged(source, f"{name!r} is twice in it, or no part of a run")
        seen.add(name)
    for name, wanted in manifest["sha256"].items():
        digest = hashlib.sha256()
        with archive.open(name) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != wanted:
            raise damaged(source, f"{name} is not what was exported")


def _leaves(member: str) -> bool:
    """Return whether the path leads out of the folder that it is below."""
    path = PurePosixPath(member)
    return path.is_absolute() or ".." in path.parts or "\\" in member


def _is_artifact_file(name: str) -> bool:
    path = PurePosixPath(name)
    folder, number, *rest = [*path.parts, "", ""][:3]
    fits = all(len(part.encode()) <= _MOST_LETTERS for part in path.parts)
    return str(path) == name and folder == FOLDER and number.isascii() and number.isdigit() and bool(rest[0]) and fits


def _read(rows: dict[str, Any], name: str, kind: Any) -> list[Any]:
    return [json_format.ParseDict(one, kind(), ignore_unknown_fields=True) for one in rows[name]]


def _types(rows: dict[str, Any], name: str) -> dict[int, str]:
    return {int(one["id"]): one["name"] for one in rows[name]}


def _check_records(context: Any, executions: list[Any], artifacts: list[Any], source: Path) -> None:
    """Check what other commands take for granted of what is on record of a run."""
    steps = [one.custom_properties[NODE].string_value for one in executions]
    kinds = [one.type for one in (*executions, *artifacts)]
    for name in (*steps, *kinds):
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise damaged(source, f"a run has no step or record {name!r}")
    held = [*context.custom_properties.values()]
    held += [
        value
        for one in (*executions, *artifacts)
        for value in (*one.properties.values(), *one.custom_properties.values())
    ]
    if any(value.WhichOneof("value") not in _KINDS for value in held):  # ML Metadata aborts the process at one without
        raise damaged(source, "a property holds nothing")
    if any(one.last_known_state not in _CLOSED for one in executions):
        raise damaged(source, "one of its steps is still at work")
    for one in (context, *executions):
        if SECONDS in one.custom_properties and one.custom_properties[SECONDS].WhichOneof("value") != "double_value":
            raise damaged(source, f"{SECONDS!r} is no number")
    _check_told({key: value.string_value for key, value in context.custom_properties.items() if key != SECONDS}, source)


def _check_told(told: dict[str, str], source: Path) -> None:
    """Check what a run says of itself."""
    if told.get("status") not in _ENDINGS or not datetime.fromisoformat(told["started"]).tzinfo:
        raise damaged(source, "it does not say when the run began, and how it ended")
    for key in ("config_digest", "code_digest", "schema_digest"):
        if not _DIGEST.fullmatch(told.get(key, "")):
            raise damaged(source, f"{key!r} is no digest")
    for key in ("config", "code_files", "package_versions", "made_with"):
        if told.get(key) and not isinstance(json.loads(told[key]), dict):
            raise damaged(source, f"{key!r} is not what a run records")
    if (summary := Summary.from_properties(told)) and not _is_sound(summary):
        raise damaged(source, "its summary is not what a run records")


def _is_sound(summary: Summary) -> bool:
    numbers = [*summary.spans, *summary.rows.values(), *summary.metrics.values()]
    return (
        all(isinstance(one, int | float) for one in numbers)
        and isinstance(summary.hyperparameters, dict)
        and re.fullmatch(r"\d{0,20}", summary.pushed_version) is not None
        and summary.verdict in ("", "blessed", "not blessed", "unfit to serve", "blocked")
    )


def _without_control(value: Any) -> Any:
    """Return text that a terminal only prints: without the characters that steer one."""
    if isinstance(value, str):
        return "".join(
            one if one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cf", "Cs") else "\ufffd" for one in value
        )
    if isinstance(value, dict):
        return {_without_control(key): _without_control(one) for key, one in value.items()}
    return [_without_control(one) for one in value] if isinstance(value, list) else value
