"""What `longhaul lineage` prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from pipeline.config.number_text import count_text
from pipeline.data.decisions_text import PROPERTY as DECISIONS
from pipeline.data.decisions_text import decisions_text
from pipeline.lineage.ancestry import Descent, FileRead, ModelMade, PredictionsMade, files_of
from pipeline.lineage.graph import ASIDE, COMPARED, ArtifactRecord, Graph
from pipeline.lineage.reproduce import Recipe, size
from pipeline.lineage.runs import Run, StepState
from pipeline.lineage.source_files import ReadFile
from pipeline.reports.lineage.answer import Answer
from pipeline.terminal.console import console_for

_MOST_LINES = 20
"""Of models, and of files that are not what they were; `--json` has them all."""
_SAYS = {
    "served": "[bold green]served now[/]",
    "kept": "not served now",
    "removed": "removed since",
}


def print_answer(answer: Answer, as_json: bool) -> None:
    """Print trees: what made it, what came of it; then how to make it again."""
    if as_json:
        print(json.dumps(_plain(answer), indent=1))
        return
    console = console_for(sys.stdout)
    if not console.is_terminal:
        console.width = 1000  # a tree breaks its lines, and paths are long
    subject = answer.subject
    console.print(f"[bold]{escape(subject.title)}[/]", soft_wrap=True)
    if subject.schema and subject.schema.note:
        console.print(f"  {escape(subject.schema.note)}", soft_wrap=True)
    states = _states(subject.files)
    if not states:
        _print_files(console, subject.files)
    if answer.up is not None:
        console.print("\n[bold]What made it[/]")
        _UpTree(answer.up, answer.runs).print(console, subject.ends, subject.run_id)
    if answer.down is not None and (answer.down.graph.links or subject.kind != "model"):
        console.print("\n[bold]What came of it[/]")
        for read in states:
            console.print(f"[cyan]{escape(read.file.path)}[/], {_file(read.file)}, {read.file.now}", soft_wrap=True)
            used = [model for model in answer.down.models if set(model.starts).intersection(read.examples)]
            _print_models(console, used)
        _print_down(console, answer.down, subject.starts, is_told=bool(states))
    if answer.recipe is not None:
        console.print("\n[bold]To make it again[/]")
        _print_recipe(console, answer.recipe)


def _print_files(console: Console, files: Sequence[FileRead]) -> None:
    for read in files[:_MOST_LINES]:
        console.print(f"  {escape(read.file.path)}  {_file(read.file)}; {read.file.now}", soft_wrap=True)
    if len(files) > _MOST_LINES:
        console.print(f"  … {len(files) - _MOST_LINES:,} more; --json has them all")


def _states(files: Sequence[FileRead]) -> Sequence[FileRead]:
    """Return those that a single file was in, if one is meant: which model saw which is then worth telling."""
    return files if len({read.file.path for read in files}) == 1 else ()


def _file(file: ReadFile) -> str:
    changed = datetime.fromtimestamp(file.modified_ns / 1e9, UTC)
    return f"{file.bytes:,} bytes, last changed {changed:%Y-%m-%d %H:%M} UTC"


class _UpTree:
    """An artifact hangs from what it went into; one that goes into several things is unfolded once."""

    def __init__(self, graph: Graph, runs: Mapping[str, Run]) -> None:
        self._graph, self._runs = graph, runs
        self._shown: set[int] = set()

    def print(self, console: Console, ends: Iterable[int], run_id: str) -> None:
        for end in sorted(ends, reverse=True):  # the last one made holds most of the others
            if end in self._shown:
                continue
            tree = Tree(self._line(self._graph.artifacts[end], run_id), guide_style="dim")
            self._grow(tree, end)
            console.print(tree, soft_wrap=not console.is_terminal)  # there it is cut, not broken

    def _grow(self, tree: Tree, number: int) -> None:
        graph = self._graph
        self._shown.add(number)
        _add_files(tree, files_of(graph.artifacts[number]))
        if decided := graph.artifacts[number].properties.get(DECISIONS):
            tree.add(f"decided labels[dim]  {escape(decisions_text(json.loads(decided)))}[/]")
        maker = graph.makers.get(number)
        inputs = graph.inputs.get(maker.id, []) if maker else []
        for link in sorted(inputs, key=lambda link: link.artifact):
            artifact = graph.artifacts[link.artifact]
            line = self._line(artifact, maker.run_id if maker else "")
            if link.role in ASIDE:
                note = "compared with" if link.role in COMPARED else "knew of the same data"
                origin = graph.origins.get(artifact.id, "")
                tree.add(f"[dim]{note}[/] {line}" + (f"[dim]  run {origin}[/]" if origin else ""))
            elif artifact.id in self._shown:
                tree.add(f"[dim]{escape(artifact.label)}, see above[/]")
            else:
                self._grow(tree.add(line), artifact.id)

    def _line(self, artifact: ArtifactRecord, run_id: str) -> str:
        """Say it in words; `run_id` is what the reader knows already."""
        maker = self._graph.makers.get(artifact.id)
        by = ""
        if maker is not None:
            outcome = self._graph.outcome(maker)
            state = "" if outcome.state is StepState.DONE else f" [{outcome.color}]{escape(outcome.words)}[/]"
            by = f"  {escape(maker.node)}{state} {maker.seconds:.1f} s"
            by += f", run {maker.run_id}" if maker.run_id != run_id else ""
            if "schema_digest" in maker.properties and maker.run_id in self._runs:
                recorded = self._runs[maker.run_id].properties
                by += f", version {recorded.get('schema_version', '?')}, {recorded.get('schema_review', '')}"
        return f"{escape(artifact.label)}{_flag(artifact.state)}[dim]{by}[/]"


def _flag(state: str) -> str:
    return "" if state == "live" else f" [yellow]{state}[/]"


def _add_files(tree: Tree, files: Sequence[ReadFile]) -> None:
    if not files:
        return
    states = [(file, file.now) for file in files]
    others = [(file, state) for file, state in states if state in ("changed", "gone")]
    bulk = size(sum(file.bytes for file in files))
    verdict = f"{len(others):,} changed or gone" if others else "all as they were" if len(files) > 1 else "as it was"
    if all(state == "elsewhere" for _, state in states):
        verdict = "not on this machine"
    place = f" of {escape(files[0].folder)}" if files[0].folder else f" {escape(files[0].name)}" * (len(files) == 1)
    branch = tree.add(f"{count_text(len(files), 'file')}{place}[dim], {bulk}, {verdict}[/]")
    for file, state in others[:_MOST_LINES]:
        branch.add(f"{escape(file.name)} [yellow]{state}[/]")
    if len(others) > _MOST_LINES:
        branch.add(f"… {len(others) - _MOST_LINES:,} more")


def _print_down(console: Console, down: Descent, starts: Sequence[int], *, is_told: bool) -> None:
    """Print the models, unless they are told already, and how many they are."""
    models, graph = down.models, down.graph
    _print_predictions(console, down.predictions)
    _print_judgements(console, down.judgements)
    _print_windows(console, down.windows)
    if not models and (down.predictions or down.judgements or down.windows):
        return
    if not models:
        made = [artifact for number, artifact in graph.artifacts.items() if number not in starts]
        for artifact in made[:_MOST_LINES]:
            console.print(f"  {escape(artifact.label)}[dim]  {escape(graph.makers[artifact.id].node)}[/]")
        console.print(f"  no model{'' if made else ', nor anything else'}")
        return
    if not is_told:
        _print_models(console, models)
    pushed, served = sum(bool(model.pushes) for model in models), sum(model.is_served for model in models)
    console.print(f"[bold]{count_text(len(models), 'model')}; pushed: {pushed:,}; served now: {served or 'none'}[/]")


def _print_models(console: Console, models: Sequence[ModelMade]) -> None:
    """Print models, what serves first."""
    order = {"served": 0, "kept": 1, "removed": 2}
    ranked = sorted(models, key=lambda m: (min([order[push.state] for push in m.pushes], default=3), -m.id))
    for model in ranked[:_MOST_LINES]:
        tree = Tree(f"Model {model.id}{_flag(model.state)}[dim]  trained by run {model.run_id}[/]", guide_style="dim")
        for push in model.pushes:
            how = f"pushed by run {push.run_id}" if push.step == "Pusher" else f"by {push.step.lower()}"
            tree.add(f"version {push.version}, {_SAYS[push.state]}[dim]  {how}[/]")
        console.print(tree, soft_wrap=not console.is_terminal)  # there it is cut, not broken
    if len(ranked) > _MOST_LINES:
        console.print(f"… {count_text(len(ranked) - _MOST_LINES, 'more model')}; --json has them all")


def _print_predictions(console: Console, found: Sequence[PredictionsMade]) -> None:
    for made in found[:_MOST_LINES]:
        told, when = made.step.properties, datetime.fromtimestamp(made.step.began / 1000, UTC)
        how = f"{int(told['rows']):,} rows by model {escape(told['version'])}, {when:%Y-%m-%d %H:%M} UTC"
        line = f"{made.file.label}{_flag(made.file.state)}  {escape(made.file.uri)}[dim]  {how}[/]"
        console.print(line, soft_wrap=True)
    if len(found) > _MOST_LINES:
        console.print(f"… {count_text(len(found) - _MOST_LINES, 'more file')} of predictions; --json has them all")


def _print_judgements(console: Console, found: Sequence[PredictionsMade]) -> None:
    for made in found[:_MOST_LINES]:
        told, when = made.step.properties, datetime.fromtimestamp(made.step.began / 1000, UTC)
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in list(json.loads(told["metrics"]).items())[:3])
        held = "holds the thresholds" if told["blessed"] == "1" else "does not hold the thresholds"
        how = f"model {told['version']} on {told['judged_on']}: {metrics}; {held}, {when:%Y-%m-%d %H:%M} UTC"
        console.print(f"Judgement {made.file.id}[dim]  {escape(how)}[/]", soft_wrap=True)
    if len(found) > _MOST_LINES:
        console.print(f"… {count_text(len(found) - _MOST_LINES, 'more judgement')}; --json has them all")


def _print_windows(console: Console, found: Sequence[PredictionsMade]) -> None:
    for made in found[:_MOST_LINES]:
        told = made.step.properties
        metrics = "".join(f", {name} {value:.4g}" for name, value in list(json.loads(told["metrics"]).items())[:3])
        harm = "[red]harmful[/]" if told["harmful"] == "True" else "not harmful"
        valid = "valid" if told["valid"] == "True" else "[red]not valid[/]"
        how = f"{int(told['rows']):,} rows answered by model {told['version']}{metrics}"
        console.print(f"Window {escape(told['window'])}  {valid}, {harm}[dim]  {escape(how)}[/]", soft_wrap=True)
    if len(found) > _MOST_LINES:
        console.print(f"… {count_text(len(found) - _MOST_LINES, 'more window')}; --json has them all")


def _print_recipe(console: Console, recipe: Recipe) -> None:
    console.print(f"  {escape(recipe.command)}", soft_wrap=True)
    marks = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]?[/]"}
    for ingredient in recipe.ingredients:
        line = f"  {marks[ingredient.is_same]} {ingredient.what:<9} {escape(ingredient.recorded)}"
        console.print(f"{line}{': ' if ingredient.remedy else ''}{escape(ingredient.remedy)}", soft_wrap=True)
    if not recipe.is_exact:
        console.print(
            "  ✗ is not what it was, ? is not on record: the command alone does not make the same again",
            soft_wrap=True,
        )


def _plain(answer: Answer) -> dict[str, Any]:
    subject = asdict(answer.subject)
    if answer.subject.schema:
        subject["schema"] = answer.subject.schema.to_json()
    for read, plain in zip(answer.subject.files, subject["files"], strict=True):
        plain["now"] = read.file.now
    return {
        "subject": subject,
        "up": None if answer.up is None else _plain_graph(answer.up),
        "down": None
        if answer.down is None
        else {
            "models": [asdict(model) | {"is_served": model.is_served} for model in answer.down.models],
            "predictions": [
                {"id": made.file.id, "uri": made.file.uri, "state": made.file.state, "step": made.step.id}
                | {name: made.step.properties[name] for name in ("version", "rows", "met", "command")}
                for made in answer.down.predictions
            ],
            "judgements": [
                {"id": made.file.id, "uri": made.file.uri, "step": made.step.id}
                | {name: made.step.properties[name] for name in ("version", "judged_on", "metrics", "blessed")}
                for made in answer.down.judgements
            ],
            "windows": [
                {"id": made.file.id, "uri": made.file.uri, "step": made.step.id}
                | {name: made.step.properties[name] for name in ("window", "version", "rows", "valid", "harmful")}
                for made in answer.down.windows
            ],
            **_plain_graph(answer.down.graph),
        },
        "again": None if answer.recipe is None else asdict(answer.recipe) | {"is_exact": answer.recipe.is_exact},
    }


def _plain_graph(graph: Graph) -> dict[str, Any]:
    return {
        "steps": [asdict(step) for step in graph.steps.values()],
        "artifacts": [asdict(artifact) | {"state": artifact.state} for artifact in graph.artifacts.values()],
        "links": [link._asdict() for link in graph.links],
    }
