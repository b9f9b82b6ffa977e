"""What a search for hyperparameters tried, and what a rewriting of the network cost, for the page."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.reports.artifacts import Artifacts
from pipeline.reports.figures import ACCENT, INK, MUTED, figure_of, new_axes, our_style, short_name
from pipeline.reports.formats import NOTHING, number
from pipeline.reports.hover import tell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RESULTS = ("TunerResults", "tuner_results.json")
_TUNED = ("ModelRun", "tuned.json")
_EPOCHS = "tuner/epochs"
"""How KerasTuner's hyperband calls the epochs that it grants a trial."""
_MANY = 20


@dataclass(frozen=True)
class Trial:
    """One set of values that was tried, by their names; `number` counts from 1."""

    number: int
    loss: float
    values: dict[str, Any]


@dataclass(frozen=True)
class Tuning:
    """The section.

    Attributes:
        names: what was tried.
        trials: the best first; empty if the values come from the search of an earlier run.
        best: the values that were trained with.
    """

    names: list[str]
    trials: list[Trial]
    best: dict[str, Any]


@dataclass(frozen=True)
class Rewritten:
    """A smaller copy of the network; `what` is the network itself in the first one."""

    what: str
    bytes: int
    loss: float
    largest_difference: float | None


def tuning_section(artifacts: Artifacts) -> Tuning | None:
    """Return None where the configuration's settings were taken as they are."""
    best = artifacts.optional_json(*_TUNED)
    if not isinstance(best, dict):
        return None
    values = _values(best.get("values", {}))
    values.pop("epochs granted", None)
    found = artifacts.optional_json(*_RESULTS, form=list)
    trials = [
        Trial(int(row.pop("trial_id")) + 1, float(row.pop("score")), _values(row))
        for row in (found if isinstance(found, list) else [])
    ]
    names = list(dict.fromkeys([*values, *(name for trial in trials for name in trial.values)]))
    return Tuning(names, sorted(trials, key=lambda trial: trial.loss), values)


def rewriting_section(artifacts: Artifacts) -> list[Rewritten]:
    """Return the network as it was fitted, then each rewriting; empty if there was none."""
    costs = artifacts.optional_json("ModelRun", "rewriting.json")
    if not isinstance(costs, dict):
        return []
    return [
        Rewritten("as it was fitted", costs["bytes"], costs["loss"], None),
        *(
            Rewritten(what, told["bytes"], told["loss"], told["largest_difference"])
            for what, told in costs["rewritten"].items()
        ),
    ]


def shown(value: Any) -> str:
    """Return a tried value as text."""
    if isinstance(value, list):
        return "\N{MULTIPLICATION SIGN}".join(map(str, value)) or "none"
    if isinstance(value, float):
        return f"{value:.3g}"
    return NOTHING if value is None else str(value)


def tuning_figure(tuning: Tuning) -> Figure:
    """Draw a line per trial over an axis per hyperparameter to its validation loss; the best has the accent."""
    tried = [name for name in tuning.names if len({shown(trial.values.get(name)) for trial in tuning.trials}) > 1]
    scales = [_scale([trial.values.get(name) for trial in tuning.trials]) for name in tried]
    scales.append(_scale([trial.loss for trial in tuning.trials]))
    with our_style():
        axes = new_axes(1.0 + 1.05 * max(3, len(scales)), 2.9)
        axes.set(xlim=(-0.3, len(scales) - 0.4), ylim=(-0.08, 1.08), yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_xticks(range(len(scales)), labels=[short_name(name) for name in [*tried, "validation loss"]])
        axes.tick_params(axis="x", length=0, pad=8)
        for place, scale in enumerate(scales):
            axes.axvline(place, color=MUTED, linewidth=0.6, zorder=1)
            for height, label in scale.labels:
                axes.text(place + 0.03, height, label, color=MUTED, fontsize=6.5, va="center", zorder=4)
        for rank in range(len(tuning.trials) - 1, -1, -1):
            heights = [scale.heights[rank] for scale in scales]
            fade = max(0.5, 0.8 * (1 - rank / min(len(tuning.trials), _MANY)))  # less has no 3:1
            looks: dict[str, Any] = {"color": ACCENT, "linewidth": 2.0} if rank == 0 else {"color": INK, "alpha": fade}
            axes.plot(range(len(scales)), heights, **({"linewidth": 0.8, "zorder": 2} | looks))
            trial = tuning.trials[rank]
            values = ", ".join(f"{name} {shown(trial.values.get(name))}" for name in tried)
            tell(axes, [(len(scales) - 1, heights[-1], f"trial {trial.number}: {number(trial.loss)}, {values}")])
        return figure_of(axes)


@dataclass(frozen=True)
class _Scale:
    """Where each trial's value stands on one axis, 0 to 1, and what is written beside it."""

    heights: list[float]
    labels: list[tuple[float, str]]


def _scale(values: Sequence[Any]) -> _Scale:
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        kinds = sorted({shown(value) for value in values})
        places = {kind: rank / max(1, len(kinds) - 1) for rank, kind in enumerate(kinds)}
        return _Scale([places[shown(value)] for value in values], [(place, kind) for kind, place in places.items()])
    low, high = min(values), max(values)
    # What spans more than a factor of thirty was searched on a logarithmic scale.
    measure = math.log if low > 0 and high / low > 30 else float
    reach = (measure(high) - measure(low)) or 1.0
    heights = [(measure(value) - measure(low)) / reach for value in values]
    write = number if all(isinstance(value, float) and abs(value) >= 0.01 for value in (low, high)) else shown
    return _Scale(heights, [(0.0, write(low)), (1.0, write(high))])


def _values(told: dict[str, Any]) -> dict[str, Any]:
    """Return values as the configuration has them: KerasTuner keeps a list as JSON text, and hyperband's own state
    beside them."""
    plain = {
        name: json.loads(value) if isinstance(value, str) and value.startswith("[") else value
        for name, value in told.items()
    }
    granted = {"epochs granted": plain[_EPOCHS]} if _EPOCHS in plain else {}
    return {name: value for name, value in plain.items() if not name.startswith("tuner/")} | granted
