"""What stands above the names of a table: titles, and groups that span several columns; and units below them.

Below groups the same names stand again and again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from pipeline.data.sources.guess_layout import MISSING, has_header, is_number
from pipeline.data.values.words import ELSE_MISSING, SURELY_MISSING, UNITS

_AGAIN = 1 / 3
_MOST_TITLES = 20
_DIGIT = re.compile(r"\d")
_NOT_KNOWN = MISSING | {word.lower() for word in (*SURELY_MISSING, *ELSE_MISSING)} - {"x", "*", "**", "_"}


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


def has_groups(records: Sequence[Sequence[str]]) -> bool:
    """Return whether the first record holds groups of columns, and the second their names.

    Names that come twice, over rows of words or over units, are no groups.
    """
    if len(records) < 3 or any(map(is_number, records[1])) or grouped(*records[:2]) is None:
        return False
    upper, lower = ([cell.strip() for cell in record] for record in records[:2])
    are_names = all(upper) and not any(map(is_number, upper)) and not any(map(str.__eq__, upper, lower))
    wide = [place for place, name in enumerate(upper) if upper.count(name) > 1]
    are_alike = len({(upper[place], lower[place]) for place in wide}) < len(wide)
    if all(upper) and are_alike and has_units(records[1], records[2:]):
        return False
    if are_names and not any(_holds(records[2:], place, is_number) for place in wide):
        return False
    return has_header(records[1], records[2:])


def are_names_below(records: Sequence[Sequence[str]]) -> bool:
    """Return whether the first record holds groups that span columns, and the second the names, each another one.

    The first leaves half of its cells blank or more, as one blank name does not. The second fills every cell, also
    below blank ones, with words, and figures stand below one of these.
    """
    if len(records) < 3 or len(records[0]) != len(records[1]) or not all(records[0][:1]):
        return False
    names, rows = [name.strip() for name in records[1]], records[2:]
    filled = sum(bool(cell.strip()) for cell in records[0])
    if 2 * filled > len(names) or len({*names}) < len(names) or any(name.lower() in MISSING for name in names):
        return False
    worded = [place for place, name in enumerate(names) if not _DIGIT.search(name)]
    return not any(map(is_number, names)) and any(_holds(rows, place, _DIGIT.search) for place in worded)


def titles(records: Sequence[Sequence[str]]) -> int:
    """Return how many of the first records are titles and notes: each fills few cells, and below them are the names.

    Several such may be rows. They are titles where they fill one and the same cell, without a number, and where what is
    below them surely names the columns: no cell of it is a number, and figures stand below one.
    """
    end = next((place for place, record in enumerate(records[:_MOST_TITLES]) if not _is_sparse(record)), 0)
    if end == len(records) or not all(_is_title(record, records[end]) for record in records[:end]):
        return 0
    names, below = records[end], records[end + 1 :]
    if all(is_number(cell) for record in records[: end + 1] for cell in record if cell.strip()):
        return 0
    if end > 1:
        filled = [(place, cell) for record in records[:end] for place, cell in enumerate(record) if cell.strip()]
        if len({place for place, _ in filled}) > 1 or any(is_number(cell) for _, cell in [*filled, *enumerate(names)]):
            return 0
        if not any(_holds(below, place, _DIGIT.search) for place in range(len(names))):
            return 0
    return end if has_header(names, below) else 0


def _holds(rows: Sequence[Sequence[str]], place: int, kind: Callable[[str], object]) -> bool:
    """Return whether most values of a column are of a kind."""
    values = [row[place] for row in rows if len(row) > place and row[place].strip()]
    return 2 * sum(bool(kind(value)) for value in values) > len(values)


def _is_title(record: Sequence[str], below: Sequence[str]) -> bool:
    """Return whether a record is a title: it fills few cells, and the one below names the columns.

    A question of a survey has its name once and its answers below it, the same word in several columns.
    """
    filled, names = ([field for field in fields if field.strip()] for fields in (record, below))
    asks = bool(record[0].strip()) and len(filled) > 2 and len(set(names)) < len(names)
    return _is_sparse(record) and not _is_sparse(below) and not asks


def _is_sparse(record: Sequence[str]) -> bool:
    return len(record) > 2 and sum(bool(field.strip()) for field in record) * 2 < len(record)


def has_units(second: Sequence[str], rows: Sequence[Sequence[str]], names: Sequence[str] = ()) -> bool:
    """Return whether the record below the header holds units: no number where all below it are.

    A row holds values that come again in other rows, or words for what was not measured. So do the answers below the
    question of a survey, but of these names leave some blank, and lines in which units stand that are known.

    Args:
        names: of the columns.
    """
    asks = any(not name.strip() and cell.strip() for name, cell in zip(names, second, strict=False))
    numeric = known = units = again = 0
    for place, unit in enumerate(second):
        values = [row[place] for row in rows if len(row) > place and row[place].strip().lower() not in MISSING]
        again += unit in values
        if len(values) < 2 or sum(map(is_number, values)) < 0.95 * len(values):
            continue
        if is_number(unit):
            return False
        numeric += 1
        known += unit.strip().lower() not in _NOT_KNOWN
        units += unit.strip(" ()[]") in UNITS
    if again and not (asks or units):
        return False
    return numeric > 0 and known >= (1 if asks else max(1, numeric / 2))
