"""What `longhaul runs` prints: a line a run, or a leaderboard."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.text import Text

from pipeline.config.evaluation import Evaluation
from pipeline.config.model_settings import ModelSettings
from pipeline.config.number_text import bound_text
from pipeline.lineage.leaderboard import differing_hyperparameters, extremes_of_same_rows, is_metric
from pipeline.lineage.summary import BLESSED, BLOCKED, NOT_BLESSED, UNFIT, Listed
from pipeline.terminal.console import STATUS_COLORS, console_for
from pipeline.workspace.refused import Refused

_MADE_WITH = (
    *("config_digest", "code_digest", "package_versions"),
    *("schema_digest", "schema_version", "schema_review"),
)
_VERDICT_COLORS = {BLESSED: "green", NOT_BLESSED: "red", UNFIT: "red", BLOCKED: "red"}
_PATH = re.compile(r"/(?:[^\s/,:]+/)+")
"""The folders of an absolute path: in a list of runs the file's name says enough."""
_TELLING = {"binary": ("auc", "log_loss"), "multiclass": ("accuracy", "log_loss"), "regression": ("rmse", "mae")}
"""The metrics that say most of a model, by task."""
_METRICS_SHOWN = 2
_LEFT = ("run", "status", "spans", "outcome")
_HEAD = ("run", "status", "seconds", "spans", "rows", "schema")
_OUTCOME_WIDTH = 12
"""Room for "not blessed"."""
_BOUNDLESS = 10_000


def print_runs(
    chosen: Sequence[Listed],
    known: Sequence[Listed],
    settings: ModelSettings,
    sort: str | None,
    serving: str | None,
    as_json: bool,
    waiting: Collection[str] = (),
    tried: str | None = None,
) -> None:
    """Print a line a run, in the order given.

    Args:
        known: all there are, chosen or not: the best and the worst of those that were judged by the same rows are
            marked.
        sort: what they were sorted by; a metric adds the hyperparameters in which the runs differ.
        serving: the version of the model that serves now.
        waiting: ids of the runs whose models wait for a person.
        tried: the version of a rollout.
    """
    if as_json:
        plain = [_plain(one, serving, tried) | {"waits": one.run.run_id in waiting} for one in chosen]
        print(json.dumps(plain, indent=1))
        return
    console = console_for(sys.stdout)
    if not chosen:
        console.print("no such run" if known else "no runs yet")
        return
    by_metric = sort if sort and is_metric(chosen, sort) else None
    metrics = _metrics_shown(chosen, settings.evaluation, settings.data.task, by_metric)
    differing = differing_hyperparameters(chosen) if by_metric else []
    beside = {name: [_beside(one, by_metric, name) for one in chosen] for name in ("trees", "guess")}
    beside = {name: values for name, values in beside.items() if any(values)}
    extremes = {metric: list(filter(None, extremes_of_same_rows(known, metric))) for metric in metrics}
    marked = {
        "run": [one.run.run_id for one in chosen],
        "status": [_status(one) for one in chosen],
        "seconds": [f"{one.run.seconds:.0f}" for one in chosen],
        "spans": [_ranges(one.summary.spans) for one in chosen],
        "rows": [f"{rows:,}" if (rows := sum(one.summary.rows.values())) else "" for one in chosen],
        "schema": [one.run.properties.get("schema_version", "") for one in chosen],
        **{metric: [_marked(one, metric, extremes[metric]) for one in chosen] for metric in metrics},
        **beside,
        **{name: [escape(_short(one.summary.hyperparameters.get(name))) for one in chosen] for name in differing},
        "pushed": [_pushed(one, serving, tried) for one in chosen],
        "outcome": [_outcome(one, one.run.run_id in waiting) for one in chosen],
    }
    columns = {name: [Text.from_markup(cell) for cell in cells] for name, cells in marked.items()}
    # To make room on a terminal; in a file, or before `less -S`, a leaderboard may be as wide as it is.
    dispensable = ["schema", "seconds", "spans", "rows", *metrics[:0:-1], *differing[::-1], "pushed", *beside]
    width = _BOUNDLESS if by_metric and not console.is_terminal else console.width
    left_out = _make_room(columns, dispensable, width)
    for line in _lines(columns, chosen, width):
        console.print(line, soft_wrap=True)
    shown = {listed.summary.pushed_version for listed in chosen}
    marks = (("● serves now", serving), ("◐ is tried beside it", tried))
    legend = [text for text, version in marks if version and version in shown]
    if any(extremes.values()):
        legend += ["▲ best", "▼ worst of the runs that were judged by the same rows"]
    legend += [f"a wider terminal also shows {', '.join(left_out)}"] if left_out else []
    legend += [f"{' and '.join(beside)}: {by_metric} of what the network is measured against"] if beside else []
    if legend:
        console.print(f"[dim]{'   '.join(legend)}[/]")


def print_refused(found: Sequence[Refused], as_json: bool = False) -> None:
    """Print what was refused before it began, the newest first."""
    if as_json:
        print(json.dumps([asdict(one) for one in reversed(found)], indent=1))
        return
    console = console_for(sys.stdout)
    for one in reversed(found):
        when, reason = one.time[:16].replace("T", " "), escape(one.reason.partition("\n")[0])
        console.print(f"[yellow]Refused[/]   {when} UTC, exit code {one.exit_code}: {reason}", soft_wrap=True)
    if not found:
        console.print("none was refused")


