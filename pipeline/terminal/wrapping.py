"""Messages on a terminal: lines break between words, never within a command or a path without spaces, so that both
can be copied."""

from __future__ import annotations

import os
import re
import textwrap
from typing import TextIO

_COMMAND = re.compile(r"`[^`\n]*`")
_HELD = "\ue000"
"""In place of a space within a command while lines are broken: for private use, so that no text of a user's has it."""


def for_terminal(text: str, stream: TextIO) -> str:
    """Return a message as it is written to a stream: as it is where that is no terminal."""
    try:
        width = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):  # no size, no file
        return text
    return wrapped(text, width) if width else text


def wrapped(text: str, width: int) -> str:
    """Break lines that are longer than `width`; what is longer without a space stays whole."""
    held = _COMMAND.sub(lambda found: found[0].replace(" ", _HELD), text)
    lines = (_broken(line, width) for line in held.split("\n"))
    return "\n".join(lines).replace(_HELD, " ")


def _broken(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    broken = textwrap.wrap(
        line.strip(),
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(broken)
