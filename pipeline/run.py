"""One local run from the command line's point of view: checks first, then the work, then the summary."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.config import PipelineConfig
from pipeline.data.schema_types import check_columns, read_schema
from pipeline.data.source import find_files
from pipeline.errors import ConfigError, PipelineError
from pipeline.guard.policy import read_policy
from pipeline.lineage.runs import find_run
from pipeline.lineage.store import open_store
from pipeline.runners.quiet import output_to
from pipeline.runners.unchanged import repeat
from pipeline.runners.workspace import locked, translated_errors
from pipeline.terminal import Screen, console_for, print_summary

_PROGRESS = "longhaul.progress"


def run_pipeline(config: PipelineConfig, *, from_node: str | None, to_node: str | None, use_cache: bool) -> bool:
    """Runs and reports on the terminal.

    Returns:
        False if a gate said no, that of the data or that of the model; True otherwise, also when the part that was
        run holds no gate.

    Raises:
        PipelineError: the user's mistake; nothing half-written remains.
    """
    with translated_errors(config.root), locked(config.root):
        console = console_for(sys.stdout)
        console.print(f"[bold]{config.name}[/]  workspace {config.root}")
        _build_table(config, console)
        # Cheap, and before the seconds that importing TensorFlow takes.
        check_columns(config, read_schema(config.schema_file))
        read_policy(config.policy_file)
        find_files(config.data_pattern, config.data.spans)
        if config.serving_pattern and "://" not in config.serving_pattern:
            find_files(config.serving_pattern)
        open_store(config)

        run_id = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]  # sortable; the lock makes it unique
        log = config.root / "logs" / f"{run_id}.log"
        try:
            whole = not (from_node or to_node)
            if not (whole and use_cache and _repeat(config, run_id, log, console)):
                _launch(config, run_id, log, from_node, to_node, use_cache)
        except Exception:
            if page := _write_page(config, run_id, log):
                console.print(f"Report    {page}", soft_wrap=True)
            raise
        page = _write_page(config, run_id, log)
        run = find_run(open_store(config), config.name, run_id)
        print_summary(console, run, config, log, page)
        return run.status != "blocked" and (run.verdict is None or bool(run.verdict["blessed"]))


def _repeat(config: PipelineConfig, run_id: str, log: Path, console: Any) -> bool:
    """Whether nothing has changed since the last run, which then is all there is to say."""
    steps = repeat(config, open_store(config), run_id)
    if steps is None:
        return False
    screen = Screen(console)
    screen.planned([step.node for step in steps])
    for step in steps:
        screen.started(step.node)
        screen.finished(step)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("nothing has changed since the last run: every step is taken from it\n")
    return True


def _launch(
    config: PipelineConfig,
    run_id: str,
    log: Path,
    from_node: str | None,
    to_node: str | None,
    use_cache: bool,
) -> None:
    """The heavy part, its chatter in the log."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    with output_to(log) as terminal:
        screen = Screen(console_for(terminal))
        progress = logging.getLogger(_PROGRESS)
        progress.addHandler(screen)
        try:
            screen.waiting("loading TensorFlow, Beam and TFX")
            from pipeline.runners.local import RunOptions, run

            run(config, run_id, RunOptions(from_node, to_node, use_cache), screen)
        except BaseException as exc:
            with suppress(OSError):  # the disk may be full
                traceback.print_exc()  # into the log
            if not isinstance(exc, PipelineError | KeyboardInterrupt):
                screen.say(f"[red]the whole story is in {log}[/]")
            raise
        finally:
            screen.close_line()
            progress.removeHandler(screen)


def _write_page(config: PipelineConfig, run_id: str, log: Path) -> Path | None:
    """The run's report, also of a failed run. How the run itself ended must reach the user whatever happens here."""
    from pipeline.reports.page import page_path, write_report

    try:
        return write_report(find_run(open_store(config), config.name, run_id), page_path(config, run_id))
    except Exception:
        with suppress(OSError), log.open("a") as file:
            traceback.print_exc(file=file)
        return None


def _build_table(config: PipelineConfig, console: Any) -> None:
    """Calls `data.builder`, which returns at once when the tables are there."""
    if config.data.builder is None:
        return
    module_name, _, function_name = config.data.builder.rpartition(".")
    try:
        build = getattr(importlib.import_module(module_name), function_name)
    except Exception as exc:  # importing a module of the user's may raise anything
        raise ConfigError(
            f"data.builder: {config.data.builder!r} cannot be imported ({type(exc).__name__}: {exc})",
            "give the dotted path of a function build(folder) in a module that is installed or on PYTHONPATH",
        ) from exc
    folder = Path(config.data_pattern.partition("/span-{SPAN}")[0])
    if not folder.exists():
        console.print(f"building the table with {config.data.builder} …")
    build(folder)
