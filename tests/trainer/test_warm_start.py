"""Which weights a network takes over from an earlier one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from trainer.embeddings import Embeddings
from trainer.warm_start import save_weights, start_from


def network(words: dict[str, list[str]], hidden: int = 4) -> keras.Model:
    """An embedding per vocabulary and two dense layers."""
    ids = keras.Input((len(words),), dtype="int64", name="categorical")
    joined = Embeddings(list(words), [len(known) + 2 for known in words.values()], name="embeddings")(ids)
    output = keras.layers.Dense(1)(keras.layers.Dense(hidden)(joined))
    return keras.Model({"categorical": ids}, output)


def embedding(model: keras.Model, feature: str) -> npt.NDArray[Any]:
    return np.asarray(model.get_layer("embeddings").by_feature()[feature])


def kernels(model: keras.Model) -> list[npt.NDArray[Any]]:
    return [np.asarray(layer.kernel) for layer in model.layers if isinstance(layer, keras.layers.Dense)]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "longhaul.progress")
    return caplog


def save(folder: Path, model: keras.Model, words: dict[str, list[str]]) -> str:
    saved_model = str(folder / "Format-Serving")
    save_weights(model, words, saved_model)
    return saved_model


def test_the_same_network_takes_everything(tmp_path: Path, said: pytest.LogCaptureFixture) -> None:
    words = {"carrier": ["UA", "AA"], "origin": ["JFK"]}
    earlier, later = network(words), network(words)  # Keras numbers the layers of the second one anew
    assert earlier.layers[-1].name != later.layers[-1].name
    start_from(save(tmp_path, earlier, words), later, words)
    for mine, theirs in zip(later.weights, earlier.weights, strict=True):
        assert np.array_equal(mine, theirs)
    assert said.messages == ["training starts from the champion's weights: 6 of 6 arrays agree"]


def test_rows_of_an_embedding_follow_their_words(tmp_path: Path) -> None:
    before, after = {"carrier": ["UA", "AA", "OO"]}, {"carrier": ["OO", "new", "UA"]}
    earlier, later = network(before), network(after)
    fresh = embedding(later, "carrier").copy()
    start_from(save(tmp_path, earlier, before), later, after)
    old, new = embedding(earlier, "carrier"), embedding(later, "carrier")
    # UA, AA, OO, unknown, missing -> OO, new, UA, unknown, missing
    assert np.array_equal(new, [old[2], fresh[1], old[0], old[3], old[4]])
    assert np.array_equal(kernels(later)[0], kernels(earlier)[0])


@pytest.mark.parametrize("words", [("AA", "OO"), ("\n unknown", "\n missing"), ("", "0")])
def test_a_longer_vocabulary_keeps_unknown_and_missing_apart_from_words(tmp_path: Path, words: tuple[str, str]) -> None:
    before, after = {"carrier": ["UA"]}, {"carrier": ["UA", *words]}
    earlier, later = network(before), network(after)
    fresh = embedding(later, "carrier").copy()
    start_from(save(tmp_path, earlier, before), later, after)
    old, new = embedding(earlier, "carrier"), embedding(later, "carrier")
    assert np.array_equal(new, [old[0], fresh[1], fresh[2], old[1], old[2]])


def test_a_new_feature_leaves_the_others_where_they_were(tmp_path: Path, said: pytest.LogCaptureFixture) -> None:
    before = {"origin": ["JFK", "EWR"]}
    after = {"carrier": ["UA"], "origin": ["JFK", "EWR"]}
    earlier, later = network(before), network(after)
    fresh = [embedding(later, "carrier").copy(), kernels(later)[0].copy()]
    start_from(save(tmp_path, earlier, before), later, after)
    assert np.array_equal(embedding(later, "origin"), embedding(earlier, "origin"))
    assert np.array_equal(embedding(later, "carrier"), fresh[0])
    assert np.array_equal(kernels(later)[0], fresh[1])  # it takes more inputs now
    assert np.array_equal(kernels(later)[1], kernels(earlier)[1])
    assert said.messages == ["training starts from the champion's weights: 4 of 6 arrays agree"]


def test_what_has_another_form_stays_fresh(tmp_path: Path, said: pytest.LogCaptureFixture) -> None:
    words, longer = {"carrier": ["UA", "AA"]}, {"carrier": [f"{number}" for number in range(30)]}
    earlier, later = network(words), network(longer, hidden=7)
    fresh = [np.array(weights) for weights in later.weights]
    start_from(save(tmp_path, earlier, words), later, longer)
    assert said.messages == ["training starts from the champion's weights: 1 of 5 arrays agree"]  # the last bias
    for mine, before in zip(later.weights, fresh, strict=True):
        assert np.array_equal(mine, before)


@pytest.mark.parametrize("base_model", [None, "nowhere"])
def test_without_weights_it_says_so_and_changes_nothing(
    tmp_path: Path, said: pytest.LogCaptureFixture, base_model: str | None
) -> None:
    model = network({"carrier": ["UA"]})
    fresh = [np.array(weights) for weights in model.weights]
    start_from(base_model and str(tmp_path / base_model / "Format-Serving"), model, {"carrier": ["UA"]})
    assert said.messages[0].endswith("training starts from scratch")
    for mine, before in zip(model.weights, fresh, strict=True):
        assert np.array_equal(mine, before)
