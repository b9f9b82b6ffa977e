"""What a person sees while a run works, and at its end."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from pipeline.config import PipelineConfig
from pipeline.guard.findings import Verdict
from pipeline.lineage.runs import Run, Step, StepState
from pipeline.sections import Threshold

if TYPE_CHECKING:
    from pipeline.doctor import Finding

_LOOKS = {
    StepState.DONE: ("✓", "green"),
    StepState.CACHED: ("≡", "cyan"),
    StepState.FAILED: ("✗", "red"),
    StepState.INTERRUPTED: ("◌", "yellow"),
    StepState.RUNNING: ("…", "yellow"),
    StepState.SKIPPED: ("-", "dim"),
}
_PATH = re.compile(r"/(?:[^\s/,:]+/)+")
"""The folders of an absolute path: in a list of runs the file's name says enough."""
_MAX_WARNINGS = 10
_QUIET_PROGRESS_S = 10
"""Where output is not a terminal, a step at work says so this often at most."""


def console_for(stream: TextIO) -> Console:
    """A console that is never narrower than a line of ours: a pipe has no width."""
    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        console.width = 120
    return console


class Screen(logging.Handler):
    """Watches a local run: one line per step, alive while the step works.

    As a logging handler on `longhaul.progress` it shows how far a long step is.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console
        self._live: Live | None = None
        self._node = ""
        self._number = 0
        self._of = 0
        self._began = 0.0
        self._said = 0.0
        self._detail = ""

    def say(self, text: str) -> None:
        """One line."""
        self._console.print(text)

    def waiting(self, what: str) -> None:
        """Something takes seconds before the first step."""
        if self._console.is_terminal:
            self._live = self._line(Spinner("dots", text=f"{what} …"))
            self._live.start()
        else:
            self.say(f"{what} …")

    def planned(self, nodes: list[str]) -> None:
        self.close_line()
        self._of = len(nodes)

    def started(self, node: str) -> None:
        self._node, self._detail = node, ""
        self._number += 1
        self._began = self._said = time.monotonic()
        if self._console.is_terminal:
            self._live = self._line(self)
            self._live.start()

    def finished(self, step: Step) -> None:
        self.close_line()
        mark, color = _LOOKS[step.state]
        detail = "" if step.state is StepState.DONE else f"  {step.state}"
        place = f"{self._number:2d}/{self._of}  {step.node:<18}{step.seconds:7.1f} s"
        self.say(f"[{color}]{mark}[/] {place}[{color}]{detail}[/]")

    def _line(self, what: RenderableType) -> Live:
        # Left to itself, Live would catch what others print, which belongs in the log.
        return Live(what, console=self._console, transient=True, redirect_stdout=False, redirect_stderr=False)

    def close_line(self) -> None:
        """Takes the living line off the screen."""
        if self._live:
            self._live.stop()
            self._live = None

    def emit(self, record: logging.LogRecord) -> None:
        self._detail = record.getMessage()
        if not self._console.is_terminal and time.monotonic() - self._said > _QUIET_PROGRESS_S:
            self._said = time.monotonic()
            self.say(f"         {self._node}: {escape(self._detail)}")

    def __rich__(self) -> Spinner:
        seconds = time.monotonic() - self._began
        place = f"{self._number:2d}/{self._of}  {self._node:<18}{seconds:7.1f} s"
        return Spinner("dots", text=f"{place}  [dim]{escape(self._detail)}[/]")


def print_summary(console: Console, run: Run, config: PipelineConfig, log: Path, page: Path | None) -> None:
    """What a person reads at the end of a run. `page` is its report, None if that could not be written."""
    console.print()
    print_results(console, run, config)
    console.print(f"Report    {_near(page) if page else 'could not be written; the log says why'}", soft_wrap=True)
    console.print(f"Log       {_near(log)}")
    console.print(f"Run       {run.run_id}, {run.seconds:.0f} s; `longhaul show {run.run_id}` tells more")


def print_results(console: Console, run: Run, config: PipelineConfig) -> None:
    """Data sizes, metrics against thresholds, the verdict and why, and where the model lies."""
    if number := run.properties.get("schema_version"):
        console.print(f"Schema    version {number}, {escape(run.properties['schema_review'])}")
    if ingestion := run.ingestion:
        rows = ", ".join(f"{name} {count:,}" for name, count in ingestion["rows"].items())
        unlabelled = ingestion["labels"]["unlabelled"]
        spans = f" from {len(ingestion['spans'])} spans" if len(ingestion["spans"]) > 1 else ""
        console.print(f"Rows      {rows}{spans}" + (f"; {unlabelled:,} without a label dropped" if unlabelled else ""))
    if run.data_verdict:
        print_data_verdict(console, Verdict.from_json(run.data_verdict))
    if run.verdict:
        console.print(_metrics_table(run, config))
        if run.verdict["blessed"]:
            champion = "held every threshold" + ("" if run.verdict["champion"] else "; there was no champion to beat")
            console.print(f"[bold green]Blessed[/]   {champion}")
        else:
            console.print("[bold red]Not blessed[/]")
            for failure in run.verdict["failures"]:
                console.print(f"          {escape(failure)}")
    if run.pushed:
        console.print(f"Model     {_near(run.pushed)}")


def steps_table(run: Run) -> Table:
    """Steps with their state and seconds."""
    table = Table(box=None, pad_edge=False)
    table.add_column("step")
    table.add_column("state")
    table.add_column("seconds", justify="right")
    for step in run.steps:
        _, color = _LOOKS[step.state]
        table.add_row(step.node, f"[{color}]{step.state}[/]", f"{step.seconds:.1f}")
    return table


def print_data_verdict(
    console: Console, verdict: Verdict, all_of_it: str = "the gate's verdict.json has them all"
) -> None:
    """What blocks in full, with offending rows; warnings one line each. `all_of_it` says where to find the rest."""
    for finding in verdict.blocking:
        console.print(f"[bold red]Blocked[/]   {escape(finding.sentence())}", soft_wrap=True)
        for row in finding.rows:
            console.print(f"            {escape(str(row))}", soft_wrap=True)
    if verdict.blocked:
        console.print(
            "          Mend the data, or say in the schema or in its policy that they may be so.", soft_wrap=True
        )
    for finding in verdict.warnings[:_MAX_WARNINGS]:
        console.print(f"[yellow]Warning[/]   {escape(finding.sentence())}", soft_wrap=True)
    if (more := len(verdict.warnings) - _MAX_WARNINGS) > 0:
        console.print(f"[yellow]Warning[/]   {more} more; {all_of_it}")
    for note in verdict.notes:
        console.print(f"[yellow]Note[/]      {escape(note)}", soft_wrap=True)


def _metrics_table(run: Run, config: PipelineConfig) -> Table:
    verdict = run.verdict or {}
    table = Table(box=None, pad_edge=False)
    for column in ("Metric", "model", "champion", "threshold"):
        table.add_column(column, justify="left" if column in ("Metric", "threshold") else "right", min_width=9)
    for name, value in verdict["metrics"].items():
        champion = (verdict["champion"] or {}).get(name)
        table.add_row(
            name,
            _number(value),
            _number(champion) if champion is not None else "-",
            _threshold_text(config.evaluation.thresholds.get(name)),
        )
    return table


def _threshold_text(bounds: Threshold | None) -> str:
    if bounds is None:
        return ""
    parts = [
        f"at least {bounds.at_least:g}" if bounds.at_least is not None else "",
        f"at most {bounds.at_most:g}" if bounds.at_most is not None else "",
        f"may lose {bounds.may_lose:g} to the champion" if bounds.may_lose is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 10 else f"{value:.4f}"


def _near(path: str | Path) -> str:
    """Relative to the current directory where that is shorter."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def print_runs(runs: list[Run], as_json: bool) -> None:
    """The runs, newest first."""
    if as_json:
        print(json.dumps([_plain(run) for run in runs], indent=1))
        return
    table = Table(box=None, pad_edge=False, expand=True)
    for column in ("run", "started (UTC)", "status", "seconds"):
        table.add_column(column, justify="right" if column == "seconds" else "left")
    table.add_column("reason", no_wrap=True, ratio=1)  # one line a run: what is left of it after the others
    for run in runs:
        color = {"complete": "green", "failed": "red", "blocked": "red"}.get(run.status, "yellow")
        table.add_row(
            run.run_id,
            run.started[:16].replace("T", " "),
            f"[{color}]{run.status}[/]",
            f"{run.seconds:.0f}",
            escape(_PATH.sub("", run.reason.partition("\n")[0])),
        )
    console_for(sys.stdout).print(table if runs else "no runs yet")


