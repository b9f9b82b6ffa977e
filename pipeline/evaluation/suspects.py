"""Ranks rows whose label is suspect: by trees that have not seen it, by the rows most alike, by the network.

The trees are those that teach the network, grown five times: each row is judged by trees that have seen neither it nor
one equal to it. Confident learning (Northcutt, Jiang, Chuang: Confident Learning: Estimating Uncertainty in Dataset
Labels, JAIR 70, 2021) says of which rows the label is an error, and how many these are. The order is that of the mean
margin of all witnesses: what they give to the label less what they give to the likeliest other one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.guard.label_noise import NEIGHBOURS, votes
from trainer.reading import Columns
from trainer.teacher import choose_trees

progress = logging.getLogger("longhaul.progress")

Array = npt.NDArray[Any]

FOLDS = 5
_STOP = 5
"""Every fifth of the rows that trees grow on tells when to stop."""
MOST_CANDIDATES = 2_000
"""Rows that the trees find most suspect, which neighbours and network are asked about."""
_MOST_CELLS = 20_000_000
"""Rows x columns in which neighbours are looked for."""


@dataclass(frozen=True)
class Ranking:
    """Rows, the most suspect first.

    Attributes:
        rows: (n,) their numbers in the training split.
        score: (n,) from 0, all witnesses are sure of the label, to 1, all are sure of another.
        suggested: (n,) class that the witnesses together find likeliest, other than the label.
        flagged: (n,) whether confident learning calls the label an error.
        errors: rows of the training split whose label it calls an error.
        skill: of the trees: the share of the guess's errors that they avoid; below 0.2 a suspect is no sign of much.
        witnesses: by name (n, classes), what each finds the classes' chances to be.
    """

    rows: Array
    score: Array
    suggested: Array
    flagged: Array
    errors: int
    skill: float
    witnesses: dict[str, Array] = field(default_factory=dict)

    def why(self, place: int, classes: Sequence[str], label: int) -> str:
        """Say what each witness finds of the row at a place: `trees 97 % b, label 2 %; neighbours 9 of 10 b`."""
        said = []
        for name, chances in self.witnesses.items():
            of = chances[place]
            best = int(of.argmax())
            if name == "neighbours":
                said.append(f"{round(of[best] * NEIGHBOURS)} of {NEIGHBOURS} neighbours {classes[best]}")
            else:
                said.append(
                    f"{name} {of[best]:.0%} {classes[best]}" + ("" if best == label else f", label {of[label]:.0%}")
                )
        network = self.witnesses.get("network")
        if network is not None and network[place].argmax() != self.witnesses["trees"][place].argmax():
            said.append("trees and network disagree")
        if self.flagged[place]:
            said.append("an error by confident learning")
        return "; ".join(said)


def rank(
    columns: Columns,
    labels: Array,
    classes: int,
    folds: Array,
    points: npt.NDArray[np.float32],
    ask_network: Callable[[Array], Array] | None = None,
    seed: int = 0,
) -> Ranking:
    """Rank rows of a training split by how suspect their labels are.

    Args:
        columns: the network's inputs, (rows, ...) each.
        labels: (rows,) from 0 to `classes` - 1.
        folds: (rows,) any whole numbers, equal for rows that are equal but for the label.
        points: (rows, widths) the rows in a space in which near ones are alike.
        ask_network: returns (n, classes) probabilities for rows by their numbers; None without a network.
    """
    trees = out_of_fold(columns, labels, classes, folds, seed)
    flagged = is_error(trees, labels)
    counts = np.bincount(labels, minlength=classes)
    guess = 1 - counts.max() / len(labels)
    skill = float(1 - (trees.argmax(axis=1) != labels).mean() / guess) if guess else 0.0
    rows = np.argsort(margins(trees, labels), kind="stable")[:MOST_CANDIDATES]
    witnesses = {"trees": trees[rows]}
    if points.shape[1]:
        among = np.arange(0, len(labels), 1 + len(labels) * points.shape[1] // _MOST_CELLS)
        witnesses["neighbours"] = votes(points, labels, classes, rows, among) / NEIGHBOURS
    if ask_network:
        witnesses["network"] = ask_network(rows)
    chances = np.mean(list(witnesses.values()), axis=0)
    score = (1 - np.mean([margins(one, labels[rows]) for one in witnesses.values()], axis=0)) / 2
    order = np.argsort(-score, kind="stable")
    chances[np.arange(len(rows)), labels[rows]] = -1
    return Ranking(
        rows[order],
        score[order],
        chances.argmax(axis=1)[order],
        flagged[rows][order],
        int(flagged.sum()),
        skill,
        {name: one[order] for name, one in witnesses.items()},
    )


def out_of_fold(columns: Columns, labels: Array, classes: int, folds: Array, seed: int) -> Array:
    """Return (rows, classes) probabilities, of each row by trees that have not seen its fold."""
    found = np.zeros((len(labels), classes))
    for fold in range(FOLDS):
        progress.info("trees without part %d of %d", fold + 1, FOLDS)
        held, others = (np.flatnonzero(which) for which in (folds % FOLDS == fold, folds % FOLDS != fold))
        if not len(held):
            continue
        stops = np.zeros(len(others), bool)
        stops[::_STOP] = True
        trees = choose_trees(classes, columns, labels, others[~stops], others[stops], seed)
        answers = trees.predict(columns, held)
        found[held] = np.stack([1 - answers, answers], axis=1) if classes == 2 else answers
    return found


def is_error(chances: Array, labels: Array) -> npt.NDArray[np.bool_]:
    """Return of which rows confident learning calls the label an error: those off the diagonal of the confident joint.

    A row counts for the class j whose probability is the greatest of those that reach the class's threshold (equation
    1 of the paper); the threshold is the mean probability of j among the rows with the label j (equation 2).

    Args:
        chances: (rows, classes) probabilities out of fold; labels: (rows,).
    """
    classes = chances.shape[1]
    thresholds = [chances[labels == one, one].mean() if (labels == one).any() else np.inf for one in range(classes)]
    reached = np.where(chances >= np.array(thresholds), chances, -1.0)
    found: npt.NDArray[np.bool_] = (reached.max(axis=1) >= 0) & (reached.argmax(axis=1) != labels)
    return found


def margins(chances: Array, labels: Array) -> Array:
    """Return (rows,) from -1 to 1: the probability of the label less that of the likeliest other class."""
    every = np.arange(len(labels))
    others = chances.copy()
    others[every, labels] = -np.inf
    found: Array = chances[every, labels] - others.max(axis=1)
    return found
