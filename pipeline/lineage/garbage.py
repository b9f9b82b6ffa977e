"""What of a workspace nobody needs any more. pipeline.lineage.removal removes it and leaves the records.

Kept are: everything that the newest runs and pinned runs read or made; whatever the models that lie in the serving
folder, the pinned ones and the champion (the newest blessed model) came of; the newest analyzer cache.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.config.evaluation import FIRST, Evaluation
from pipeline.config.keep import Keep
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.place import Place
from pipeline.errors import WorkspaceError
from pipeline.files import is_local, one_spelling
from pipeline.lineage.artifact_names import APPROVAL
from pipeline.lineage.graph import Graph
from pipeline.lineage.pins import PINNED
from pipeline.lineage.predictions import PREDICTIONS
from pipeline.lineage.records import text_of
from pipeline.lineage.runs import RUN_CONTEXT, list_runs, run_of
from pipeline.lineage.tracing import links_of
from pipeline.lineage.unrecorded import half_done, unrecorded_outputs
from pipeline.lineage.version_folders import versions
from pipeline.lineage.watching import WINDOW
from pipeline.workspace.leftovers import outlived_backups, outlived_texts, temporary_folders

_STATES = metadata_store_pb2.Artifact
_EVENT = metadata_store_pb2.Event
_OUTPUT = (_EVENT.OUTPUT, _EVENT.DECLARED_OUTPUT)
_OF_A_RUN = (
    *(("log", "logs", ending) for ending in (".jsonl", ".log", ".ending.json")),
    *(("report", "reports", ending) for ending in ("-card.md", "-lineage.html", ".html")),
)
"""Kind, folder and ending of the files that are written about a run; others beside them are somebody else's."""
_AT_ONCE = 5000
"""Ids in one query."""


@dataclass(frozen=True)
class Item:
    """A folder or file that would go.

    Attributes:
        kind: an artifact's type, "served version", "stray folder", "temporary files", "log", "report", "backup" or "log
            of requests".
        of: the run that made it, where that is known.
        artifact_id: None of what ML Metadata does not know.
    """

    kind: str
    path: Path
    size_bytes: int
    of: str = ""
    artifact_id: int | None = None


