"""`longhaul watch` and `longhaul labels`: what became of a model that serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import (
    SERVE,
    ConfigOption,
    JsonOption,
    QuietOption,
    Waiting,
    WaitOption,
    WorkspaceOption,
    in_line,
)
from pipeline.cli.repeating import again_and_again
from pipeline.errors import EXIT_GATE
from pipeline.observe.standard_streams import for_standard_output
from pipeline.workspace.lock import BRIEFLY

app = typer.Typer()


@app.command(
    cls=Waiting,
    rich_help_panel=SERVE,
    epilog="Examples: [bold]longhaul watch --once[/] · [bold]longhaul watch --every 1h[/] · "
    "[bold]longhaul watch --silence harmful:1795253362 --for 2d --reason 'known holiday'[/]",
)
def watch(
    once: Annotated[bool, typer.Option("--once", help="Look once and end: for cron.")] = False,
    every: Annotated[str, typer.Option("--every", metavar="TIME", help="Without --once: how often to look.")] = "1h",
    everything: Annotated[bool, typer.Option("--all", help="Print all windows.")] = False,
    silence: Annotated[
        str | None,
        typer.Option(
            "--silence", metavar="ALARM", help="Have nobody told of an alarm, by its key.", show_default=False
        ),
    ] = None,
    duration: Annotated[str, typer.Option("--for", metavar="TIME", help="With --silence: for how long.")] = "1d",
    reason: Annotated[str, typer.Option("--reason", help="With --silence: why.")] = "",
    wait: WaitOption = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Judge the requests of a served model, window by window: valid, harmful, what moved; tell people of alarms.

    The exit code of --once is 1 while an alarm is open that calls a person.
    """
    from pipeline.commands.watch import silence as be_silent
    from pipeline.commands.watch import watch_once
    from pipeline.config.loading import load
    from pipeline.terminal.watched import print_watched

    settings = load(config, workspace=workspace)
    if silence is not None:
        done = be_silent(settings.watch_folder, silence, duration, reason, in_line(wait, BRIEFLY))
        typer.echo(for_standard_output(f"{done.key} is silent until {done.silenced_until}"))
        return
    waits = in_line(wait)
    if once:
        seen = watch_once(settings, wait=waits)
        print_watched(seen, as_json, everything, settings.watch.window)
        raise typer.Exit(EXIT_GATE if seen.calls else 0)

    def look() -> None:
        print_watched(watch_once(settings, wait=waits), as_json, everything, settings.watch.window)

    again_and_again(every, look)


@app.command(rich_help_panel=SERVE, epilog="Example: [bold]longhaul labels outcomes.csv[/]")
def labels(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Parquet or CSV: keys and labels.")],
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Hand in labels that came late, or corrected ones; `longhaul watch` judges the windows that they touch anew."""
    from pipeline.commands.watch import add_labels
    from pipeline.config.loading import load

    settings = load(config, workspace=workspace)
    for file in files:
        typer.echo(
            for_standard_output(
                f"kept as {add_labels(settings.watch_folder, settings.watch.keys, settings.data.label, file)}"
            )
        )
