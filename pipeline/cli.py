"""The command line: parse, call, print. Whatever is heavy is imported inside the command that needs it."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.errors import EXIT_BUG, EXIT_GATE, EXIT_INPUT, EXIT_INTERRUPTED, PipelineError

app = typer.Typer(
    name="longhaul",
    help="Carries a table to a served, watched, explainable model, and remembers every step.",
    epilog="Exit codes: 0 done; 1 a gate said no; 2 the input is wrong; 70 a bug of ours.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

RUN, LOOK, SERVE, KEEP = "Run", "Look", "Serve", "Keep in order"
"""Groups of commands in `--help`."""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="The pipeline's YAML file; the 2013 flights when not given.",
        show_default=False,
    ),
]
WorkspaceOption = Annotated[
    str | None,
    typer.Option("--workspace", "-w", help="Where everything is written; wins over the file.", show_default=False),
]
WaitOption = Annotated[
    bool,
    typer.Option("--wait", help="Wait for a run that is at work in the workspace; on Vertex AI, for the job's end."),
]
OnOption = Annotated[Literal["local", "vertex"], typer.Option("--on", help="Where the steps run.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        typer.echo(f"longhaul {importlib.metadata.version('longhaul')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


@app.command(
    rich_help_panel=RUN, epilog="Examples: [bold]longhaul run[/] · [bold]longhaul run -c wine.yaml --from Trainer[/]"
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
    wait: WaitOption = False,
    on: OnOption = "local",
    emulate: Annotated[
        bool, typer.Option("--emulate", help="With --on vertex: run the job on this machine, each step by its command.")
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
    from pipeline.config import load
    from pipeline.errors import ConfigError
    from pipeline.run import run_pipeline

    settings = load(config, workspace=workspace)
    if on == "vertex":
        from pipeline import on_vertex

        if from_node or to_node:
            raise ConfigError(
                "--from and --to are for runs on this machine", "leave them out: what is unchanged is cached"
            )
        if emulate:
            done = on_vertex.emulate(settings, use_cache=not no_cache, fast=fast, parameters=parameter or ())
        else:
            done = on_vertex.submit(settings, use_cache=not no_cache, wait=wait, parameters=parameter or ())
        raise typer.Exit(0 if done else EXIT_GATE)
    if emulate or fast or parameter:
        raise ConfigError("--emulate, --fast and --parameter are about jobs on Vertex AI", "add --on vertex")
    blessed = run_pipeline(settings, from_node=from_node, to_node=to_node, use_cache=not no_cache, wait=wait)
    raise typer.Exit(0 if blessed else EXIT_GATE)


@app.command("compile", rich_help_panel=RUN, epilog="Example: [bold]longhaul compile -c wine.yaml --output job.json[/]")
def compile_(
    output: Annotated[Path, typer.Option("--output", "-o", help=".json for Vertex AI, .yaml for Kubeflow Pipelines.")],
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Let no step take an earlier one's outputs.")] = False,
) -> None:
    """Write the pipeline as a job for Vertex AI Pipelines: offline, without credentials."""
    from pipeline.config import load
    from pipeline.on_vertex import compile_to

    compile_to(load(config, workspace=workspace), output, use_cache=not no_cache)


@app.command(
    rich_help_panel=RUN, epilog="Examples: [bold]longhaul resume[/] · [bold]longhaul resume 20261121-092820-934[/]"
)
def resume(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or 'latest'.")] = "latest",
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    wait: WaitOption = False,
) -> None:
    """Go on with a run that failed or was interrupted: what it finished is reused, unless it is out of date."""
    from pipeline.config import load
    from pipeline.run import run_pipeline

    blessed = run_pipeline(load(config, workspace=workspace), resume=run_id, wait=wait)
    raise typer.Exit(0 if blessed else EXIT_GATE)


@app.command(rich_help_panel=RUN, epilog="Example: [bold]longhaul init patients.csv --label diagnosis[/]")
def init(
    table: Annotated[str, typer.Argument(help="CSV, Parquet or TFRecord: a file, a folder or a glob.")],
    label: Annotated[str, typer.Option("--label", help="The column to predict.")],
    name: Annotated[
        str | None,
        typer.Option("--name", help="Of the pipeline; from the table's file name when not given.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
) -> None:
    """Write a configuration and a first schema for a table of yours."""
    from pipeline.init import write_first_files

    write_first_files(table, label, name, Path.cwd(), force)


@app.command(
    rich_help_panel=LOOK,
    epilog="Examples: [bold]longhaul runs --sort auc --limit 10[/] · "
    "[bold]longhaul runs --filter status=complete --filter 'auc>0.7'[/]",
)
def runs(
    conditions: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            "-f",
            metavar="CONDITION",
            help="Such as status=complete, verdict=blessed, 'auc>0.7', 'started>=2026-11-01'; may be repeated.",
            show_default=False,
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort",
            help="A metric (best first, with the hyperparameters that differ) or another value; newest first without.",
            show_default=False,
        ),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Worst, smallest or oldest first.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="As many runs at most.", show_default=False)
    ] = None,
    on: OnOption = "local",
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs of a pipeline: what they learned from, what came of it, which one serves."""
    from pipeline.config import load
    from pipeline.errors import ConfigError
    from pipeline.lineage.leaderboard import select
    from pipeline.lineage.store import open_existing_store
    from pipeline.lineage.summary import list_summaries
    from pipeline.served import pushed_as
    from pipeline.terminal_runs import print_runs

    settings = load(config, workspace=workspace)
    if on == "vertex":
        from pipeline.vertex_lists import print_jobs

        if conditions or sort or reverse:
            raise ConfigError("--filter, --sort and --reverse are for runs on this machine", "leave them out")
        print_jobs(settings, limit, as_json)
        return
    known = list_summaries(open_existing_store(settings), settings.name)
    chosen = select(known, conditions or (), sort, reverse=reverse, limit=limit)
    print_runs(chosen, len(known), settings, sort, pushed_as(settings.root / "serving" / settings.name), as_json)


