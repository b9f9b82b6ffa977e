"""`longhaul config`: what may stand in a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="config", help="What may stand in a configuration file.", no_args_is_help=True)


@app.command(
    "schema",
    epilog="Examples: [bold]longhaul config schema[/] · [bold]longhaul config schema --output longhaul.schema.json[/]",
)
def config_schema(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; printed when not given.", show_default=False)
    ] = None,
) -> None:
    """Print the JSON schema of a configuration, by which an editor completes and checks it."""
    from pipeline.config.editor_schema import SCHEMA, write_editor_schema
    from pipeline.files import JSON, check_output

    check_output(output, replaces=(JSON,))
    if output is None:
        typer.echo(SCHEMA.read_text(encoding="utf-8"), nl=False)
    else:
        write_editor_schema(output)
