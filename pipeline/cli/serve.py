"""Commands about the served model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import (
    SERVE,
    ConfigOption,
    JsonOption,
    QuietOption,
    TableArgument,
    Waiting,
    WaitOption,
    WorkspaceOption,
    in_line,
)
from pipeline.errors import EXIT_GATE
from pipeline.workspace.lock import BRIEFLY

app = typer.Typer()


@app.command(rich_help_panel=SERVE, epilog="Example: [bold]longhaul predict new.csv --output scored.parquet[/]")
def predict(
    table: TableArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file: .parquet or .csv.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="A pushed version or a SavedModel's folder; the last one pushed when not given.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="COLUMN",
            help="Put only this column beside the predictions; may be repeated. All columns when not given.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output if it is there.")] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Write nothing if a value is unknown to the model, out of range, or missing where it must not be.",
        ),
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score a table with the served model: its rows, with the predictions beside them.

    Interrupted, it goes on with the same command after what is finished. The exit code is 1 if the table holds more
    that the model was not made for than `predict` in the YAML file, or --strict, allows.
    """
    from pipeline.commands.predict import predict_table
    from pipeline.config.loading import load

    written = predict_table(
        load(config, workspace=workspace),
        table,
        output,
        model=model,
        keys=key or (),
        force=force,
        strict=strict,
        as_json=as_json,
    )
    raise typer.Exit(0 if written else EXIT_GATE)


@app.command(rich_help_panel=SERVE)
def versions(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the pushed versions of the model, the newest first: which one serves, which were rolled back."""
    from pipeline.commands.rollback import list_versions
    from pipeline.config.loading import load
    from pipeline.terminal.versions import print_versions

    settings = load(config, workspace=workspace)
    print_versions(list_versions(settings), settings.evaluation.thresholds, as_json)


@app.command(
    cls=Waiting,
    rich_help_panel=SERVE,
    epilog='Examples: [bold]longhaul rollback --note "misses late flights"[/] · [bold]longhaul rollback --to 7[/]',
)
def rollback(
    to: Annotated[
        int | None,
        typer.Option(
            "--to",
            metavar="VERSION",
            help="Earlier or later; the model that served before this one when not given.",
            show_default=False,
        ),
    ] = None,
    note: Annotated[str, typer.Option("--note", "--reason", help="Why; kept for others.", show_default=False)] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Also a model that does not accept today's schema; needs a reason.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")] = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    wait: WaitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve an earlier version of the model again, also while a run is at work; runs leave it so."""
    from pipeline.commands.rollback import roll_back
    from pipeline.config.loading import load
    from pipeline.terminal.versions import print_rollback

    settings = load(config, workspace=workspace)
    done = roll_back(settings, to, note, dry_run, force=force, wait=in_line(wait, BRIEFLY))
    print_rollback(done, as_json)
