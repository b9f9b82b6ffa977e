"""Jobs of Vertex AI Pipelines in a workspace of their own, as if they had run there.

Whatever looks at runs then looks at jobs: the records of each job become those of a run in ML Metadata, and the files
that tell what came of it are copied from the bucket. What the service forgets stays on record here. Nothing of it is
needed: a workspace that is removed is filled again. Where `metadata.url` names a server that answers, the records are
there, for all who ask it, as those of the pipeline NAME@vertex.

    WORKSPACE/vertex/records/     of the jobs of the service (`emulated/` of those that were emulated here)
        metadata.db               jobs, steps, artifacts
        artifacts/BUCKET/…        copies of small files; all that a page shows, once it was asked for
        serving/NAME/VERSION/     the manifests of the versions in the bucket
        logs/JOB.log              what is known of why a job failed
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline import files
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import UnavailableError
from pipeline.files import incoming
from pipeline.lineage.artifact_names import INFRA_FILE, SUMMARY_FILE, VERDICT_FILE
from pipeline.lineage.pushes import Rollback, record_rollback
from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import Run
from pipeline.lineage.store import open_store
from pipeline.lineage.version_folders import version_number
from pipeline.runners.vertex.job_record import MADE_WITH, JobRecord, log_address, made_with_address, read_job
from pipeline.runners.vertex.job_rows import JobRows
from pipeline.runners.vertex.jobs_api import EmulatedJobs, Jobs, ServiceJobs
from pipeline.runners.vertex.objects import EmulatedObjects, Objects
from pipeline.serving.gcs import CloudObjects
from pipeline.serving.versions import Manifest
from trainer.artifact_names import HISTORY_FILE
from trainer.digests import MANIFEST, SAVED_MODEL

_TELLING = {
    "Examples": SUMMARY_FILE,
    "ModelRun": HISTORY_FILE,
    "ModelEvaluation": VERDICT_FILE,
    "longhaul.DataVerdict": VERDICT_FILE,
    "InfraBlessing": INFRA_FILE,
}
"""By an artifact's type, the file that tells in short what came of a step."""
_LARGE = ("Examples", "Model", "ModelRun", "TransformGraph", "TransformCache", "PushedModel")
"""Types of artifacts of which no page shows more than their JSON files."""
_LOG_BYTES = 65_536


