"""Names in two rows: groups that span several columns, and below them what stands again in each group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def grouped(above: Sequence[str], names: Sequence[str]) -> list[str] | None:
    """Return names with the groups that stand above them, `2019 Sales`; None where what stands above are no groups.

    They are where one spans several columns and a name stands below two of them. Behind the last such name a column is
    of no group, and a group of one column that is named like others of one column goes by its own name.
    """
    if len(above) != len(names):
        return None
    own, names = [cell.strip() for cell in above], [name.strip() for name in names]
    groups: list[str] = []
    for cell in own:
        groups.append(cell or (groups[-1] if groups else ""))
    widths = Counter(groups)
    below = Counter(name for name, group in {*zip(names, groups, strict=True)} if name and group)
    if max((times for group, times in widths.items() if group), default=0) < 2 or max(below.values(), default=0) < 2:
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
