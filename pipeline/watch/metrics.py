"""The newest verdicts and the open alarms as a file for Prometheus' node exporter (its textfile collector)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pipeline.watch.alarms import Alarm
from pipeline.watch.latest import harmful_now

_HELP = {
    "longhaul_watch_rows": "Rows of the newest window.",
    "longhaul_watch_valid": "Whether the requests of the newest window hold the schema.",
    "longhaul_watch_harmful": "Whether the model loses more than it may.",
    "longhaul_watch_labelled_share": "Share of the newest labelled window's rows that have labels.",
    "longhaul_watch_realized": "Metrics by labels, of the newest window that has some.",
    "longhaul_watch_estimated": "Metrics as estimated without labels.",
    "longhaul_watch_promised": "Metrics as training promised them.",
    "longhaul_watch_columns_moved": "Columns that moved more than by chance.",
    "longhaul_watch_alarm": "1 for each open alarm.",
}


def metrics_text(name: str, verdicts: Sequence[Mapping[str, Any]], alarms: Iterable[Alarm]) -> str:
    """Return the file's text."""
    lines: dict[str, list[str]] = {metric: [] for metric in _HELP}

    def put(series: str, value: float, **labels: str) -> None:
        said = ",".join(f'{key}="{_escaped(text)}"' for key, text in {"pipeline": name, **labels}.items())
        lines[series].append(f"{series}{{{said}}} {value:.15g}")

    _put_verdicts(put, verdicts)
    for alarm in alarms:
        if not alarm.closed:
            put(
                "longhaul_watch_alarm",
                1,
                kind=alarm.kind,
                severity=alarm.severity,
                version=alarm.version,
                key=alarm.key,
            )
    text = []
    for metric, found in lines.items():
        if found:
            text += [f"# HELP {metric} {_HELP[metric]}", f"# TYPE {metric} gauge", *found]
    return "\n".join(text) + "\n"


def _put_verdicts(put: Callable[..., None], verdicts: Sequence[Mapping[str, Any]]) -> None:
    newest = {one["version"]: one for one in verdicts}
    for version, one in newest.items():
        put("longhaul_watch_rows", one["rows"], version=version)
        put("longhaul_watch_valid", one["valid"], version=version)
        mine = [other for other in verdicts if other["version"] == version]
        put("longhaul_watch_harmful", bool(harmful_now(mine)), version=version)
        put("longhaul_watch_columns_moved", one["moved_count"], version=version)
        for metric, value in one["promise"].items():
            put("longhaul_watch_promised", value, version=version, metric=metric)
        for metric, found in one["estimated"].items():
            put("longhaul_watch_estimated", found[0], version=version, metric=metric)
        labelled = [other for other in mine if other["realized"]["rows"]]
        if labelled:
            put("longhaul_watch_labelled_share", labelled[-1]["realized"]["share"], version=version)
            for metric, value in labelled[-1]["realized"]["metrics"].items():
                put("longhaul_watch_realized", value, version=version, metric=metric)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
