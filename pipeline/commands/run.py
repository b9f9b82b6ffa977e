"""One local run from the command line's point of view: checks first, then the work, then the summary."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from rich.markup import escape

from pipeline.beam import job_servers
from pipeline.commands.arrival import await_data, data_notes
from pipeline.commands.rollout import note_begun
from pipeline.commands.uncollected import uncollected
from pipeline.config.loading import REFERENCE
from pipeline.config.model_settings import ModelSettings
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.place import Place
from pipeline.contract.run_inputs import RunInputs, look
from pipeline.errors import ConfigError, PipelineError
from pipeline.lineage.last_data import last_data
from pipeline.lineage.records_version import upgrade_records
from pipeline.lineage.relocation import first_names, settle
from pipeline.lineage.retention import remove_outlived
from pipeline.lineage.runs import find_run
from pipeline.lineage.store import check_store_exists, open_store, translated_errors, upgrade_store
from pipeline.lineage.tuning import check_tuned
from pipeline.observe.after_run import told
from pipeline.observe.log_file import output_to
from pipeline.observe.quiet import insist
from pipeline.observe.step_events import StepEvents, Watchers, json_lines
from pipeline.reports.page_places import page_of
from pipeline.runners.local.contents import set_aside_damaged
from pipeline.runners.local.interruption import outliving_the_terminal
from pipeline.runners.local.limits import Limits
from pipeline.runners.local.partial import Part
from pipeline.runners.local.recovery import check_store_knows_outputs, close_dead_runs
from pipeline.runners.local.resume import find_resumption, fingerprint, made_with
from pipeline.runners.local.run_id import new_run_id
from pipeline.runners.local.unchanged import repeat, same_as_last
from pipeline.serving.approvals import is_past
from pipeline.serving.versions import damage, serving_manifest, serving_version
from pipeline.terminal.console import console_for
from pipeline.terminal.results import print_resumption, print_summary
from pipeline.terminal.screen import Screen
from pipeline.workspace import reserve
from pipeline.workspace.lock import AT_ONCE, Wait, locked
from pipeline.workspace.scratch import scratch
from trainer.settings.tuner import TunerSettings

_PROGRESS = "longhaul.progress"


def run_pipeline(
    config: PipelineConfig,
    *,
    from_node: str | None = None,
    to_node: str | None = None,
    use_cache: bool = True,
    resume: str = "",
    wait: Wait = AT_ONCE,
    wait_for_data: str | None = None,
) -> bool:
    """Run and reports on the terminal.

    Args:
        resume: the run to go on with ('latest' for the last one), which then says what part of the pipeline runs.
        wait: how to stand in line while another run is at work in the workspace.
        wait_for_data: how long to wait for data that are whole, and new to the workspace, as `6h`.

    Returns:
        False if a gate said no, that of the data, of the model or of its serving; True otherwise, also when the part
        that was run holds no gate.

    Raises:
        PipelineError: the user's mistake; nothing half-written remains.
    """
    console = console_for(sys.stdout)
    is_new = not (config.root / "artifacts").is_dir()
    with (
        told(config, console) as about,
        translated_errors(config.root),
        _resumable(config, resume),
        _arrived(config, wait_for_data, console),
        locked(config.root, wait),
        outliving_the_terminal(),
        scratch(config.root),
    ):
        console.print(first_line(config.file, config.name, config.root), soft_wrap=True)
        reserve.keep(config.root)
        build_table(config.data.builder, config.data_pattern, console)
        # Cheap, and before the seconds that importing TensorFlow takes.
        inputs = look(config)
        job_servers.check(config.beam, config.file)
        store, inputs = _opened(config, config.tuner, inputs, console, is_new=is_new)
        part = Part(from_node, to_node, use_cache)
        if resume:
            found = find_resumption(store, config.record_name, resume, made_with(config, inputs))
            print_resumption(console, found)
            part = Part(found.from_node, found.to_node, True, resumes=found.run_id)

        run_id = new_run_id(store)
        about.begins(run_id)
        log = config.root / "logs" / f"{run_id}.log"
        try:
            if not (part == Part() and _repeat(config, inputs, run_id, log, console)):
                if not (part.from_node or part.to_node):
                    _set_aside_damaged(config, fingerprint(config, inputs), console)
                limits = Limits(config.run, config.root, run_id)
                with limits.of_run():
                    _launch(config, inputs, run_id, log, part, limits)
        except Exception:
            if page := _write_page(config, run_id, log):
                console.print(f"Report    {escape(str(page))}", soft_wrap=True)
            raise
        store = open_store(config)
        note_begun(config.record_name, config.serving_folder, store)
        page = _write_page(config, run_id, log)
        run = find_run(store, config.record_name, run_id)
        print_summary(console, run, config, log, page)
        warn_of_damage(config.serving_folder, console)
        if old := remove_outlived(config.record_name, config.root, config.keep, open_store(config)):
            console.print(f"Removed   {old:,} logs and reports that were older than the section `keep` lets them be")
        verdicts = [verdict for verdict in (run.verdict, run.infra_verdict) if verdict is not None]
        return run.status != "blocked" and all(verdict["blessed"] for verdict in verdicts)


def first_line(config_file: Path | None, name: str, root: Path) -> str:
    """Return what a run says first, for rich: which pipeline, and where; and that nobody named a configuration."""
    chosen = " (Longhaul's own example; --config FILE runs yours)" if config_file == REFERENCE.absolute() else ""
    return f"[bold]{name}[/]{chosen}  workspace {escape(str(root))}"


def _opened(
    settings: ModelSettings, tuner: TunerSettings, inputs: RunInputs, console: Any, *, is_new: bool
) -> tuple[MetadataStore, RunInputs]:
    """Open the store and bring its records up to date. Says what it did, and what there is to know of the data."""
    if is_new:
        _note(console, f"{settings.root} is a new workspace; `--workspace` names one that has runs")
    if copy := upgrade_store(settings):
        _note(console, f"an older ML Metadata made the store; as it was it is {copy}")
    store = open_store(settings)
    if moved := settle(settings, store):
        _note(console, moved.sentence())
    inputs = replace(inputs, first_names=first_names(store, settings.record_name))
    check_store_knows_outputs(settings.root, store)
    if copy := upgrade_records(settings, store):
        _note(console, f"an older Longhaul wrote the records; as they were they are {copy}")
    check_tuned(settings, tuner, store)
    notes = close_dead_runs(settings.metadata, settings.root, store)
    if not isinstance(tables := inputs.tables, str):
        tables = tuple(last.as_read(tables)) if (last := last_data(store, settings.record_name)) else tables
        inputs = replace(inputs, tables=tables)
        notes += data_notes(settings.data, settings.data_pattern, settings.record_name, tables, store)
    for sentence in notes:
        _note(console, sentence)
    return store, inputs


@contextmanager
def _resumable(place: Place, resume: str) -> Iterator[None]:
    """To resume a run makes no workspace where there is none."""
    if resume:
        check_store_exists(place.metadata, place.root, place.orchestrator)
    yield


@contextmanager
def _arrived(settings: ModelSettings, wait: str | None, console: Any) -> Iterator[None]:
    """Before the workspace's lock is taken: others may use the workspace while the data are waited for."""
    await_data(settings, wait, console)
    yield


