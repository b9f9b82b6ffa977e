"""A small, true store: three runs on a table of two files.

monday      everything done, the model pushed as version 100
tuesday     the data steps cached, another model, judged against Monday's, pushed as version 200
wednesday   span-02 has changed, so the data steps ran again; Trainer failed
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.runs import RUN_CONTEXT
from pipeline.lineage.schema_versions import record_version
from pipeline.lineage.source_files import FILES, to_property
from pipeline.lineage.store import open_store
from trainer.digests import SAVED_MODEL

MONDAY, TUESDAY, WEDNESDAY = "20260105-080000-000", "20260106-080000-000", "20260107-080000-000"
DONE, CACHED, FAILED = (getattr(metadata_store_pb2.Execution, name) for name in ("COMPLETE", "CACHED", "FAILED"))
_FIELDS = {str: "string_value", int: "int_value", float: "double_value"}


@dataclass
class Story:
    """The store, and the ids of what is in it: `ids["monday Model"]`, `ids["monday Trainer"]`."""

    config: PipelineConfig
    store: MetadataStore
    ids: dict[str, int] = field(default_factory=dict)

    def artifacts(self, *names: str) -> list[int]:
        return [self.ids[name] for name in names]


def settings(workspace: Path) -> dict[str, Any]:
    """What the configuration's file would say."""
    return {
        "name": "cats",
        "workspace": str(workspace),
        "data": {"path": "cats.csv", "label": "purrs", "task": "binary"},
        "split": {"by": "hash"},
        "schema": {"file": str(workspace / "cats.pbtxt")},
        "evaluation": {"thresholds": {"auc": {"at_least": 0.6}}},
    }


def tell(workspace: Path, url: str | None = None) -> Story:
    """Writes the story into a new store of the workspace or of a server, and what its artifacts name."""
    config = PipelineConfig.model_validate(settings(workspace) | {"metadata": {"url": url}})
    story = Story(config, open_store(config))
    (workspace / "cats.pbtxt").write_text("# cats\n")
    version = record_version(story.store, "cats", "# cats\n", run_id=MONDAY, reviewer="Ann Lee", note="looks right")
    guarded = {"schema_version": "1", "schema_review": version.review}
    before = _table(workspace, b"one", b"two")
    monday = _Run(story, "monday", MONDAY, status="complete", seconds=61.0, verdict="blessed", **guarded)
    monday.data(version.digest, files=before)
    monday.model()
    monday.push("100")
    tuesday = _Run(story, "tuesday", TUESDAY, status="complete", seconds=30.0, verdict="blessed", **guarded)
    tuesday.data_again("monday")
    tuesday.model(champion="monday Model")
    tuesday.push("200")
    wednesday = _Run(story, "wednesday", WEDNESDAY, status="failed", seconds=9.0, reason="<b>no</b> memory")
    wednesday.data(version.digest, files=_table(workspace, b"one", b"other"))
    wednesday.step("Trainer", {"examples": "wednesday Examples"}, {}, FAILED)
    return story


def _table(workspace: Path, *contents: bytes) -> str:
    states = []
    for number, content in enumerate(contents, 1):
        file = workspace / "data" / f"span-{number:02d}" / "cats.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_bytes() != content:
            file.write_bytes(content)
        states.append((str(file), file.stat().st_size, file.stat().st_mtime_ns))
    return to_property(states)


