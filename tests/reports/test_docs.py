"""The pages of docs/: whoever follows links from the README comes to every one of them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_page_is_reached_from_the_readme() -> None:
    waiting, seen = [ROOT / "README.md"], set[Path]()
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)\s#]+)", page.read_text())
        waiting += [(page.parent / link).resolve() for link in links if "://" not in link]
    unreached = sorted(str(page.relative_to(ROOT)) for page in {*(ROOT / "docs").rglob("*.md")} - seen)
    assert unreached == []
