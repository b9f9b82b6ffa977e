"""Tells others of a run that has ended: a catalogue (`observe`), people (`notify`).

Whatever goes wrong in it is a warning. Nothing is sent that the configuration does not ask for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.markup import escape

from pipeline.config.command_texts import copied
from pipeline.config.loading import options_of
from pipeline.config.notify import Ending, Notify
from pipeline.config.observe import Observe
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.place import Place
from pipeline.errors import PipelineError
from pipeline.lineage.artifact_names import APPROVAL
from pipeline.lineage.runs import Run, StepState, find_run
from pipeline.lineage.store import open_existing_store
from pipeline.observe.heartbeat import Heartbeat, signal_of
from pipeline.observe.notifications import News, notify
from pipeline.observe.quiet import insist
from pipeline.serving.verdict import ServingVerdict
from pipeline.workspace import refused, whom_to_tell


@dataclass
class Told:
    """What the caller lets know.

    Attributes:
        run_id: of the run, once it has one.
    """

    place: Place
    people: Notify
    observe: Observe
    heartbeat: Heartbeat
    console: Any
    run_id: str = ""

    def begins(self, run_id: str) -> None:
        """Note that a run begins, and tell the dead man's switch."""
        self.run_id = run_id
        whom_to_tell.remember(self.place.root, self.place.file, self.place.name, self.people)
        if problem := self.heartbeat.ping("start", b"{}"):
            _warn(self.console, problem)


_HURRY_S = 1.5
"""For webhook and command each when somebody has asked the run to stop, and waits for that."""


@contextmanager
def told(config: PipelineConfig, console: Any) -> Iterator[Told]:
    """Tell how the run went that ends with the block. One that was interrupted before it was on record was none."""
    about = Told(config, config.notify, config.observe, Heartbeat(config.notify), console)
    try:
        yield about
    except (Exception, KeyboardInterrupt) as exc:
        if isinstance(exc, PipelineError) and not about.run_id:
            refused.note(config.root, exc.what, exc.exit_code)
        _tell(about, exc)
        raise
    _tell(about, None)


def tell_of_settings(settings: Notify, name: str, root: Path, error: PipelineError, console: Any) -> None:
    """Tell of a run that never began, since its configuration cannot be used but for the section `notify`."""
    it, heartbeat = News(name, "failed", reason=error.what[:2000], workspace=str(root)), Heartbeat(settings)
    problem = heartbeat.ping(signal_of(it.ending, error), json.dumps(asdict(it)).encode())
    for sentence in filter(None, [problem, *notify(settings, it)]):
        _warn(console, sentence)


def _tell(about: Told, error: BaseException | None) -> None:
    people = about.people
    if not (about.observe.openlineage_url or people.webhook or people.webhook_env or people.command) and (
        not about.heartbeat.is_wanted
    ):
        return
    try:
        warnings = list(_warnings(about, error))
    except Exception as exc:
        warnings = [f"nobody could be told of the run ({type(exc).__name__})"]
    log = about.place.root / "logs" / f"{about.run_id}.log"
    for warning in warnings:
        _warn(about.console, warning)
    if warnings and log.exists():
        with suppress(OSError), log.open("a") as file:
            file.writelines(f"{warning}\n" for warning in warnings)


def _warnings(about: Told, error: BaseException | None) -> Iterator[str]:
    run, place, people = None, about.place, about.people
    if about.run_id:
        with suppress(PipelineError):  # it may have ended before it was on record
            run = find_run(open_existing_store(place), place.record_name, about.run_id)
    if run and about.observe.openlineage_url:
        yield from _export(about.observe, open_existing_store(place), run)
    if isinstance(error, KeyboardInterrupt):
        if run is None:
            return
        people = people.model_copy(update={"timeout_s": min(people.timeout_s, _HURRY_S)})
    it = news(place.name, place.root, run, error)
    it = replace(it, reason=copied(it.reason, [*options_of(place.root, place.file)]))
    hurry = people.timeout_s if isinstance(error, KeyboardInterrupt) else None
    if problem := about.heartbeat.ping(signal_of(it.ending, error), json.dumps(asdict(it)).encode(), hurry):
        yield problem
    yield from notify(people, it)


def _warn(console: Any, sentence: str) -> None:
    insist()
    console.print(f"[yellow]Warning[/]   {escape(sentence)}", soft_wrap=True)


def _export(observe: Observe, store: Any, run: Run) -> Iterator[str]:
    from pipeline.lineage.openlineage import events
    from pipeline.observe.openlineage_export import send

    told = events(store, run)
    taken = send(told, observe.openlineage_url or "", os.environ.get(observe.openlineage_key_env, ""))
    if taken < len(told):
        yield f"observe.openlineage_url: the catalogue took {taken} of {len(told)} events"


def news(name: str, root: Path, run: Run | None, error: BaseException | None = None) -> News:
    """Return what there is to tell of a run, or of an error that came before it."""
    if run is None:
        reason = error.what if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
        return News(name, "failed", reason=reason[:2000], workspace=str(root))
    from pipeline.reports.page_places import page_of

    ending, reasons = _ending(run, error)
    page, log = page_of(root, run), root / "logs" / f"{run.run_id}.log"
    return News(
        pipeline=name,
        ending=ending,
        run_id=run.run_id,
        reason="\n".join(reasons),
        started=run.started,
        seconds=round(run.seconds, 3),
        metrics={
            metric: value for metric, value in (run.verdict or {}).get("metrics", {}).items() if value is not None
        },
        pushed_version=run.properties.get("pushed_version", ""),
        workspace=str(root),
        report=str(page) if page.exists() else "",
        log=str(log) if log.exists() else "",
    )


def _ending(run: Run, error: BaseException | None) -> tuple[Ending, list[str]]:
    """Return how the run ended, and why."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", [run.reason]
    if error is not None or run.status == "failed":
        return "failed", [run.reason or str(error)]
    if run.status == "blocked":
        return "blocked", run.reason.splitlines()
    if run.verdict and not run.verdict["blessed"]:
        return "not_blessed", run.verdict["failures"]
    if run.infra_verdict and not run.infra_verdict["blessed"]:
        return "infra_refused", ServingVerdict.from_json(run.infra_verdict).failures
    asked = [step for step in run.steps if step.node == "Pusher" and step.state == StepState.DONE]
    waits = any(one.properties.get(APPROVAL) == "waiting" for one in run.artifacts.get("Pusher", []))
    if asked and waits:  # an unchanged run does not ask again
        return "waits_for_approval", [run.not_pushed or ""]
    return "complete", []
