"""What stands above the names of a table: titles, and groups that span several columns.

Below groups the same names stand again and again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

_AGAIN = 1 / 3
_MOST_TITLES = 20


def grouped(above: Sequence[str], names: Sequence[str]) -> list[str] | None:
    """Return names with the groups that stand above them, `2019 Sales`; None where what stands above are no groups.

    They are where some span several columns, and many of the names below these stand below two groups. Behind the last
    such name a column is of no group, and a group of one column that is named like others of one column goes by its own
    name.
    """
    if len(above) != len(names):
        return None
    own, names = [cell.strip() for cell in above], [name.strip() for name in names]
    groups: list[str] = []
    for cell in own:
        groups.append(cell or (groups[-1] if groups else ""))
    widths = Counter(groups)
    below = Counter(name for name, group in {*zip(names, groups, strict=True)} if name and group)
    wide = [name for name, group in zip(names, groups, strict=True) if group and widths[group] > 1]
    if not wide or sum(below[name] > 1 for name in wide) < len(wide) * _AGAIN:
        return None
    last = max(place for place, name in enumerate(names) if below[name] > 1)
    single = Counter(name for name, group in zip(names, groups, strict=True) if widths[group] == 1)
    joined = []
    for place, name in enumerate(names):
        group = groups[place] if place <= last else own[place]
        if group and widths[group] == 1 and single[name] > 1:
            name = ""
        joined.append(group if name in ("", group) else f"{group} {name}".strip())
    return joined


def titles(records: Sequence[Sequence[str]]) -> int:
    """Return how many of the first records are titles and notes: each fills few cells, and below them are the names."""
    end = next((place for place, record in enumerate(records[:_MOST_TITLES]) if not _is_sparse(record)), 0)
    return end if end < len(records) and all(_is_title(record, records[end]) for record in records[:end]) else 0


def _is_title(record: Sequence[str], below: Sequence[str]) -> bool:
    """Return whether a record is a title: it fills few cells, and the one below names the columns.

    A question of a survey has its name once and its answers below it, the same word in several columns.
    """
    filled, names = ([field for field in fields if field.strip()] for fields in (record, below))
    asks = bool(record[0].strip()) and len(filled) > 2 and len(set(names)) < len(names)
    return _is_sparse(record) and not _is_sparse(below) and not asks


def _is_sparse(record: Sequence[str]) -> bool:
    return len(record) > 2 and sum(bool(field.strip()) for field in record) * 2 < len(record)
