"""What a person sees while a run works, and at its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.config.evaluation import CHAMPION, COUNT, Evaluation, Threshold
from pipeline.config.model_settings import ModelSettings
from pipeline.config.number_text import bound_text
from pipeline.data.decisions_text import PROPERTY as DECISIONS
from pipeline.data.decisions_text import decisions_text
from pipeline.guard.findings import DataVerdict
from pipeline.guard.findings import Finding as DataFinding
from pipeline.lineage.details import rows_by_split
from pipeline.lineage.records import SERVED
from pipeline.lineage.runs import Run
from pipeline.lineage.version_folders import versions
from pipeline.reports.baselines import baseline_sentence, no_better_note, trees_ahead_note
from pipeline.reports.champion import bound_sentences, champion_sentence, judged_notes, training_sentence
from pipeline.reports.decide import on_record
from pipeline.reports.judgement import FEW_ROWS
from pipeline.reports.personal import shown_verdict
from pipeline.reports.rules import few_rows_note, few_to_learn_note, held_rules, nearest, rule_line, weighted_note
from pipeline.reports.training import training_story
from pipeline.reports.what_now import serves_sentence
from pipeline.serving.rollout import under_way
from pipeline.serving.verdict import ServingVerdict
from pipeline.serving.versions import newest_manifest, read_manifest, serving_manifest, serving_version
from pipeline.terminal.console import linked, number_text
from pipeline.terminal.own_steps import print_own_steps

if TYPE_CHECKING:
    from pipeline.runners.local.resume import Resumption

_MAX_WARNINGS = 10


def print_summary(console: Console, run: Run, settings: ModelSettings, log: Path, page: Path | None) -> None:
    """Print what a person reads at the end of a run. `page` is its report, None if that could not be written."""
    console.print()
    print_results(console, run, settings)
    told = linked(page, near(page)) if page else "could not be written; the log says why"
    console.print(f"Report    {told}", soft_wrap=True)
    console.print(f"Log       {linked(log, near(log))}", soft_wrap=True)
    console.print(f"Run       {run.run_id}, {run.seconds:.0f} s")
    console.print(f"More      longhaul show {run.run_id}", soft_wrap=True)


def print_resumption(console: Console, resumption: Resumption) -> None:
    """Print which run goes on, from where, and what has changed since."""
    where = f"stopped at {', '.join(resumption.stopped_at)}" if resumption.stopped_at else "stopped between steps"
    kept = f"{len(resumption.finished)} steps are done"
    console.print(f"Resuming  {resumption.run_id}: it {where}; {kept}", soft_wrap=True)
    if resumption.changed:
        changed = escape(", ".join(resumption.changed))
        console.print(f"[yellow]Changed[/]   since then: {changed}; what that concerns runs again", soft_wrap=True)


def print_results(console: Console, run: Run, settings: ModelSettings) -> None:
    """Print the verdict and why, data sizes, metrics against thresholds, and where the model lies."""
    _print_judgement(console, run)
    gate = shown_verdict(run, DataVerdict.from_json(run.data_verdict)) if run.data_verdict else None
    _print_what_broke(console, run, settings.serving_folder, gate)
    _print_data(console, run)
    if gate and not gate.blocking:
        print_data_verdict(console, gate)
    for place, sentence in enumerate(training_story(run.history or {})):
        console.print(f"{'' if place else 'Trained':<10}{escape(sentence)}", soft_wrap=True)
    if run.verdict:
        _print_baselines(console, run.verdict)
        for note in filter(None, (weighted_note(run.verdict), few_rows_note(run.verdict["metrics"], FEW_ROWS))):
            console.print(f"[yellow]Note[/]      {escape(note)}", soft_wrap=True)
        console.print(_metrics_table(run, settings.evaluation))
        if decided := on_record(run.verdict):
            console.print(f"Decides   {escape(decided.sentence)}", soft_wrap=True)
    print_own_steps(console, run, settings.steps)
    if run.infra_verdict:
        print_infra_verdict(console, ServingVerdict.from_json(run.infra_verdict))
    _print_push(console, run, settings.serving_folder)


def _print_push(console: Console, run: Run, serving: Path) -> None:
    """Print where the model lies and what became of it, or why it was not pushed."""
    if run.pushed:
        already = "; it served already, so nothing was pushed" if run.served_already else ""
        version = _folder_of(run.pushed, serving)
        console.print(f"Model     {escape(near(run.pushed))}{already}{_since_then(version)}", soft_wrap=True)
        if (trying := under_way(version.parent)) and str(trying.version) == version.name:
            console.print(f"Rollout   {escape(trying.words)}", soft_wrap=True)
        if change := _changed_meanwhile(run, version):
            console.print(f"[yellow]Note[/]      {escape(change)}", soft_wrap=True)
    elif run.not_pushed:
        console.print(f"[yellow]Not pushed[/] {escape(run.not_pushed)}", soft_wrap=True)


def _print_judgement(console: Console, run: Run) -> None:
    """Print whether the model is blessed, and every rule; nothing without a verdict."""
    if run.verdict is None:
        return
    print_model_verdict(console, run.verdict, champion_sentence(run, run.verdict))
    for place, (rule, count) in enumerate(nearest(held_rules(run.verdict))):
        color = "green" if rule.held else "red"
        console.print(f"{'' if place else 'Rules':<10}[{color}]{escape(rule_line(rule, count))}[/]", soft_wrap=True)


def _print_what_broke(console: Console, run: Run, serving: Path, gate: DataVerdict | None) -> None:
    """Print what blocks, before all else, and what serves meanwhile; nothing of a run that got through."""
    if gate and gate.blocking:
        print_data_verdict(console, gate)
    if run.status != "complete" or (run.verdict and not run.verdict["blessed"]):
        serves = serves_sentence(serving_version(serving) or "", serving_manifest(serving))
        console.print(f"Meanwhile {escape(serves)}", soft_wrap=True)


def _print_data(console: Console, run: Run) -> None:
    if number := run.properties.get("schema_version"):
        console.print(f"Schema    version {number}, {escape(run.properties['schema_review'])}")
    if ingestion := run.ingestion:
        unlabelled = ingestion["labels"]["unlabelled"]
        dropped = f"; {unlabelled:,} without a label dropped" if unlabelled else ""
        aside = set_aside_text(ingestion.get("set_aside"))
        console.print(f"Rows      {', '.join(rows_by_split(ingestion))}{dropped}{escape(aside)}", soft_wrap=True)
        if decided := decisions_text(ingestion.get(DECISIONS)):
            console.print(f"Labels    {escape(decided)}", soft_wrap=True)
        if few := few_to_learn_note(sum(ingestion["rows"].values())):
            console.print(f"[yellow]Note[/]      {few}", soft_wrap=True)
    if run.not_reached:
        console.print(f"[yellow]Not run[/]   {', '.join(step.node for step in run.not_reached)}", soft_wrap=True)


def _print_baselines(console: Console, verdict: dict[str, Any]) -> None:
    """Print what trees and a guess have on the same rows; nothing of an older verdict."""
    if beside := baseline_sentence(verdict):
        console.print(f"Baselines {escape(beside)}", soft_wrap=True)
    if ahead := trees_ahead_note(verdict):
        console.print(f"[yellow]Note[/]      {escape(ahead)}", soft_wrap=True)


def set_aside_text(aside: dict[str, Any] | None) -> str:
    """Say how many rows were set aside, and for which columns; "" if none were."""
    if not aside or not aside["rows"]:
        return ""
    columns = ", ".join(f"{name} {count:,}" for name, count in list(aside["columns"].items())[:5])
    return f"; {aside['rows']:,} set aside for values that do not fit ({columns}), see {aside['file']}"


_NOT_BLESSED = "Remedy: more rows, other features or settings; or ask for less in evaluation.thresholds"


def print_model_verdict(console: Console, verdict: dict[str, Any], champion: str) -> None:
    """Print whether the model is blessed, why not, what it was compared with (`champion`), and what was not judged."""
    if verdict["blessed"]:
        console.print("[bold green]Blessed[/]   held every threshold")
        if guessing := no_better_note(verdict):
            console.print(f"[bold yellow]But[/]       {escape(guessing)}", soft_wrap=True)
    else:
        console.print("[bold red]Not blessed[/]")
        for failure in verdict["failures"]:
            console.print(f"          {escape(failure)}", soft_wrap=True)
        console.print(f"          {_NOT_BLESSED}", soft_wrap=True)
    console.print(f"Champion  {escape(champion)}", soft_wrap=True)
    for note in [*bound_sentences(verdict), *filter(None, [training_sentence(verdict)]), *judged_notes(verdict)]:
        console.print(f"[yellow]Note[/]      {escape(note)}", soft_wrap=True)


def print_infra_verdict(console: Console, verdict: ServingVerdict) -> None:
    """Print in one line what a fit model was found to be; what keeps another one from being pushed in full."""
    if verdict.blessed:
        console.print(f"[bold green]Checked[/]   {verdict.in_short()}", soft_wrap=True)
        return
    console.print("[bold red]Not pushed[/]: not fit to serve", soft_wrap=True)
    for failure in verdict.failures:
        console.print(f"          {escape(failure)}", soft_wrap=True)


def _changed_meanwhile(run: Run, version: Path) -> str:
    """Say that what served was rolled back between a run's begin and its push, which took note of it."""
    served = json.loads(run.properties.get(SERVED) or "{}").get("version", 0)
    between = [number for number in versions(version.parent) if served < number < int(version.name)]
    found = read_manifest(version.parent / str(between[-1])) if between and served else None
    if found is None or found.copy_of is None or run.served_already:
        return ""
    note = f" ({found.note})" if found.note else ""
    return (
        f"while the run was at work, {found.pushed_by} brought version {found.copy_of} back{note}; this model was "
        "judged against that one, and serves now in its place"
    )


