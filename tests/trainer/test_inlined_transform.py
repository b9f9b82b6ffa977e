"""What a request need not compute, since it is the same for every row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.inlined_transform import _same_for_every_row


def _found(body: Callable[..., Any], sketch: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return what is the same for every row in a body that is called with rows and a sketch."""
    function = tf.function(body, autograph=False)
    called = function.get_concrete_function(tf.TensorSpec([None, 2]), tf.TensorSpec(sketch.shape)).graph
    found: dict[str, tf.Tensor] = {}

    @tf.function(autograph=False)
    def caller(rows: tf.Tensor) -> tf.Tensor:
        captured = tf.compat.v1.get_default_graph().capture(sketch)
        found.update(_same_for_every_row(called, [rows, captured, *([None] * (len(called.inputs) - 2))]))
        return rows

    caller.get_concrete_function(tf.TensorSpec([None, 2]))
    return {name.partition(":")[0]: value for name, value in found.items()}


def test_what_needs_no_row_is_computed_once_and_what_needs_one_or_a_table_is_left() -> None:
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [5]), -1)

    def body(rows: tf.Tensor, sketch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        filled = tf.TensorArray(tf.float32, size=1).write(0, rows[0])  # the list itself has no value to keep
        edges = 2.0 * tf.gather(sketch, [2, 0], axis=1, name="picked")
        return (
            rows + tf.identity(edges, "edges"),
            tf.identity(edges[:, 0] + 1.0, "first"),
            table.lookup(tf.constant("a")),
            filled.stack(),
        )

    found = _found(body, tf.constant([[3.0, 1.0, 2.0]]))
    assert found.keys() == {"edges", "first"}
    np.testing.assert_array_equal(found["edges"], [[4.0, 6.0]])
    np.testing.assert_array_equal(found["first"], [5.0])


def test_what_is_much_larger_than_all_that_it_comes_of_is_left_to_each_request() -> None:
    def body(rows: tf.Tensor, sketch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        first = tf.multiply(sketch[0, :1], 2.0, "first")
        wide = tf.tile(first, [300_000])  # 1.2 MB of one number
        told = tf.fill(tf.cast(sketch[0, 1:2], tf.int32), 1.0)  # as large, which the graph does not tell
        return rows * tf.reduce_max(tf.square(wide)[None] + rows[:, :1]), told, tf.multiply(sketch, 2.0, "twice")

    found = _found(body, tf.constant([[3.0, 300_000.0]]))
    assert "first" in found
    assert sum(value.numpy().nbytes for value in found.values()) < 100
    large = np.full([1, 300_000], 300_000.0, np.float32)
    found = _found(body, tf.constant(large))
    assert max((value.numpy() for value in found.values()), key=np.size).tolist() == (2 * large).tolist()
