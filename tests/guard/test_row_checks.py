"""Checks of the rows themselves: what they find, what they let pass, and what they remember."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.data.split import hash_rows
from pipeline.guard.findings import Finding
from pipeline.guard.policy import Policy
from pipeline.guard.row_checks import ClassLeak, DuplicateRows, LabelNoise, NumberLeak, RowCheck
from tests.guard.conftest import batch

RANDOM = np.random.default_rng(7)


def look(check: RowCheck, *tables: dict[str, list[Any]], split: str = "train") -> list[Finding]:
    for table in tables:
        check.add(split, batch(**table))
    return check.findings()


def test_rows_that_are_there_twice() -> None:
    first, second = {"a": [1, 2, 3], "b": ["x", None, "z"]}, {"a": [2, 2, 4], "b": [None, "y", "z"]}
    (finding,) = look(DuplicateRows(0.1), first, second)
    assert finding.share == pytest.approx(1 / 6)
    assert finding.found == "16.7%; one row is there 2 times"
    assert finding.offends
    assert finding.offends(batch(**second)).to_pylist() == [True, False, False]
    assert look(DuplicateRows(0.2), first, second) == []
    assert look(DuplicateRows(0.2)) == []


def test_memory_for_duplicates_is_bounded_and_the_share_an_estimate() -> None:
    table = {"a": [i // 2 for i in range(40_000)]}
    check = DuplicateRows(0.1, max_hashes=4_000)
    (finding,) = look(check, table, {"a": list(range(50_000, 70_000))})
    assert check._kept <= 4_000
    assert finding.share == pytest.approx(1 / 3, abs=0.05)


LABEL = [0, 1, 1, 0, 0, 1, 0, 0] * 20


@pytest.mark.parametrize(
    "leak",
    [
        LABEL,
        [float(1 - y) for y in LABEL],
        ["late" if y else "on time" for y in LABEL],
        ["refund" if y else None for y in LABEL],
    ],
    ids=["equal", "turned round", "in words", "only there if so"],
)
def test_a_feature_that_is_the_label_in_other_words(leak: list[Any]) -> None:
    table = {"y": LABEL, "x": leak, "n": list(range(160)), "c": ["k"] * 160, "half": [0, 1] * 80}
    (finding,) = look(ClassLeak(0.98, "y"), table, table)
    assert (finding.kind, finding.feature, finding.share) == ("label_leak", "x", 1.0)
    assert look(ClassLeak(0.98, "y"), table, split="eval") == []


def test_how_sure_a_leak_must_be() -> None:
    nearly = ["a" if y else "b" for y in LABEL]
    nearly[0], nearly[1] = nearly[1], nearly[0]
    assert look(ClassLeak(0.98, "y"), {"y": LABEL, "x": nearly}) == []
    (finding,) = look(ClassLeak(0.95, "y"), {"y": LABEL, "x": nearly})
    assert finding.share == pytest.approx(158 / 160)
    # Where one class is nearly all there is, whatever is constant is nearly always right, and tells nothing.
    rare = [1] + [0] * 999
    assert look(ClassLeak(0.98, "y"), {"y": rare, "x": ["k"] * 1000}) == []


def test_a_straight_line_away_from_a_number() -> None:
    miles = [float(v) for v in RANDOM.uniform(1e6, 1e6 + 100, 500)]
    other = [float(v) for v in RANDOM.uniform(0, 1, 500)]
    table: dict[str, list[Any]] = {"y": miles, "km": [1.6 * v + 4 for v in miles], "x": other, "t": ["a"] * 500}
    (finding,) = look(NumberLeak(0.98, "y"), table, table)
    assert (finding.feature, finding.found) == ("km", "that it alone explains the label's variance")
    assert finding.share == pytest.approx(1.0, abs=1e-2)


def noisy(share: float, rows: int = 400) -> tuple[dict[str, list[Any]], set[int]]:
    """Two clouds and a category; a share of the labels is turned round. The table, and which rows those are."""
    label = RANDOM.integers(0, 2, rows)
    wrong = set(RANDOM.choice(rows, int(share * rows), replace=False).tolist())
    x, y = RANDOM.normal(4 * label, 1), RANDOM.normal(-4 * label, 1)
    told = [int(1 - v if i in wrong else v) for i, v in enumerate(label)]
    return {"x": x.tolist(), "y": y.tolist(), "c": [f"k{v}" for v in label], "label": told}, wrong


def test_labels_that_their_neighbours_contradict() -> None:
    table, wrong = noisy(0.15)
    (finding,) = look(LabelNoise(Policy(), "label", "binary"), table)
    assert (finding.kind, finding.feature) == ("label_noise", "label")
    assert finding.share == pytest.approx(0.15, abs=0.03)
    assert finding.offends
    shown = set(np.flatnonzero(finding.offends(batch(**table)).to_numpy(zero_copy_only=False)).tolist())
    assert len(shown & wrong) > 0.8 * len(wrong)
    assert len(shown - wrong) < 0.1 * len(wrong)
    assert len(set(hash_rows(batch(**table)).tolist())) == 400


def test_no_noise_is_told_of_where_there_is_none_or_nobody_could_tell() -> None:
    clean, _ = noisy(0.02)
    assert look(LabelNoise(Policy(), "label", "binary"), clean) == []
    by_chance = clean | {"label": RANDOM.integers(0, 2, 400).tolist()}
    assert look(LabelNoise(Policy(), "label", "binary"), by_chance) == []
    table, _ = noisy(0.15)
    assert look(LabelNoise(Policy(label_noise_rows=399), "label", "binary"), table) == []
    assert look(LabelNoise(Policy(), "label", "regression"), table) == []
    few = {name: values[:20] for name, values in table.items()}
    assert look(LabelNoise(Policy(), "label", "binary"), few) == []
