"""Weights handed on from model to model: what agrees in shape is taken over, word by word where a vocabulary changed.

Beside the SavedModel in a Model artifact lies `Format-Weights`: weights.npz, an array by variable, and
vocabularies.json, the words of each categorical feature in the order of their ids.
"""

from __future__ import annotations

import io
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.artifact_names import beside_model
from trainer.embeddings import Embeddings

progress = logging.getLogger("longhaul.progress")

FOLDER = "Format-Weights"
"""Named as TFX names its own parts of a Model artifact."""
_WEIGHTS_FILE, _VOCABULARIES_FILE = "weights.npz", "vocabularies.json"

Words = Mapping[str, Sequence[str]]
"""By tensor name of a categorical feature, its words in the order of their ids; an id each for unknown and missing
values follows."""


def save_weights(network: keras.Model, words: Words, serving_model_dir: str) -> None:
    """Write a fitted network's weights beside its SavedModel."""
    folder = beside_model(serving_model_dir, FOLDER)
    tf.io.gfile.makedirs(folder)
    content = io.BytesIO()
    np.savez(content, **{name: value for name, value, _ in _arrays(network)})
    with tf.io.gfile.GFile(f"{folder}/{_WEIGHTS_FILE}", "wb") as file:
        file.write(content.getvalue())
    with tf.io.gfile.GFile(f"{folder}/{_VOCABULARIES_FILE}", "w") as file:
        json.dump(words, file)


def start_from(base_model: str | None, network: keras.Model, words: Words) -> None:
    """Give a network the weights of an earlier one, where they agree; say what it did.

    Args:
        base_model: the SavedModel of the earlier one, if there is any.
        words: of the network at hand.
    """
    if base_model is None:
        progress.info("there is no blessed model of other data to start from: training starts from scratch")
        return
    folder = beside_model(base_model, FOLDER)
    try:
        with tf.io.gfile.GFile(f"{folder}/{_WEIGHTS_FILE}", "rb") as file:
            earlier = np.load(io.BytesIO(file.read()), allow_pickle=False)
        with tf.io.gfile.GFile(f"{folder}/{_VOCABULARIES_FILE}") as file:
            earlier_words = json.load(file)
    except tf.errors.NotFoundError:
        progress.info("the model to start from has no weights on record: training starts from scratch")
        return
    feature_of = {_embedding(feature): feature for feature in words}
    taken = arrays = 0
    for name, fresh, assign in _arrays(network):
        arrays += 1
        if name not in earlier:
            continue
        feature, value = feature_of.get(name), earlier[name]
        if feature and feature in earlier_words:
            value = _by_word(fresh.copy(), words[feature], value, earlier_words[feature])
        if value.shape == fresh.shape:
            assign(value)
            taken += 1
    progress.info("training starts from the champion's weights: %d of %d arrays agree", taken, arrays)


def _by_word(
    fresh: npt.NDArray[Any], words: Sequence[str], earlier: npt.NDArray[Any], earlier_words: Sequence[str]
) -> npt.NDArray[Any]:
    """Return the earlier row (ids, width) of each word that is in both vocabularies, the fresh one of any other."""
    if fresh.shape[1:] != earlier.shape[1:]:
        return earlier  # of another width: its shape will tell
    known: list[str | int] = [*earlier_words, _UNKNOWN, _MISSING]
    before = {word: row for row, word in enumerate(known)}
    for row, word in enumerate([*words, _UNKNOWN, _MISSING]):
        if word in before:
            fresh[row] = earlier[before[word]]
    return fresh


_UNKNOWN, _MISSING = 0, 1
"""No words of a vocabulary, which may be any text."""


def _embedding(feature: str) -> str:
    """Return the name of a feature's embedding: that which it had when it was a layer of its own."""
    return f"embed/{feature}/0_embeddings"


def _arrays(network: keras.Model) -> Iterator[tuple[str, npt.NDArray[Any], Callable[[npt.NDArray[Any]], None]]]:
    """Yield each array of weights, by a name that it has in every process and whatever features come and go, with what
    gives it another value.

    Keras numbers what has no name by all layers made before.
    """
    seen: Counter[str] = Counter()
    for layer in network.layers:
        if isinstance(layer, Embeddings):
            for feature, value in layer.by_feature().items():
                yield _embedding(feature), value, partial(layer.assign, feature)
            continue
        name = layer.name
        kind = type(layer).__name__
        if re.fullmatch(rf"{_snake_case(kind)}(_\d+)?", name):
            name = f"{kind}/{seen[kind]}"
            seen[kind] += 1
        for index, variable in enumerate(layer.weights):
            if variable.dtype.startswith("float"):
                yield f"{name}/{index}_{variable.name}", np.asarray(variable), variable.assign


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
