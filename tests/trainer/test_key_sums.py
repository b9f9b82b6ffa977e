"""What training rows are shown of their keys, told by sums: the same quantiles as row by row."""

from __future__ import annotations

import base64
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer import key_sums, statistics_file
from trainer.folds import FOLDS, NO_FOLD

WANTED = (("count_by", 0.0), ("mean_by", 2.0), ("rate_by", 20.0))
BUCKETS = 50


def summed(batches: list[Any]) -> tuple[Any, Any]:
    """Add up as Beam does: of each key, and of all."""
    of_keys: dict[Any, list[Any]] = defaultdict(list)
    for batch in batches:
        for key, sums in key_sums._count(batch):
            of_keys[key].append(sums)
    added = {key: key_sums._add(sums) for key, sums in of_keys.items()}
    totals: dict[Any, list[Any]] = defaultdict(list)
    by_text: dict[Any, list[Any]] = defaultdict(list)
    for (place, fold, text), sums in added.items():
        totals[place, fold].append(sums)
        by_text[place, text].append((fold, sums))
    learnt: dict[int, list[Any]] = defaultdict(list)
    for key, folds in by_text.items():
        place, found = key_sums._of_key(key, folds)
        learnt[place].append(found)
    kept = {place: sorted(found, reverse=True)[: statistics_file.MOST_KEYS] for place, found in learnt.items()}
    return list(kept.items()), {key: key_sums._add(sums) for key, sums in totals.items()}


def test_quantiles_are_those_of_what_the_file_shows_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With keys that are missing, rows without a value, and more keys than the file holds."""
    monkeypatch.setattr(statistics_file, "MOST_KEYS", 30)
    random = np.random.default_rng(3)
    rows = 3000
    keys = np.array([[b"%d" % key] * 3 for key in random.zipf(1.3, rows) % 200], object)
    present = (random.random((rows, 3)) < 0.9).astype(np.int64)
    values = np.stack([np.zeros(rows), random.normal(size=rows), random.integers(0, 2, rows)], axis=1)
    values[:, 1] = np.where(random.random(rows) < 0.4, np.nan, values[:, 1])
    folds = random.integers(0, FOLDS, (rows, 1))
    batch = keys, present, values, folds
    learnt, totals = summed([[part[:1000] for part in batch], [part[1000:] for part in batch]])
    found = key_sums._quantiles(learnt, totals, WANTED, "", buckets=BUCKETS)

    file = Path(str(key_sums._write(learnt, totals, WANTED, str(tmp_path))))
    split = [line.split("\t") for line in file.read_text().splitlines()]
    table = {begins + base64.urlsafe_b64decode(f"{key}==").decode(): float(value) for begins, key, value, *_ in split}
    for place, (function, _) in enumerate(WANTED):
        shown = []
        for row in np.flatnonzero(present[:, place]):
            begins = f"{place} {NO_FOLD if function == 'count_by' else folds[row, 0]}"
            shown.append(table.get(f"{begins}={keys[row, place].decode()}", table[begins]))
        wanted = np.sort(np.float32(shown))[np.ceil(len(shown) * np.arange(1, BUCKETS) / BUCKETS).astype(int) - 1]
        assert np.array_equal(found[place], wanted), function


def test_quantiles_of_no_row_are_nan() -> None:
    assert np.isnan(key_sums._quantiles([], {}, WANTED, "", buckets=BUCKETS)).all()