def print_run(run: Run, config: PipelineConfig, as_json: bool) -> None:
    """One run: what it was made with, its steps, outputs, metrics."""
    if as_json:
        print(json.dumps(_plain(run), indent=1))
        return
    console = console_for(sys.stdout)
    console.print(f"[bold]{run.run_id}[/]  {run.status}, started {run.started}, {run.seconds:.0f} s")
    if run.reason:
        console.print(f"[red]{escape(run.reason)}[/]")
    console.print(
        f"config {run.properties.get('config_digest', '')[:12]}, code {run.properties.get('code_digest', '')[:12]}"
    )
    console.print(steps_table(run))
    for node, artifacts in run.artifacts.items():
        for artifact in artifacts:
            console.print(f"{node} → {artifact.type}  {_near(artifact.uri)}", soft_wrap=True)
    print_results(console, run, config)


def print_findings(findings: list[Finding], as_json: bool) -> None:
    """What `longhaul doctor` found."""
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
        return
    console = console_for(sys.stdout)
    for finding in findings:
        mark = "[red]✗[/]" if finding.remedy else "[green]✓[/]"
        console.print(f"{mark} {finding.what:<12} {escape(finding.found)}", soft_wrap=True)
        if finding.remedy:
            console.print(f"  Remedy: {escape(finding.remedy)}", soft_wrap=True)


def _plain(run: Run) -> dict[str, Any]:
    return asdict(run) | {"verdict": run.verdict, "ingestion": run.ingestion, "pushed": run.pushed}
