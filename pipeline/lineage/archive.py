"""One run as a zip file: its records, what it was made with, what came of it; with its artifacts if wanted.

Without them no member holds a row of the table, or a value of one: what may is not left out by name, but only what
cannot is taken along.

    manifest.json       format, run, versions; SHA-256 of every other member
    config.json         the configuration            packages.txt   `name==version` a line
    schema.pbtxt        the curated schema           summary.json   metrics, verdict, spans, rows, hyperparameters
    openlineage.jsonl
    mlmd.json           ML Metadata's rows: types, context, executions, artifacts, events
    artifacts/ID/…      files of artifacts; without --with-artifacts counts, metrics and settings only
    report.html, run.log                             with --with-artifacts: both may quote values

pipeline.lineage.archive_check and archive_import read it.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from ml_metadata import MetadataStore
from openlineage.client.serde import Serde

import pipeline
from pipeline.errors import PipelineError
from pipeline.files import incoming
from pipeline.lineage.artifact_names import (
    CURVES_FILE,
    EVAL_CONFIG_FILE,
    INFRA_FILE,
    INTERVALS_FILE,
    SUMMARY_FILE,
    VERDICT_FILE,
)
from pipeline.lineage.openlineage import events as openlineage_events
from pipeline.lineage.records import NODE, RESOLVER
from pipeline.lineage.runs import RUN_CONTEXT, Run
from pipeline.lineage.schema_versions import list_versions
from pipeline.lineage.summary import summarize
from trainer.artifact_names import EXPORTED_FILE, HISTORY_FILE, HYPERPARAMETERS_FILE

FORMAT = 1
MANIFEST, ROWS, FOLDER = "manifest.json", "mlmd.json", "artifacts"
SCHEMA, REPORT, LOG = "schema.pbtxt", "report.html", "run.log"
MEMBERS = (
    *(MANIFEST, ROWS, SCHEMA, REPORT, LOG),
    *("config.json", "packages.txt", "summary.json", "openlineage.jsonl"),
)
"""What lies at the top; the artifacts' files lie in FOLDER."""
_WITHOUT_VALUES = {
    "Examples": (SUMMARY_FILE,),
    "ModelRun": (HISTORY_FILE, HYPERPARAMETERS_FILE, EXPORTED_FILE),
    "ModelEvaluation": (VERDICT_FILE, EVAL_CONFIG_FILE, CURVES_FILE, INTERVALS_FILE),
    "ModelBlessing": ("BLESSED", "NOT_BLESSED"),
    "InfraBlessing": (INFRA_FILE, "INFRA_BLESSED", "INFRA_NOT_BLESSED"),
    "PushedModel": ("pushed.json",),
}
"""The files that travel when artifacts are not asked for, by the artifact's type: counts, metrics and settings. What
is not named here may hold rows or values of them, as statistics, anomalies, vocabularies and scores do."""
CHUNK = 1 << 20


