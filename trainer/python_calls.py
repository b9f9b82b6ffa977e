"""Calls of Python within a graph, which no model server can make."""

from __future__ import annotations

import itertools

import tensorflow as tf

from trainer.user_code import UserCodeError

_OPERATIONS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}


def refuse_python_calls(graph: tf.Graph, said: str) -> None:
    """See that a graph of the user's consists of TensorFlow's operations.

    Raises:
        UserCodeError: it calls a function of Python's, which only the process that made it knows.
    """
    written = graph.as_graph_def()
    nodes = itertools.chain(written.node, *(function.node_def for function in written.library.function))
    if found := next((node.name for node in nodes if node.op in _OPERATIONS), None):
        raise UserCodeError(
            f"{said} calls Python in its graph ({found}), by tf.py_function or tf.numpy_function; a model that serves "
            "has TensorFlow's operations alone",
            "compute it by TensorFlow's own operations, or as a column of the table before the run",
        )
