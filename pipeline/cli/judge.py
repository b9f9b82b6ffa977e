"""`longhaul rejudge`: pushed models on labelled rows, without a run."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import SERVE, ConfigOption, JsonOption, WorkspaceOption
from pipeline.errors import EXIT_GATE

app = typer.Typer()


@app.command(
    rich_help_panel=SERVE,
    epilog="Examples: [bold]longhaul rejudge served --span 12[/] · [bold]longhaul rejudge --all --span 12[/] · "
    "[bold]longhaul rejudge 1795253362 latest --table labelled.csv[/]",
)
def rejudge(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL...",
            help="'served', a pushed version, a run (its id, 'latest' …), a digest, or a SavedModel's folder.",
            show_default=False,
        ),
    ] = None,
    span: Annotated[
        list[str] | None,
        typer.Option("--span", help="Of data.path: a number or a date; may be repeated.", show_default=False),
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", metavar="FILE", help="Other labelled rows.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All pushed versions: a trend on the same rows.")] = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score pushed models on labelled rows, without a run: metrics, intervals, slices, thresholds, on record.

    The exit code is 1 if a model does not hold a threshold; with --all, which shows a history, it is 0.
    """
    from pipeline.commands.rejudge import rejudge as judge
    from pipeline.config.loading import load
    from pipeline.errors import ConfigError
    from pipeline.terminal.rejudged import print_rejudged

    if table and span:
        raise ConfigError("--span and --table both name rows", "give one of the two")
    settings = load(config, workspace=workspace)
    done = judge(settings, models or (), table, span or (), everything=everything, quiet=as_json)
    print_rejudged(done.rows, done.models, done.serving, settings.evaluation.thresholds, done.unrecorded, as_json)
    raise typer.Exit(0 if done.passed or everything else EXIT_GATE)
