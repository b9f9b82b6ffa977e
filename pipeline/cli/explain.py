"""`longhaul help`: what stands in no command's own `--help`, and that, too."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from pipeline.cli.options import LOOK, JsonOption
from pipeline.errors import EXIT_CODES

app = typer.Typer()
_TOPIC = "exit-codes"


@app.command(
    "help",
    rich_help_panel=LOOK,
    epilog="Examples: [bold]longhaul help exit-codes[/] · [bold]longhaul help schema approve[/]",
)
def help_(
    context: typer.Context,
    topic: Annotated[
        list[str] | None,
        typer.Argument(metavar="TOPIC", help="`exit-codes`, or a command.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Explain the exit codes, or a command."""
    if topic == [_TOPIC]:
        _print_exit_codes(as_json)
        return
    command: Any = context.parent and context.parent.command
    above = context.parent
    for word in topic or ():
        found = command.get_command(above, word) if hasattr(command, "get_command") else None
        if found is None:
            raise typer.BadParameter(f"{' '.join(topic or ())!r} is no command and no topic ({_TOPIC})")
        command, above = found, type(context)(found, info_name=word, parent=above)
    typer.echo(command.get_help(above))


def _print_exit_codes(as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([code._asdict() for code in EXIT_CODES], indent=1))
        return
    then = max(len(code.then) for code in EXIT_CODES)
    typer.echo(f"code  {'then':<{then}}  means")
    for code in EXIT_CODES:
        typer.echo(f"{code.code:>4}  {code.then:<{then}}  {code.means}")
