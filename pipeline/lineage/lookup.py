"""What somebody means who names a model, an artifact, a run, a step, a file of data or a version of the schema."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore

from pipeline.config.place import Place
from pipeline.errors import PipelineError
from pipeline.lineage.ancestry import FileRead, Served, list_files, pushed_models, serving_folder
from pipeline.lineage.archive_import import FROM_URI
from pipeline.lineage.graph import ArtifactRecord, StepRecord, artifact_record
from pipeline.lineage.predictions import BYTES, DIGEST, PREDICTIONS, predictions_like
from pipeline.lineage.runs import Run, named_run, run_of
from pipeline.lineage.schema_versions import SchemaVersion, list_versions
from pipeline.lineage.tracing import run_graph, step_graph
from trainer.digests import file_digest

_SCHEMA_STEP = "pipeline.components.curated_schema.CuratedSchema"
_FORMS = "name a run, `served`, `model:VERSION`, `artifact:ID`, `step:ID`, `schema:VERSION`, or the path of a file"


@dataclass(frozen=True)
class Subject:
    """What a question is about.

    Attributes:
        kind: model, artifact, run, step, file or schema.
        title: as people say it.
        ends: artifacts whose making is asked about.
        starts: artifacts whose use is asked about.
        run_id: the run that made it, where there is one.
        files: the files of data that are meant.
        schema: the version that is meant.
    """

    kind: str
    title: str
    ends: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    run_id: str = ""
    files: tuple[FileRead, ...] = ()
    schema: SchemaVersion | None = None


class Lookup:
    """Finds subjects in a store.

    Args:
        runs: those of the pipeline by id, the newest first.
        served: the versions of the model that can be served now.
    """

    def __init__(self, store: MetadataStore, place: Place, runs: Mapping[str, Run], served: Served) -> None:
        self._store, self._place, self._runs, self._served = store, place, runs, served

    def find(self, text: str) -> Subject:
        """Return what `text` names.

        Raises:
            PipelineError: there is no such thing; with near matches.
        """
        kind, _, rest = text.partition(":")
        by_kind = {
            "model": self._version,
            "artifact": self._artifact_id,
            "step": self._step,
            "schema": self._schema,
            "run": self._run,
            "file": self._file,
        }
        if kind in by_kind and rest:
            found = by_kind[kind](rest)
        elif text == "served":
            found = self._now_served()
        else:
            ways = (self._run, self._version, self._artifact_id, self._path, self._file, self._moved, self._predictions)
            found = next(filter(None, (way(text) for way in ways)), None)
        if found is None:
            raise PipelineError(f"nothing on record is called {text!r}", self._near(text))
        return found

    def _now_served(self) -> Subject | None:
        if not self._served.versions:
            raise PipelineError(
                f"no version of {self._place.name!r} is served", "`longhaul run` pushes a model that is blessed"
            )
        version = self._served.now
        if found := self._version(version):
            return found
        raise PipelineError(
            f"version {version} is served, and no run on record pushed it",
            "`longhaul versions` says what its manifest tells of it",
        )

    def _run(self, text: str) -> Subject | None:
        text = named_run(self._store, self._place.record_name, text)
        if text not in self._runs:
            return None
        graph = run_graph(self._store, [text])
        made = {link.artifact for link in graph.links if link.is_output}
        read = {link.artifact for link in graph.links if not link.is_output}
        own = tuple(sorted(artifact for artifact in made if graph.origins.get(artifact) == text))
        return Subject("run", f"run {text}", tuple(sorted(made - read)), own, text)

    def _version(self, text: str) -> Subject | None:
        known = pushed_models(self._store) if text.isdigit() else ()
        found = [artifact for artifact in known if artifact.properties.get("pushed_version") == text]
        found.sort(key=lambda artifact: FROM_URI in artifact.properties)  # what an imported run says comes last
        return self._model(found[0]) if found else None

    def _model(self, pushed: ArtifactRecord) -> Subject:
        version = str(pushed.properties.get("pushed_version", ""))
        state = {"served": "served now", "kept": "not served now", "removed": "removed since"}
        title = f"model version {version}, {state[self._served.state_of(version)]}"
        return Subject("model", title, (pushed.id,), (pushed.id,))

    def _artifact_id(self, text: str) -> Subject | None:
        found = self._store.get_artifacts_by_id([int(text)]) if _is_number(text) else []
        return self._artifact(artifact_record(found[0])) if found else None

    def _artifact(self, artifact: ArtifactRecord, note: str = "") -> Subject:
        is_end = artifact.type == PREDICTIONS  # nothing on record comes of them
        return Subject("artifact", artifact.label + note, (artifact.id,), () if is_end else (artifact.id,))

    def _predictions(self, text: str) -> Subject | None:
        """Return what was once written with the content of a file that lies elsewhere now."""
        file = Path(text)
        found = predictions_like(self._store, file) if file.is_file() else []
        if not found:
            return None
        artifact = artifact_record(found[0])
        return self._artifact(artifact, f", written to {artifact.uri}")

    def _step(self, text: str) -> Subject | None:
        if not _is_number(text):
            return None
        graph = step_graph(self._store, int(text))
        step: StepRecord | None = graph.steps.get(int(text))
        if step is None:
            return None
        run_id = run_of(self._store, step.id)
        made = tuple(link.artifact for link in graph.outputs.get(step.id, ()))
        read = tuple(link.artifact for link in graph.inputs.get(step.id, ()))
        of = f" of run {run_id}" if run_id else ""
        return Subject("step", f"step {step.id}, {step.node}{of}: {step.state}", made or read, made, run_id)

    def _schema(self, text: str) -> Subject | None:
        version = next((v for v in list_versions(self._store, self._place.record_name) if str(v.number) == text), None)
        if version is None:
            return None
        steps = self._store.get_executions_by_type(_SCHEMA_STEP)
        used = [step.id for step in steps if step.custom_properties["schema_digest"].string_value == version.digest]
        events = self._store.get_events_by_execution_ids(used) if used else []
        schemas = tuple(sorted({event.artifact_id for event in events}))
        title = f"schema version {version.number}, {version.review}, {version.time[:16].replace('T', ' ')} UTC"
        return Subject("schema", title, (), schemas, schema=version)

    def _path(self, text: str) -> Subject | None:
        """Return an artifact's folder or something in it, from here or from the workspace; a version's folder; a file
        of predictions."""
        if "://" in text:
            return self._address(text.rstrip("/"))
        if "/" not in text and not Path(text).is_file():
            return None
        places = [os.path.abspath(base / text) for base in (Path.cwd(), self._place.root)]  # noqa: PTH100
        for path in map(Path, dict.fromkeys([*places, *map(os.path.realpath, places)])):  # links were followed, or not
            for folder in (path, *path.parents):
                if folder == self._place.root or len(folder.parts) < 3:
                    break
                if found := self._store.get_artifacts_by_uri(str(folder)):
                    newest = artifact_record(max(found, key=lambda artifact: artifact.id))
                    return self._artifact(newest, _content_now(newest))
        asked = f"/{text.strip('/')}"
        for pushed in pushed_models(self._store):
            if f"/{serving_folder(pushed)}".endswith(asked):
                return self._model(pushed)
        return None

    def _address(self, text: str) -> Subject | None:
        """Return an artifact, something in it, or a version that lies in a bucket."""
        for pushed in pushed_models(self._store):
            if text == pushed.properties.get("pushed_destination"):
                return self._model(pushed)
        while text.count("/") > 2:
            if found := self._store.get_artifacts_by_uri(text):
                return self._artifact(artifact_record(max(found, key=lambda artifact: artifact.id)))
            text = text.rpartition("/")[0]
        return None

    def _moved(self, text: str) -> Subject | None:
        """Return an artifact of a workspace that lay elsewhere when it was made: by the end of its path."""
        asked = f"/{text.strip('/')}"
        artifacts = self._store.get_artifacts() if asked.count("/") > 1 else ()
        found = next((artifact for artifact in artifacts if artifact.uri.endswith(asked)), None)
        return None if found is None else self._artifact(artifact_record(found))

    def _file(self, text: str) -> Subject | None:
        meant = tuple(read for read in list_files(self._store) if read.file.is_meant_by(text))
        if not meant:
            return None
        examples = tuple(sorted({number for read in meant for number in read.examples}))
        names = sorted({read.file.name for read in meant})
        return Subject(
            "file", names[0] if len(names) == 1 else f"{len(names)} files of {text}", (), examples, "", meant
        )

    def _near(self, text: str) -> str:
        known = list(dict.fromkeys(self._known()))
        near = difflib.get_close_matches(text, known, n=3, cutoff=0.6)
        return f"did you mean {' or '.join(near)}?" if near else f"{_FORMS}; `longhaul runs` lists the runs"

    def _known(self) -> Iterator[Any]:
        if self._served.versions:
            yield "served"
        own = sum(not run.imported for run in self._runs.values())
        yield from (*(("latest",) if own else ()), *(("previous",) if own > 1 else ()), *self._runs)
        yield from (f"schema:{version.number}" for version in list_versions(self._store, self._place.record_name))
        for pushed in pushed_models(self._store):
            if version := pushed.properties.get("pushed_version"):
                yield from (str(version), f"model:{version}")
        for read in list_files(self._store):
            yield from (read.file.name, read.file.path)


def _content_now(artifact: ArtifactRecord) -> str:
    """Say that a file of predictions is no longer what was written."""
    file = Path(artifact.uri)
    if artifact.type != PREDICTIONS or not file.is_file():
        return ""
    same = file.stat().st_size == artifact.properties.get(BYTES) and file_digest(file) == artifact.properties[DIGEST]
    return "" if same else ", changed since"


def _is_number(text: str) -> bool:
    """Return whether ML Metadata may have given this number to something; it has 18 digits and less."""
    return text.isascii() and text.isdigit() and len(text) <= 18