def _folder_of(pushed: str, serving: Path) -> Path:
    """Return the version's folder on this machine: of one in a bucket, that which has a copy of its manifest."""
    if not pushed.startswith("gs://"):
        return Path(pushed)
    return serving / pushed.rpartition("/")[2]


def _since_then(version: Path) -> str:
    """Return what became of a pushed version."""
    served, found = newest_manifest(version.parent), read_manifest(version)
    if served is None or served.version == int(version.name) or found is None:
        return ""
    if found.digest in served.withdrawn:
        return f"; it was rolled back, version {served.version} serves"
    return ""


def print_data_verdict(
    console: Console, verdict: DataVerdict, all_of_it: str = "the gate's verdict.json has them all"
) -> None:
    """Print what blocks in full, with offending rows; warnings one line each. `all_of_it` says where to find the
    rest."""
    for finding in verdict.blocking:
        console.print(f"[bold red]Blocked[/]   {escape(finding.sentence())}", soft_wrap=True)
        for line in [*finding.places(), *_remedy(finding)]:
            console.print(f"            {escape(line)}", soft_wrap=True)
    if any(not finding.remedy for finding in verdict.blocking):
        console.print(
            "          Fix the data, or say in the schema or in its policy that they may be so.", soft_wrap=True
        )
    for finding in verdict.warnings[:_MAX_WARNINGS]:
        console.print(f"[yellow]Warning[/]   {escape(finding.sentence())}", soft_wrap=True)
        for line in _remedy(finding):
            console.print(f"            {escape(line)}", soft_wrap=True)
    if (more := len(verdict.warnings) - _MAX_WARNINGS) > 0:
        console.print(f"[yellow]Warning[/]   {more} more; {all_of_it}")
    for note in verdict.notes:
        console.print(f"[yellow]Note[/]      {escape(note)}", soft_wrap=True)


