"""Alarms: what a verdict calls a person for, or only tells.

They are opened once, told once, escalated, silenced, and closed by themselves.

`page` calls a person: the requests are invalid, or the model is harmful. `ticket` can wait for the morning: labels that
do not come, a log with a gap, odd requests. What moved is no alarm: it is the likely cause of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from shlex import quote
from typing import Any

from pipeline.config.value_types import seconds_of
from pipeline.config.watch import Watch
from pipeline.watch.latest import RECENT, goes_on, harmful_now, labelled_now
from pipeline.watch.seasons import SEGMENT, SLICE, Part, is_season, is_season_of_part, parts_of
from pipeline.watch.strangers import Stranger
from pipeline.watch.windows import Window, moment

PAGE, TICKET = "page", "ticket"
_MOST_COLUMNS = 3


@dataclass(frozen=True)
class Alarm:
    """One thing that somebody should know.

    Attributes:
        key: kind, version and column: what has the same key is the same alarm.
        first_seen, last_seen: windows, as people name them; opened: when it was first said (ISO 8601, UTC).
        evidence, cause: sentences; serves: the version that serves; commands: to copy.
        closed: when it closed by itself; "" while it is open.
        silenced_until, reason: until when nobody is told of it, and why.
        told: what people were told of it last: opened, escalated or closed.
    """

    key: str
    kind: str
    severity: str
    version: str
    first_seen: str
    last_seen: str
    evidence: str
    cause: str = ""
    serves: str = ""
    owner: str = ""
    commands: tuple[str, ...] = ()
    opened: str = ""
    closed: str = ""
    silenced_until: str = ""
    reason: str = ""
    told: str = ""
    run_id: str = ""

    def is_silent(self, now: datetime) -> bool:
        """Whether nobody is to be told of it now."""
        return bool(self.silenced_until) and datetime.fromisoformat(self.silenced_until) > now

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self) | {"commands": list(self.commands)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Alarm:
        """Read what `to_json` wrote."""
        return cls(**dict(plain) | {"commands": tuple(plain["commands"])})


def found_now(
    verdicts: Sequence[Mapping[str, Any]],
    holes: Sequence[Window],
    settings: Watch,
    now: datetime,
    serves: str,
    labels_expected: bool,
    confidence: float = 0.95,
    strangers: Sequence[Stranger] = (),
) -> list[Alarm]:
    """Return the alarms that the newest verdict of each version gives.

    Args:
        verdicts: of all windows, in order; holes: windows without rows between those with some.
        labels_expected: whether labels were ever delivered, or a place for them is named.
        confidence: of the intervals in verdicts; strangers: versions whose promise is not on record.
    """
    newest: dict[str, list[Mapping[str, Any]]] = {}
    for verdict in verdicts:
        newest.setdefault(verdict["version"], []).append(verdict)
    found: list[Alarm] = []
    for version, mine in newest.items():
        if version == serves or not serves or len(newest) == 1 or mine[-1]["window"] == verdicts[-1]["window"]:
            found += _invalid(version, mine)
            found += _harmful(version, mine, verdicts, confidence) or _harmful_part(version, mine, verdicts)
            found += _odd(version, mine)
    if labels_expected:
        found += _labels(verdicts, settings, now)
    recent = sorted({one["window"] for one in verdicts})[-RECENT:]
    holes = [one for one in holes if not recent or one.first >= recent[0]]
    if holes:
        names = ", ".join(one.text for one in holes[-3:])
        found.append(
            _alarm(
                "log_gap", "log_gap", TICKET, "", holes[-1].text, holes[-1].text, f"no row of the log lies in {names}"
            )
        )
    found += [_unknown(one) for one in strangers if not recent or one.last > recent[0]]
    return [replace(one, serves=serves, owner=settings.owner) for one in found]


def _alarm(
    key: str, kind: str, severity: str, version: str, first: str, last: str, evidence: str, **more: Any
) -> Alarm:
    return Alarm(key, kind, severity, version, first, last, evidence, **more)


def _invalid(version: str, mine: Sequence[Mapping[str, Any]]) -> Iterable[Alarm]:
    last = mine[-1]
    if last["few"]:
        return
    for found in last["findings"]:
        if found["severity"] != "block":
            continue
        same = [
            one
            for one in mine
            if any((f["kind"], f["column"]) == (found["kind"], found["column"]) for f in one["findings"])
        ]
        key = f"invalid:{found['kind']}:{found['column']}:{version}"
        yield _alarm(
            *(
                key,
                "invalid",
                PAGE,
                version,
                same[0]["name"],
                last["name"],
                f"window {last['name']}: {found['sentence']}",
            ),
            cause="whoever sends the requests changed what they send, or the schema is too narrow",
            commands=(_lineage(version), "longhaul schema diff"),
            run_id=last["run_id"],
        )


def _harmful(
    version: str, mine: Sequence[Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]], confidence: float
) -> list[Alarm]:
    harmful = harmful_now(mine)
    if not harmful:
        return []
    now = harmful[-1]
    harms = [harm for harm in now["harm"] if goes_on(harm)]
    worst = next((harm for harm in harms if harm["by"] == "labels"), harms[0])
    first = next(one for one in mine if any(map(goes_on, one["harm"])))
    evidence = f"window {now['name']}: {_above(worst, worst['by'])}; promised was {_promised(now, worst['metric'])}"
    called = _called("harmful", version, first, mine[-1], evidence, _cause(now))
    if not is_season(now, verdicts, confidence):
        return [called]
    cause = "the season: the same weeks a year before lost as much, and rows lose what their own scores expect"
    return [replace(called, severity=TICKET, cause=cause)]


def _above(harm: Mapping[str, Any], by: str) -> str:
    shown = "1 - AUC" if harm["metric"] == "auc" else harm["metric"]
    how = "by labels" if by == "labels" else "as estimated without labels"
    return f"{shown} is above {harm['least']:.4f} {how}"


def _harmful_part(
    version: str, mine: Sequence[Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]]
) -> list[Alarm]:
    """Tell of slices and segments that are harmed while the whole is not."""
    harmful = [one for one in labelled_now(mine) if _harmed(one) and not one["harmful"]]
    if not harmful:
        return []
    now = harmful[-1]
    parts = _harmed(now)
    # Whether it is the season is asked of each slice, and of the worst segment: others overlap it, and a new model cuts
    # segments that the year before did not have.
    slices, segments = ([one for one in parts if one.kind == kind] for kind in (SLICE, SEGMENT))
    asked = [*slices, *segments[:1]]
    beyond = [one for one in asked if not is_season_of_part(one, now, verdicts)]
    _, name, worst = (beyond or parts)[0]
    more = f"; and {len(parts) - 1} more parts" if len(parts) > 1 else ""
    promised = f"promised was {worst['promised']:.4f}"
    evidence = f"window {now['name']}: of {name}, {_above(worst, 'labels')}; {promised}{more}"
    first = next(one for one in mine if _harmed(one) and not one["harmful"])
    cause = "what these rows lead to has changed, or they are others than they were; the whole hides it"
    called = _called("harmful_part", version, first, mine[-1], evidence, cause)
    if beyond:
        return [called]
    return [replace(called, severity=TICKET, cause="the season: the same rows lost as much a year before")]


def _harmed(verdict: Mapping[str, Any]) -> list[Part]:
    return [one for one in parts_of(verdict) if goes_on(one.harm)]


def _called(
    kind: str, version: str, first: Mapping[str, Any], last: Mapping[str, Any], evidence: str, cause: str
) -> Alarm:
    commands = ("longhaul versions", "longhaul rollback", _lineage(version), "longhaul run")
    return _alarm(
        *(f"{kind}:{version}", kind, PAGE, version, first["name"], last["name"], evidence),
        cause=cause,
        commands=commands,
        run_id=last["run_id"],
    )


def _lineage(version: str) -> str:
    return f"longhaul lineage {quote(f'model:{version}')}"  # a log says what its versions are called


def _promised(verdict: Mapping[str, Any], metric: str) -> str:
    promise = verdict["promise"]
    if metric == "excess_log_loss":
        return "none"
    if metric == "mse":
        return f"{promise.get('rmse', 0) ** 2:.4f}"
    value = promise.get(metric)
    return "unknown" if value is None else f"{1 - value:.4f}" if metric == "auc" else f"{value:.4f}"


def _cause(verdict: Mapping[str, Any]) -> str:
    """Return what moved with the harm, by importance times shift."""
    broken = [f"{one['column']} ({one['kind'].replace('_', ' ')})" for one in verdict["findings"][:_MOST_COLUMNS]]
    moved = [one["column"] for one in verdict["moved"][:_MOST_COLUMNS]]
    parts = [one.name for one in _harmed(verdict)]
    where = f"; most of all where {parts[0]}" if parts else ""
    if broken:
        return f"columns that break the schema: {', '.join(broken)}{where}"
    if moved:
        return f"columns that moved most, by importance: {', '.join(moved)}{where}"
    return f"no column moved: what the same rows lead to has changed, so the model must learn anew{where}"


def _odd(version: str, mine: Sequence[Mapping[str, Any]]) -> Iterable[Alarm]:
    last = mine[-1]
    for note in last["notes"]:
        kind = "repeated_requests" if "different ones" in note else "clock" if "clock" in note else "errors"
        key, evidence = f"{kind}:{version}".rstrip(":"), f"window {last['name']}: {note}"
        yield _alarm(key, kind, TICKET, version, last["name"], last["name"], evidence)


def _unknown(one: Stranger) -> Alarm:
    kind, (first, last) = "unknown_version", (window_text(hour) for hour in (one.first, one.last - 1))
    return _alarm(
        *(f"{kind}:{one.version}", kind, TICKET, one.version, first, last, one.sentence),
        cause="another workspace or machine pushed it, or a model answers that Longhaul did not train",
        commands=("longhaul versions", _lineage(one.version)),
    )


def _labels(verdicts: Sequence[Mapping[str, Any]], settings: Watch, now: datetime) -> Iterable[Alarm]:
    """Tell that windows whose labels should be there have none, or far fewer than windows before."""
    due = now - timedelta(seconds=seconds_of(settings.labels_within))
    late = [one for one in verdicts if not one["few"] and datetime.fromisoformat(one["end"]) <= due]
    if not late:
        return
    shares = sorted(one["realized"]["share"] for one in late if one["realized"]["share"])
    usual = shares[len(shares) // 2] if shares else 0.0
    lacking = [one for one in late if one["realized"]["share"] < 0.5 * usual or not usual]
    if lacking and lacking[-1] is late[-1]:
        first = next(a for a in lacking if all(b in lacking for b in late[late.index(a) :]))
        evidence = (
            f"window {late[-1]['name']} ended more than {settings.labels_within} ago, "
            f"and {late[-1]['realized']['share']:.0%} of its rows have labels (usual: {usual:.0%})"
        )
        yield _alarm(
            *("labels_missing", "labels_missing", TICKET, "", first["name"], late[-1]["name"], evidence),
            cause="whoever delivers labels stopped, or their keys changed",
            commands=("longhaul labels FILE", "longhaul watch --once"),
        )


def window_text(hour: int) -> str:
    """Return an hour as people read it."""
    return f"{moment(hour):%Y-%m-%d %H:%M}"
