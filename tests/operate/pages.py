"""What stands in the pages of docs/operate: files to write and commands to call."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "operate"
PAGES = sorted(FOLDER.glob("*.md"))
TUTORIAL = FOLDER.parent / "tutorial.md"
OTHERS = [
    FOLDER.parents[1] / "README.md",
    *sorted({*FOLDER.parent.glob("*.md")} - {TUTORIAL}),
    *sorted(FOLDER.parents[1].glob("examples/**/*.md")),
]
"""Pages that name commands, also without all that they need."""
_OF_ONE_CASE = ("--note", "--by", "--reviewer", "--span", "--reason")
"""Options whose values are another one's each time."""


def blocks(page: str) -> list[tuple[str, str, str]]:
    """(language, file or "", text) of the fenced blocks of a page."""
    return re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", (FOLDER / page).read_text(), re.DOTALL | re.MULTILINE)


def file_of(page: str, name: str) -> str:
    """The text of the file that a page says to write."""
    (text,) = [text for _, file, text in blocks(page) if file == name]
    return text


def script(page: str, name: str, folder: Path) -> Path:
    """A script of a page, to be called."""
    file = folder / Path(name).name
    file.write_text(file_of(page, name))
    file.chmod(0o755)
    return file


def commands(page: Path) -> list[str]:
    """What a page calls of longhaul: in blocks, in `code`, in crontabs and units; without the program's name."""
    text = page.read_text().replace("\\\n", " ")
    lines = [line for _, _, block in blocks(str(page)) for line in block.splitlines() if not line.startswith("#")]
    lines += re.findall(r"^    (longhaul .*)$", text, re.MULTILINE) + re.findall(r"`(longhaul [^`]+)`", text)
    lines = [re.sub(r"\s#.*", "", line) for line in lines]
    called = [re.search(r"(?:^|[\s/(])longhaul(?:-job)? ([a-z][a-z-]* ?[^;|&>]*)", line) for line in lines]
    return sorted({found[1].replace("…", "").strip() for found in called if found and "$" not in found[1]})


def recipe(command: str) -> tuple[str, ...]:
    """A command without what is another one's each time: by this a page and whoever follows it are compared."""
    words = shlex.split(command)
    kept = [word for place, word in enumerate(words) if not place or words[place - 1] not in _OF_ONE_CASE]
    return tuple("URL" if "://" in word else word for word in kept)
