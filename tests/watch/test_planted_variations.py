"""Planted failures that the schema cannot tell, and labels that are wrong at first."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.watch.alarms import PAGE
from tests.watch.test_watching import ROWS, Rows, World, kinds, outcome, reference, rows, world  # noqa: F401


def test_kilometres_from_some_towns_within_the_schemas_bounds_are_harm_and_named(world: World) -> None:  # noqa: F811
    def of_c(of: Rows) -> Rows:
        longer = np.minimum(of["miles"].astype(float) * 1.609, 3000)
        return of | {"miles": np.where(np.asarray(of["town"]) == "c", longer, of["miles"])}

    for number in range(2):
        world.week(number)
    world.week(2, of_c)
    verdicts, alarms = world.look(3)
    assert [one["valid"] for one in verdicts] == [True] * 3
    assert kinds(alarms) == {("harmful", PAGE)}
    assert alarms["harmful:7"].cause == "columns that moved most, by importance: miles; most of all where town=c"


def test_a_column_that_empties_slowly_in_one_slice_is_seen_to_move_and_then_is_harm(world: World) -> None:  # noqa: F811
    for number, share in enumerate((0.0, 0.1, 0.2, 0.45)):  # of a fifth of the rows: the schema allows a tenth

        def emptied(of: Rows, share: float = share) -> Rows:
            gone = (np.asarray(of["town"]) == "c") & (world.rng.random(ROWS) < share)
            return of | {"miles": np.where(gone, None, of["miles"])}

        world.week(number, emptied)
    verdicts, alarms = world.look(4)
    assert [one["valid"] for one in verdicts] == [True] * 4
    assert [[one["column"] for one in verdict["moved"]] for verdict in verdicts] == [[], *[["miles"]] * 3]
    assert kinds(alarms) == {("harmful", PAGE)}
    assert "town=c" in alarms["harmful:7"].cause


def test_labels_that_are_corrected_twice_and_handed_in_again_judge_by_the_last(world: World) -> None:  # noqa: F811
    true: dict[str, Any] = {}

    def kept(of: Rows) -> Rows:
        true.update(of)
        return of

    world.week(0, kept, labels=False)
    ids = [f"0-{k}" for k in range(ROWS)]
    right = outcome(world.rng, true, ROWS)
    for number, labels in enumerate((np.ones(ROWS, int), np.zeros(ROWS, int))):
        world.label(number, ids, labels)
        assert kinds(world.look(1.1 + number / 10)[1]) == {("harmful", PAGE)}
    realized = []
    for number in (2, 3):  # the last file repeats the one before
        world.label(number, ids, right)
        verdicts, alarms = world.look(1.1 + number / 10)
        assert alarms == {}
        realized.append(verdicts[0]["realized"])
    assert realized[0] == realized[1]
    assert realized[0]["rows"] == ROWS
    assert [(one["rows"], one["repeated"], one["unmatched"]) for one in world.labels] == [(ROWS, 0, 0)] * 4