@dataclass(frozen=True)
class Plan:
    """What would go, and why other things stay.

    Attributes:
        kept: how many artifacts stay, by reason; the first reason counts.
    """

    items: list[Item] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Bytes that removing all of it would free."""
        return sum(item.size_bytes for item in self.items)


def plan(
    store: MetadataStore,
    config: PipelineConfig,
    keep: int,
    keep_served: int | None = None,
    in_use: Collection[int] = (),
) -> Plan:
    """Return what could go; nothing is touched.

    Args:
        keep: so many of the newest runs that have anything in this workspace stay.
        keep_served: so many of the newest versions in the serving folder stay; all when None. The served and the
            pinned ones stay anyhow.
        in_use: versions that stay besides: those of a rollout.

    Raises:
        WorkspaceError: the records name folders elsewhere, so that everything here would seem to be nobody's.
    """
    known = _Graph(store, config)
    known.check_in_place()
    goners = known.versions_to_go(keep_served, in_use, config.evaluation)
    reasons = known.reasons(keep, {item.path for item in goners})
    items = [
        *goners,
        *known.artifacts_to_go(reasons),
        *known.stray_folders(),
        *{
            item.path: item
            for item in [*known.leftovers(keep, config.keep), *known.files_of_forgotten_runs(reasons, keep)]
        }.values(),
    ]
    kept: dict[str, int] = defaultdict(int)
    for number, reason in reasons.items():
        if known.lies_here(number):
            kept[reason] += 1
    return Plan(items, dict(kept))


class _Graph:
    """What ML Metadata knows of one pipeline: artifacts, what read and made them, and the runs they belong to."""

    def __init__(self, store: MetadataStore, place: Place) -> None:
        self._store, self._place = store, place
        self._root = one_spelling(place.root / "artifacts")  # either may be a link to a larger disk
        self._base = one_spelling(place.serving_folder)
        self._runs = list_runs(store, place.record_name, with_imported=True)
        executions = self._executions()
        self._run_of = {execution.id: self._run_id(execution) for execution in executions}
        events = list(_in_parts(store.get_events_by_execution_ids, [execution.id for execution in executions]))
        self._graph = Graph(links=links_of(events))
        ids = sorted({event.artifact_id for event in events})
        self._artifacts = {found.id: found for found in _in_parts(store.get_artifacts_by_id, ids)}

    def _executions(self) -> list[Any]:
        pipeline = self._store.get_context_by_type_and_name("pipeline", self._place.record_name)
        found = {e.id: e for e in (self._store.get_executions_by_context(pipeline.id) if pipeline else [])}
        for run in self._runs:
            if run.imported and (context := self._store.get_context_by_type_and_name(RUN_CONTEXT, run.run_id)):
                found |= {e.id: e for e in self._store.get_executions_by_context(context.id)}
        return list(found.values())

    def _run_id(self, execution: Any) -> str:
        if "run_id" in execution.custom_properties:
            return str(execution.custom_properties["run_id"].string_value)
        return run_of(self._store, execution.id)  # what a partial run takes from an earlier one

    def check_in_place(self) -> None:
        """Refuse a workspace that was moved or copied."""
        for artifact in self._artifacts.values():
            if artifact.state != _STATES.LIVE or not is_local(artifact.uri) or artifact.type == PREDICTIONS:
                continue
            recorded = one_spelling(artifact.uri)
            here = self._root.joinpath(*recorded.parts[-3:])
            if recorded == here:
                continue
            if here.is_relative_to(self._root) and here.is_dir():
                raise WorkspaceError(
                    f"the workspace was moved or copied: ML Metadata knows {here} as {recorded}",
                    "`longhaul relocate` has the records name the folders where they lie now",
                )

    def lies_here(self, number: int) -> bool:
        """Return whether the artifact is a folder of this workspace; others may share a metadata server.
        Predictions are a person's, wherever they lie, and the verdicts of `watch` are small and stay."""
        uri, kind = self._artifacts[number].uri, self._artifacts[number].type
        return kind not in (PREDICTIONS, WINDOW) and is_local(uri) and one_spelling(uri).is_relative_to(self._root)

    def reasons(self, keep: int, versions_to_go: Collection[Path]) -> dict[int, str]:
        """Return why an artifact stays, of those that do."""
        found: dict[int, str] = {}
        for run_id in self._newest(keep):
            self._add(found, self._of_run(run_id), f"of the newest {keep} runs")
        for run in self._runs:
            if PINNED in run.properties:
                self._add(found, self._graph.ancestors(self._of_run(run.run_id)), f"of pinned run {run.run_id}")
        for number, artifact in self._artifacts.items():
            where = self._served_at(artifact)
            if where and where.is_dir() and where not in versions_to_go:
                self._add(found, self._graph.ancestors({number}), "what the models in the serving folder came of")
            elif APPROVAL in artifact.custom_properties and text_of(artifact, APPROVAL) == "waiting":
                self._add(found, self._graph.ancestors({number}), "of a model that waits for approval")
            elif PINNED in artifact.custom_properties:
                self._add(found, self._graph.ancestors({number}), "of a pinned model")
        if champion := self._champion():
            self._add(found, self._graph.ancestors({champion}), "of the newest blessed model")
        caches = [n for n, one in self._artifacts.items() if one.type == "TransformCache" and one.state == _STATES.LIVE]
        self._add(found, sorted(caches)[-1:], "the newest analyzer cache")
        return found

    @staticmethod
    def _add(found: dict[int, str], numbers: Iterable[int], reason: str) -> None:
        for number in numbers:
            found.setdefault(number, reason)

    def _newest(self, keep: int) -> list[str]:
        made_here = [links for number, links in self._graph.makings.items() if self.lies_here(number)]
        here = {self._run_of[link.step] for links in made_here for link in links}
        return [run.run_id for run in self._runs if run.run_id in here or run.status == "running"][:keep]

    def _of_run(self, run_id: str) -> set[int]:
        mine = {execution for execution, of in self._run_of.items() if of == run_id}
        return {link.artifact for link in self._graph.links if link.step in mine}

    def _makers_of(self, number: int) -> set[int]:
        return {link.step for link in self._graph.makings.get(number, ())}

    def _served_at(self, artifact: Any) -> Path | None:
        if artifact.type != "PushedModel" or "pushed_destination" not in artifact.custom_properties:
            return None
        where = artifact.custom_properties["pushed_destination"].string_value
        return place if is_local(where) and (place := one_spelling(where)).parent == self._base else None

    def _champion(self) -> int | None:
        blessings = [
            one
            for one in self._artifacts.values()
            if one.type == "ModelBlessing"
            and one.state == _STATES.LIVE
            and one.custom_properties["blessed"].int_value == 1
        ]
        newest = max(blessings, key=lambda one: one.id, default=None)
        return int(newest.custom_properties["current_model_id"].int_value) if newest else None

    def versions_to_go(self, keep: int | None, in_use: Collection[int], rules: Evaluation) -> list[Item]:
        """Return served versions beyond the newest `keep`, and those in use."""
        if keep is None:
            return []
        folders = [self._base / str(number) for number in versions(self._base)]
        if rules.against == FIRST:
            folders = folders[1:]
        pushed = {where: one for one in self._artifacts.values() if (where := self._served_at(one))}
        items = []
        for folder in (one for one in folders[: -max(keep, 1)] if int(one.name) not in in_use):
            artifact = pushed.get(folder)
            if artifact is None or PINNED not in artifact.custom_properties:
                number = artifact.id if artifact else None
                items.append(Item("served version", folder, _size(folder), self._maker(number), number))
        return items

    def artifacts_to_go(self, reasons: Collection[int]) -> list[Item]:
        """Return those that nothing keeps and that are not gone yet."""
        needed = {one_spelling(self._artifacts[number].uri) for number in reasons if self.lies_here(number)}
        items = []
        for number, artifact in self._artifacts.items():
            if number in reasons or not self.lies_here(number) or (path := one_spelling(artifact.uri)) in needed:
                continue
            if artifact.state != _STATES.DELETED or path.exists():
                items.append(Item(artifact.type, path, _size(path), self._maker(number), number))
        return items

    def _maker(self, number: int | None) -> str:
        makers = self._makers_of(number) if number is not None else set()
        return self._run_of[min(makers)] if makers else ""

    def stray_folders(self) -> list[Item]:
        """Return what a crash left below `artifacts` and among the versions."""
        places = [*unrecorded_outputs(self._store, self._root), *half_done(self._root, self._base)]
        return [Item("stray folder", one, _size(one)) for one in sorted(places)]

    def files_of_forgotten_runs(self, reasons: Collection[int], keep: int) -> list[Item]:
        """Return logs and reports of older runs of which nothing stays."""
        newest = self._newest(keep)
        kept = {self._run_of[maker] for number in reasons for maker in self._makers_of(number)}
        return [
            Item(kind, file, _size(file), run.run_id)
            for run in self._runs
            if newest and run.run_id < newest[-1] and run.run_id not in kept and PINNED not in run.properties
            for kind, folder, ending in _OF_A_RUN
            if (file := self._place.root / folder / f"{run.run_id}{ending}").is_file()
        ]

    def leftovers(self, keep: int, policy: Keep) -> list[Item]:
        """Return what killed commands left, and files that are older than the configuration lets them be."""
        root = self._place.root
        known = {context.name for context in self._store.get_contexts_by_type(RUN_CONTEXT)}
        kept = {*self._newest(keep), *(run.run_id for run in self._runs if PINNED in run.properties)}
        old = [*outlived_texts(root, policy, known, kept), *outlived_backups(root, policy, keep)]
        return [
            *(Item("temporary files", folder, _size(folder)) for folder in temporary_folders(root)),
            *(Item(kind, file, _size(file)) for kind, file in old),
        ]


def _in_parts(query: Callable[[list[int]], list[Any]], ids: list[int]) -> Iterable[Any]:
    for start in range(0, len(ids), _AT_ONCE):
        yield from query(ids[start : start + _AT_ONCE])


def _size(path: Path) -> int:
    """Return bytes of a file, or of all files in a folder; 0 of what is not there."""
    if path.is_dir():
        return sum(_size(Path(entry.path)) for entry in os.scandir(path))
    return path.stat().st_size if path.exists() else 0
