"""Which verdicts still say how a model is now: labels may come much later than the windows that they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

RECENT = 3
"""Windows, or ticks of a replay, back to which a verdict still says how it is now."""


def harmful_now(verdicts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the harmful verdicts of one version that still count: by labels, those among the newest windows that have
    labels, unless a later delivery of labels ended the harm; by estimate, those among the newest windows.

    Args:
        verdicts: in the order of their windows.
    """
    newest, labelled = _first(verdicts), _first(_labelled(verdicts))
    return [
        one
        for one in verdicts
        if any(
            goes_on(harm) and one["window"] >= (labelled if harm["by"] == "labels" else newest) for harm in one["harm"]
        )
    ]


def goes_on(harm: Mapping[str, Any]) -> bool:
    """Return whether more is lost than may be, and no later delivery of labels ended it."""
    return bool(harm["harmful"]) and not harm.get("over")


def labelled_now(verdicts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the newest verdicts of one version that rest on labels."""
    return _labelled(verdicts)[-RECENT:]


def _labelled(verdicts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in verdicts if any(harm["by"] == "labels" for harm in one["harm"])]


def _first(verdicts: Sequence[Mapping[str, Any]]) -> int:
    return int(verdicts[-RECENT:][0]["window"]) if verdicts else 0
