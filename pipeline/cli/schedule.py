"""`longhaul schedule`: runs on Vertex AI Pipelines by the clock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import ConfigOption, JsonOption, WorkspaceOption

app = typer.Typer(name="schedule", help="Run on Vertex AI Pipelines by the clock.", no_args_is_help=True)


ScheduleArgument = Annotated[str, typer.Argument(metavar="SCHEDULE", help="As `longhaul schedule list` names it.")]


@app.command("create", epilog="Example: [bold]longhaul schedule create --cron '0 3 * * 1'[/]")
def schedule_create(
    cron: Annotated[
        str, typer.Option("--cron", help="Minute, hour, day, month, weekday; 'TZ=Asia/Tokyo …' for a zone.")
    ],
    at_most: Annotated[
        int | None, typer.Option("--runs", min=1, help="So many times; for ever when not given.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Have the pipeline, as it is now, run again and again."""
    from pipeline.commands.schedules import create_schedule
    from pipeline.config.loading import load

    create_schedule(load(config, workspace=workspace), cron, at_most)


@app.command("list")
def schedule_list(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the schedules of the pipeline: when they run next, how often they have."""
    from pipeline.commands.schedules import print_schedules
    from pipeline.config.loading import load

    print_schedules(load(config, workspace=workspace), as_json)


@app.command("pause")
def schedule_pause(schedule: ScheduleArgument, config: ConfigOption = None, workspace: WorkspaceOption = None) -> None:
    """Begin no further runs until it is resumed."""
    _change_schedule("pause", schedule, config, workspace)


@app.command("resume")
def schedule_resume(schedule: ScheduleArgument, config: ConfigOption = None, workspace: WorkspaceOption = None) -> None:
    """Go on with a paused schedule; runs that were missed are not made up for."""
    _change_schedule("resume", schedule, config, workspace)


@app.command("delete")
def schedule_delete(schedule: ScheduleArgument, config: ConfigOption = None, workspace: WorkspaceOption = None) -> None:
    """End a schedule; runs at work go on."""
    _change_schedule("delete", schedule, config, workspace)


def _change_schedule(what: str, schedule: str, config: Path | None, workspace: str | None) -> None:
    from pipeline.commands.schedules import change_schedule
    from pipeline.config.loading import load

    change_schedule(load(config, workspace=workspace), what, schedule)
