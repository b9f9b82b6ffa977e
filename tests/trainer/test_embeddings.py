"""All embeddings in one table: the same as a layer for each, also in what they learn."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainer.embeddings import Embeddings

FEATURES, SIZES = ["few", "many", "one", "alike"], [3, 1000, 2, 3]
IDS = np.random.default_rng(1).integers(0, SIZES, (64, 4))


def one_table() -> keras.Model:
    ids = keras.Input((4,), dtype="int64")
    return keras.Model(ids, keras.layers.Dense(1)(Embeddings(FEATURES, SIZES, name="embeddings")(ids)))


def a_layer_each(like: keras.Model) -> keras.Model:
    ids = keras.Input((4,), dtype="int64")
    tables = like.get_layer("embeddings").by_feature()
    layers = [keras.layers.Embedding(*tables[name].shape) for name in FEATURES]
    joined = keras.layers.Concatenate()([layer(ids[:, place]) for place, layer in enumerate(layers)])
    made = keras.Model(ids, keras.layers.Dense(1)(joined))
    made.set_weights([*tables.values(), *like.layers[-1].get_weights()])
    return made


def test_a_wide_vocabulary_has_a_wide_embedding() -> None:
    shapes = [table.shape for table in one_table().get_layer("embeddings").by_feature().values()]
    assert shapes == [(3, 4), (1000, 32), (2, 3), (3, 4)]


def test_one_table_answers_and_learns_as_a_layer_each() -> None:
    keras.utils.set_random_seed(3)
    ours = one_table()
    theirs = a_layer_each(ours)
    np.testing.assert_allclose(ours(IDS), theirs(IDS), rtol=0, atol=1e-6)
    targets = np.random.default_rng(2).normal(size=(64, 1))
    for model in (ours, theirs):
        model.compile(keras.optimizers.AdamW(0.01, weight_decay=0.01), "mse")
        model.fit(IDS, targets, batch_size=16, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(ours(IDS), theirs(IDS), rtol=0, atol=1e-5)
    layer = ours.get_layer("embeddings")
    for mine, of_layer in zip(layer.by_feature().values(), theirs.get_weights()[:4], strict=True):
        np.testing.assert_allclose(mine, of_layer, rtol=0, atol=1e-5)
    beyond = np.repeat(layer.widths, SIZES)[:, np.newaxis] <= np.arange(32)
    assert not np.asarray(layer.table)[beyond].any()


def test_a_feature_can_be_given_another_embedding() -> None:
    layer = one_table().get_layer("embeddings")
    before = layer.by_feature()
    layer.assign("one", np.full((2, 3), 7.0))
    after = layer.by_feature()
    assert after["one"].tolist() == [[7.0] * 3] * 2
    assert all(np.array_equal(after[name], before[name]) for name in ("few", "many", "alike"))


@pytest.mark.parametrize("sizes", [[5], [3, 3]])
def test_embeddings_of_one_width_need_no_choice(sizes: list[int]) -> None:
    layer = Embeddings([f"{number}" for number in range(len(sizes))], sizes)
    ids = np.zeros((2, len(sizes)), np.int64)
    found = np.asarray(layer(ids))
    assert found[0].tolist() == [number for table in layer.by_feature().values() for number in table[0].tolist()]
