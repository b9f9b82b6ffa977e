"""How a network came about, in sentences, from what Trainer recorded of it: history.json of the ModelRun artifact."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pipeline.config.number_text import count_text
from pipeline.reports.formats import number

_CURVES = {"loss": "training loss", "val_loss": "validation loss"}
_OF_ALL_ROWS = "training loss on all rows"
_rows, _epochs = partial(count_text, noun="row"), partial(count_text, noun="epoch")


def training_story(history: Mapping[str, Any]) -> list[str]:
    """Say which epoch was taken and why, what was fitted on which rows, and who taught the network.

    Args:
        history: that of an older Longhaul tells neither the best epoch nor whether there was a refit: the story then
            says only what follows from the losses.
    """
    if own := history.get("own_model"):
        return [f"The model was trained by {own['by']}; " + "; ".join(own["notes"]) + "."]
    of = [f"The network is the one that {by} builds."] if (by := history.get("network_of")) else []
    losses = history.get("val_loss") or []
    if not losses:
        return of + _once(history) if history.get("loss") and history.get("trees") else of
    said = of + (_on_record(history, losses) if "best_epoch" in history else _older(history, losses))
    if trees := history.get("trees"):
        said.append(
            f"Taught by {_grown(trees)}, whose validation loss is {number(trees['validation_loss'])}; the training loss"
            " is measured against their predictions, the validation loss against the labels."
        )
    return said


def _once(history: Mapping[str, Any]) -> list[str]:
    """Tell of a network that was fitted once, on all rows."""
    rows, losses, trees = history["rows"], history["loss"], history["trees"]
    return [
        f"The network was fitted once, on all {_rows(rows)}, for {_epochs(len(losses))}; its training loss ended at"
        f" {number(losses[-1])}. It has seen every row: there is no validation loss of it.",
        f"Taught by {_grown(trees)}, whose validation loss was {number(trees['validation_loss'])} on the"
        f" {_rows(history['held_out'])} held out before they were grown again on all rows; the training loss is"
        " measured against their predictions.",
    ]


def _grown(trees: Mapping[str, Any]) -> str:
    """Say how many trees of which sizes; an earlier Longhaul took one size."""
    forests = trees.get("forests") or [trees]
    if len(forests) == 1:
        return f"{forests[0]['rounds']} rounds of boosted trees of {forests[0]['leaves']} leaves"
    told = " and ".join(f"{forest['rounds']} rounds of {forest['leaves']} leaves" for forest in forests)
    return f"the mean of boosted trees: {told}"


def best_epoch(history: Mapping[str, Any]) -> int:
    """Return the epoch with the least validation loss, counted from 1; 0 where none has one that is a number."""
    losses = [loss if math.isfinite(loss) else math.inf for loss in history.get("val_loss") or []]
    return losses.index(min(losses)) + 1 if losses and math.isfinite(min(losses)) else 0


def loss_curves(history: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return losses per epoch by what they are; the validation loss comes last."""
    of_all = (history.get("refit") or {}).get("loss")
    named = {_CURVES["loss"]: history.get("loss"), _OF_ALL_ROWS: of_all, _CURVES["val_loss"]: history.get("val_loss")}
    return {label: values for label, values in named.items() if values}


def epoch_marks(history: Mapping[str, Any]) -> dict[int, str]:
    """Return what a table of epochs says beside some of them."""
    best, taken = best_epoch(history), history.get("kept_epoch", 0)
    marks = {best: "least"} if best else {}
    if taken and "best_epoch" in history:
        word = "as many on all rows" if history.get("refit") else "kept"
        marks[taken] = f"{marks[taken]}, {word}" if taken in marks else word
    return marks


def _on_record(history: Mapping[str, Any], losses: Sequence[float]) -> list[str]:
    refit, rows, held_out = history.get("refit"), history["rows"], history["held_out"]
    best, taken = history["best_epoch"], history["kept_epoch"]
    fitted_on, ran = (rows - held_out if refit else rows), len(losses)
    least = losses[best - 1]
    held = f"the {_rows(held_out)} held out"
    if not math.isfinite(least):
        said = f"In none of {_epochs(ran)} on {_rows(fitted_on)} is the validation loss a number; number 1 was taken"
    elif ran == 1:
        said = f"There was one epoch on {_rows(fitted_on)}; its validation loss on {held} is {number(least)}"
    else:
        said = (
            f"Of {_epochs(ran)} on {_rows(fitted_on)}, number {best} has the least validation loss:"
            f" {number(least)} on {held}"
        )
        if refit and taken != best:
            said += f"; number {taken}, with {number(losses[taken - 1])}, is the latest within"
            said += f" {100 * refit['alike_within']:g} % of it"
    sentences = [f"{said}."]
    if ran < history["planned_epochs"]:
        sentences.append(f"Training stopped early: at most {_epochs(history['planned_epochs'])} were allowed.")
    if refit:
        sentences.append(
            f"The network that is exported was then fitted anew on all {_rows(rows)} for {_epochs(taken)}; its training"
            f" loss ended at {number(refit['loss'][-1])}. It has seen every row: there is no validation loss of it."
        )
    else:
        sentences.append(f"The network as it was after epoch {taken} was kept; it was fitted on {_rows(rows)}.")
    return sentences


def _older(history: Mapping[str, Any], losses: Sequence[float]) -> list[str]:
    said = [f"Fitted on {_rows(history['rows'])}."] if "rows" in history else []
    best, taken = best_epoch(history), history.get("kept_epoch", 0)
    if best and taken:
        one = f"Of {_epochs(len(losses))}, number {best} has the least validation loss: {number(losses[best - 1])}"
        # Only the number of epochs for a second fit, on all rows, was ever another one.
        other = f"; another network was then fitted on all rows for {_epochs(taken)}" if taken != best else ""
        said.append(f"{one}{other}.")
    return said
