"""The different texts of a column and how often each comes, and what part of a column fits a kind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

NEARLY_ALL = 0.99
"""A kind is taken for a column's when so many of its values are of it."""
WORTH_SAYING = 0.9
"""From this share on a person would want to know what the others are."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Counted:
    """Different texts, without blanks around them, shape (texts,), and the times that each comes."""

    texts: pa.Array
    times: npt.NDArray[np.int64]

    @cached_property
    def total(self) -> int:
        """How many values there are."""
        return int(self.times.sum())

    def share(self, fits: Mask) -> float:
        """Return what part of the values fits, when `fits` says which texts do."""
        return float(self.times[fits].sum()) / self.total if self.total else 0.0

    def matches(self, pattern: str) -> Mask:
        """Return which texts hold a regular expression of RE2's dialect."""
        return as_mask(pc.match_substring_regex(self.texts, pattern=pattern))

    def where(self, kept: Mask) -> Counted:
        """Return those texts only."""
        return Counted(self.texts.filter(pa.array(kept)), self.times[kept])

    def some(self, limit: int) -> list[str]:
        """Return some of the texts, from all over the column."""
        step = max(1, len(self.texts) // limit)
        return [str(text) for text in self.texts.take(pa.array(range(0, len(self.texts), step)))[:limit].to_pylist()]


@dataclass(frozen=True)
class Fit:
    """How a column would be read, and which of its texts that fits.

    Attributes:
        said: what a person should know of it; "" if nothing.
        is_plain: whether those that fit are read so without any settings.
    """

    settings: dict[str, object]
    fits: Mask
    said: str = ""
    is_plain: bool = False


@dataclass(frozen=True)
class Doubt:
    """Why a column that looks like a kind is not taken for it.

    Attributes:
        choices: the settings between which a person may choose.
    """

    said: str
    choices: tuple[Mapping[str, str], ...] = ()


def as_mask(flags: pa.Array) -> Mask:
    """Return flags as numpy has them; null is no."""
    return np.asarray(pc.fill_null(flags, False).to_numpy(zero_copy_only=False), bool)


def alike(texts: Sequence[str]) -> str:
    """Return a sentence about texts that differ by case or blanks only; "" where there are none."""
    by_folded: dict[str, list[str]] = {}
    for text in texts:
        by_folded.setdefault(" ".join(text.casefold().split()), []).append(text)
    same = next((sorted(group) for group in by_folded.values() if len(group) > 1), None)
    if same is None:
        return ""
    listed = " and ".join(map(repr, same[:3]))
    blanks = len({text.casefold() for text in same}) > 1
    return f"{listed} differ by case or blanks only" + (
        "; `--format strip=true` takes the blanks off" if blanks else ""
    )


def words_of(name: str) -> set[str]:
    """Return the words of a column's name in small letters: of `OrderDate` and `order_date` the same."""
    return set(name_words(name))


def name_words(name: str) -> list[str]:
    """Return the same words in their order."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[\W_\d]+", spaced.lower()) if word]
