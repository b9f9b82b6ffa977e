"""Answers `longhaul lineage`: what made something, what came of it, and how to make it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ml_metadata import MetadataStore

from pipeline.config.loading import REFERENCE, load
from pipeline.config.number_text import count_text
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.place import Place
from pipeline.data.decisions_text import decisions_digest
from pipeline.errors import PipelineError
from pipeline.lineage.ancestry import EXAMPLES, MODEL, Descent, Served, descent, files_of
from pipeline.lineage.graph import Graph
from pipeline.lineage.lookup import Lookup, Subject
from pipeline.lineage.predictions import PREDICT
from pipeline.lineage.provenance import config_digest, present_software
from pipeline.lineage.reproduce import Present, Recipe, prediction_recipe, recipe, settings_of
from pipeline.lineage.runs import Run, RunsById
from pipeline.lineage.schema_versions import digest_of
from pipeline.lineage.store import open_existing_store
from pipeline.lineage.tracing import downstream, run_graph, upstream
from pipeline.lineage.version_folders import versions
from pipeline.serving.rollout import under_way

if TYPE_CHECKING:
    from pipeline.reports.lineage.drawing import Drawing


@dataclass(frozen=True)
class Answer:
    """What is on record about a subject.

    Attributes:
        up: what made it; None if that was not asked.
        down: what came of it; None if that was not asked.
        recipe: of the run that made it (of a model: that trained it), where there is one.
        runs: all runs of the pipeline by id, the newest first.
    """

    subject: Subject
    up: Graph | None
    down: Descent | None
    recipe: Recipe | None
    runs: Mapping[str, Run] = field(repr=False)


def answer(config: PipelineConfig, text: str, *, up: bool = True, down: bool = True) -> Answer:
    """Look `text` up and follows its lineage.

    Raises:
        PipelineError: there is no such thing on record.
    """
    store, runs, served = open_lineage(config)
    subject = Lookup(store, config, runs, served).find(text)
    present = partial(_present, config)
    above = upstream(store, subject.ends) if up and subject.ends else None
    return Answer(
        subject,
        above,
        descent(store, subject.starts, served) if down and subject.starts else None,
        (_prediction_recipe(present, config.record_name, subject, above) or _recipe(present, subject, above, runs))
        if above
        else None,
        runs,
    )


def draw(place: Place, text: str) -> Drawing:
    """Return what a page about `text` shows: of a run all its steps, else what made the thing and what came of it."""
    from pipeline.reports.lineage.drawing import Drawing

    store, runs, served = open_lineage(place)
    subject = Lookup(store, place, runs, served).find(text)
    if subject.run_id and subject.kind == "run":
        graph, run_id = run_graph(store, [subject.run_id]), subject.run_id
    else:
        graph = upstream(store, {*subject.ends, *subject.starts}) | downstream(store, subject.starts)
        run_id = _trained_by(subject, graph, runs)
    involved = {step.run_id for step in graph.steps.values()} - {run_id}
    return Drawing(
        title=subject.title,
        graph=graph,
        runs=tuple(runs[known] for known in [*sorted(involved), run_id] if known in runs),
        served=served.now,
        timeline=run_graph(store, [run_id]) if run_id else None,
        starts=subject.ends or subject.starts,
    )


def draw_runs(place: Place, limit: int) -> Drawing:
    """Return what a page of the newest runs shows."""
    from pipeline.reports.lineage.drawing import Drawing

    store, runs, served = open_lineage(place)
    chosen = list(runs.values())[:limit]
    if not chosen:
        raise PipelineError(f"pipeline {place.name!r} has no runs yet", "`longhaul run` makes one")
    return Drawing(
        title=f"{place.name}: {'all' if len(chosen) == len(runs) else 'the newest'} {count_text(len(chosen), 'run')}",
        graph=run_graph(store, [run.run_id for run in chosen]),
        runs=tuple(reversed(chosen)),
        many=True,
        served=served.now,
    )


def open_lineage(place: Place) -> tuple[MetadataStore, RunsById, Served]:
    """Return the store, the pipeline's runs by id, and what is served.

    Raises:
        WorkspaceError: there is no store yet, or it cannot be opened.
    """
    store = open_existing_store(place)
    trying = under_way(place.serving_folder)
    served = Served(tuple(versions(place.serving_folder)), trying.stable if trying else None)
    return store, RunsById(store, place.record_name), served


def _recipe(
    present: Callable[[Run], Present], subject: Subject, above: Graph, runs: Mapping[str, Run]
) -> Recipe | None:
    run_id = _trained_by(subject, above, runs)
    if not run_id:
        return None
    own = {
        link.artifact for link in above.links if link.step in above.steps and above.steps[link.step].run_id == run_id
    }
    examples = [artifact for number, artifact in above.artifacts.items() if number in own and artifact.type == EXAMPLES]
    files = [file for artifact in examples for file in files_of(artifact)]
    return recipe(runs[run_id], files, present(runs[run_id]))


def _prediction_recipe(
    present: Callable[[Run], Present], pipeline: str, subject: Subject, above: Graph
) -> Recipe | None:
    """Return how to make predictions again; None of anything else."""
    steps = [above.makers[number] for number in subject.ends if number in above.makers]
    step = next((step for step in steps if step.type == PREDICT), None)
    if step is None:
        return None
    made_with = Run("", pipeline, "complete", "", step.seconds, "", step.properties)
    tables = [above.artifacts[link.artifact] for link in above.inputs.get(step.id, ()) if link.role == "table"]
    files = [file for table in tables for file in files_of(table)]
    return prediction_recipe(made_with, files, present(made_with))


def _trained_by(subject: Subject, graph: Graph, runs: Mapping[str, Run]) -> str:
    """Return the run that a thing stands for: its own, of a model the one that trained it, else the one that made it;
    "" if none is on record."""
    followed = [artifact for artifact in graph.artifacts.values() if artifact.id in graph.makers]
    trained = sorted((graph.makers[a.id].run_id for a in followed if a.type == MODEL), reverse=True)
    things = [*subject.ends, *subject.starts]
    made = [graph.makers[number].run_id for number in things if number in graph.makers]
    return next((run_id for run_id in (subject.run_id, *trained, *made) if run_id in runs), "")


def _decisions_digest(file: Path | None, classes: tuple[str, ...]) -> str:
    if file is None:
        return ""
    from pipeline.data.decided_labels import read_decisions  # and with it what reads tables

    return decisions_digest(read_decisions(file, classes).told())


def _present(config: PipelineConfig, run: Run) -> Present:
    """Return what the run would be made with now, by the configuration file it was made with, if that is on record."""
    why, schema, decisions, software = "", None, None, present_software()
    file = run.properties.get("config_file")
    now: PipelineConfig | None = config
    if file and config.file != Path(file):
        try:
            now = load(Path(file), workspace=settings_of(run).get("workspace", config.workspace))
        except PipelineError as exc:
            now, why = None, exc.what
    if now is not None:
        try:
            schema = digest_of(now.schema_file.read_bytes().decode("utf-8"))
        except (OSError, UnicodeDecodeError):
            schema = None
        with suppress(PipelineError):
            decisions = _decisions_digest(now.label_decisions_file, now.data.label_classes)
    return Present(
        code_digest=software.code_digest,
        code_files=software.code_files,
        package_versions=software.package_versions,
        schema_digest=schema,
        config_digest=None if now is None else config_digest(now),
        config=None if now is None else now.model_dump(mode="json", by_alias=True),
        decisions_digest=decisions,
        is_reference=now is not None and now.file == REFERENCE.absolute(),
        why=why,
    )
