"""Why one model cannot be measured beside another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipeline.data.columns import ColumnType
from pipeline.evaluation.model_contract import Contract

_STORED_AS = {ColumnType.STRING: "bytes", ColumnType.FLOAT: "float"}
"""The others are stored as int (see ColumnType.stored)."""


def mismatch(champion: Contract, challenger: Contract, columns: Mapping[str, ColumnType]) -> str:
    """Say why a champion cannot be measured beside a challenger on the same rows.

    Args:
        columns: those of the rows, with their ColumnType.

    Returns:
        An empty text if it can.
    """
    if champion.task != challenger.task:
        return f"its task is {champion.task}, not {challenger.task}"
    if champion.label and champion.label != challenger.label:
        return f"it predicts {champion.label!r}, not {challenger.label!r}"
    if champion.classes != challenger.classes:
        other = "the same classes in another order" if set(champion.classes) == set(challenger.classes) else "classes"
        return f"it predicts {other} ({_listed(champion.classes)}), not ({_listed(challenger.classes)})"
    lacking = [name for name in champion.inputs if name not in columns]
    if lacking:
        return f"it needs {_listed(map(repr, lacking))}, which these rows do not have"
    for name, storage in champion.inputs.items():
        found = _STORED_AS.get(columns[name], "int")
        if found != storage:
            return f"it takes {name!r} as {storage}, and these rows have it as {found}"
    return ""


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
