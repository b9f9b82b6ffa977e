"""From a page as GitHub shows it to one that mkdocs builds: a hook of mkdocs.yml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(?<!!)\[([^\[\]]*)\]\(([^)\s:#]+)(#[^)\s]*)?\)")
_ITEM = re.compile(r"(- |\d\. )")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Rewrite what mkdocs would read in another way than GitHub."""
    text = "\n".join(_lines(markdown))
    return _LINK.sub(lambda link: _link(link, Path(page.file.abs_src_path).parent, config.repo_url), text)


def on_post_page(output: str, **_: Any) -> str:
    """Name the box of the search, as readers of screens need it."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def _link(link: re.Match[str], folder: Path, repository: str) -> str:
    """Lead out of docs/ to the repository on the web, or be text where the build is told of none.

    A link to a file that is not there stays as it is, so that the strict build ends with its name.
    """
    target = folder.joinpath(link[2]).resolve()
    if not target.exists() or target.is_relative_to(ROOT / "docs"):
        return link[0]
    name = target.relative_to(ROOT).as_posix()
    if not repository:
        return f"{link[1]} (`{name}`)"
    kind = "tree" if target.is_dir() else "blob"
    return f"[{link[1]}]({repository.rstrip('/')}/{kind}/HEAD/{name}{link[3] or ''})"


def _lines(markdown: str) -> Iterator[str]:
    deeper, fenced, before = 0, False, ""
    for line in markdown.splitlines():
        if line.startswith("```"):
            fenced, deeper = not fenced, 0
            yield re.sub(r"^```(\w+) (\S+)$", r'```\1 title="\2"', line)
        elif fenced:
            yield line
        elif item := _ITEM.match(line):  # what belongs to an item of a list stands four places to the right
            deeper = 4 - len(item[1])
            yield from [""] * before.startswith(" ")  # else the item would go on with the paragraph before it
            yield line
        elif line.startswith("|"):  # a bar between backticks ends no cell
            yield re.sub(r"`[^`]+`", lambda code: code[0].replace(r"\|", "|"), line)
        else:
            deeper = deeper if line.startswith(" ") or not line else 0
            yield " " * deeper * bool(line) + line
        before = line