class _Run:
    def __init__(self, story: Story, day: str, run_id: str, **properties: str | float) -> None:
        self._story, self._day, self._run_id = story, day, run_id
        kind = metadata_store_pb2.ContextType(name=RUN_CONTEXT)
        self._context = metadata_store_pb2.Context(type_id=story.store.put_context_type(kind), name=run_id)
        started = f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}T08:00:00+00:00"
        _set(self._context, {"pipeline": "cats", "run_id": run_id, "started": started, **properties})
        (self._context.id,) = story.store.put_contexts([self._context])

    def data(self, schema_digest: str, files: str) -> None:
        self.step("CuratedSchema", {}, {"schema": "Schema"}, properties={"schema_digest": schema_digest})
        self.step("TableExampleGen", {}, {"examples": "Examples"}, made={"Examples": {FILES: files}})
        self.step("StatisticsGen", {"examples": f"{self._day} Examples"}, {"statistics": "ExampleStatistics"})

    def data_again(self, day: str) -> None:
        for node, inputs, key, kind in (
            ("CuratedSchema", {}, "schema", "Schema"),
            ("TableExampleGen", {}, "examples", "Examples"),
            ("StatisticsGen", {"examples": f"{day} Examples"}, "statistics", "ExampleStatistics"),
        ):
            self.step(node, inputs, {key: kind}, CACHED, again=day)

    def model(self, champion: str | None = None) -> None:
        examples = next(f"{day} Examples" for day in (self._day, "monday") if f"{day} Examples" in self._story.ids)
        schema = examples.replace("Examples", "Schema")
        self.step("Trainer", {"examples": examples, "schema": schema}, {"model": "Model"}, seconds=20.0)
        judged = {"examples": examples, "model": f"{self._day} Model"} | (
            {"baseline_model": champion} if champion else {}
        )
        self.step("Evaluator", judged, {"blessing": "ModelBlessing"})

    def push(self, version: str) -> None:
        served = self._story.config.root / "serving" / "cats" / version
        served.mkdir(parents=True)
        (served / SAVED_MODEL).touch()  # without one it is no version
        self.step(
            "Pusher",
            {"model": f"{self._day} Model", "model_blessing": f"{self._day} ModelBlessing"},
            {"pushed_model": "PushedModel"},
            made={"PushedModel": {"pushed": 1, "pushed_version": version, "pushed_destination": str(served)}},
        )

    def step(
        self,
        node: str,
        inputs: dict[str, str],
        outputs: dict[str, str],
        state: Any = DONE,
        *,
        seconds: float = 1.0,
        again: str = "",
        properties: dict[str, Any] | None = None,
        made: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        """An execution; `again` names the day whose artifacts it reuses."""
        store, ids = self._story.store, self._story.ids
        name = {"CuratedSchema": "pipeline.components.curated_schema.CuratedSchema"}.get(node, f"x.{node}")
        kind = store.put_execution_type(metadata_store_pb2.ExecutionType(name=name))
        execution = metadata_store_pb2.Execution(type_id=kind, last_known_state=state)
        _set(execution, {"node": node, "run_id": self._run_id, "seconds": seconds, **(properties or {})})
        used = [(_known(store, ids[what]), _event(key, metadata_store_pb2.Event.INPUT)) for key, what in inputs.items()]
        for key, what in outputs.items():
            if again:
                artifact = _known(store, ids[f"{again} {what}"])
            else:
                artifact = self._artifact(node, key, what, (made or {}).get(what, {}))
            used.append((artifact, _event(key, metadata_store_pb2.Event.OUTPUT)))
        number, artifacts, _ = store.put_execution(execution, used, [self._context])
        ids[f"{self._day} {node}"] = number
        if not again:
            ids.update({f"{self._day} {what}": artifacts[len(inputs) + i] for i, what in enumerate(outputs.values())})

    def _artifact(self, node: str, key: str, what: str, properties: dict[str, Any]) -> Any:
        kind = self._story.store.put_artifact_type(metadata_store_pb2.ArtifactType(name=what))
        uri = self._story.config.root / "artifacts" / node / key / self._day
        uri.mkdir(parents=True)
        artifact = metadata_store_pb2.Artifact(type_id=kind, uri=str(uri), state=metadata_store_pb2.Artifact.LIVE)
        _set(artifact, properties)
        return artifact


def _known(store: MetadataStore, number: int) -> Any:
    (artifact,) = store.get_artifacts_by_id([number])
    return artifact


def _event(key: str, kind: Any) -> Any:
    event = metadata_store_pb2.Event(type=kind)
    event.path.steps.add().key = key
    return event


def _set(record: Any, properties: dict[str, Any]) -> None:
    for key, value in properties.items():
        setattr(record.custom_properties[key], _FIELDS[type(value)], value)