def _repeat(config: PipelineConfig, inputs: RunInputs, run_id: str, log: Path, console: Any) -> bool:
    """Whether nothing has changed since the last run, which then is all there is to say."""
    steps = repeat(config, inputs, open_store(config), run_id)
    if steps is None:
        return False
    log.parent.mkdir(parents=True, exist_ok=True)
    with json_lines(log.with_suffix(".jsonl"), run_id) as lines:
        watchers = Watchers(Screen(console), StepEvents(lines))
        watchers.planned([step.node for step in steps])
        for step in steps:
            watchers.started(step.node)
            watchers.finished(step)
    log.write_text("nothing has changed since the last run: every step is taken from it\n")
    return True


def _set_aside_damaged(place: Place, now: str, console: Any) -> None:
    """Says which outputs of earlier runs are not as they were, and will be made again, and whether what serves is."""
    store = open_store(place)
    # Then a model that is trained again is the one that is damaged.
    repeats = same_as_last(store, place.record_name, now) is not None
    for folder in set_aside_damaged(store, place.root / "artifacts", models=repeats):
        _note(console, f"{folder} is damaged: its files are not those that went on record; it is not used any more")
    for problem in _damage_of_served(place.serving_folder):
        _note(console, problem)


def _damage_of_served(base: Path) -> list[str]:
    served = serving_version(base)
    problems = damage(base / served) if served else []
    return [f"version {served}, which serves, is damaged: {problem}" for problem in problems]