def _make_room(columns: dict[str, list[Text]], dispensable: list[str], width: int) -> list[str]:
    """Take columns away, in the order given, until the rest fits; return which."""
    left_out = []
    while dispensable and sum(_widths(columns).values()) + 2 * (len(columns) - 1) > width:
        left_out.append(dispensable.pop(0))
        del columns[left_out[-1]]
    return left_out


def _lines(columns: dict[str, list[Text]], chosen: Sequence[Listed], width: int) -> Iterator[Text]:
    """Yield the heading and a line a run. Why a run did not get through stands where its metrics would."""
    widths = _widths(columns)
    *cells, _ = widths
    head = [name for name in cells if name in _HEAD]

    def line(names: list[str], values: Mapping[str, Text]) -> Text:
        for name in names:
            values[name].align("left" if name in _LEFT else "right", widths[name])
        room = width - sum(widths[name] + 2 for name in names)
        values["outcome"].truncate(max(room, 1), overflow="ellipsis")
        whole = Text("  ").join([*(values[name] for name in names), values["outcome"]])
        whole.rstrip()
        return whole

    heading = line(cells, {name: Text(name) for name in columns})
    heading.stylize("bold")
    yield heading
    for number, listed in enumerate(chosen):
        values = {name: column[number] for name, column in columns.items()}
        yield line(cells if listed.summary.metrics else head, values)


def _widths(columns: dict[str, list[Text]]) -> dict[str, int]:
    """Return the width of each column; the outcome's may be cut."""
    widest = {name: max(len(name), *(cell.cell_len for cell in cells)) for name, cells in columns.items()}
    return widest | {"outcome": min(widest["outcome"], _OUTCOME_WIDTH)}


def _status(listed: Listed) -> str:
    status = f"[{STATUS_COLORS.get(listed.run.status, 'yellow')}]{listed.run.status}[/]"
    return f"{status} [dim]imported[/]" if listed.run.imported else status


def _pushed(listed: Listed, serving: str | None, tried: str | None) -> str:
    version = listed.summary.pushed_version
    if tried and version == tried:
        return f"[bold yellow]◐ {version}[/]"
    return f"[bold green]● {version}[/]" if serving and version == serving else version


def _metrics_shown(chosen: Sequence[Listed], evaluation: Evaluation, task: str, first: str | None) -> list[str]:
    """Return the columns: the one sorted by, those with thresholds, those that say most; only what some run
    measured."""
    wanted = [*([first] if first else []), *evaluation.thresholds, *_TELLING[task]]
    return [name for name in dict.fromkeys(wanted) if is_metric(chosen, name)][: _METRICS_SHOWN + bool(first)]


def _beside(listed: Listed, metric: str | None, name: str) -> str:
    """Return what trees or a guess have of a metric on the same rows; "" of an older run."""
    value = listed.summary.baselines.get(metric or "", {}).get(name)
    return "" if value is None else f"{value:.4f}"


def _marked(listed: Listed, metric: str, extremes: Sequence[tuple[str, str]]) -> str:
    if metric not in listed.summary.metrics:
        return ""
    text = f"{listed.summary.metrics[metric]:.4f}"
    if any(listed.run.run_id == best for best, _ in extremes):
        return f"[bold green]▲ {text}[/]"
    if any(listed.run.run_id == worst for _, worst in extremes):
        return f"[red]▼ {text}[/]"
    return text


def _outcome(listed: Listed, waits: bool) -> str:
    """Return the verdict, or why there is none."""
    reason = escape(_PATH.sub("", listed.run.reason.partition("\n")[0]))
    verdict = listed.summary.verdict
    if waits:
        return "[yellow]waits for approval[/]"
    text = f"[{_VERDICT_COLORS[verdict]}]{verdict}[/]" if verdict and verdict != listed.run.status else ""
    pinned = "pinned" if "pinned" in listed.run.properties else ""
    return ", ".join(part for part in (text, pinned, reason) if part)


def _ranges(spans: Sequence[int]) -> str:
    """Return 1, 2, 3, 5 as "1-3,5"."""
    parts: list[list[int]] = []
    for span in sorted(spans):
        if parts and span == parts[-1][1] + 1:
            parts[-1][1] = span
        else:
            parts.append([span, span])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in parts)


def _short(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "/".join(map(_short, value))
    return bound_text(value) if isinstance(value, float) else str(value)


def _plain(listed: Listed, serving: str | None, tried: str | None) -> dict[str, Any]:
    run, summary = listed.run, listed.summary
    return {
        "run_id": run.run_id,
        "pipeline": run.pipeline,
        "status": run.status,
        "reason": run.reason,
        "started": run.started,
        "seconds": run.seconds,
        "imported": run.imported,
        "pinned": "pinned" in run.properties,
        "spans": list(summary.spans),
        "rows": summary.rows,
        "metrics": summary.metrics,
        "baselines": summary.baselines,
        "verdict": summary.verdict,
        "pushed_version": summary.pushed_version,
        "serving": bool(serving) and summary.pushed_version == serving,
        "tried": bool(tried) and summary.pushed_version == tried,
        "hyperparameters": summary.hyperparameters,
        "properties": {key: value for key, value in run.properties.items() if key in _MADE_WITH},
    }
