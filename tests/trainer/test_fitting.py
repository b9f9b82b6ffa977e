"""Fitting: which rows decide when it stops, what the members learn by, and that a seed decides everything."""

from __future__ import annotations

import logging
import re
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from pipeline.reports.training import training_story
from trainer import fit_progress
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.fitting import Fitted, fit, hold_out
from trainer.member_loss import member_loss
from trainer.preprocessing import CATEGORICAL, NUMERIC
from trainer.settings.trainer import TrainerSettings
from trainer.train import history

pytestmark = pytest.mark.slow


def test_with_an_order_the_latest_rows_decide() -> None:
    order = np.array([30, 10, 50, 20, 40, 60, 0, 70, 90, 80])
    fit, stop = hold_out(order, 10, 0.3, seed=1)
    assert order[fit].tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert order[stop].tolist() == [70, 80, 90]


def test_rows_of_one_moment_keep_the_order_of_the_file() -> None:
    fit, stop = hold_out(np.array([5, 5, 5, 5]), 4, 0.25, seed=1)
    assert (fit.tolist(), stop.tolist()) == ([0, 1, 2], [3])


def test_groups_decide_whole_or_not_at_all() -> None:
    groups = np.array([7, 3, 7, 9, 3, 3, 7, 9, 9, 5], np.uint64)  # sorted: 3 3 3 5 7 7 7 9 9 9
    for share, held in ((0.1, {9}), (0.3, {9}), (0.5, {7, 9}), (0.6, {7, 9}), (0.95, {5, 7, 9})):
        fit, stop = hold_out(groups, 10, share, seed=1)
        assert set(groups[stop].tolist()) == held, share
        assert set(groups[fit].tolist()) == {3, 5, 7, 9} - held
        assert sorted([*fit, *stop]) == list(range(10))
    fit, stop = hold_out(np.full(4, 7, np.uint64), 4, 0.25, seed=1)  # a single group has to part
    assert (len(fit), len(stop)) == (3, 1)