def warn_of_damage(serving: Path, console: Any) -> None:
    """Says at a run's end that what serves is damaged: a run replaces only a model of its own."""
    for problem in _damage_of_served(serving):
        insist()
        remedy = "`longhaul rollback --to VERSION` serves a whole one; `longhaul versions` lists them"
        console.print(f"[yellow]Warning[/]   {escape(problem)}; {remedy}", soft_wrap=True)
    served = serving_manifest(serving)
    if served and is_past(served.approved_until):
        said = (
            f"the approval of version {served.version} by {served.approved_by} has run out on {served.approved_until}"
        )
        console.print(f"[yellow]Warning[/]   {escape(said)}; `longhaul rollback` serves another", soft_wrap=True)


def _note(console: Any, sentence: str) -> None:
    console.print(f"[yellow]Note[/]      {escape(sentence)}", soft_wrap=True)


def _launch(config: PipelineConfig, inputs: RunInputs, run_id: str, log: Path, part: Part, limits: Limits) -> None:
    """Do the heavy part, its chatter in the log."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    with output_to(log) as terminal:
        screen = Screen(console_for(terminal))
        progress = logging.getLogger(_PROGRESS)
        progress.addHandler(screen)
        try:
            screen.waiting("loading TensorFlow, Beam and TFX")
            with uncollected():
                from pipeline.runners.local.measures import Meter
                from pipeline.runners.local.run import run
            with json_lines(log.with_suffix(".jsonl"), run_id) as lines, Meter(config) as meter:
                run(config, inputs, run_id, part, Watchers(screen, StepEvents(lines, meter)), limits)
        except BaseException as exc:
            with suppress(OSError):  # the disk may be full
                traceback.print_exc()  # into the log
            if not isinstance(exc, PipelineError | KeyboardInterrupt):
                screen.say(f"[red]the whole story is in {escape(str(log))}[/]")
            raise
        finally:
            screen.close_line()
            progress.removeHandler(screen)


def _write_page(settings: ModelSettings, run_id: str, log: Path) -> Path | None:
    """Write the run's report, of a failed run too. How the run ended must reach the user whatever happens here."""
    try:
        store = open_store(settings)
        run = find_run(store, settings.record_name, run_id)
        page = page_of(settings.root, run)
        from pipeline.reports.front import refresh_front

        if not page.is_file():
            from pipeline.guard.find_rows import source_of
            from pipeline.lineage.trends import trends_in
            from pipeline.reports.page import write_report
            from pipeline.reports.what_now import look_around

            trends = trends_in(store, settings.record_name, run)
            source = partial(source_of, settings.data, settings.data_pattern)
            write_report(run, page, source, look_around(settings, store, run), trends)
        refresh_front(settings)
        return page
    except Exception:
        with suppress(OSError), log.open("a") as file:
            traceback.print_exc(file=file)
        return None


def build_table(builder: str | None, pattern: str, console: Any) -> None:
    """Call `data.builder`, which returns at once when the tables are there."""
    if builder is None:
        return
    module_name, _, function_name = builder.rpartition(".")
    try:
        build = getattr(importlib.import_module(module_name), function_name)
    except Exception as exc:  # importing a module of the user's may raise anything
        raise ConfigError(
            f"data.builder: {builder!r} cannot be imported ({type(exc).__name__}: {exc})",
            "give the dotted path of a function build(folder) in a module that is installed or on PYTHONPATH",
        ) from exc
    folder = Path(pattern.partition("/span-{SPAN}")[0])
    if not folder.exists():
        console.print(f"building the table with {escape(builder)} …")
    build(folder)
