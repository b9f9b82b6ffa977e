"""Commands that run the pipeline, and what is needed before it can."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.options import (
    RUN,
    BeamOption,
    ChangedConfigOption,
    ConfigOption,
    EmulatedOption,
    JsonOption,
    OnOption,
    QuietOption,
    RunArgument,
    TableArgument,
    Waiting,
    WaitOption,
    WorkspaceOption,
    in_line,
    noted,
)
from pipeline.errors import EXIT_GATE, ConfigError

app = typer.Typer()


@app.command(
    cls=Waiting,
    rich_help_panel=RUN,
    epilog="Examples: [bold]longhaul run[/] · [bold]longhaul run -c wine.yaml --from Trainer[/]",
)
def run(
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    from_node: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="First step to run; earlier ones are taken from the latest run.",
            show_default=False,
        ),
    ] = None,
    to_node: Annotated[str | None, typer.Option("--to", help="Last step to run.", show_default=False)] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Run every step, even those whose inputs are unchanged.")
    ] = False,
    wait: WaitOption = None,
    wait_for_data: Annotated[
        str | None,
        typer.Option(
            "--wait-for-data",
            metavar="TIME",
            help="Wait so long (90s, 10m, 6h, 2d) for data that are whole, and new since the last run.",
            show_default=False,
        ),
    ] = None,
    hold: Annotated[
        bool,
        typer.Option("--hold", help="Let a blessed model wait for `longhaul approve`, as `longhaul loop` does."),
    ] = False,
    quiet: QuietOption = False,
    on: OnOption = None,
    beam: BeamOption = None,
    emulate: Annotated[
        bool,
        typer.Option(
            "--emulate", help="With --on vertex: run the job on this machine, each step by its command.", callback=noted
        ),
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="With --emulate: fork the steps from one process that has imported TFX.")
    ] = False,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter", metavar="NAME=VALUE", help="With --on vertex: a runtime parameter.", show_default=False
        ),
    ] = None,
) -> None:
    """Run the pipeline: from the table to a blessed, pushed model."""
    from pipeline.beam.arguments import with_runner
    from pipeline.commands.elsewhere import is_on_vertex
    from pipeline.commands.refusals import remembered
    from pipeline.commands.run import run_pipeline
    from pipeline.config.loading import load

    waits = in_line(wait)
    with remembered(config, workspace):
        settings = with_runner(load(config, workspace=workspace), beam)
    if hold:
        settings = settings.held()
    if is_on_vertex(settings, on):
        from pipeline.commands import vertex

        if from_node or to_node or wait_for_data or hold:
            raise ConfigError(
                "--from, --to, --wait-for-data and --hold are for runs on this machine",
                "leave them out: what is unchanged is cached",
            )
        if emulate:
            done = vertex.emulate(settings, use_cache=not no_cache, fast=fast, parameters=parameter or ())
        else:
            done = vertex.submit(settings, use_cache=not no_cache, wait=waits, parameters=parameter or ())
        raise typer.Exit(0 if done else EXIT_GATE)
    if emulate or fast or parameter:
        raise ConfigError("--emulate, --fast and --parameter are about jobs on Vertex AI", "add --on vertex")
    blessed = run_pipeline(
        settings, from_node=from_node, to_node=to_node, use_cache=not no_cache, wait=waits, wait_for_data=wait_for_data
    )
    raise typer.Exit(0 if blessed else EXIT_GATE)


@app.command(rich_help_panel=RUN, epilog="Example: [bold]longhaul plan[/], before a job that runs every week")
def plan(
    on: OnOption = None,
    emulate: EmulatedOption = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the next run would read, train on and be judged by; run nothing."""
    from pipeline.commands.elsewhere import planned_on
    from pipeline.commands.plan import print_plan
    from pipeline.config.loading import load
    from pipeline.errors import EXIT_NOT_YET

    can_begin = print_plan(planned_on(load(config, workspace=workspace), on, emulated=emulate), as_json=as_json)
    raise typer.Exit(0 if can_begin else EXIT_NOT_YET)


