"""What the next run would read, train on and be judged by, without running."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

from rich.markup import escape

from pipeline.commands.arrival import changed_spans, is_seen_from_here, window_notes
from pipeline.config.model_settings import ModelSettings
from pipeline.config.spans import chosen_spans, missing_spans, span_name, spans_text
from pipeline.config.split import Split, TimeSplit, moving
from pipeline.contract.run_inputs import look
from pipeline.contract.schema import column_type
from pipeline.data.arrival import not_yet
from pipeline.data.filled_splits import check_splits
from pipeline.data.patterns import has_spans
from pipeline.data.sources.table_files import SourceFile, file_states, find_files, list_files
from pipeline.data.split import settle, split_names
from pipeline.data.values.readings import readings_of
from pipeline.errors import ConfigError
from pipeline.lineage.last_data import last_data
from pipeline.lineage.store import has_records, open_existing_store
from pipeline.serving.versions import serving_manifest
from pipeline.terminal.console import console_for


@dataclass(frozen=True)
class Plan:
    """The next run, as far as names, sizes and times tell, headers, and so many rows that each split has one.

    Attributes:
        there, used, left_out, missing: numbers of spans; none of a table without spans.
        files, bytes: of what would be read.
        splits: the spans of each split, where whole spans make it.
        rule: how the rows are split, in words, where they do not.
        not_yet: why a run would not begin, a sentence each.
        notes: what else there is to say of the window.
        since: the last complete run; None if there is none.
        new, late, corrected: spans that it did not read, or not as they are now.
        champion: version, run and spans of the model that serves; None if none does.
    """

    pipeline: str
    table: str
    there: list[int]
    used: list[int]
    left_out: list[int]
    missing: list[int]
    files: int
    bytes: int
    splits: dict[str, list[int]]
    rule: str
    not_yet: list[str]
    notes: list[str]
    since: str | None
    new: list[int]
    late: list[int]
    corrected: list[int]
    champion: dict[str, Any] | None


def print_plan(settings: ModelSettings, *, as_json: bool) -> bool:
    """Print the plan; return whether a run could begin.

    Raises:
        ConfigError: the table lies where this machine cannot list it, or a run would refuse what else it is made with.
        DataError: nothing of it is there, or a split would be empty.
    """
    plan = make_plan(settings)
    if as_json:
        print(json.dumps(asdict(plan), indent=1))
    else:
        _print(plan)
    return not plan.not_yet


def make_plan(settings: ModelSettings) -> Plan:
    """Look at what lies there, and at what the last complete run read.

    Raises:
        ConfigError, DataError: see `print_plan`.
    """
    pattern, window = settings.data_pattern, settings.data.spans
    if pattern.startswith("gs://"):
        raise ConfigError(f"{pattern} cannot be listed from here", "`longhaul run --on vertex` reads it there")
    reasons = not_yet(settings.data, pattern) if is_seen_from_here(settings.data, settings.data_pattern) else []
    spans = has_spans(pattern)
    files = _files(settings, is_whole=not reasons)
    used = sorted({file.span for file in files}) if spans else []
    there = sorted({file.span for file in list_files(pattern)}) if spans else []
    states = file_states(files)
    last = (
        last_data(open_existing_store(settings), settings.record_name)
        if has_records(settings.metadata, settings.root)
        else None
    )
    changes = changed_spans(settings.data_pattern, last, states) if last else None
    served = serving_manifest(settings.serving_folder)
    return Plan(
        pipeline=settings.name,
        table=pattern,
        there=there,
        used=used,
        left_out=[span for span in there if span in window.except_],
        missing=missing_spans(window, used, there) if spans else [],
        files=len(files),
        bytes=sum(size for _, size, _ in states),
        splits={} if reasons else _splits(settings.split, sorted({file.span for file in files})),
        rule=_rule(settings.split),
        not_yet=reasons,
        notes=window_notes(settings.data, settings.data_pattern),
        since=last.run_id if last else None,
        new=used if changes is None else changes.new,
        late=[] if changes is None else changes.late,
        corrected=[] if changes is None else changes.corrected,
        champion={"version": served.version, "run": served.run_id, "spans": list(served.spans)} if served else None,
    )


def _files(settings: ModelSettings, *, is_whole: bool) -> list[SourceFile]:
    """Find the files of the window; where all is there, refuse what a run would refuse that looks at them."""
    pattern, window, form, readings = (
        settings.data_pattern,
        settings.data.spans,
        settings.data.format,
        readings_of(settings.data),
    )
    if not is_whole:
        there = list_files(pattern, form, readings)
        used = chosen_spans(window, {file.span for file in there})
        return [file for file in there if file.span in used]
    declared = {one.name: column_type(one) for one in look(settings).schema.feature}
    files = find_files(pattern, window, form, readings)
    if "://" not in pattern:
        check_splits(files, settings.data, settings.split, declared)
    return files


def _splits(split: Split, used: list[int]) -> dict[str, list[int]]:
    if not isinstance(split, TimeSplit) or not split.counts_spans:
        return {}
    settled = settle(split, used)
    assert isinstance(settled, TimeSplit)
    judging, held_out = settled.eval, settled.test
    assert isinstance(judging, tuple)
    found = {"eval": list(judging)} | ({"test": list(held_out)} if isinstance(held_out, tuple) else {})
    return {"train": [span for span in used if not any(span in one for one in found.values())]} | found


def _rule(split: Any) -> str:
    if not isinstance(split, TimeSplit):
        by = ", ".join(split.columns or ["the whole row"]) if split.by == "hash" else split.column
        weights = ", ".join(f"{name} {getattr(split.weights, name):g}" for name in split_names(split))
        return f"by {split.by} of {by}: {weights}"
    if split.counts_spans:
        return ""
    if split.eval_from is not None:
        held_out = f", from {split.test_from} on are held out" if split.test_from else ""
        return f"by {split.column}: rows from {split.eval_from} on evaluate{held_out}"
    assert split.eval is not None
    held_out = f", the latest {moving(split.test):g} % are held out" if split.test else ""
    return f"by {split.column}: the latest {moving(split.eval):g} % of the rows evaluate{held_out}"


_SPLIT_WORDS = {"train": "Trains on", "eval": "Judged by", "test": "Held out"}


def _print(plan: Plan) -> None:
    console = console_for(sys.stdout)

    def line(word: str, text: str, color: str = "bold") -> None:
        console.print(f"[{color}]{word:<10}[/]{escape(text)}", soft_wrap=True)

    line("Table", plan.table)
    size = f"{plan.files:,} {'file' if plan.files == 1 else 'files'}, {plan.bytes / 1e6:,.1f} MB"
    if plan.used:
        besides = f"; left out {spans_text(plan.left_out)}" if plan.left_out else ""
        line("Reads", f"{len(plan.used)} of {len(plan.there)} spans, {spans_text(plan.used)}: {size}{besides}")
    else:
        line("Reads", size)
    for name, spans in plan.splits.items():
        line(_SPLIT_WORDS[name], _spans(spans))
    if plan.rule:
        line("Splits", plan.rule)
    if plan.since is None:
        line("Since", "no run has been complete yet: everything is new")
    else:
        changed = {"new": plan.new, "late": plan.late, "corrected": plan.corrected}
        parts = [f"{word} {spans_text(spans)}" for word, spans in changed.items() if any(spans)]
        if not parts and any(changed.values()):
            parts = ["the table has changed"]
        line("Since", f"run {plan.since}: {'; '.join(parts) or 'the data are as they were'}")
    if plan.champion:
        learned = f", which knows {_spans(plan.champion['spans'])}" if any(plan.champion["spans"]) else ""
        line("Champion", f"version {plan.champion['version']} of run {plan.champion['run']}{learned}")
    else:
        line("Champion", "none: nothing serves yet")
    if plan.missing:
        line("Missing", _spans(plan.missing), "yellow")
    told = [("Note", text, "yellow") for text in plan.notes] + [("Not yet", text, "red") for text in plan.not_yet]
    for word, text, color in told:
        line(word, text, color)


def _spans(spans: list[int]) -> str:
    return f"span {span_name(spans[0])}" if len(spans) == 1 else f"{len(spans)} spans, {spans_text(spans)}"