@app.command(rich_help_panel=LOOK, epilog="Example: [bold]longhaul show latest[/]")
def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or 'latest'.")] = "latest",
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one run: its steps, what they read, made and cost, metrics, verdict, and the log's end if it failed."""
    from pipeline.config import load
    from pipeline.lineage.details import read_details
    from pipeline.lineage.runs import find_run
    from pipeline.lineage.store import open_existing_store
    from pipeline.terminal_show import print_run

    settings = load(config, workspace=workspace)
    store = open_existing_store(settings)
    run = find_run(store, settings.name, run_id)
    print_run(run, read_details(store, run), settings, as_json)


@app.command(
    rich_help_panel=LOOK,
    epilog="Examples: [bold]longhaul lineage served[/] · [bold]longhaul lineage span-03/flights.parquet --down[/] · "
    "[bold]longhaul lineage --all --html runs.html[/]",
)
def lineage(
    thing: Annotated[
        str,
        typer.Argument(
            metavar="X",
            help="A run's id or 'latest', 'served', model:VERSION, artifact:ID, step:ID, schema:VERSION, "
            "or the path of a data file, an artifact or a served version.",
        ),
    ] = "latest",
    up: Annotated[bool, typer.Option("--up", help="Only what made it, and how to make it again.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only what came of it: which models, and which serve.")] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page with the graph instead.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="With --html: all runs on one page.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="With --all: as many runs, the newest.")] = 200,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what made a model, an artifact or a run, and which models came of a file, a schema or a step."""
    from pipeline.config import load
    from pipeline.errors import ConfigError
    from pipeline.lineage_answer import answer, draw, draw_runs
    from pipeline.terminal_lineage import print_answer

    settings = load(config, workspace=workspace)
    if html:
        from pipeline.reports.lineage_page import write_lineage

        typer.echo(write_lineage(draw_runs(settings, limit) if everything else draw(settings, thing), html))
    elif everything:
        raise ConfigError("--all draws a page", "name its file with --html; `longhaul runs` lists the runs")
    else:
        print_answer(answer(settings, thing, up=up or not down, down=down or not up), as_json)


@app.command(rich_help_panel=LOOK, epilog="Examples: [bold]longhaul diff[/] · [bold]longhaul diff latest~2 latest[/]")
def diff(
    before: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id, 'latest', 'previous' or 'latest~N'.")
    ] = "previous",
    after: Annotated[str, typer.Argument(metavar="RUN", help="The run to compare with it.")] = "latest",
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs: configuration, code, data, schema, hyperparameters; and what that did to the metrics."""
    from pipeline.config import load
    from pipeline.lineage.diff import compare
    from pipeline.lineage.runs import find_run
    from pipeline.lineage.store import open_existing_store
    from pipeline.moved_columns import moved_columns
    from pipeline.terminal_diff import print_diff

    settings = load(config, workspace=workspace)
    store = open_existing_store(settings)
    first, second = (find_run(store, settings.name, run_id) for run_id in (before, after))
    print_diff(compare(store, first, second), moved_columns(first, second), as_json)


@app.command(rich_help_panel=LOOK, epilog="Example: [bold]longhaul report latest --output flights.html[/]")
def report(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or 'latest'.")] = "latest",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file; in the workspace when not given.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write the page of one run: verdict, data, metrics, slices, training, anomalies, steps."""
    from pipeline.config import load
    from pipeline.lineage.runs import find_run
    from pipeline.lineage.store import open_existing_store
    from pipeline.reports.page import page_path, write_report

    settings = load(config, workspace=workspace)
    run = find_run(open_existing_store(settings), settings.name, run_id)
    typer.echo(write_report(run, output or page_path(settings, run.run_id)))


@app.command(rich_help_panel=LOOK, epilog="Example: [bold]longhaul card latest --output card.md[/]")
def card(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or 'latest'.")] = "latest",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The file: .md or .html; in the workspace when not given.", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write the model card of one run: what the model is for, its data, limits, metrics, lineage."""
    from pipeline.config import load
    from pipeline.lineage.runs import find_run
    from pipeline.lineage.store import open_existing_store
    from pipeline.reports.model_card import card_path, write_card

    settings = load(config, workspace=workspace)
    run = find_run(open_existing_store(settings), settings.name, run_id)
    typer.echo(write_card(run, output or card_path(settings, run.run_id)))


@app.command(rich_help_panel=SERVE, epilog="Example: [bold]longhaul predict new.csv --output scored.parquet[/]")
def predict(
    table: Annotated[str, typer.Argument(help="CSV, Parquet or TFRecord: a file, a folder or a glob.")],
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
    as_json: JsonOption = False,
) -> None:
    """Score a table with the served model: its rows, with the predictions beside them.

    Interrupted, it goes on with the same command after what is finished.
    """
    from pipeline.config import load
    from pipeline.predict import predict_table

    predict_table(
        load(config, workspace=workspace), table, output, model=model, keys=key or (), force=force, as_json=as_json
    )


@app.command(rich_help_panel=RUN, epilog="Example: [bold]longhaul validate new.csv[/]")
def validate(
    table: Annotated[str, typer.Argument(help="CSV, Parquet or TFRecord: a file, a folder or a glob.")],
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
    as_json: JsonOption = False,
) -> None:
    """Check a new table against the schema and the last run's data, without a run."""
    from pipeline.config import load
    from pipeline.validate import validate_table

    passed = validate_table(load(config, workspace=workspace), table, environment, as_json)
    raise typer.Exit(0 if passed else EXIT_GATE)


@app.command(rich_help_panel=SERVE)
def versions(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the pushed versions of the model, the newest first: which one serves, which were rolled back."""
    from pipeline.config import load
    from pipeline.rollback import list_versions, print_versions

    settings = load(config, workspace=workspace)
    print_versions(list_versions(settings), settings, as_json)


@app.command(
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
    note: Annotated[str, typer.Option("--note", help="Why; kept for others.", show_default=False)] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")] = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve an earlier version of the model again; runs leave it so."""
    from pipeline.config import load
    from pipeline.rollback import print_rollback, roll_back

    print_rollback(roll_back(load(config, workspace=workspace), to, note, dry_run), as_json)


schedule_app = typer.Typer(name="schedule", help="Run on Vertex AI Pipelines by the clock.", no_args_is_help=True)
app.add_typer(schedule_app, rich_help_panel=RUN)
ScheduleArgument = Annotated[str, typer.Argument(metavar="SCHEDULE", help="As `longhaul schedule list` names it.")]


@schedule_app.command("create", epilog="Example: [bold]longhaul schedule create --cron '0 3 * * 1'[/]")
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
    from pipeline.config import load
    from pipeline.vertex_lists import create_schedule

    create_schedule(load(config, workspace=workspace), cron, at_most)


@schedule_app.command("list")
def schedule_list(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the schedules of the pipeline: when they run next, how often they have."""
    from pipeline.config import load
    from pipeline.vertex_lists import print_schedules

    print_schedules(load(config, workspace=workspace), as_json)


@schedule_app.command("pause")
def schedule_pause(schedule: ScheduleArgument, config: ConfigOption = None, workspace: WorkspaceOption = None) -> None:
    """Begin no further runs until it is resumed."""
    _change_schedule("pause", schedule, config, workspace)


@schedule_app.command("resume")
def schedule_resume(schedule: ScheduleArgument, config: ConfigOption = None, workspace: WorkspaceOption = None) -> None:
    """Go on with a paused schedule; runs that were missed are not made up for."""
    _change_schedule("resume", schedule, config, workspace)


@schedule_app.command("delete")
def schedule_delete(schedule: ScheduleArgument, config: ConfigOption = None, workspace: WorkspaceOption = None) -> None:
    """End a schedule; runs at work go on."""
    _change_schedule("delete", schedule, config, workspace)


def _change_schedule(what: str, schedule: str, config: Path | None, workspace: str | None) -> None:
    from pipeline.config import load
    from pipeline.vertex_lists import change_schedule

    change_schedule(load(config, workspace=workspace), what, schedule)


schema_app = typer.Typer(name="schema", help="Review the curated schema: look, compare, approve.", no_args_is_help=True)
app.add_typer(schema_app, rich_help_panel=LOOK)


@schema_app.command("show")
def show_schema(
    version: Annotated[
        int | None,
        typer.Option("--version", help="One on record; the file as it is when not given.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Print the schema, now or as it was in some version."""
    from pipeline.config import load
    from pipeline.schema_terminal import print_schema

    print_schema(load(config, workspace=workspace), version)


@schema_app.command("diff")
def diff_schema(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Say what would have to change for the latest run's data to pass, with the evidence."""
    from pipeline.config import load
    from pipeline.schema_review import review
    from pipeline.schema_terminal import print_review

    print_review(review(load(config, workspace=workspace)), as_json)


@schema_app.command(
    "approve",
    epilog='Example: [bold]longhaul schema approve --reviewer "Ann Lee" --note "new carrier" --feature carrier[/]',
)
def approve_schema(
    reviewer: Annotated[str, typer.Option("--reviewer", help="Who approves.")],
    note: Annotated[str, typer.Option("--note", help="Why; kept for others.")],
    feature: Annotated[
        list[str] | None,
        typer.Option("--feature", help="Only what is proposed for this column; may be repeated.", show_default=False),
    ] = None,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Approve the file as it stands, without what is proposed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; write nothing.")] = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write what is proposed into the schema, and record who approved it and why."""
    from pipeline.config import load
    from pipeline.schema_review import approve
    from pipeline.schema_terminal import print_approval

    settings = load(config, workspace=workspace)
    print_approval(
        approve(settings, reviewer=reviewer, note=note, features=feature or (), as_is=as_is, dry_run=dry_run)
    )


@schema_app.command("history")
def schema_history(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the versions of the schema: who approved which, when, why, and by which run's data."""
    from pipeline.config import load
    from pipeline.schema_terminal import print_history

    print_history(load(config, workspace=workspace), as_json)


@app.command(
    rich_help_panel=KEEP,
    epilog="Examples: [bold]longhaul gc[/] · [bold]longhaul gc --keep 10 --serving-keep 3 --apply[/]",
)
def gc(
    keep: Annotated[int, typer.Option("--keep", min=1, help="So many of the newest runs keep everything.")] = 5,
    serving_keep: Annotated[
        int | None,
        typer.Option(
            "--serving-keep",
            min=1,
            help="Also remove pushed versions but the newest so many; none when not given.",
            show_default=False,
        ),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Remove; without it only say what would go.")] = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what nobody needs any more, and remove it; what served or pinned models came of always stays."""
    from pipeline.config import load
    from pipeline.housekeeping import collect_garbage
    from pipeline.terminal_housekeeping import print_plan

    settings = load(config, workspace=workspace)
    print_plan(collect_garbage(settings, keep, serving_keep, apply), settings.root, apply, as_json)


PinArgument = Annotated[
    str, typer.Argument(metavar="RUN|VERSION", help="A run's id, or the number of a pushed version.")
]


@app.command(rich_help_panel=KEEP, epilog="Examples: [bold]longhaul pin latest[/] · [bold]longhaul pin 1795253362[/]")
def pin(what: PinArgument, config: ConfigOption = None, workspace: WorkspaceOption = None) -> None:
    """Keep a run or a pushed model, and all that it came of, from `longhaul gc`."""
    from pipeline.config import load
    from pipeline.housekeeping import pin as mark

    typer.echo(f"pinned {mark(load(config, workspace=workspace), what, on=True)}")


@app.command(rich_help_panel=KEEP, epilog="Example: [bold]longhaul unpin latest[/]")
def unpin(what: PinArgument, config: ConfigOption = None, workspace: WorkspaceOption = None) -> None:
    """Take a pin away."""
    from pipeline.config import load
    from pipeline.housekeeping import pin as mark

    typer.echo(f"unpinned {mark(load(config, workspace=workspace), what, on=False)}")


@app.command("export", rich_help_panel=KEEP, epilog="Example: [bold]longhaul export latest --output run.zip[/]")
def export_run(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or 'latest'.")] = "latest",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The zip file; RUN.zip when not given.", show_default=False)
    ] = None,
    with_artifacts: Annotated[
        bool, typer.Option("--with-artifacts", help="Also data and models, which may be large.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write one run as a zip file: records, configuration, schema, metrics, report, lineage as OpenLineage events."""
    from pipeline.config import load
    from pipeline.housekeeping import export

    settings = load(config, workspace=workspace)
    typer.echo(export(settings, run_id, output, with_artifacts=with_artifacts, force=force))


@app.command("import", rich_help_panel=KEEP, epilog="Example: [bold]longhaul import run.zip[/]")
def import_run(
    file: Annotated[Path, typer.Argument(help="What `longhaul export` wrote.")],
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Put a run that was exported elsewhere on record here, to look at and compare; no run builds on it."""
    from pipeline.config import load
    from pipeline.housekeeping import import_

    run_id = import_(load(config, workspace=workspace), file)
    typer.echo(f"imported {run_id}; `longhaul show {run_id}` shows it")


@app.command(rich_help_panel=KEEP, epilog="Example: [bold]longhaul backup --output /backups/metadata.db[/]")
def backup(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file; in the workspace when not given.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Copy the metadata store, also while a run is at work."""
    from pipeline.config import load
    from pipeline.housekeeping import back_up

    typer.echo(back_up(load(config, workspace=workspace), output))


@app.command(rich_help_panel=KEEP, epilog="Example: [bold]longhaul doctor --json[/]")
def doctor(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Check machine, packages, workspace and what the configuration names; every finding comes with its remedy."""
    from pipeline.config import load
    from pipeline.doctor import examine
    from pipeline.terminal import print_findings

    findings = examine(load(config, workspace=workspace))
    print_findings(findings, as_json)
    raise typer.Exit(EXIT_INPUT if any(finding.remedy for finding in findings) else 0)


def main() -> None:
    """The console script: runs a command, turns its errors into messages and exit codes."""
    try:
        app()
    except SystemExit as exc:  # typer ends so, also after a wrong option (2) and after Ctrl-C (130)
        if exc.code == EXIT_INTERRUPTED:
            _complain("stopped from the keyboard; `longhaul resume` goes on after the last finished step")
        raise
    except PipelineError as exc:
        _complain(str(exc))
        sys.exit(exc.exit_code)
    except Exception as exc:
        _complain(f"a bug of ours: {type(exc).__name__}: {exc}")
        traceback.print_exc()
        sys.exit(EXIT_BUG)


def _complain(text: str) -> None:
    typer.secho("longhaul: ", fg="red", bold=True, nl=False, err=True)
    typer.echo(text, err=True)


if __name__ == "__main__":
    main()