def _remedy(finding: DataFinding) -> list[str]:
    return [f"Remedy: {finding.remedy}"] if finding.remedy else []


def _metrics_table(run: Run, rules: Evaluation) -> Table:
    """Judged metrics come first; those with a broken rule over all rows are marked."""
    verdict = run.verdict or {}
    intervals, champion, undefined = verdict.get("intervals") or {}, verdict["champion"] or {}, verdict.get("undefined")
    table = Table(box=None, pad_edge=False)
    for column in ("Metric", "model", "interval", "champion", "threshold"):
        justify: Literal["left", "right"] = "left" if column in ("Metric", "threshold") else "right"
        is_number = column not in ("Metric", "threshold")  # a name goes on in the next line, a number stays whole
        table.add_column(column, justify=justify, min_width=8, no_wrap=is_number, overflow="fold")
    judged = rules.thresholds
    names = [name for name in {**verdict["metrics"], **(undefined or {})} if name != COUNT]
    broken = {rule.metric for rule in held_rules(verdict) if not rule.held and rule.where == "all rows"}
    for name in sorted(names, key=lambda name: list(judged).index(name) if name in judged else len(judged)):
        value = verdict["metrics"].get(name)
        table.add_row(
            f"[red]✗ {name}[/]" if name in broken else name,
            (undefined or {}).get(name, "") if value is None else number_text(value),
            " to ".join(map(number_text, intervals.get(name) or ())),
            number_text(champion.get(name)),
            _threshold_text(judged.get(name), rules.against, with_slices=not verdict.get("rules")),
        )
    return table


def _threshold_text(bounds: Threshold | None, against: str, with_slices: bool) -> str:
    if bounds is None:
        return ""
    to = "to the champion" if against == CHAMPION else f"(against: {against})"
    parts = [
        f"at least {bound_text(bounds.at_least)}" if bounds.at_least is not None else "",
        f"at most {bound_text(bounds.at_most)}" if bounds.at_most is not None else "",
        f"may lose {bound_text(bounds.may_lose)} {to}" if bounds.may_lose is not None else "",
        f"{len(bounds.slices)} for slices" if bounds.slices and with_slices else "",
    ]
    return ", ".join(part for part in parts if part)


def near(path: str | Path) -> str:
    """Write a path relative to the current directory where that is shorter."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return str(path)