def export_run(
    store: MetadataStore, run: Run, output: Path, files: dict[str, Path], *, with_artifacts: bool = False
) -> None:
    """Write the zip file, whole or not at all.

    Args:
        run: whole (find_run).
        files: the report and the log by member's name; those that are not there are left out.
        with_artifacts: also data and models, which may be large, and `files`, which may quote values of them.

    Raises:
        PipelineError: the run is still at work, or was itself imported.
    """
    if run.status == "running":
        raise PipelineError(f"run {run.run_id} is still at work", "export it when it has ended")
    if run.imported:
        raise PipelineError(f"run {run.run_id} was imported", "export it where it was made")
    rows = _rows(store, run)
    schema = run.properties.get("schema_digest", "")
    schema_text = next((one.text for one in list_versions(store, run.pipeline) if one.digest == schema), "")
    packages = json.loads(run.properties.get("package_versions", "{}"))
    texts = {
        "config.json": run.properties.get("config", ""),
        "packages.txt": "".join(f"{name}=={number}\n" for name, number in packages.items()),
        SCHEMA: schema_text,
        "summary.json": json.dumps(asdict(summarize(store, run)), indent=1),
        "openlineage.jsonl": "".join(Serde.to_json(event) + "\n" for event in openlineage_events(store, run)),
        ROWS: json.dumps(rows, indent=1),
    }
    with (
        incoming(output) as hidden,
        zipfile.ZipFile(hidden, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
    ):
        digests = {name: _write(archive, name, [text.encode()]) for name, text in texts.items() if text}
        for name, path in files.items():
            if with_artifacts and path.is_file() and not path.is_symlink():
                digests[name] = _write(archive, name, _chunks(path))
        not_its_own = _data_of_the_champion(rows)
        copies = {str(one.id): one.copy for some in run.artifacts.values() for one in some}  # of what lies elsewhere
        for artifact in rows["artifacts"]:
            folder = copies.get(artifact["id"]) or Path(artifact.get("uri", ""))
            for name, path in _files_of(artifact, folder, with_artifacts and artifact["id"] not in not_its_own):
                digests[name] = _write(archive, name, _chunks(path))
        _write(archive, MANIFEST, [json.dumps(_manifest(run, digests), indent=1).encode()])


def is_export(path: Path) -> bool:
    """Return whether a file is one that `export_run` wrote."""
    try:
        with zipfile.ZipFile(path) as found:
            return MANIFEST in found.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _manifest(run: Run, digests: dict[str, str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "run_id": run.run_id,
        "pipeline": run.pipeline,
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
        "longhaul": pipeline.__version__,
        "ml_metadata": version("ml-metadata"),
        "sha256": digests,
    }


def _write(archive: zipfile.ZipFile, name: str, chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    with archive.open(name, "w", force_zip64=True) as member:
        for chunk in chunks:
            member.write(chunk)
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _data_of_the_champion(rows: dict[str, Any]) -> set[str]:
    """Return ids of the Examples that only the champion was trained on: another run's table, which may be large."""
    look_ups = {execution["id"] for execution in rows["executions"] if execution.get("type") == RESOLVER}
    roles: dict[str, set[str]] = defaultdict(set)
    for event in rows["events"]:
        if event["execution_id"] not in look_ups:
            roles[event["artifact_id"]].add(event["path"]["steps"][0].get("key", ""))
    return {number for number, found in roles.items() if found == {"baseline_examples"}}


def _files_of(artifact: dict[str, Any], folder: Path, all_of_them: bool) -> Iterator[tuple[str, Path]]:
    """Yield (member, file) of what lies on this machine."""
    if not artifact.get("uri") or "://" in str(folder) or not folder.exists():
        return
    if folder.is_file():  # what a component returned as a plain value
        if all_of_them:
            yield f"{FOLDER}/{artifact['id']}/{folder.name}", folder
        return
    named = [folder / name for name in _WITHOUT_VALUES.get(artifact["type"], ())]
    for path in sorted(folder.rglob("*") if all_of_them else named):
        if path.is_file() and not path.is_symlink():
            yield f"{FOLDER}/{artifact['id']}/{path.relative_to(folder).as_posix()}", path


def _rows(store: MetadataStore, run: Run) -> dict[str, Any]:
    """Return ML Metadata's messages of a run as JSON; of what it only read the artifacts without their makers."""
    context = store.get_context_by_type_and_name(RUN_CONTEXT, run.run_id)
    executions = sorted(store.get_executions_by_context(context.id), key=lambda one: one.id)
    nodes = {step.execution_id: step.node for step in run.steps}
    for execution in executions:  # that of a step which a partial run took over lacks it
        execution.custom_properties[NODE].string_value = nodes[execution.id]
    events = _asked(store.get_events_by_execution_ids, (one.id for one in executions))
    artifacts = _asked(store.get_artifacts_by_id, (event.artifact_id for event in events))
    found = {
        "artifact_types": _asked(store.get_artifact_types_by_id, (one.type_id for one in artifacts)),
        "execution_types": _asked(store.get_execution_types_by_id, (one.type_id for one in executions)),
        "contexts": [context],
        "executions": executions,
        "artifacts": artifacts,
        "events": events,
    }
    return {
        name: [json_format.MessageToDict(message, preserving_proto_field_name=True) for message in messages]
        for name, messages in found.items()
    }


def _asked(query: Callable[[list[int]], list[Any]], ids: Iterable[int]) -> list[Any]:
    """Ask, but not for nothing: ML Metadata refuses an empty question."""
    wanted = sorted(set(ids))
    return query(wanted) if wanted else []
