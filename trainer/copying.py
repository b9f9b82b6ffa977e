"""A network made anew from a fitted one: the same layers and weights, without what it was compiled for."""

from __future__ import annotations

from collections.abc import Callable

import keras

MakeLayer = Callable[[keras.layers.Layer], keras.layers.Layer]


def _same(layer: keras.layers.Layer) -> keras.layers.Layer:
    return type(layer).from_config(layer.get_config())


def copy(network: keras.Model, make_layer: MakeLayer = _same) -> keras.Model:
    """The copy.

    Args:
        make_layer: gives the layer, not yet built, that takes a layer's place; its weights are of the same form.
    """
    # Keras would make the copy's loss and optimizer anew, too, for which they would have to be registered.
    bare = keras.Model({tensor.name: tensor for tensor in network.inputs}, network.outputs[0])
    made = keras.models.clone_model(bare, clone_function=make_layer)
    made.set_weights(network.get_weights())
    return made
