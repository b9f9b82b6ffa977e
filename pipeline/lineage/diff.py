"""Two runs side by side: what was changed between them, and what that did. Reads records only, no rows of data."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from ml_metadata import MetadataStore

from pipeline.config.spans import span_name
from pipeline.lineage.runs import Run, StepState
from pipeline.lineage.schema_versions import list_versions
from pipeline.lineage.summary import Summary, summarize

_TELLING = ("auc", "accuracy", "rmse")
"""By the first of these that was measured, slices are sorted."""


_DECIDED = ("relabelled", "dropped")
"""Of what ingestion did with labels that people decided."""


@dataclass(frozen=True)
class Change:
    """One thing that is not the same; None stands for what one side lacks."""

    what: str
    before: Any
    after: Any


@dataclass(frozen=True)
class SliceChange:
    """Metrics of one slice (all rows: no columns) of both runs' evaluations."""

    slice: dict[str, Any]
    before: dict[str, float]
    after: dict[str, float]


@dataclass(frozen=True)
class RunDiff:
    """Everything that differs, by kind.

    Attributes:
        config: settings by dotted name.
        code: our files by path, with digests of their contents.
        data: spans, files, rows, shares of the label's values.
        schema: lines of a unified diff.
        metrics: all rows first, then the slices, those that moved most first.
        notes: what could not be compared, and why.
    """

    before: Run
    after: Run
    config: list[Change] = field(default_factory=list)
    code: list[Change] = field(default_factory=list)
    packages: list[Change] = field(default_factory=list)
    data: list[Change] = field(default_factory=list)
    schema: list[str] = field(default_factory=list)
    hyperparameters: list[Change] = field(default_factory=list)
    outcome: list[Change] = field(default_factory=list)
    metrics: list[SliceChange] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare(store: MetadataStore, before: Run, after: Run) -> RunDiff:
    """Compare two whole runs (find_run)."""
    summaries = summarize(store, before), summarize(store, after)
    diff = RunDiff(before, after)
    settings = _recorded(before, after, "config", "config_digest", "the configuration", diff.notes)
    diff.config.extend(one for one in settings if one.what != "workspace")  # where things lie makes no other model
    diff.code.extend(_recorded(before, after, "code_files", "code_digest", "the code", diff.notes))
    diff.packages.extend(
        changes(*(json.loads(run.properties.get("package_versions", "{}")) for run in (before, after)))
    )
    diff.data.extend(_data(before, after, summaries, diff.notes))
    diff.schema.extend(_schema(store, before, after, diff.notes))
    if told := _unreached((before, after), [not summary.hyperparameters for summary in summaries], "Trainer"):
        diff.notes.append(f"the hyperparameters are not recorded: {told}")
    else:
        diff.hyperparameters.extend(changes(*(flat(summary.hyperparameters) for summary in summaries)))
    diff.outcome.extend(_outcome(before, after, summaries))
    diff.metrics.extend(_metrics(before, after, summaries, diff.notes))
    if diff.metrics and any(change.what.endswith((", eval", ", test")) for change in diff.data):
        diff.notes.append("the models were evaluated on different rows: their metrics differ for that reason too")
    return diff


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return what is not the same in two mappings, in their order."""
    names = dict.fromkeys([*before, *after])
    return [Change(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


def flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted name; lists stay whole."""
    if not isinstance(settings, dict):
        return {prefix: settings}
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= flat(value, f"{prefix}.{name}" if prefix else name)
    return found


def _recorded(before: Run, after: Run, name: str, digest: str, what: str, notes: list[str]) -> list[Change]:
    texts = [run.properties.get(name) for run in (before, after)]
    if all(texts):
        return changes(*(flat(json.loads(text or "{}")) for text in texts))
    if before.properties.get(digest) != after.properties.get(digest):
        missing = before if not texts[0] else after
        notes.append(f"{what} differs, but that of run {missing.run_id} is not on record (an older Longhaul)")
    return []


_ENDINGS = {
    "complete": "ended",
    "failed": "failed",
    "blocked": "was blocked",
    "interrupted": "was interrupted",
    "running": "is still",
}


def _unreached(runs: Sequence[Run], lack: Sequence[bool], node: str) -> str:
    """Say which of the runs that lack something never got it, because they ended before or in `node`; empty if what
    they lack was there and is gone, or nothing is lacking."""
    said = []
    for run, lacks in zip(runs, lack, strict=True):
        step = next((step for step in run.steps if step.node == node), None)
        if lacks and (step is None or step.state not in (StepState.DONE, StepState.CACHED)):
            ending = _ENDINGS.get(run.status, run.status)
            said.append(f"run {run.run_id} {ending} {'in' if step else 'before'} {node}")
    return " and ".join(said)


