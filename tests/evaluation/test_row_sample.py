"""Rows are dealt by their content, whatever process looks at them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from pipeline.evaluation.row_sample import digests

pytestmark = pytest.mark.slow


def example(*features: tuple[str, int]) -> bytes:
    """A serialized tf.Example with its features in the order given, as some process would write them."""
    entries = b"".join(
        tf.train.Features(
            feature={name: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))}
        ).SerializeToString()
        for name, value in features
    )
    return b"\n" + bytes([len(entries)]) + entries


def test_the_order_of_features_does_not_count_and_their_values_do() -> None:
    rows = [example(("a", 1), ("b", 2)), example(("b", 2), ("a", 1)), example(("a", 1), ("b", 3))]
    assert tf.train.Example.FromString(rows[0]) == tf.train.Example.FromString(rows[1])
    there, here, other = digests(rows)
    assert here == there
    assert other != here


def test_they_are_the_same_in_every_process() -> None:
    assert digests([b"", b"\x00", b"Longhaul"]).tolist() == [0, 2558178303, 3597313189]


def test_they_deal_evenly() -> None:
    blocks = digests([example(("a", n), ("b", n * n)) for n in range(20_000)]) % np.uint64(20)
    counts = np.bincount(blocks.astype(np.int64), minlength=20)
    assert counts.min() > 800
    assert counts.max() < 1200
