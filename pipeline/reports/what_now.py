"""What somebody does who finds a run that did not get through: what broke, what serves meanwhile, which commands help.

A run's records do not tell what serves or which run was good; the folder of versions and the other runs do.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePath

from ml_metadata import MetadataStore

from pipeline.config.command_texts import with_options
from pipeline.config.loading import options_of
from pipeline.config.place import Place
from pipeline.errors import as_argument
from pipeline.guard.findings import DataVerdict, Finding
from pipeline.guard.places import FileRows
from pipeline.guard.words import OF_A_SPAN
from pipeline.lineage.artifact_names import APPROVAL
from pipeline.lineage.runs import Run
from pipeline.lineage.summary import BLESSED, list_summaries
from pipeline.reports.formats import moment
from pipeline.reports.page_places import FRONT, front_path, page_path
from pipeline.serving.versions import Manifest, serving_manifest, serving_version

LOG_LINES = 15
MOST_BROKEN = 5
_SPAN = re.compile(r"span-(\w[\w.-]*)")


@dataclass(frozen=True)
class Around:
    """What is known beside the run, as of the moment the page is written.

    Attributes:
        version, manifest: what serves; "" and None where nothing does.
        last_good: (id, when it began, its page beside this one or "") of the newest other run that was blessed.
        log: the end of the run's log.
        options: `-c` and `-w` for commands, where they are needed.
        front: the front page beside this one.
    """

    version: str = ""
    manifest: Manifest | None = None
    last_good: tuple[str, str, str] | None = None
    log: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    front: str = FRONT


@dataclass(frozen=True)
class Command:
    """A command to copy, and what for."""

    why: str
    text: str


@dataclass(frozen=True)
class Broken:
    """One thing that broke: `since` the first file that is full of it; `places`: rows by file."""

    what: str
    since: str
    places: list[str]


@dataclass(frozen=True)
class WhatNow:
    """The box on top of a bad page."""

    broken: list[Broken]
    serves: str
    affected: str
    last_good: tuple[str, str, str] | None
    commands: list[Command]
    log: tuple[str, ...] = field(default=())


def look_around(place: Place, store: MetadataStore, run: Run) -> Around:
    """Look at what serves, at the other runs, and at the log."""
    base = place.serving_folder
    good = None
    for listed in list_summaries(store, place.record_name):
        if listed.summary.verdict == BLESSED and listed.run.status == "complete" and listed.run.run_id != run.run_id:
            page = page_path(place.root, listed.run.run_id)
            good = (listed.run.run_id, listed.run.started, page.name if page.is_file() else "")
            break
    return Around(
        serving_version(base) or "",
        serving_manifest(base),
        good,
        tuple(log_tail(place.root / "logs" / f"{run.run_id}.log")),
        tuple(options_of(place.root, place.file)),
        front_path(place.root).name,
    )


def what_now(
    run: Run, gate: DataVerdict | None, around: Around | None, *, blessed: bool | None = None, fit: bool | None = None
) -> WhatNow | None:
    """Return what to do about a run; None of one that got through.

    Args:
        blessed, fit: what Evaluator and InfraCheck said of its model; None where they said nothing.
        around: None where the run is looked at far from its workspace: then only what broke is told.
    """
    commands = list(_commands(run, gate, around or Around(), blessed, fit))
    if not commands:
        return None
    blocking = gate.blocking if gate and run.status == "blocked" else ()
    with_rows = [finding for finding in blocking if finding.rows][:MOST_BROKEN]
    return WhatNow(
        [
            Broken(f"{one.where}: {one.title}", since(one) if len(one.rows) > 1 else "", one.places())
            for one in with_rows
        ],
        serves_sentence(around.version, around.manifest) if around else "",
        _affected(blocking, around.manifest) if around and around.version else "",
        around.last_good if around else None,
        commands if around else [],
        around.log if around and run.status not in ("complete", "blocked") else (),
    )


def since(finding: Finding) -> str:
    """Return the first file, in the order of their names, that has about as many offending rows as the worst one."""
    shares = [(_share(rows), rows) for rows in finding.rows]
    most = max((share for share, _ in shares), default=0.0)
    full = [PurePath(rows.file) for share, rows in shares if share >= most / 2]
    return "/".join(min(full, key=_in_order).parts[-2:]) if full else ""


def log_tail(log: Path) -> list[str]:
    """Return the last lines; none of a log that is not there."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 65_536))
            return file.read().decode(errors="replace").splitlines()[-LOG_LINES:]
    except OSError:
        return []


