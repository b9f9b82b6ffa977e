"""Judges windows: valid, harmful, what moved. A verdict is plain data, the same for the same log and labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.config.watch import Watch
from pipeline.guard.policy import Policy
from pipeline.watch import validity
from pipeline.watch.corrected import ENOUGH, Corrections
from pipeline.watch.estimates import Estimate
from pipeline.watch.harm import (
    SEGMENTS,
    SLICES,
    Harm,
    Labelled,
    allowed,
    bounds_by_labels,
    harm_by_estimate,
    harm_by_labels,
    loss_name,
    measured,
)
from pipeline.watch.moved import divergence, p_values, rank, statistic
from pipeline.watch.parts import (
    Key,
    PartHarm,
    first_of_parts,
    harm_of_segments,
    harm_of_slices,
    promised_segments,
    promised_slices,
)
from pipeline.watch.profiles import Profile
from pipeline.watch.realized import Realized
from pipeline.watch.reference import Reference
from pipeline.watch.segments import segment_names
from pipeline.watch.sequences import counts_from
from pipeline.watch.state import State
from pipeline.watch.windows import YEAR, Window, moment

_BEFORE = 8
"""Windows before, by which it is told how much a column usually moves."""
_SHOWN = 20
_SLICES, _SEGMENTS = 60, 5


@dataclass(frozen=True)
class Judge:
    """What verdicts are made by.

    Attributes:
        estimate: returns estimates of a window's metrics from a sample of its rows; none without one.
    """

    settings: Watch
    policy: Policy
    confidence: float
    estimate: Callable[[Window, str, Reference], Mapping[str, Estimate]]
    slices: Sequence[tuple[str, ...]] = ()

    def judge(
        self,
        state: State,
        reference: Reference,
        windows: Sequence[Window],
        touched: set[Window],
        known: Mapping[int, dict[str, Any]],
        now_hour: int,
    ) -> list[dict[str, Any]]:
        """Return the verdicts of one version on all windows, in order; what was estimated stays where nothing changed.

        Args:
            touched: windows that have new rows or labels; known: verdicts of before, by window.
        """
        version = reference.version
        seen: list[tuple[Window, Profile]] = []
        parts: dict[int, dict[str, list[Realized]]] = {}
        deliveries: dict[tuple[int, int], dict[str, Realized]] = {}
        of_segments: dict[tuple[int, int], Any] = {}
        for window in windows:
            counted = state.profile(*window, version)
            if counted is None:
                continue
            seen.append((window, counted))
            slices = parts.setdefault(window.first, {})
            for _, name, arrival, one in state.realized(*window, version):
                slices.setdefault(name, []).append(one)
                here = deliveries.setdefault((arrival, window.first), {})
                here[name] = here[name] + one if name in here else one
            for arrival, sums in state.by_segment(*window, version):
                of_segments[arrival, window.first] = of_segments.get((arrival, window.first), 0) + sums
        if reference.unknown:  # there is nothing to hold its losses against
            deliveries, of_segments = {}, {}
        ordered = sorted(deliveries.items())
        labelled = [Labelled(*place, some[""]) for place, some in ordered if "" in some]
        past, delivered = state.forgotten(version)
        bounds = bounds_by_labels(reference, labelled, self.settings.may_lose, self.settings.delta, delivered)
        harms = harm_by_labels(labelled, bounds)
        whole = [(one.arrival, one.window) for one in labelled]
        first = counts_from([known for known, _ in bounds.values()]) if bounds else np.zeros(0, int)
        harmed_slices, harmed_segments = self._harm_of_parts(
            reference, ordered, sorted(of_segments.items()), delivered, lambda keys: first_of_parts(keys, whole, first)
        )
        verdicts = []
        corrections = Corrections(reference.off or {})
        for number, (window, counted) in enumerate(seen, past + 1):
            before = [one for _, one in seen[max(0, number - past - 1 - _BEFORE) : number - past - 1]]
            season = state.profile(window.first - YEAR, window.last - YEAR, None)
            verdict = self._window(reference, window, counted, before, season, now_hour)
            verdict["realized"] = self._realized(reference, counted, parts[window.first])
            share = verdict["realized"]["share"]
            estimates: Mapping[str, Estimate] = {}
            if window in touched or "estimated" not in known.get(window.first, {}):
                if counted.rows >= self.settings.min_rows and not reference.unknown:
                    estimates = self.estimate(window, version, reference)
            else:
                of_before = known[window.first]["estimated"].items()
                estimates = {name: Estimate(*(one[4:] or one[:2])) for name, one in of_before}
            raw, estimates = estimates, corrections.put_right(estimates)
            corrections.learn(raw, verdict["realized"])
            verdict["estimated"] = {
                name: [round(value, 6) for value in (*one[:2], *one.interval(self.confidence), *raw[name][:2])]
                for name, one in estimates.items()
            }
            found = list(harms.get(window.first, []))
            if share < ENOUGH:
                found += harm_by_estimate(reference, estimates, number, self.settings.may_lose, self.settings.delta)
            verdict["harm"] = [_told(one) for one in found if np.isfinite(one.least)]
            verdict["harmful"] = any(one.harmful for one in found)
            verdict["slices"] = self._slices(reference, parts[window.first], harmed_slices.get(window.first, []))
            verdict["segments"] = _segments(harmed_segments.get(window.first, []))
            verdicts.append(verdict)
        return verdicts

    def _window(
        self,
        reference: Reference,
        window: Window,
        counted: Profile,
        before: Sequence[Profile],
        season: Profile | None,
        now_hour: int,
    ) -> dict[str, Any]:
        found = validity.findings(reference.spec, counted, self.policy)
        few = counted.rows < self.settings.min_rows
        return {
            "window": window.first,
            "name": window.text,
            "begin": moment(window.first).isoformat(),
            "end": moment(window.last).isoformat(),
            "over": window.last <= now_hour,
            "version": reference.version,
            "run_id": reference.run_id,
            "spans": list(reference.spans),
            "rows": counted.rows,
            "errors": counted.errors,
            "few": few,
            "valid": not any(one.severity == "block" for one in found) or few,
            "findings": [
                {"kind": one.kind, "column": one.feature, "severity": str(one.severity), "share": one.share}
                | {"sentence": one.sentence()}
                for one in found[:_SHOWN]
            ],
            "notes": validity.notes(counted, reference.counted),
            "promise": {name: round(value, 6) for name, value in reference.promise.items() if np.isfinite(value)},
            **self._moved(reference, counted, before, season),
        } | ({"unknown": reference.unknown} if reference.unknown else {})

    def _moved(
        self, reference: Reference, counted: Profile, before: Sequence[Profile], season: Profile | None
    ) -> dict[str, Any]:
        base = reference.counted
        against = "training"
        if season is not None and season.rows >= self.settings.min_rows and season.bins.shape == counted.bins.shape:
            base, against = season, "the same season a year before"
        usual = np.ones(len(reference.spec.columns))
        usual_score = 1.0
        if before and against == "training":
            ratios, scores = [], []
            for one in before:
                g, freedom = statistic(base.bins, one.bins)
                ratios.append(g / freedom)
                g, freedom = statistic(base.scores, one.scores)
                scores.append(float(g / freedom))
            usual, usual_score = np.median(ratios, axis=0) * _LEEWAY, float(np.median(scores)) * _LEEWAY
        names = [one.name for one in reference.spec.columns]
        ranked = rank(
            *(names, base.bins, counted.bins, (base.missing_share, counted.missing_share)),
            *(reference.importance, usual, self.settings.columns_rate),
        )
        named = [one for one in ranked if one.named]
        p = float(p_values(base.scores[None], counted.scores[None], usual_score)[0])
        return {
            "against": against,
            "moved": [
                {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(one).items()}
                for one in named[:_SHOWN]
            ],
            "moved_count": len(named),
            "prediction": {
                "shift": round(float(divergence(base.scores, counted.scores)), 6),
                "p": p,
                "mean": round(counted.total / max(counted.scored, 1), 6),
                "before": round(base.total / max(base.scored, 1), 6),
            },
        }

    def _realized(self, reference: Reference, counted: Profile, parts: Mapping[str, list[Realized]]) -> dict[str, Any]:
        if "" not in parts:
            return {"rows": 0, "share": 0.0, "metrics": {}, "intervals": {}}
        found = measured(reference.spec.task, parts[""], self.confidence)
        return found | {"share": round(min(1.0, found["rows"] / max(counted.rows, 1)), 4)}

    def _harm_of_parts(
        self,
        reference: Reference,
        deliveries: Sequence[tuple[tuple[int, int], Mapping[str, Realized]]],
        of_segments: Sequence[tuple[tuple[int, int], Any]],
        forgotten: int,
        first: Callable[[Sequence[Key]], Any],
    ) -> tuple[dict[int, list[PartHarm]], dict[int, list[PartHarm]]]:
        """Return what is known of slices and of segments by window; `first` returns which deliveries count."""
        if not deliveries:
            return {}, {}
        may_lose, delta = allowed(reference, self.settings.may_lose), self.settings.delta
        slices = harm_of_slices(
            reference,
            promised_slices(reference, self.slices),
            [(window, some) for (_, window), some in deliveries],
            may_lose,
            delta * SLICES,
            forgotten,
            first([key for key, _ in deliveries]),
        )
        names = segment_names(reference.spec)
        if not names:
            return slices, {}
        usable = [(key, sums) for key, sums in of_segments if sums.shape[1] == len(names)]
        segments = harm_of_segments(
            reference,
            names,
            promised_segments(reference),
            [(window, sums) for (_, window), sums in usable],
            may_lose[loss_name(reference.spec.task)],
            delta * SEGMENTS,
            forgotten,
            first([key for key, _ in usable]),
        )
        return slices, segments

    def _slices(
        self, reference: Reference, parts: Mapping[str, list[Realized]], harms: Sequence[PartHarm]
    ) -> list[dict[str, Any]]:
        """Return slices with enough labelled rows, harmed ones and then the one that lost most first."""
        metric = (
            "auc" if reference.spec.task == "binary" else "rmse" if reference.spec.task == "regression" else "log_loss"
        )
        found = []
        for name, some in parts.items():
            rows = sum(one.rows for one in some)
            if name and rows >= self.settings.min_rows:
                mine = [_plain(one) for one in harms if one.part == name]
                found.append({"slice": name, **measured(reference.spec.task, some, self.confidence), "harm": mine})
        sign = 1 if metric == "auc" else -1
        found.sort(key=lambda one: (not any(h["harmful"] for h in one["harm"]), sign * one["metrics"].get(metric, 0)))
        return found[:_SLICES]


def _told(one: Harm) -> dict[str, Any]:
    """Return plain data; `over` only where it is so, as verdicts of before have it."""
    return {name: value for name, value in asdict(one).items() if name != "over" or value} | {"harmful": one.harmful}


def _segments(harms: Sequence[PartHarm]) -> list[dict[str, Any]]:
    """Return the segments whose bound is worst."""
    worst = sorted(harms, key=lambda one: one.most - one.least)[:_SEGMENTS]
    return [{"segment": one.part, **_plain(one)} for one in worst]


def _plain(one: PartHarm) -> dict[str, Any]:
    rounded = {name: round(getattr(one, name), 6) for name in ("promised", "least", "most", "lost", "error")}
    return {"metric": one.metric, **rounded, "harmful": one.harmful} | ({"over": True} if one.over else {})


_LEEWAY = 1.5
"""A column is named when it moved so many times more than it usually does."""
