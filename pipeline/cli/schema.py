"""`longhaul schema`: the review loop of the curated schema."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import ConfigOption, JsonOption, WorkspaceOption

app = typer.Typer(name="schema", help="Review the curated schema: look, compare, approve.", no_args_is_help=True)


@app.command("show")
def show_schema(
    version: Annotated[
        int | None,
        typer.Option("--version", help="One on record; the file as it is when not given.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Print the schema, now or as it was in some version."""
    from pipeline.config.loading import load
    from pipeline.terminal.schema import print_schema

    print_schema(load(config, workspace=workspace), version)


@app.command("diff")
def diff_schema(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Say what would have to change for the newest data to pass, with the evidence."""
    from pipeline.config.loading import load
    from pipeline.contract.review import review
    from pipeline.observe.log_file import output_to
    from pipeline.terminal.schema import print_review

    settings = load(config, workspace=workspace)
    with output_to(Path(os.devnull)):  # TensorFlow's chatter, as it is loaded
        found = review(settings)
    print_review(found, as_json)


@app.command(
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
    from pipeline.config.loading import load
    from pipeline.contract.review import approve
    from pipeline.observe.log_file import output_to
    from pipeline.terminal.schema import print_approval

    settings = load(config, workspace=workspace)
    with output_to(Path(os.devnull)):  # TensorFlow's chatter, as it is loaded
        done = approve(settings, reviewer=reviewer, note=note, features=feature or (), as_is=as_is, dry_run=dry_run)
    print_approval(done)


@app.command("history")
def schema_history(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the versions of the schema: who approved which, when, why, and by which run's data."""
    from pipeline.config.loading import load
    from pipeline.lineage.schema_versions import list_versions
    from pipeline.lineage.store import open_existing_store
    from pipeline.terminal.schema import print_history

    settings = load(config, workspace=workspace)
    print_history(list_versions(open_existing_store(settings), settings.record_name), as_json)
