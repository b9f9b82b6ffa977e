"""Commands that a text tells a person to copy, with the options which have them mean the same pipeline."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence

_TAKE_NONE = frozenset({"init", "help", "config", "export"})
"""Commands that are about no pipeline of ours; what `longhaul export` wrote comes from another workspace."""
_TAKE_NO_WORKSPACE = frozenset({"drop"})
_ONLY_OF_JOBS = ("--on", "--emulate")
_TAKE_ON = frozenset(
    {"run", "plan", "runs", "show", "lineage", "diff", "explain", "report", "card", "versions", "rollback", "export"}
)
"""Commands that are about jobs on Vertex AI with `--on vertex`."""
_NAMES = {"-c": "--config", "-w": "--workspace"}
_QUOTED = r"'[^']*'|\"[^\"]*\""
_WORD = re.compile(rf"(?:{_QUOTED}|\S)++")
_COMMAND = re.compile(
    rf"`(longhaul [a-z](?:{_QUOTED}|[^`])*+)`|^((?:\w+(?: \w+)?)? {{2,}}longhaul [a-z][a-z-]*(?: .*)?)$", re.MULTILINE
)
"""Between backticks, or all of a line after its label. What is quoted may hold anything: it is a person's; a file that
a person called `longhaul x.zip` is no command."""


def with_options(command: str, options: Sequence[str], escape: Callable[[str], str] = str) -> str:
    """Return a command with those of the options that it takes and does not have, before a `--`.

    Args:
        options: `-c`, `-w`, `--on` and `--emulate`, each followed by its value, the last by "".
        escape: what markup asks of what is added.
    """
    name = command.removeprefix("longhaul ").split(" ", 1)[0]
    words = [*_WORD.finditer(command)]
    end = next((word.start() - 1 for word in words if word[0] == "--"), len(command))
    there = {word[0].partition("=")[0] for word in words if word.start() < end}
    added = [
        f" {option}" + (f" {escape(shlex.quote(value))}" if value else "")
        for option, value in zip(options[::2], options[1::2], strict=True)
        if _takes(name, option) and not {option, _NAMES.get(option, option)} & there
    ]
    return command[:end] + "".join(added) + command[end:]


def _takes(name: str, option: str) -> bool:
    if option in _ONLY_OF_JOBS:
        return name in _TAKE_ON
    return name not in _TAKE_NONE and not (option == "-w" and name in _TAKE_NO_WORKSPACE)


def copied(text: str, options: Sequence[str], escape: Callable[[str], str] = str) -> str:
    """Return a text whose commands have the options; `escape` is what the text's markup asks of them."""
    if not options or "longhaul " not in text:
        return text

    def command(found: re.Match[str]) -> str:
        ticked, line = found.groups()
        if ticked:
            return f"`{with_options(ticked, options, escape)}`"
        label, _, rest = line.partition("longhaul ")
        return f"{label}{with_options(f'longhaul {rest}', options, escape)}"

    return _COMMAND.sub(command, text)


_given: dict[str, str] = {}


def note_given(option: str, value: object | None) -> None:
    """Keep what a person gave for an option, for the commands that are printed until the command has ended: `-c`, `-w`,
    `--on`, or `--emulate`, which is True or False."""
    _given.pop(option, None)
    if value is not None and value is not False:
        _given[option] = "" if value is True else str(value)


def as_given(text: str, escape: Callable[[str], str] = str) -> str:
    """Return a text whose commands have the options that the person gave, as `copied` does."""
    return copied(text, [word for option in sorted(_given) for word in (option, _given[option])], escape)


def forget_given() -> None:
    """Name no pipeline any more: the command has ended."""
    _given.clear()
