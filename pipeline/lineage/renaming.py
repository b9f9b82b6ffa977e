"""Paths within texts, under another name: plain, or within JSON, or within JSON in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

_LEVELS = 3
"""So deep JSON may stand within JSON."""
_BEFORE = r"(?<![\w./~-])"
_BEHIND = r"""(?=/|$|["',;:)\]}?\n]|\\+["n]|\s-)"""
"""A folder's name ends there: `/data/ws` is not named in `/data/ws2`, nor in `gs://data/ws`."""


@dataclass(frozen=True)
class Renaming:
    """Replaces folders in texts by others, and with them whatever lies below.

    Attributes:
        folders: what each is called from now on; absolute paths.
    """

    folders: Mapping[str, str]

    @cached_property
    def _names(self) -> dict[str, str]:
        """Return what to call each folder, by each way to write it."""
        changed = {old: new for old, new in self.folders.items() if old != new and old.strip("/")}
        return {_escaped(old, level): new for level in reversed(range(_LEVELS)) for old, new in changed.items()}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self._names, key=len, reverse=True)
        return re.compile(f"{_BEFORE}(?:{'|'.join(map(re.escape, longest_first))}){_BEHIND}")

    def __bool__(self) -> bool:
        return bool(self._names)

    @property
    def spellings(self) -> list[str]:
        """All ways to write the folders that are replaced; a text with none of them stays as it is."""
        return list(self._names)

    def __call__(self, text: str) -> str:
        """Return the text with the new names."""
        if not self._names or not any(name in text for name in self._names):
            return text
        return self._pattern.sub(self._renamed, text)

    def _renamed(self, found: re.Match[str]) -> str:
        new, text, start = self._names[found[0]], found.string, found.start()
        if new.startswith(f"{found[0]}/") and f"{text[start:]}/".startswith(
            f"{new}/"
        ):  # of a move into the folder itself that was begun before
            return found[0]
        if start == 0 or text[start - 1] != '"':
            return new
        quoted = text[: start - 1]
        backslashes = len(quoted) - len(quoted.rstrip("\\"))
        return _escaped(new, backslashes.bit_length() + 1)  # ", \", \\\"


def _escaped(text: str, level: int) -> str:
    for _ in range(level):
        text = json.dumps(text)[1:-1]
    return text


SAME = Renaming({})
"""Replaces nothing."""
