"""A network made anew from a fitted one: the same layers and weights, without what it was compiled for."""

from __future__ import annotations

import keras


def copy(network: keras.Model) -> keras.Model:
    """Make the copy."""
    # Keras would make the copy's loss and optimizer anew, too, for which they would have to be registered.
    bare = keras.Model({tensor.name: tensor for tensor in network.inputs}, network.outputs[0])
    made = keras.models.clone_model(bare)
    made.set_weights(network.get_weights())
    return made
