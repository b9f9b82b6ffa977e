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


@app.command(epilog="Examples: [bold]longhaul run[/] · [bold]longhaul run -c wine.yaml --from Trainer[/]")
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
) -> None:
    """Run the pipeline: from the table to a blessed, pushed model."""
    from pipeline.config import load
    from pipeline.run import run_pipeline

    blessed = run_pipeline(
        load(config, workspace=workspace), from_node=from_node, to_node=to_node, use_cache=not no_cache
    )
    raise typer.Exit(0 if blessed else EXIT_GATE)


@app.command(epilog="Example: [bold]longhaul init patients.csv --label diagnosis[/]")
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


@app.command()
def runs(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the runs of a pipeline, newest first."""
    from pipeline.config import load
    from pipeline.lineage.runs import list_runs
    from pipeline.lineage.store import open_existing_store
    from pipeline.terminal import print_runs

    settings = load(config, workspace=workspace)
    print_runs(list_runs(open_existing_store(settings), settings.name), as_json)


@app.command(epilog="Example: [bold]longhaul show latest[/]")
def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or 'latest'.")] = "latest",
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one run: steps, seconds, outputs, metrics, verdict."""
    from pipeline.config import load
    from pipeline.lineage.runs import find_run
    from pipeline.lineage.store import open_existing_store
    from pipeline.terminal import print_run

    settings = load(config, workspace=workspace)
    print_run(find_run(open_existing_store(settings), settings.name, run_id), settings, as_json)


@app.command(epilog="Example: [bold]longhaul report latest --output flights.html[/]")
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


@app.command(epilog="Example: [bold]longhaul predict new.csv --output scored.parquet[/]")
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
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output if it is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Score a table with the served model: its rows, with the predictions beside them."""
    from pipeline.config import load
    from pipeline.predict import predict_table

    predict_table(load(config, workspace=workspace), table, output, model=model, force=force, as_json=as_json)


@app.command(epilog="Example: [bold]longhaul validate new.csv[/]")
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


schema_app = typer.Typer(name="schema", help="Review the curated schema: look, compare, approve.", no_args_is_help=True)
app.add_typer(schema_app)


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


@app.command()
def doctor(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Check this machine and the workspace; every finding comes with its remedy."""
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
            _complain("stopped from the keyboard; run again to go on after the last finished step")
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
