"""`longhaul suspects`: labels worth a second look."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import LOOK, ConfigOption, JsonOption, OutputOption, RunArgument, WorkspaceOption

app = typer.Typer()


@app.command(
    rich_help_panel=LOOK,
    epilog="Examples: [bold]longhaul suspects[/] · [bold]longhaul suspects latest --key id -o label_decisions.csv[/]",
)
def suspects(
    run_id: RunArgument = "latest",
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="COLUMN",
            help="A column that tells rows apart, may be repeated; all but the label when not given.",
            show_default=False,
        ),
    ] = None,
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, max=2000, help="As many rows at most.")] = 200,
    output: OutputOption = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank training rows whose label looks wrong, and write a page and a file to decide on them row by row.

    The next run applies the decisions when data.label_decisions names the file.
    """
    from pipeline.commands.suspects import find_suspects
    from pipeline.config.loading import load
    from pipeline.files import check_output
    from pipeline.lineage.runs import find_run
    from pipeline.lineage.store import open_existing_store
    from pipeline.terminal.suspects import print_suspects

    check_output(output)
    settings = load(config, workspace=workspace)
    run = find_run(open_existing_store(settings), settings.record_name, run_id)
    found = find_suspects(settings, run, key or (), rows, output, quiet=as_json)
    print_suspects(found.to_json(), as_json, is_applied=str(settings.label_decisions_file) == found.file)