def test_without_an_order_a_random_share_decides_the_same_for_the_same_seed() -> None:
    fit, stop = hold_out(None, 1000, 0.1, seed=7)
    assert (len(fit), len(stop)) == (900, 100)
    assert sorted([*fit, *stop]) == list(range(1000))
    again_fit, again_stop = hold_out(None, 1000, 0.1, seed=7)
    assert (again_fit == fit).all()
    assert (again_stop == stop).all()
    assert set(hold_out(None, 1000, 0.1, seed=8)[1]) != set(stop)
    # Spread over the file: a tenth of a tenth in each tenth, give or take four deviations.
    assert np.abs(np.bincount(stop // 100, minlength=10) - 10).max() <= 12


def test_at_least_one_row_decides() -> None:
    fit, stop = hold_out(None, 3, 0.01, seed=1)
    assert (len(fit), len(stop)) == (2, 1)


def test_each_member_learns_by_its_own_loss_and_is_judged_by_the_mean_answer() -> None:
    squared = member_loss("mse")
    labels = np.array([1.0, 0.0], "float32")
    apart = np.array([[[1.0], [3.0]], [[2.0], [-2.0]]], "float32")  # (rows, members, outputs)
    assert np.array(squared(labels, apart)).tolist() == [[0, 4], [4, 4]]
    assert np.array(squared(labels, apart.mean(axis=1))).tolist() == [1, 0]
    crossed = member_loss("sparse_categorical_crossentropy")
    chances = np.array([[[0.25, 0.75], [0.5, 0.5]]], "float32")
    assert np.array(crossed(np.array([1]), chances))[0] == pytest.approx([-np.log(0.75), -np.log(0.5)])
    assert np.array(crossed(np.array([1]), chances[:, 0])) == pytest.approx([-np.log(0.75)])
    ratio = member_loss("binary_crossentropy")
    assert np.array(ratio(np.array([1, 0]), np.array([[0.75], [0.75]]))) == pytest.approx(
        [-np.log(0.75), -np.log(0.25)], rel=1e-4
    )


CLASSES = {"binary": ("0", "1"), "multiclass": ("a", "b", "c"), "regression": ()}


def fitted(
    task: str, rows: int = 400, order: npt.NDArray[Any] | None = None, unit: float = 1.0, **settings: Any
) -> Fitted:
    """On a table whose label the number alone decides; of a regression it is in that unit."""
    features = (
        Feature("miles", Kind.NUMERIC, Storage.FLOAT, optional=False),
        Feature("carrier", Kind.CATEGORICAL, Storage.BYTES, optional=False),
    )
    table = FeatureTable(Label("y", task, Storage.INT, CLASSES[task]), features, max_vocabulary=50, bins=4)
    dice = np.random.default_rng(3)
    places = dice.random((rows, 1)).astype("float32")
    labels = {
        "binary": (places[:, 0] > 0.4).astype("int64"),
        "multiclass": np.floor(places[:, 0] * 3).astype("int64"),
        "regression": ((1000 + 100 * places[:, 0]) * unit).astype("float32"),
    }[task]
    small = {"hidden_units": (16, 8), "members": 2, "dropout": 0.0, "batch_size": 32, "epochs": 20, "refit": False}
    columns = {NUMERIC: places, CATEGORICAL: dice.integers(0, 3, (rows, 1))}
    return fit(table, [5], columns, labels, order, TrainerSettings.model_validate(small | settings))


def weights(of: Fitted) -> list[Any]:
    return [value.tolist() for value in of.model.get_weights()]


def test_a_seed_decides_the_weights() -> None:
    first = weights(fitted("binary", epochs=2, dropout=0.3))
    assert weights(fitted("binary", epochs=2, dropout=0.3)) == first
    assert weights(fitted("binary", epochs=2, dropout=0.3, seed=14)) != first


def test_a_step_of_training_is_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing takes as long as seconds of training."""
    traced: list[Any] = []
    stock = keras.Model.train_step

    def noted(model: keras.Model, data: Any) -> Any:
        traced.append(data)
        return stock(model, data)

    monkeypatch.setattr(keras.Model, "train_step", noted)
    fitted("binary", epochs=2)
    assert len(traced) == 1


@pytest.mark.parametrize(("task", "before", "after"), [("binary", 0.69, 0.25), ("multiclass", 1.1, 0.6)])
def test_classes_are_learnt(task: str, before: float, after: float) -> None:
    found = fitted(task, epochs=40, learning_rate=0.01)
    assert found.history["val_loss"][0] > 0.6 * before
    assert found.validation_loss is not None
    assert found.validation_loss < after
    assert found.validation_loss == min(found.history["val_loss"])


@pytest.mark.parametrize("unit", [1e-9, 1e30])
def test_numbers_are_learnt_in_their_own_unit(unit: float) -> None:
    """Gross domestic products are: the squares of their gradients are no float32."""
    found = fitted("regression", epochs=40, learning_rate=0.01, unit=unit)
    asked = {NUMERIC: np.array([[0.0], [0.5], [1.0]], "float32"), CATEGORICAL: np.zeros((3, 1), "int64")}
    assert np.array(found.model(asked))[:, 0] / unit == pytest.approx([1000, 1050, 1100], abs=15)


def test_the_best_epoch_is_kept_or_repeated_on_all_rows() -> None:
    kept, again = (fitted("binary", epochs=6, refit=refit, teacher="none") for refit in (False, True))
    assert (kept.rows, again.rows) == (360, 400)
    assert kept.history == again.history
    losses = np.array(kept.history["val_loss"])
    assert kept.kept_epoch == int(losses.argmin()) + 1
    assert again.kept_epoch == max(epoch for epoch, loss in enumerate(losses, start=1) if loss <= 1.01 * losses.min())
    assert kept.best_epoch == again.best_epoch == int(losses.argmin()) + 1
    assert (kept.held_out, again.held_out, kept.refit_losses) == (40, 40, None)
    assert len(again.refit_losses or []) == again.kept_epoch
    assert weights(kept) != weights(again)


def test_a_network_that_trees_teach_is_fitted_once_on_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = []
    whole = keras.Model.fit
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **kwargs: fits.append(1) or whole(*args, **kwargs))
    found = fitted("binary", epochs=4, refit=True, patience=1)
    assert len(fits) == 1
    assert (found.rows, found.held_out, found.kept_epoch, found.best_epoch) == (400, 40, 4, 0)
    assert (found.refit_losses, found.validation_loss, list(found.history)) == (None, None, ["loss"])
    assert found.trees
    told = " ".join(training_story(history(found)))
    assert told.startswith("The network was fitted once, on all 400 rows, for 4 epochs; its training loss ended at ")
    assert f"{found.trees.forests[0].rounds} rounds of 15 leaves" in told
    assert "on the 40 rows held out" in told


def test_progress_tells_what_is_fitted_and_how_long_it_will_take(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fit_progress, "_EVERY_SECONDS", 0.0)
    with caplog.at_level(logging.INFO, "longhaul.progress"):
        fitted("binary", epochs=2, refit=True)
    said = [line for line in caplog.messages if line.startswith("network epoch")]
    assert re.fullmatch(r"network epoch 1 of 2, 15 %, (\d+|under 1) s left", said[0])
    assert re.fullmatch(r"network epoch 2 of 2, 100 %, last loss \d\.\d{4}, under 1 s left", said[-2])
    assert re.fullmatch(r"network epoch 2 of 2 done, last loss \d\.\d{4}", said[-1])


def test_how_long_a_fit_goes_on_is_said_once_it_is_known(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 100.1, 103.0])
    monkeypatch.setattr(fit_progress.time, "monotonic", lambda: next(clock))
    told = fit_progress.FitProgress("network", epochs=1, steps=30)
    with caplog.at_level(logging.INFO, "longhaul.progress"):
        for batch in (0, 1, 3):
            told.on_train_batch_end(batch)
    assert caplog.messages == ["network epoch 1 of 1, 7 %", "network epoch 1 of 1, 13 %, 26 s left"]


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("epochs", [1, 5])
def test_what_was_fitted_is_what_is_said(refit: bool, epochs: int) -> None:
    found = fitted("binary", epochs=epochs, refit=refit, patience=1, teacher="none")
    told = " ".join(training_story(history(found)))
    best = int(np.argmin(found.history["val_loss"]))
    least = f"{found.history['val_loss'][best]:.4f}"
    assert (f"{least} on the 40 rows held out" if epochs > 1 else f"on the 40 rows held out is {least}") in told
    assert (f"number {best + 1} has the least validation loss" in told) == (epochs > 1)
    assert ("fitted anew on all 400 rows" in told) == refit
    assert (f"after epoch {best + 1} was kept; it was fitted on 360 rows" in told) == (not refit)
    assert ("stopped early" in told) == (len(found.history["loss"]) < epochs)


def test_an_epoch_whose_loss_is_no_number_is_not_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = keras.Model.fit

    def blow_up(self: keras.Model, *args: Any, **kwargs: Any) -> Any:
        done = whole(self, *args, **kwargs)
        done.history["val_loss"][-1] = float("nan")
        return done

    monkeypatch.setattr(keras.Model, "fit", blow_up)
    assert fitted("binary", epochs=3, refit=False, patience=9).best_epoch == 2


def test_a_table_of_a_few_rows_is_enough() -> None:
    found = fitted("binary", rows=8, epochs=1, refit=True)
    assert found.rows == 8
    assert np.isfinite(found.validation_loss or np.nan)
