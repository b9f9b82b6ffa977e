"""What is said of a training, for each way in which it can go."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pipeline.reports.training import best_epoch, epoch_marks, loss_curves, training_story

REFIT = {"loss": [0.5, 0.47, 0.4607], "alike_within": 0.01}
RECORD = {
    "best_epoch": 2,
    "kept_epoch": 3,
    "planned_epochs": 3,
    "rows": 1200,
    "held_out": 200,
    "refit": REFIT,
    "loss": [0.5, 0.4, 0.38],
    "val_loss": [0.42, 0.3971, 0.3975],
}
OF_ALL = "It has seen every row: there is no validation loss of it."


def story(**other: Any) -> str:
    return " ".join(training_story(RECORD | other))


def test_a_refit_for_more_epochs_than_were_best() -> None:
    assert story() == (
        "Of 3 epochs on 1,000 rows, number 2 has the least validation loss: 0.3971 on the 200 rows held out;"
        " number 3, with 0.3975, is the latest within 1 % of it. The network that is exported was then fitted anew on"
        f" all 1,200 rows for 3 epochs; its training loss ended at 0.4607. {OF_ALL}"
    )
    assert epoch_marks(RECORD) == {2: "least", 3: "as many on all rows"}
    assert list(loss_curves(RECORD)) == ["training loss", "training loss on all rows", "validation loss"]


def test_a_refit_for_as_many_epochs_as_were_best() -> None:
    assert "is the latest" not in story(kept_epoch=2)
    assert "for 2 epochs; its training loss ended at 0.4700" in story(kept_epoch=2, refit=REFIT | {"loss": [0.5, 0.47]})
    assert epoch_marks(RECORD | {"kept_epoch": 2}) == {2: "least, as many on all rows"}


def test_without_a_refit_the_best_epoch_is_kept() -> None:
    record = RECORD | {"refit": None, "kept_epoch": 2, "rows": 1000}
    assert " ".join(training_story(record)) == (
        "Of 3 epochs on 1,000 rows, number 2 has the least validation loss: 0.3971 on the 200 rows held out."
        " The network as it was after epoch 2 was kept; it was fitted on 1,000 rows."
    )
    assert epoch_marks(record) == {2: "least, kept"}
    assert list(loss_curves(record)) == ["training loss", "validation loss"]


def test_one_epoch_is_not_the_best_of_many() -> None:
    one = {"best_epoch": 1, "kept_epoch": 1, "planned_epochs": 1, "loss": [0.5], "val_loss": [0.42], "held_out": 1}
    assert story(**one, refit=None, rows=9) == (
        "There was one epoch on 9 rows; its validation loss on the 1 row held out is 0.4200."
        " The network as it was after epoch 1 was kept; it was fitted on 9 rows."
    )


def test_training_that_stopped_early() -> None:
    assert "Training stopped early: at most 20 epochs were allowed." in story(planned_epochs=20)
    assert "stopped early" not in story()


def test_losses_that_are_no_numbers() -> None:
    lost = {"best_epoch": 1, "kept_epoch": 1, "val_loss": [math.nan, math.nan]}
    assert story(**lost).startswith("In none of 2 epochs on 1,000 rows is the validation loss a number")
    assert best_epoch({"val_loss": [math.nan, math.nan]}) == 0
    assert best_epoch({"val_loss": [math.nan, 0.4, 0.5]}) == 2


def test_a_teacher_is_named() -> None:
    trees = {"leaves": 15, "rounds": 95, "validation_loss": 0.76}
    assert "Taught by 95 rounds of boosted trees of 15 leaves" in story(trees=trees)
    assert "Taught" not in story()
    several = {"forests": [{"leaves": 15, "rounds": 95}, {"leaves": 127, "rounds": 40}], "validation_loss": 0.76}
    assert "Taught by the mean of boosted trees: 95 rounds of 15 leaves and 40 rounds of 127 leaves, whose" in story(
        trees=several
    )


def test_one_fit_on_all_rows_has_no_validation_loss() -> None:
    trees = {"forests": [{"leaves": 15, "rounds": 95}], "validation_loss": 0.76}
    once = RECORD | {"loss": [0.5, 0.47], "val_loss": [], "best_epoch": 0, "kept_epoch": 2, "refit": None}
    assert " ".join(training_story(once | {"trees": trees})) == (
        "The network was fitted once, on all 1,200 rows, for 2 epochs; its training loss ended at 0.4700. It has seen"
        " every row: there is no validation loss of it. Taught by 95 rounds of boosted trees of 15 leaves, whose"
        " validation loss was 0.7600 on the 200 rows held out before they were grown again on all rows; the training"
        " loss is measured against their predictions."
    )


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ({}, []),
        ({"loss": [0.5]}, []),
        (
            {"kept_epoch": 3, "rows": 7, "val_loss": [0.8, 0.75, 0.755]},
            [
                "Fitted on 7 rows.",
                "Of 3 epochs, number 2 has the least validation loss: 0.7500; another network was then fitted on all"
                " rows for 3 epochs.",
            ],
        ),
        ({"kept_epoch": 1, "val_loss": [0.75]}, ["Of 1 epoch, number 1 has the least validation loss: 0.7500."]),
        ({"kept_epoch": 1, "val_loss": [math.nan]}, []),
    ],
)
def test_the_record_of_an_older_longhaul(history: dict[str, Any], said: list[str]) -> None:
    assert training_story(history) == said
    assert "kept" not in "".join(epoch_marks(history).values())
