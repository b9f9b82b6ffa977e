"""The transform graph within another graph: its operations, where TFT's layer would leave a call of a function.

A model server cannot put them there. TensorFlow's optimizer refuses a call whose body looks words up ("can't guarantee
execution of a side-effectful node"), and so each request would enter a function and leave it again.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph
from tensorflow.python.trackable.asset import Asset

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_ORDERED = "_has_manual_control_dependencies"
_HANDLES = {tf.resource, tf.variant}
"""Of tensors that have no value outside a session, such as the list that a loop fills."""
_SMALL_BYTES = 1 << 20
"""What a value may take in the exported model in any case; a larger one as much as the largest that it comes of."""


class InlinedTransform(tf.Module):
    """What a `tf.function` calls with raw columns, as it would `transform_features_layer()`."""

    def __init__(self, transform_output: tft.TFTransformOutput) -> None:
        super().__init__()
        # A partial, which a SavedModel does not follow: it would trace and write a layer of Keras's anew.
        self._layer = functools.partial(transform_output.transform_features_layer())
        self._resources: list[Any] = []
        self._known: dict[str, tf.Tensor] = {}

    @tf.autograph.experimental.do_not_convert
    def __call__(self, raw: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """Put the operations into the graph that is being built.

        Returns:
            The outputs that need no more than `raw`, by name.
        """
        specs = {name: tf.TensorSpec(value.shape, value.dtype, name=name) for name, value in raw.items()}
        traced = tf.function(self._layer, autograph=False).get_concrete_function(specs)
        if not self._resources:
            self._resources = _resources(self._layer.func)
        sources = {name: _source(tensor) for name, tensor in traced.structured_outputs.items()}
        calls = [operation for operation in traced.graph.get_operations() if operation.type in _CALLS]
        if {tensor.op.name for tensor in sources.values()} != {operation.name for operation in calls} or len(calls) > 1:
            return dict(self._layer(dict(raw)))  # a graph that is written in another way
        found = self._body_of(calls[0], _arguments_of(calls[0], traced, tf.nest.flatten(dict(raw))))
        outputs = {name: found[tensor.value_index] for name, tensor in sources.items()}
        for name, tensor in traced.structured_outputs.items():
            outputs[name].set_shape(tensor.shape)
        return outputs

    def _body_of(self, call: tf.Operation, arguments: list[tf.Tensor]) -> list[tf.Tensor]:
        """Put the called function's operations into the graph; return its outputs."""
        name = call.get_attr("f").name
        library = call.graph.as_graph_def().library.function
        (definition,) = (function for function in library if function.signature.name == name)
        with call.graph.as_default():  # it knows the functions that this one may call
            body = function_def_to_graph(definition)
        graph_def = body.as_graph_def()
        for node in graph_def.node:
            node.attr.pop(_ORDERED, None)  # whoever builds a graph orders its look-ups anew
        given = {tensor.name: value for tensor, value in zip(body.inputs, arguments, strict=True)}
        if not self._known:
            self._known = _same_for_every_row(body, arguments)
        # Held as the sketch of quantiles was: as a constant each would be in the model once for each signature.
        given |= {name: tf.compat.v1.get_default_graph().capture(value) for name, value in self._known.items()}
        outputs = [tensor.name for tensor in body.outputs]
        return list(tf.graph_util.import_graph_def(graph_def, given, outputs, name="transform"))


def _resources(layer: Any) -> list[Any]:
    """Return the tables of words and the like that the layer has loaded, and their files."""
    kinds = (tf.saved_model.experimental.TrackableResource, Asset)
    return [part for part in tf.train.TrackableView(layer).descendants() if isinstance(part, kinds)]


def _arguments_of(call: tf.Operation, traced: Any, given: list[tf.Tensor]) -> list[tf.Tensor]:
    """Return what the call is called with: what is given, tables, and a label where there is none."""
    needed = _before(call)
    before = traced.graph.as_graph_def()
    before.ClearField("library")  # it would come along whole
    nodes = [node for node in before.node if node.name in needed]
    del before.node[:]
    before.node.extend(nodes)
    held = map(tf.compat.v1.get_default_graph().capture, traced.captured_inputs)
    inputs = zip(traced.inputs, [*given, *held], strict=True)
    values = {tensor.name: value for tensor, value in inputs if tensor.op.name in needed}
    return list(tf.graph_util.import_graph_def(before, values, [tensor.name for tensor in call.inputs], name="raw"))


def _before(operation: tf.Operation) -> set[str]:
    """Return the names of the operations that it needs, without its own."""
    found: dict[str, tf.Operation] = {}
    left = [operation]
    while left:
        last = left.pop()
        new = [*(tensor.op for tensor in last.inputs), *last.control_inputs]
        left += [one for one in new if one.name not in found]
        found |= {one.name: one for one in new}
    return set(found)


def _same_for_every_row(body: Any, arguments: list[tf.Tensor]) -> dict[str, tf.Tensor]:
    """Return by name what the body computes of nothing but constants and arguments whose value is known, which each
    request would compute anew."""
    values = {id(inner): outer for outer, inner in tf.compat.v1.get_default_graph().captures}
    feeds = {}
    for tensor, argument in zip(body.inputs, arguments, strict=True):
        value = values.get(id(argument))
        if isinstance(value, tf.__internal__.EagerTensor) and value.dtype not in _HANDLES:
            feeds[tensor.name] = value.numpy()
    known = {tensor.op for tensor in body.inputs if tensor.name in feeds}
    for operation in body.get_operations():  # each stands behind what it needs
        is_pure = not (operation.control_inputs or operation.op_def.is_stateful or operation.type == "Placeholder")
        is_value = _HANDLES.isdisjoint(tensor.dtype for tensor in operation.outputs)
        if is_pure and is_value and all(tensor.op in known for tensor in operation.inputs):
            known.add(operation)
    sources = [tensor for operation in known if not operation.inputs for tensor in operation.outputs]
    most = max([_SMALL_BYTES, *(feeds[one.name].nbytes if one.name in feeds else _bytes_of(one) for one in sources)])
    wanted: list[tf.Tensor] = []
    for operation in reversed(body.get_operations()):  # each stands before what it needs
        if operation not in known or not operation.inputs:
            continue
        needed = [
            tensor
            for tensor in operation.outputs
            if any(one not in known for one in tensor.consumers()) or any(tensor is one for one in body.outputs)
        ]
        if any(_bytes_of(tensor) > most for tensor in needed):
            known.remove(operation)  # each request computes it, of values that the model has
        else:
            wanted += needed
    with tf.compat.v1.Session(graph=body) as session:
        found = session.run(wanted, feeds)
    with tf.init_scope():  # else they were part of the graph that is being built
        held = zip(wanted, found, strict=True)
        return {tensor.name: tf.constant(value) for tensor, value in held if np.asarray(value).nbytes <= most}


def _bytes_of(tensor: tf.Tensor) -> int:
    """Return how large a tensor's value is; 0 where the graph does not tell."""
    return (tensor.shape.num_elements() or 0) * int(tensor.dtype.size)


def _source(tensor: tf.Tensor) -> tf.Tensor:
    while tensor.op.type == "Identity":
        (tensor,) = tensor.op.inputs
    return tensor
