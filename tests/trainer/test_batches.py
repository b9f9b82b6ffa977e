"""Batches: every chosen row once an epoch, inputs and labels together, in an order that the seed decides."""

from __future__ import annotations

import numpy as np

from trainer.batches import Batches

CHOSEN = np.array([5, 0, 9, 3, 7, 1, 8])
COLUMNS = {"numeric": np.arange(20).reshape(10, 2), "flags": np.arange(10, dtype=np.float16)}
LABELS = np.arange(10) * 10


def epoch(batches: Batches) -> list[int]:
    """The labels in the order in which they come; checks that the inputs are of the same rows."""
    labels: list[int] = []
    for index in range(len(batches)):
        columns, found = batches[index]
        assert (columns["numeric"][:, 0] * 5 == found).all()
        assert (columns["flags"] * 10 == found).all()
        labels += found.tolist()
    return labels


def test_without_a_seed_rows_come_as_chosen_the_last_batch_shorter() -> None:
    batches = Batches(COLUMNS, LABELS, CHOSEN, 3)
    assert [len(batches[index][1]) for index in range(len(batches))] == [3, 3, 1]
    assert epoch(batches) == [50, 0, 90, 30, 70, 10, 80]
    batches.on_epoch_end()
    assert epoch(batches) == [50, 0, 90, 30, 70, 10, 80]


def test_a_seed_shuffles_anew_each_epoch_and_always_in_the_same_way() -> None:
    orders = []
    for seed in (1, 1, 2):
        batches = Batches(COLUMNS, LABELS, CHOSEN, 3, shuffle_seed=seed)
        first = epoch(batches)
        batches.on_epoch_end()
        orders.append((first, epoch(batches)))
    assert all(sorted(order) == [0, 10, 30, 50, 70, 80, 90] for pair in orders for order in pair)
    assert orders[0] == orders[1] != orders[2]
    assert orders[0][0] != orders[0][1]
