"""Let a Keras model be fitted by several workers.

Replaces: _maybe_symbolic_build, train_step and test_step of the one model that is trained
Why: Keras averages a batch across workers only to learn its form, which TensorFlow refuses, and a number along an axis.
Upstream: https://github.com/keras-team/keras/issues/20585
Until: the issue is closed.
Test: tests/trainer/test_distribution.py::test_keras_still_fails_in_several_workers
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def make_fit_work(model: keras.Model, strategy: tf.distribute.Strategy) -> None:
    """Let `model.fit` run under MultiWorkerMirroredStrategy; others need nothing."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return

    def build(iterator: Any = None, data_batch: Any = None) -> None:
        inputs = {tensor.name: tf.zeros([1, *tensor.shape[1:]], tensor.dtype) for tensor in model.inputs}
        with strategy.scope():
            model._symbolic_build(data_batch=(inputs, tf.zeros([1], tf.int64)))

    def with_axis(step: Any) -> Any:
        return lambda data: {name: tf.expand_dims(value, 0) for name, value in step(data).items()}

    model._maybe_symbolic_build = build
    model.train_step = with_axis(model.train_step)
    model.test_step = with_axis(model.test_step)
