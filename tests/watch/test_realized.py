"""Losses of labelled rows are stored as plain arrays."""

from __future__ import annotations

import io

import numpy as np

from pipeline.evaluation.tallies import rows_of
from pipeline.watch.realized import Realized


def test_it_is_stored_as_arrays_and_read_back() -> None:
    draw = np.random.default_rng(5)
    truth, scores = (draw.random(40) < 0.3).astype(float), draw.random((40, 1))
    one = Realized(3.5, 0.7, rows_of("binary", truth, scores, np.arange(40) % 20).tally(np.arange(40)))
    with np.load(io.BytesIO(one.to_bytes()), allow_pickle=False) as found:
        assert {name: found[name].dtype.kind for name in found.files} == {
            "moments": "f", "sums": "f", "cells": "i", "counts": "i"
        }  # fmt: skip
    again = Realized.from_bytes(one.to_bytes())
    assert (again.loss, again.square, again.rows) == (3.5, 0.7, 40)
    np.testing.assert_array_equal(again.tally.cells, one.tally.cells)
