"""What a request need not compute, since it is the same for every row."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from trainer.inlined_transform import _same_for_every_row


def test_what_needs_no_row_is_computed_once_and_what_needs_one_or_a_table_is_left() -> None:
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [5]), -1)
    sketch = tf.constant([[3.0, 1.0, 2.0]])

    @tf.function(autograph=False)
    def body(rows: tf.Tensor, sketch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        filled = tf.TensorArray(tf.float32, size=1).write(0, rows[0])  # the list itself has no value to keep
        edges = 2.0 * tf.gather(sketch, [2, 0], axis=1, name="picked")
        return (
            rows + tf.identity(edges, "edges"),
            tf.identity(edges[:, 0] + 1.0, "first"),
            table.lookup(tf.constant("a")),
            filled.stack(),
        )

    called = body.get_concrete_function(tf.TensorSpec([None, 2]), tf.TensorSpec([1, 3])).graph

    @tf.function(autograph=False)
    def caller(rows: tf.Tensor) -> tf.Tensor:
        captured = tf.compat.v1.get_default_graph().capture(sketch)
        found.update(_same_for_every_row(called, [rows, captured, *([None] * (len(called.inputs) - 2))]))
        return rows

    found: dict[str, tf.Tensor] = {}
    caller.get_concrete_function(tf.TensorSpec([None, 2]))
    assert {name.partition(":")[0] for name in found} == {"edges", "first"}
    np.testing.assert_array_equal(found["edges:0"], [[4.0, 6.0]])
    np.testing.assert_array_equal(found["first:0"], [5.0])