def _share(rows: FileRows) -> float:
    return rows.count / rows.of if rows.count is not None and rows.of else 0.0


def _in_order(path: PurePath) -> list[tuple[bool, int, str]]:
    """Sort span-2 before span-10."""
    parts = (("".join(group), digits) for digits, group in groupby(str(path), str.isdecimal))
    return [(digits, int(text) if digits else 0, text) for text, digits in parts]


def serves_sentence(version: str, manifest: Manifest | None) -> str:
    """Say what serves while a run did not get through."""
    if not version:
        return "no model serves: nothing was pushed yet"
    if manifest is None:
        return f"version {version} serves on; it has no manifest that can be read"
    it = manifest
    again = f", which was brought back from version {it.copy_of}" if it.copy_of else ""
    return f"version {version} of run {it.run_id} serves on, since {moment(it.pushed)} UTC{again}"


def _affected(blocking: Sequence[Finding], served: Manifest | None) -> str:
    if served is None:
        return ""
    features = dict.fromkeys(finding.feature for finding in blocking if finding.feature)
    reads = [name for name in features if name in served.inputs]
    if reads:
        return (
            f"its files are as they were, but it reads {_names(reads)}: requests with the same fault are answered, "
            "too, from values that it has not learned"
        )
    if features:
        return f"it does not read {_names(list(features))}, so the fault does not reach it"
    return "it was not touched by this run"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _commands(
    run: Run, gate: DataVerdict | None, around: Around, blessed: bool | None, fit: bool | None
) -> Iterator[Command]:
    """Yield commands that exist, the likeliest help first; none for a run that got through."""

    def command(why: str, text: str) -> Command:
        return Command(why, with_options(f"longhaul {text}", around.options))

    if run.status == "blocked":
        yield command("the source was wrong: fetch the data again, then run anew", "run")
        if "-c" in around.options:  # the file of the reference table is part of the program
            yield from (command(why, text) for why, text in _edits(gate.blocking if gate else ()))
        yield from (command(why, text) for why, text in _agreements(gate.blocking if gate else ()))
    elif run.status in ("failed", "interrupted", "died"):
        yield command("go on where it stopped, once the cause is gone", f"resume {run.run_id}")
        yield command("look over machine, packages, workspace and configuration", "doctor")
        yield command("every step, what it read and made", f"show {run.run_id}")
    elif blessed is False:
        if around.last_good:
            text = f"diff {around.last_good[0]} {run.run_id}"
            yield command("what changed since the last good run, and what it did", text)
        yield command("after other features or settings, train anew; steps that they do not concern are reused", "run")
    elif fit is False:
        yield command("look over machine and packages", "doctor")
        yield command("check the same model once more", "run --from InfraCheck --no-cache")
    elif run.not_pushed:
        if any(one.properties.get(APPROVAL) == "waiting" for one in run.artifacts.get("Pusher", [])):
            yield command("let it serve", f"approve {run.run_id} --by NAME --note WHY")
            yield command("let it stay away", f"approve {run.run_id} --reject --by NAME --note WHY")
        yield command("which versions there are, and what became of them", "versions")


def _edits(blocking: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    """Yield edits of the configuration file."""
    spans = dict.fromkeys(found[1] for one in blocking if (found := _SPAN.search(since(one))))
    spans |= dict.fromkeys(one.place.removeprefix("span ") for one in blocking if one.kind in OF_A_SPAN)
    if len(spans) == 1:
        why = "leave the span out until it is whole (`--back` takes it in again)"
        yield why, f"drop --span {shlex.quote(next(iter(spans)))}"
    for one in blocking:
        if one.feature and "label_leak" in one.kind:
            why = "keep from the model what is known only together with the label (features.exclude)"
            yield why, f"drop --exclude {as_argument(one.feature)}"


def _agreements(blocking: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    features = dict.fromkeys(one.feature for one in blocking if one.feature and "label_leak" not in one.kind)
    if features:
        yield "what the schema would have to say to let the data pass", "schema diff"
        words = " ".join(shlex.quote(f"--feature={name}") for name in list(features)[:3])
        yield "if it is to be so, approve that", f"schema approve --reviewer NAME --note WHY {words}"
