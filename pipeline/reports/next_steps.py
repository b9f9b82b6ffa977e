"""What to try next: rules over what the page knows, each with what it saw and a command or an edit that exists."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pipeline.config.command_texts import with_options
from pipeline.config.evaluation import COUNT
from pipeline.errors import as_argument
from pipeline.guard.findings import DataVerdict
from pipeline.reports.feature_effects import Effects
from pipeline.reports.formats import interval, number, share, signed
from pipeline.reports.judgement import FEW_ROWS, Judgement
from pipeline.reports.metric_words import is_within_noise
from pipeline.reports.over_time import OverTime

_FEW_ROWS = 1_000
"""To judge by."""
_MOST_NAMES = 10
_SAME = 0.95
"""From this correlation on, one of two columns may go."""
_MOST_MISSING = 3


@dataclass(frozen=True)
class NextStep:
    """One thing to try.

    Attributes:
        found, evidence: what was seen, and its figures.
        why: what the remedy does.
        command: to copy; edit: lines of the configuration; one of them is "".
    """

    found: str
    evidence: str
    why: str
    command: str = ""
    edit: str = ""


@dataclass(frozen=True)
class Known:
    """What the rules look at: of the page's run, not of the latest. `ingestion`: what ExampleGen tells of the rows;
    `options`: `-c` and `-w` of commands."""

    run_id: str
    verdict: Mapping[str, Any]
    judgement: Judgement
    explanation: Mapping[str, Any]
    gate: DataVerdict | None
    ingestion: Mapping[str, Any]
    over_time: OverTime | None
    effects: Effects | None
    options: Sequence[str]

    @property
    def columns(self) -> Mapping[str, str]:
        """Those of the table, with their types."""
        return self.ingestion.get("columns") or {}


def next_steps(known: Known) -> list[NextStep]:
    """Return what the rules say, what weighs most first; nothing where no rule has a reason."""
    rules = (_leaks, _trees_ahead, _drifts, _weakest, _threshold, _few_rows, _missing, _same, _unused)
    return [step for rule in rules for step in rule(known)]


def _leaks(known: Known) -> Iterator[NextStep]:
    for finding in known.gate.findings if known.gate else ():
        if finding.kind == "near_label_leak" and finding.feature and finding.feature in known.columns:
            found = f"{finding.feature} tells much of the label by itself"
            why = "keep it from the model if it is known only together with the label"
            yield _without(known, [finding.feature], found, finding.sentence(), why)


def _trees_ahead(known: Known) -> Iterator[NextStep]:
    if known.judgement.trees_ahead:
        values = "; ".join(
            f"{metric} {number(of['trees'])} against {number(of['network'])}"
            for metric, of in known.judgement.baselines.items()
            if "trees" in of
        )
        found, why = "The trees that taught the network are better", "search for a network that comes nearer"
        yield NextStep(found, values, why, edit="tuner: {mode: search}")


def _drifts(known: Known) -> Iterator[NextStep]:
    """Predictions that are right at one time and wrong at another: the newest rows know more of the next ones."""
    time = known.over_time
    if (
        time is None
        or time.by is None
        or 3 * time.off <= len(time.periods)
        or not (edit := _newest_judge(known, time.by))
    ):
        return
    worst = max(time.periods, key=lambda one: abs(one.predicted - one.true) if one.off else -1.0)
    evidence = (
        f"in {time.off} of {len(time.periods)} {time.units} the mean prediction is not what was true; farthest in that "
        f"from {worst.begins}: predicted {number(worst.predicted)}, true {number(worst.true)} "
        f"({interval(worst.true_ends)})"
    )
    why = "let newer rows train: only the newest judge"
    yield NextStep("Calibration moves with time", evidence, why, edit=edit)


def _newest_judge(known: Known, column: str) -> str:
    """Return a split whose newest rows judge; "" where they do already. What is held out stays so, by time as well."""
    split = known.ingestion.get("split") or {}
    newest = "last 1 span" if len(known.ingestion.get("spans") or ()) > 2 else "last 10 %"
    if len(split.get("eval") or ()) == 1:  # ingestion tells the spans themselves
        return ""
    has_test = split.get("test") or split.get("test_from") or (split.get("weights") or {}).get("test")
    test = f", test: {newest}" if has_test else ""
    return f"split: {{by: time, column: {json.dumps(column)}, eval: {newest}{test}}}"


def _weakest(known: Known) -> Iterator[NextStep]:
    weak = known.explanation.get("weak") or {}
    for one in weak.get("slices", [])[:2]:
        if columns := one.get("columns"):
            evidence = f"mean {weak['loss']} {number(one['loss'])}, of all {number(weak['overall'])}"
            if one["true"] is not None:
                evidence += f"; predicted {number(one['said'])}, true {number(one['true'])}"
            why = "look at what was learned of it, and whether a column is missing that tells these rows apart"
            yield NextStep(
                f"Weakest where {one['where']}",
                evidence,
                why,
                _command(known, "explain", columns[0], "--run", known.run_id),
            )


def _threshold(known: Known) -> Iterator[NextStep]:
    chosen = known.verdict.get("decision") or {}
    recall = chosen.get("metrics", {}).get("recall")
    if chosen.get("threshold") == 0.5 and recall is not None and recall < 0.5:
        evidence = f"from 0.5 on the model finds {share(recall)} of the positives"
        why = "say what a miss costs beside a false alarm (the numbers are yours), and the threshold follows"
        edit = "decision: {threshold: {cost: {miss: 5, false_alarm: 1}}}"
        yield NextStep("Most positives are missed at the threshold", evidence, why, edit=edit)


def _few_rows(known: Known) -> Iterator[NextStep]:
    rows = int(known.verdict["metrics"].get(COUNT, 0))
    main = known.judgement.metrics[0]
    if 0 < rows < _FEW_ROWS:
        width = f"; the interval of {main.name} is {interval(main.interval)}" if main.interval else ""
        why = "judge the model on more labelled rows, without training it again"
        command = _command(known, "rejudge", known.run_id, "--table", "FILE")
        yield NextStep("Few rows judge", f"{rows:,} rows{width}", why, command)


def _missing(known: Known) -> Iterator[NextStep]:
    """Features whose absence moves a prediction more than their values do in the mean."""

    def all_of_them() -> Iterator[NextStep]:
        for one in known.effects.directions if known.effects else []:
            if one.missing is not None and abs(one.missing) > 2 * one.mean > 0:
                evidence = f"rows without a value: {signed(one.missing)}; in the mean it moves {number(one.mean)}"
                found, why = f"{one.name} counts most where it is missing", "see since when it is missing, and fetch it"
                yield NextStep(found, evidence, why, _command(known, "explain", one.name, "--run", known.run_id))

    yield from islice(all_of_them(), _MOST_MISSING)


def _same(known: Known) -> Iterator[NextStep]:
    weights = _importance(known)
    pairs = (known.explanation.get("correlations") or {"pairs": []})["pairs"]
    close = [one for one in pairs if abs(one["correlation"]) >= _SAME and {one["one"], one["other"]} <= weights.keys()]
    lesser = list(dict.fromkeys(min((one["one"], one["other"]), key=lambda name: weights[name]) for one in close))
    if lesser:
        evidence = "; ".join(f"{one['one']} and {one['other']} {signed(one['correlation'])}" for one in close[:3])
        why = "leave out the one of each pair that counts less, run, and compare by `longhaul diff`"
        yield _without(known, lesser, "Columns that tell the same", evidence, why)


def _unused(known: Known) -> Iterator[NextStep]:
    importance = known.explanation.get("importance") or {"features": []}
    idle = [one["name"] for one in importance["features"] if is_within_noise(one) and one["name"] in known.columns]
    can_tell = known.verdict["metrics"].get(COUNT, 0) >= FEW_ROWS  # of 36 rows all but one were called idle
    if can_tell and 3 <= len(idle) < len(importance["features"]):  # a model reads something
        evidence = f"{len(idle)} of {len(importance['features'])} features are worth no more than noise: {_names(idle)}"
        why = "leave them out, run, and compare by `longhaul diff`: columns that tell the same cover for each other"
        yield _without(known, idle, "Columns that the model does not need", evidence, why)


def _importance(known: Known) -> dict[str, float]:
    features = (known.explanation.get("importance") or {"features": []})["features"]
    return {one["name"]: one["drop"] for one in features if one["name"] in known.columns}


def _without(known: Known, names: Sequence[str], found: str, evidence: str, why: str) -> NextStep:
    """Leave columns out by a command: it adds to the list that stands in the configuration file."""
    few = names[:_MOST_NAMES]
    options = known.options if "-c" in known.options else ("-c", "FILE")
    words = [as_argument(name).removeprefix("-- ") for name in few]
    apart = ["--"] if any(name.startswith("-") for name in few) else []
    command = f"longhaul drop --exclude {' '.join([*apart, *words])}"
    return NextStep(found, evidence, why, with_options(command, options))


def _command(known: Known, name: str, *words: str) -> str:
    apart = ("--",) if words[0].startswith("-") else ()
    return with_options(shlex.join(("longhaul", name, *apart, *words)), known.options)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
