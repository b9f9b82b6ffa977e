"""Divides the prediction for a row among the columns that a network reads.

Integrated gradients (Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks, ICML 2017): a prediction's
difference to that of a typical row is divided among the features along the straight way from the one row to the
other. Categories have no gradient. They are swapped one after the other instead, in orders dealt at random, and each
gets what its swap changes in the mean (Shapley's value; Štrumbelj, Kononenko: Explaining prediction models and
individual predictions with feature contributions, 2014). Half of the numbers' ways are gone with the one row's
categories and half with the other's, so that all parts add up to the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.artifact_names import PREDICTION

Array = npt.NDArray[Any]

_SEED = 13
_STEPS = 256
"""On the way from one row to the other."""
_ORDERS = 16
_CHUNK_ROWS = 8_192


def attributions(
    differentiate: Any,
    inputs: Mapping[str, Array],
    base: Mapping[str, Array],
    outputs: Array,
    *,
    steps: int = _STEPS,
    orders: int = _ORDERS,
) -> tuple[dict[str, Array], Array, Array]:
    """How much each column of the network's inputs adds to the difference between rows and a typical one.

    Args:
        differentiate: (inputs, outputs (n,)) to {`prediction` (n,), gradient by float input (n, columns)}.
        inputs: (rows, columns) each; base: (columns,) each, the typical row.
        outputs: (rows,), for each row the number of the network's output to explain.
        steps: on the way from one row to the other; orders: of the categories, an even number.

    Returns:
        {input: (rows, columns)}; the predictions for the typical row and for the rows, (rows,) each. The parts of a
        row add up to their difference, but for what the steps of the way leave.
    """
    rows = len(outputs)
    floats = [name for name, values in inputs.items() if np.issubdtype(values.dtype, np.floating)]
    codes = [name for name in inputs if name not in floats]
    starts = {name: np.broadcast_to(base[name], values.shape) for name, values in inputs.items()}
    parts = {name: np.zeros(values.shape) for name, values in inputs.items()}
    for fixed in (inputs, starts):  # the categories while the numbers change
        ways = []
        for step in (np.arange(steps) + 0.5) / steps:
            between = {name: starts[name] + step * (inputs[name] - starts[name]) for name in floats}
            ways.append({**{name: fixed[name] for name in codes}, **between})
        gradients = _in_chunks(differentiate, _stacked(ways), np.tile(outputs, steps))
        for name in floats:
            mean = gradients[name].reshape(steps, *inputs[name].shape).mean(axis=0)
            parts[name] += mean * (inputs[name] - starts[name]) / 2
    places = [(name, place) for name in codes for place in range(inputs[name].shape[1])]
    if places:
        random = np.random.default_rng(_SEED)
        forth = [random.permutation(len(places)) for _ in range(orders // 2 if len(places) < 50 else 1)]
        dealt = [order for pair in forth for order in (pair, pair[::-1])]
        for fixed in (starts, inputs):  # the numbers while the categories change
            swaps = _swapped(fixed, starts, inputs, [[places[number] for number in order] for order in dealt])
            scores = _scores(differentiate, swaps, outputs)
            changes = np.diff(scores.reshape(len(dealt), len(places) + 1, rows), axis=1)
            for order, of_order in zip(dealt, changes, strict=True):
                for number, change in zip(order, of_order, strict=True):
                    name, place = places[number]
                    parts[name][:, place] += change / len(dealt) / 2
    ends = _in_chunks(differentiate, _stacked([starts, inputs]), np.tile(outputs, 2))[PREDICTION].reshape(2, rows)
    return parts, ends[0], ends[1]


def _swapped(
    fixed: Mapping[str, Array],
    starts: Mapping[str, Array],
    inputs: Mapping[str, Array],
    orders: Sequence[Sequence[tuple[str, int]]],
) -> Iterator[dict[str, Array]]:
    """Yield, of each order, the typical row with the numbers of `fixed`, and that with one category after another of
    the rows."""
    swapped = {name for name, _ in orders[0]}
    for order in orders:
        now = {name: np.array(starts[name] if name in swapped else fixed[name]) for name in inputs}
        yield {name: values.copy() for name, values in now.items()}
        for name, place in order:
            now[name][:, place] = inputs[name][:, place]
            yield {name: values.copy() for name, values in now.items()}


def _scores(differentiate: Any, ways: Iterator[dict[str, Array]], outputs: Array) -> Array:
    """Return the predictions of one way after another; some at a time, for of a wide table all would be gigabytes."""
    at_once = max(1, _CHUNK_ROWS // max(1, len(outputs)))
    found = []
    while some := list(islice(ways, at_once)):
        found.append(differentiate(_stacked(some), np.tile(outputs, len(some)))[PREDICTION])
    return np.concatenate(found)


def _stacked(ways: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    return {name: np.concatenate([way[name] for way in ways]).astype(ways[0][name].dtype) for name in ways[0]}


def _in_chunks(differentiate: Any, inputs: Mapping[str, Array], outputs: Array) -> dict[str, Array]:
    chunks = [
        differentiate({name: values[first : first + _CHUNK_ROWS] for name, values in inputs.items()}, of_chunk)
        for first in range(0, len(outputs), _CHUNK_ROWS)
        if len(of_chunk := outputs[first : first + _CHUNK_ROWS])
    ]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