class Mirror:
    """The workspace of the jobs of one pipeline.

    Attributes:
        config: that of the pipeline, with this workspace.
        base: gs:// folder of the served versions.
        versions: the names of their files, by version; known after `refresh`.
        away: why the records are not on the server that `metadata.url` names; "" if they are, or there is none.
    """

    def __init__(self, config: PipelineConfig, *, emulated: bool = False) -> None:
        assert config.vertex, "whoever asks has looked"
        emulator = config.root / "vertex"
        root = emulator / ("emulated" if emulated else "records")
        alone = config.metadata.model_copy(update={"url": None, "namespace": None})
        self._own = config.model_copy(update={"workspace": str(root), "metadata": alone})
        self.config, self.away, self._name = self._own, "", config.name
        if config.metadata.url and not emulated:
            # Beside the runs of the same pipeline elsewhere, which must not take jobs for their own.
            self.config = config.model_copy(update={"workspace": str(root), "name": f"{config.name}@vertex"})
        self.base = f"{config.vertex.root}/serving/{config.name}"
        self.versions: dict[int, set[str]] = {}
        self.objects: Objects = EmulatedObjects(emulator) if emulated else CloudObjects()
        self._jobs: Jobs = EmulatedJobs(emulator) if emulated else ServiceJobs(config.vertex)
        self._project, self._bucket = config.vertex.project, config.vertex.root

    def refresh(self) -> None:
        """Take over what has happened since the last time.

        Raises:
            JobError: the service, or the network, says no.
            WorkspaceError: the bucket cannot be read, or the workspace not be written.
        """
        root = self.config.root
        root.mkdir(parents=True, exist_ok=True)
        with files.locked(root / ".lock"):
            try:
                rows = self._rows()
            except UnavailableError as exc:
                self.config, self.away = self._own, exc.what
                rows = self._rows()
            for job in reversed(self._news(rows)):
                self._take_over(job, rows)
            self._take_over_versions(rows)

    def _rows(self) -> JobRows:
        return JobRows(open_store(self.config), self.config.root, self.config.record_name)

    def _news(self, rows: JobRows) -> list[JobRecord]:
        """Return the jobs that are not on record, or were not at their end, the newest first."""
        settled, open_ = rows.settled(), rows.unsettled()
        found = []
        for resource in self._jobs.newest_first(self._name):
            job = read_job(resource)
            open_.discard(job.id)
            if job.id not in settled:
                found.append(job)
            elif not open_:  # what comes now is older, and on record
                break
        rows.forget(open_)
        return found

    def _take_over(self, job: JobRecord, rows: JobRows) -> None:
        for task in job.tasks:
            for artifact in (one for some in task.outputs.values() for one in some):
                if task.state == "SUCCEEDED" and (name := _TELLING.get(artifact.type)):
                    self._copy(artifact.uri, name, rows.folder(artifact.uri))
        rows.put(job, self._made_with(job))
        if job.failed:
            self._keep_log(job)

    def _made_with(self, job: JobRecord) -> dict[str, str]:
        """Return what whoever submitted the job put on record."""
        name = job.labels.get(MADE_WITH, "")
        text = self.objects.read(made_with_address(self._bucket, name)) if re.fullmatch(r"[0-9a-f]+", name) else None
        found: dict[str, str] = json.loads(text) if text else {}
        return found

    def _keep_log(self, job: JobRecord) -> None:
        parts = []
        for task in job.failed:
            place = log_address(task, self._project)
            if place and not place.startswith("https://") and Path(place).is_file():
                parts.append(Path(place).read_bytes()[-_LOG_BYTES:].decode(errors="replace"))
            else:
                parts.append(f"{task.name} failed: {task.error}\nIts log: {place or 'the service names none'}\n")
        with incoming(self.config.root / "logs" / f"{job.id}.log") as hidden:
            hidden.write_text("".join(parts))

    def _take_over_versions(self, rows: JobRows) -> None:
        """Make the serving folder hold the manifests of what is in the bucket, and nothing else."""
        self.versions = {}
        for name in self.objects.names(self.base):
            version, _, rest = name.partition("/")
            if (known := version_number(version)) and rest:
                self.versions.setdefault(known, set()).add(rest)
        # One without it is being pushed, or was left by a push that was killed.
        self.versions = {number: found for number, found in self.versions.items() if SAVED_MODEL in found}
        here = self.config.serving_folder
        for gone in [*here.glob("[0-9]*")]:
            if gone.name not in map(str, self.versions):
                shutil.rmtree(gone)
        for number, found in sorted(self.versions.items()):
            folder = here / str(number)
            if not folder.exists():
                with incoming(folder) as hidden:
                    (hidden / MANIFEST).parent.mkdir(parents=True)
                    (hidden / SAVED_MODEL).touch()
                    if MANIFEST in found and (text := self.objects.read(f"{self.base}/{number}/{MANIFEST}")):
                        (hidden / MANIFEST).write_bytes(self._signed(text, number, rows))
        self._record_rollbacks(here, rows)

    def _signed(self, text: bytes, number: int, rows: JobRows) -> bytes:
        """Return a manifest that says which job pushed it: those of older Longhauls do not."""
        try:
            manifest = Manifest.from_json(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError):  # read_manifest says so
            return text
        job = manifest.run_id or rows.pushed_by(manifest.copy_of or number)
        return json.dumps(replace(manifest, run_id=job).to_json()).encode()

    def _record_rollbacks(self, here: Path, rows: JobRows) -> None:
        """Put rollbacks on record that anybody did: their manifests tell."""
        known = rows.destinations()
        for number in sorted(self.versions):
            file = here / str(number) / MANIFEST
            if f"{self.base}/{number}" in known or not file.exists():
                continue
            told: Mapping[str, object] = json.loads(file.read_text())
            if not told.get("copy_of"):
                continue
            manifest = Manifest.from_json(dict(told))
            assert manifest.copy_of
            done = Rollback(
                from_version=manifest.replaces or 0,
                to_version=manifest.copy_of,
                new_version=number,
                run_id=manifest.run_id,
                by=manifest.pushed_by,
                time=manifest.pushed,
                note=manifest.note,
            )
            record_rollback(rows.store, self.config.record_name, done, self.base, manifest.digest)

    def run(self, job: str) -> Run:
        """Return a job as a run, by its id, its resource name, or as runs are named.

        Raises:
            PipelineError: there is no such job.
        """
        return self._rows().run(job.rpartition("/")[2])

    def fetch(self, job: str) -> Run:
        """Return the same, with copies of all that a page shows of it.

        Raises:
            PipelineError: there is no such job; or the bucket cannot be read.
        """
        run = self.run(job)
        for artifact in (one for some in run.artifacts.values() for one in some):
            if artifact.copy:
                self._copy_whole(artifact)
        return run

    def _copy_whole(self, artifact: Artifact) -> None:
        mark = artifact.folder / ".whole"
        if mark.exists():
            return
        for name in self.objects.names(artifact.uri):
            if artifact.type not in _LARGE or ("/" not in name and name.endswith(".json")):
                self._copy(artifact.uri, name, artifact.folder)
        artifact.folder.mkdir(parents=True, exist_ok=True)
        mark.touch()

    def _copy(self, folder: str, name: str, to: Path) -> None:
        if not (to / name).exists() and (content := self.objects.read(f"{folder}/{name}")) is not None:
            with incoming(to / name) as hidden:
                hidden.write_bytes(content)