def _data(before: Run, after: Run, summaries: tuple[Summary, Summary], notes: list[str]) -> Iterator[Change]:
    if told := _unreached((before, after), [not summary.rows for summary in summaries], "TableExampleGen"):
        notes.append(f"spans, rows, files and labels are not recorded: {told}")
        return
    spans = [list(summary.spans) for summary in summaries]
    yield from changes({"spans": spans[0]}, {"spans": spans[1]})
    yield from changes(*({f"rows, {split}": rows for split, rows in summary.rows.items()} for summary in summaries))
    found = [run.ingestion for run in (before, after)]
    if not all(found):
        gone = [run.run_id for run, one in zip((before, after), found, strict=True) if not one]
        notes.append(f"the examples of {' and '.join(gone)} are gone: files and labels cannot be compared")
        return
    first, second = (one or {} for one in found)
    yield from _files(first, second)
    yield from changes(*(_label_shares(one) for one in (first, second)))
    yield from changes(*({"rows without a label": one["labels"]["unlabelled"]} for one in (first, second)))
    decided = [one.get("label_decisions") or {} for one in (first, second)]
    yield from changes(*({f"decided labels, {name}": one.get(name, 0) for name in _DECIDED} for one in decided))
    types = [{f"type of {name}": kind for name, kind in one["columns"].items()} for one in (first, second)]
    yield from changes(*types)


def _files(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    if before.get("shards") and after.get("shards"):  # of a table with spans: every file may have the same name
        spans = [_digests_by_span(one["shards"]) for one in (before, after)]
        for span in sorted(spans[0].keys() & spans[1].keys()):
            if spans[0][span] != spans[1][span]:
                yield Change(f"span {span_name(span)}", "its rows", "other rows, or split in another way")
    elif before["files"] != after["files"]:
        yield Change("files", before["files"], after["files"])


def _digests_by_span(shards: dict[str, str]) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    for path, digest in shards.items():
        if span := re.match(r"span-(\d+)-", PurePath(path).name):
            found.setdefault(int(span[1]), []).append((PurePath(path).parent.name, digest))
    return {span: sorted(digests) for span, digests in found.items()}


def _label_shares(ingestion: dict[str, Any]) -> dict[str, float | list[float]]:
    """Return share of each label value in each split; of a number its range."""
    labels = ingestion["labels"]
    shares: dict[str, float | list[float]] = {
        f"label {value}, {split}": round(count / sum(counts.values()), 4)
        for split, counts in labels["classes"].items()
        for value, count in sorted(counts.items())
    }
    return shares | {f"label range, {split}": list(span) for split, span in labels["span"].items()}


def _schema(store: MetadataStore, before: Run, after: Run, notes: list[str]) -> list[str]:
    digests = [run.properties.get("schema_digest", "") for run in (before, after)]
    if digests[0] == digests[1]:
        return []
    texts = {version.digest: version.text for version in list_versions(store, after.pipeline)}
    found = [
        run.properties.get("schema_text") or texts.get(run.properties.get("schema_digest", ""))
        for run in (before, after)
    ]
    if None in found:
        notes.append("the schemas differ, but the text of one is not on record")
        return []
    first, second = (f"version {run.properties.get('schema_version')}, {run.run_id}" for run in (before, after))
    old, new = ((text or "").splitlines() for text in found)
    return list(difflib.unified_diff(old, new, first, second, lineterm="", n=1))


def _outcome(before: Run, after: Run, summaries: tuple[Summary, Summary]) -> list[Change]:
    return changes(
        *(
            {"status": run.status, "verdict": summary.verdict, "pushed version": summary.pushed_version}
            | _threshold(run.verdict)
            for run, summary in zip((before, after), summaries, strict=True)
        )
    )


def _threshold(verdict: Mapping[str, Any] | None) -> dict[str, float | None]:
    """Return the threshold of a binary task, and what follows from it; nothing of a run without a verdict."""
    told = (verdict or {}).get("decision")
    if not told:
        return {}
    return {"threshold": told["threshold"]} | {
        f"{name} at the threshold": round(value, 4) for name, value in told.get("metrics", {}).items()
    }


def _metrics(before: Run, after: Run, summaries: Sequence[Summary], notes: list[str]) -> list[SliceChange]:
    overall = SliceChange({}, summaries[0].metrics, summaries[1].metrics)
    verdicts = before.verdict, after.verdict
    if told := _unreached((before, after), [not verdict for verdict in verdicts], "Evaluator"):
        notes.append(f"slices cannot be compared: {told}")
        return [overall] if overall.before and overall.after else []
    if not all(verdicts):
        missing = [run.run_id for run, one in zip((before, after), verdicts, strict=True) if not one]
        notes.append(f"no evaluation of {' and '.join(missing)} is there: slices cannot be compared")
        return [overall] if overall.before and overall.after else []
    sliced = [{json.dumps(one["slice"]): one["metrics"] for one in (found or {})["slices"]} for found in verdicts]
    both = [SliceChange(json.loads(key), sliced[0][key], sliced[1][key]) for key in sliced[0] if key in sliced[1]]
    main = next((metric for metric in _TELLING if metric in overall.after), "")
    both.sort(key=lambda one: -abs(one.after.get(main, 0.0) - one.before.get(main, 0.0)))
    if alone := sliced[0].keys() ^ sliced[1].keys():
        notes.append(f"{len(alone)} slices are in one evaluation only")
    return [overall, *both]
