"""What `longhaul show` prints: one run in every detail."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.config.model_settings import ModelSettings
from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.details import BYTES, PEAK_MEMORY, ROWS, StepDetails
from pipeline.lineage.diff import flat
from pipeline.lineage.records import MADE, Artifact
from pipeline.lineage.run_files import damaged_files
from pipeline.lineage.runs import Run, StepState
from pipeline.reports.page_places import page_of
from pipeline.reports.what_now import log_tail
from pipeline.terminal.console import STATUS_COLORS, console_for, linked, size_text
from pipeline.terminal.results import near, print_results

_UNFINISHED = (StepState.FAILED, StepState.INTERRUPTED, StepState.RUNNING)
_UNTOLD = (
    *("is_external", "tfx_version", "input_fingerprint", "payload_format", "split_names", "span"),
    *("pushed_destination", "model_digest", "current_model", "baseline_model", "run_id", "files", "contents"),
    "contract",
    MADE,
)
"""Properties of artifacts that TFX needs and a person does not."""
_BULKY = ("schema_text", "code_files")
"""Properties of a run that `longhaul schema show` and `longhaul diff` show better."""


def print_run(run: Run, details: list[StepDetails], settings: ModelSettings, as_json: bool) -> None:
    """Print what the run was made with, its steps, what they read and made, metrics, and the log's end if it failed."""
    log = settings.root / "logs" / f"{run.run_id}.log"
    if as_json:
        print(json.dumps(_plain(run, details, log), indent=1))
        return
    console = console_for(sys.stdout)
    color = STATUS_COLORS.get(run.status, "yellow")
    console.print(
        f"[bold]{run.run_id}[/]  [{color}]{run.status}[/], started {run.started}, {run.seconds:.0f} s"
        + (", pinned" if "pinned" in run.properties else "")
        + (f", imported {run.properties['imported']}" if run.imported else "")
    )
    if run.reason and not run.data_verdict:  # what the gate says follows in full
        console.print(f"[red]{escape(run.reason)}[/]", soft_wrap=True)
    page = page_of(settings.root, run)
    if page.is_file():
        console.print(f"Report    {linked(page, near(page))}", soft_wrap=True)
    for path in damaged_files(run.artifacts):
        console.print(
            f"[red]Damaged   {escape(near(path))}[/]: what it tells is left out; `longhaul run` makes anew what the "
            "latest run made",
            soft_wrap=True,
        )
    print_results(console, run, settings)
    _print_settings(console, run)
    console.print()
    console.print(_steps_table([*details, *map(StepDetails, run.not_reached)]))
    _print_sources(console, details)
    console.print()
    _print_artifacts(console, details, settings.root)
    _print_log(console, run, log)


def _print_settings(console: Console, run: Run) -> None:
    """Print what is not as it would be by itself; nothing of a configuration of another Longhaul."""
    digests = [f"{what} {run.properties.get(f'{what}_digest', 'not recorded')[:12]}" for what in ("config", "code")]
    console.print(f"Digests   {', '.join(digests)}")
    with suppress(ValueError):
        config = PipelineConfig.model_validate(json.loads(run.properties.get("config", "")))
        chosen = flat(config.model_dump(mode="json", by_alias=True, exclude_defaults=True))
        for place, (name, value) in enumerate(chosen.items()):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            console.print(f"{'' if place else 'Settings':<10}{escape(name)}: {escape(text)}", soft_wrap=True)


def _steps_table(details: list[StepDetails]) -> Table:
    measured = [name for name in (PEAK_MEMORY, ROWS, BYTES) if any(name in one.properties for one in details)]
    headings = {PEAK_MEMORY: "memory", ROWS: "rows", BYTES: "written"}
    table = Table(box=None, pad_edge=False)
    for column in ("step", "state", "seconds", *(headings[name] for name in measured), "reads", "makes"):
        justify: Literal["left", "right"] = "left" if column in ("step", "state", "reads", "makes") else "right"
        table.add_column(column, justify=justify, no_wrap=column == "step", overflow="fold")
    for one in details:
        outcome = one.step.outcome
        table.add_row(
            one.step.node,
            f"[{outcome.color}]{outcome.mark} {escape(outcome.words)}[/]",
            f"{one.step.seconds:.1f}",
            *(_measure(name, one.properties.get(name)) for name in measured),
            _numbers(one.inputs),
            _numbers(one.outputs),
        )
    return table


