"""A skeleton of code of the user's beside a first configuration: a network, a check of the data, a test of both."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from jinja2 import Environment, PackageLoader
from rich.markup import escape

from pipeline.contract.schema_text import replacing
from pipeline.errors import ConfigError
from pipeline.terminal.console import console_for

_FILES = ("my_code.py", "test_my_code.py", "README.md")
_OF_ANOTHER_NETWORK = re.compile(r"^  (hidden_units|members|dropout): .*\n", re.MULTILINE)


def check_room(folder: Path) -> None:
    """See that the skeleton overwrites nothing.

    Raises:
        ConfigError: one of its files is there.
    """
    if there := [name for name in _FILES if (folder / name).exists()]:
        raise ConfigError(
            f"--with-code: {folder / there[0]} is there already",
            "move it away, or leave --with-code out: docs/extend tells which lines name code of yours",
        )


def write_first_code(config: Path, *, quiet: bool) -> None:
    """Write the skeleton beside a configuration that `init` wrote, and name its functions there.

    Args:
        quiet: say nothing.
    """
    text = config.read_text(encoding="utf-8")
    text = _OF_ANOTHER_NETWORK.sub("", text)
    text = re.sub(r"^trainer:", r"\g<0>\n  build_model: my_code.py:build_model", text, count=1, flags=re.MULTILINE)
    text = re.sub(r"^schema:\n", "schema:\n  checks: [my_code.py:check]\n", text, count=1, flags=re.MULTILINE)
    environment = Environment(loader=PackageLoader("pipeline.commands", "templates/code"), keep_trailing_newline=True)
    for name in _FILES:
        config.with_name(name).write_text(environment.get_template(f"{name}.j2").render(config=config.name))
    with replacing(config, text, "init --with-code"):
        pass
    if not quiet:
        console = console_for(sys.stdout)
        console.print(f"Code      {', '.join(map(escape, _FILES))}: a network and a check of the data to write on")
        console.print("Test      python -m pytest test_my_code.py")