@app.command("compile", rich_help_panel=RUN, epilog="Example: [bold]longhaul compile -c wine.yaml --output job.json[/]")
def compile_(
    output: Annotated[Path, typer.Option("--output", "-o", help=".json for Vertex AI, .yaml for Kubeflow Pipelines.")],
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Let no step take an earlier one's outputs.")] = False,
    beam: BeamOption = None,
) -> None:
    """Write the pipeline as a job for Vertex AI Pipelines: offline, without credentials."""
    from pipeline.beam.arguments import with_runner
    from pipeline.commands.vertex import compile_to
    from pipeline.config.loading import load
    from pipeline.files import JSON, check_output

    check_output(output, replaces=(JSON, b"components:"))
    compile_to(with_runner(load(config, workspace=workspace), beam), output, use_cache=not no_cache)


@app.command(
    cls=Waiting,
    rich_help_panel=RUN,
    epilog="Examples: [bold]longhaul resume[/] · [bold]longhaul resume 20261121-092820-934[/]",
)
def resume(
    run_id: RunArgument = "latest",
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    wait: WaitOption = None,
    quiet: QuietOption = False,
    beam: BeamOption = None,
) -> None:
    """Go on with a run that failed or was interrupted: what it finished is reused, unless it is out of date."""
    from pipeline.beam.arguments import with_runner
    from pipeline.commands.run import run_pipeline
    from pipeline.config.loading import load

    blessed = run_pipeline(with_runner(load(config, workspace=workspace), beam), resume=run_id, wait=in_line(wait))
    raise typer.Exit(0 if blessed else EXIT_GATE)


@app.command(
    rich_help_panel=RUN,
    epilog="Examples: [bold]longhaul drop claim_date -c claims.yaml[/] · "
    "[bold]longhaul drop --exclude customer -c claims.yaml[/]",
)
def drop(
    config: ChangedConfigOption,
    columns: Annotated[
        list[str] | None, typer.Argument(metavar="COLUMN...", help="Columns to leave out.", show_default=False)
    ] = None,
    span: Annotated[
        list[str] | None,
        typer.Option(
            "--span",
            metavar="SPAN",
            help="Leave this span out instead (data.spans.except), as 9 or 2025-09; may be repeated.",
            show_default=False,
        ),
    ] = None,
    back: Annotated[bool, typer.Option("--back", help="Use them again: columns or spans.")] = False,
    exclude: Annotated[
        bool, typer.Option("--exclude", help="Keep them in the table, and from the model only (features.exclude).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Leave columns out: from now on nothing reads them or asks for them (data.drop). Or spans with wrong data."""
    if bool(columns) == bool(span) or (exclude and span):
        raise ConfigError(
            "drop takes columns or --span, and --exclude with columns only",
            "for example `longhaul drop claim_date -c claims.yaml` or `longhaul drop --span 2025-09 -c claims.yaml`",
        )
    if span:
        from pipeline.commands.drop_spans import drop_spans, print_dropped_spans

        print_dropped_spans(drop_spans(config, span, back=back), as_json)
        return
    from pipeline.commands.drop import drop_columns, print_dropped

    print_dropped(drop_columns(config, columns or [], exclude=exclude, back=back), as_json)


@app.command(rich_help_panel=RUN, epilog="Example: [bold]longhaul validate new.csv[/]")
def validate(
    table: TableArgument,
    environment: Annotated[
        Literal["TRAINING", "SERVING"] | None,
        typer.Option(
            "--environment",
            help="As what to take it; SERVING when not given and the label's column is not there.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Let warnings stop, too, and whatever the served model was not made for (exit code 1)."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a new table against the schema and the last run's data, without a run."""
    from pipeline.commands.validate import validate_table
    from pipeline.config.loading import load

    passed = validate_table(load(config, workspace=workspace), table, environment, as_json, strict)
    raise typer.Exit(0 if passed else EXIT_GATE)