def _print_sources(console: Console, details: list[StepDetails]) -> None:
    """Print from which runs steps were taken, whole, so that the ids can be copied."""
    sources: dict[str, list[str]] = {}
    for one in details:
        if one.cached_from:
            sources.setdefault(one.cached_from, []).append(one.step.node)
    for source, steps in sources.items():
        which = "all cached steps" if len(sources) == 1 else ", ".join(steps)
        console.print(f"{'From':<9} {source}: {which}", soft_wrap=True)


def _measure(name: str, value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if name == ROWS else size_text(float(value))


def _numbers(artifacts: dict[str, list[Artifact]]) -> str:
    return " ".join(f"#{number}" for number in dict.fromkeys(one.id for one in chain(*artifacts.values())))


def _print_artifacts(console: Console, details: list[StepDetails], root: Path) -> None:
    """Print each with its place, which never breaks, so that it can be copied."""
    known = {one.id: one for step in details for one in chain(*step.inputs.values(), *step.outputs.values())}
    for number, artifact in sorted(known.items()):
        told = ", ".join(
            f"{key} {_only(value)}"
            for key, value in sorted(artifact.properties.items())
            if key not in _UNTOLD and value not in ("", {})
        )
        gone = "" if artifact.state == "live" else f"  [yellow]{artifact.state}[/]"
        place = escape(_below(root, artifact.uri))
        console.print(f"{f'#{number}':<5} {artifact.type}{gone}  {place}", soft_wrap=True)
        if told:
            console.print(f"      {escape(_shorten(told))}", soft_wrap=True)


def _only(value: Any) -> Any:
    """Return what TFX wraps into a dictionary of one as itself."""
    return value["__value__"] if isinstance(value, dict) and value.keys() == {"__value__"} else value


def _below(root: Path, uri: str) -> str:
    """Write a path relative to the workspace, if it lies there."""
    return str(Path(uri).relative_to(root)) if Path(uri).is_relative_to(root) else uri


def _shorten(text: str, most: int = 400) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _print_log(console: Console, run: Run, log: Path) -> None:
    if run.status in ("complete", "blocked"):
        return
    lines = log_tail(log)
    failed = next((step.node for step in run.steps if step.state in _UNFINISHED), None)
    about = f"{failed}: the" if failed else "The"
    console.print(
        f"\n{about} end of {escape(str(log))}" if lines else f"\nno log at {escape(str(log))}", soft_wrap=True
    )
    for line in lines:
        console.print(f"  {escape(line)}", soft_wrap=True)


def _plain(run: Run, details: list[StepDetails], log: Path) -> dict[str, Any]:
    def ids(artifacts: dict[str, list[Artifact]]) -> dict[str, list[int]]:
        return {key: [one.id for one in found] for key, found in artifacts.items()}

    steps = [
        {key: value for key, value in asdict(one.step).items() if key != "told"}
        | {
            "state": str(one.step.outcome.state),
            "reason": one.step.outcome.reason,
            "cached_from": one.cached_from,
            "inputs": ids(one.inputs),
            "outputs": ids(one.outputs),
            "properties": one.properties,
        }
        for one in [*details, *map(StepDetails, run.not_reached)]
    ]
    failed = run.status not in ("complete", "blocked")
    properties = {key: value for key, value in run.properties.items() if key not in _BULKY}
    return asdict(run) | {
        "artifacts": {node: [_artifact(one) for one in made] for node, made in run.artifacts.items()},
        "properties": properties,
        "steps": steps,
        "inputs": [_artifact(one) for one in _only_read(details)],
        "verdict": run.verdict,
        "ingestion": run.ingestion,
        "pushed": run.pushed,
        "log": str(log),
        "log_tail": log_tail(log) if failed else [],
    }


def _artifact(one: Artifact) -> dict[str, Any]:
    return {key: value for key, value in asdict(one).items() if key != "copy"}


def _only_read(details: list[StepDetails]) -> Iterable[Artifact]:
    """Return what the run took from earlier ones, such as the champion."""
    made = {one.id for step in details for one in chain(*step.outputs.values())}
    read = {one.id: one for step in details for one in chain(*step.inputs.values())}
    return [artifact for number, artifact in sorted(read.items()) if number not in made]
