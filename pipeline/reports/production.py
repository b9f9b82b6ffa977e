"""The page of a served model: a year of windows at a glance, alarms on top, and each window, slice and column to look
into. One file, for `file://`, that each look of `longhaul watch` writes anew."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from shlex import quote as for_shell
from typing import Any

from pipeline.config.command_texts import with_options
from pipeline.reports.production_charts import (
    CHARTED,
    WIDTH,
    Axis,
    Band,
    Chart,
    Lane,
    axis_of,
    bands,
    chart,
    known,
    lanes,
    ticks,
)
from pipeline.reports.rendering import safe_json, templates

_YEAR = timedelta(days=371)
"""What the page shows: a year, and the week in which it began."""
_LISTED = 60
"""Windows in the table."""
_DETAILED, _TROUBLED = 400, 100
"""Windows that can be looked into: the newest, and the newest of those before them in which something was wrong."""
_MOST_MOVED, _MOST_SLICES = 20, 40
_OF_COLUMN = ("shift", "importance", "before", "after")
Verdict = Mapping[str, Any]


@dataclass(frozen=True)
class Production:
    """All that the template shows; `data` is for the script, `of_all` the command that tells of each window, `unknown`
    a sentence about each version whose promise is not on record."""

    pipeline: str
    written: str
    alarms: list[dict[str, Any]]
    closed: list[dict[str, Any]]
    charts: list[Chart]
    lanes: list[Lane]
    bands: dict[str, list[Band]]
    ticks: list[tuple[float, str]]
    listed: list[dict[str, Any]]
    windows: int
    detailed: int
    labels: dict[str, Any]
    unknown: Sequence[str]
    of_all: str
    data: dict[str, Any]

    @property
    def calls(self) -> int:
        """How many alarms call a person."""
        return sum(one["severity"] == "page" and not one["silent"] for one in self.alarms)


def collect(
    pipeline: str,
    verdicts: Sequence[Verdict],
    alarms: Sequence[Mapping[str, Any]],
    served: Sequence[Mapping[str, Any]],
    labels: Sequence[Mapping[str, Any]],
    watermark: str,
    now: datetime,
    options: Sequence[str] = (),
    unknown: Sequence[str] = (),
) -> Production:
    """Gather what the page shows.

    Args:
        verdicts: of all windows, in order, at least one; alarms: open and closed, as plain data.
        served: which version answered when, see `bands`; labels: what was read of them, by file.
        watermark: the newest labelled hour, in words.
        options: of commands; unknown: sentences about versions whose promise nobody knows.
    """
    since = (now - _YEAR).isoformat()
    shown = [one for one in verdicts if one["end"] >= since] or list(verdicts[-1:])
    axis = axis_of(shown)
    detailed = _detailed(shown)
    metrics = [name for name in CHARTED if any(name in one["promise"] for one in shown)]
    order = {"page": 0, "ticket": 1}
    told = [dict(one) | _silence(one, now, options) for one in alarms]
    of_all = with_options("longhaul watch --once --all --json", options)
    told.sort(key=lambda one: (one["silent"], order.get(one["severity"], 2), one["opened"]))
    return Production(
        pipeline=pipeline,
        written=now.isoformat(timespec="seconds"),
        alarms=[one for one in told if not one["closed"]],
        closed=sorted((one for one in told if one["closed"]), key=lambda one: one["closed"], reverse=True)[:50],
        charts=[found for name in metrics if (found := chart(name, shown, axis))],
        lanes=lanes(shown, axis),
        bands=bands(served, axis),
        ticks=ticks(shown, axis),
        listed=[_line(one, metrics) for one in shown[: -_LISTED - 1 : -1]],
        windows=len(shown),
        detailed=len(detailed),
        labels=_labels(labels, watermark),
        unknown=unknown,
        of_all=of_all,
        data=_data(detailed, metrics, axis) | {"of_all": of_all},
    )


def _silence(alarm: Mapping[str, Any], now: datetime, options: Sequence[str]) -> dict[str, Any]:
    command = f"longhaul watch --silence {for_shell(alarm['key'])} --for 2d --reason TEXT"
    commands = [with_options(one, options) for one in (*alarm["commands"], command)]
    return {"silent": alarm["silenced_until"] > now.isoformat(), "commands": commands}


def render(page: Production) -> str:
    """Return the page as HTML. Whatever comes from the user is escaped, because everything is."""
    from markupsafe import Markup

    found = templates()
    script = found.get_template("production.js").render()
    return found.get_template("production.html.j2").render(
        page=page,
        data=Markup(safe_json(page.data)),
        script=Markup(script),
        script_digest=b64encode(sha256(script.encode()).digest()).decode(),
        place=place_of,
    )


def place_of(verdict: Verdict) -> str:
    """Return the address of a window within the page: the script shows what the fragment names."""
    from urllib.parse import quote

    return "#window=" + quote(f"{verdict['name']} {verdict['version']}".strip(), safe="")


def _detailed(shown: Sequence[Verdict]) -> list[Verdict]:
    before, newest = shown[:-_DETAILED], list(shown[-_DETAILED:])
    return [one for one in before if not one["valid"] or one["harmful"]][-_TROUBLED:] + newest


def _labels(files: Sequence[Mapping[str, Any]], watermark: str) -> dict[str, Any]:
    sums = {name: sum(one[name] for one in files) for name in ("rows", "repeated", "strange", "unmatched")}
    return sums | {"files": len(files), "watermark": watermark}


def _line(one: Verdict, metrics: Sequence[str]) -> dict[str, Any]:
    """Return a window as a line of the table."""
    metric = metrics[0] if metrics else ""
    return {
        **{name: one[name] for name in ("name", "version", "rows", "valid", "harmful", "few", "moved_count")},
        "metric": metric,
        "known": known(one, metric),
        "unknown": "unknown" in one,
        "share": one["realized"]["share"],
        "moved": [found["column"] for found in one["moved"][:3]],
    }


def _data(detailed: Sequence[Verdict], metrics: Sequence[str], axis: Axis) -> dict[str, Any]:
    """Return what the script shows of windows, columns and slices; a name stands once, and its place stands for it."""
    columns: dict[str, int] = {}
    slices: dict[str, int] = {}
    windows = [
        _window(one, metrics, columns, slices) | {"at": [round(end / WIDTH, 4) for end in axis.ends(one)]}
        for one in detailed
    ]
    return {"metrics": list(metrics), "columns": list(columns), "slices": list(slices), "windows": windows}


def _window(one: Verdict, metrics: Sequence[str], columns: dict[str, int], slices: dict[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": one["name"],
        "version": one["version"],
        "run": one["run_id"],
        "rows": one["rows"],
        "errors": one["errors"],
        "labelled": one["realized"]["share"],
        "state": [one["valid"], None if "unknown" in one else one["harmful"], one["few"]],
        "known": [_known(one, metric) for metric in metrics],
        "against": one["against"],
        "moved": [
            [columns.setdefault(c["column"], len(columns)), *(_short(c[name]) for name in _OF_COLUMN)]
            for c in one["moved"][:_MOST_MOVED]
        ],
        "count": one["moved_count"],
        "mean": [_short(one["prediction"]["mean"]), _short(one["prediction"]["before"])],
    }
    if one["findings"]:
        found["findings"] = [
            [columns.setdefault(f["column"], len(columns)), f["severity"], f["sentence"]] for f in one["findings"]
        ]
    if notes := [*one["notes"], *([f"nobody knows what it promised: {one['unknown']}"] if "unknown" in one else [])]:
        found["notes"] = notes
    if one["harm"]:
        found["harm"] = [
            [h["metric"], h["by"], _short(h["least"]), _short(h["most"]), h["harmful"]] for h in one["harm"]
        ]
    if one["slices"]:
        metric = metrics[0] if metrics else ""
        found["slices"] = [
            [
                *(slices.setdefault(s["slice"], len(slices)), s["rows"], _short(s["metrics"].get(metric))),
                [_short(end) for end in s["intervals"].get(metric, [])],
                any(h["harmful"] for h in s["harm"]),
            ]
            for s in one["slices"][:_MOST_SLICES]
        ]
    if one["segments"]:
        found["segments"] = [
            [s["segment"], s["metric"], *(_short(s[name]) for name in ("promised", "least", "most")), s["harmful"]]
            for s in one["segments"]
        ]
    return found


def _known(one: Verdict, metric: str) -> list[Any]:
    it = known(one, metric)
    ends = [[_short(end) for end in ends] if ends else None for ends in (it.interval, it.estimate_interval)]
    return [_short(it.promised), _short(it.realized), ends[0], _short(it.estimated), ends[1]]


def _short(value: float | None) -> float | None:
    return None if value is None or value != value else float(f"{value:.5g}")
