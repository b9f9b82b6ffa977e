"""Commands that keep a workspace in order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import (
    KEEP,
    ChangedConfigOption,
    ConfigOption,
    EmulatedOption,
    JsonOption,
    OnOption,
    OutputOption,
    QuietOption,
    RunArgument,
    Waiting,
    WaitOption,
    WorkspaceOption,
    in_line,
)
from pipeline.config.command_texts import as_given
from pipeline.errors import EXIT_INPUT, ConfigError
from pipeline.observe.standard_streams import for_standard_output
from pipeline.workspace.lock import BRIEFLY

app = typer.Typer()


@app.command(
    cls=Waiting,
    rich_help_panel=KEEP,
    epilog="Examples: [bold]longhaul gc[/] · [bold]longhaul gc --keep 10 --serving-keep 3 --apply[/]",
)
def gc(
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            min=1,
            help="So many of the newest runs keep everything; keep.runs of the file (5) when not given.",
            show_default=False,
        ),
    ] = None,
    serving_keep: Annotated[
        int | None,
        typer.Option(
            "--serving-keep",
            min=1,
            help="Also remove pushed versions but the newest so many; keep.versions of the file when not given.",
            show_default=False,
        ),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Remove; without it only say what would go.")] = False,
    wait: WaitOption = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what nobody needs any more, and remove it; what served or pinned models came of always stays."""
    from pipeline.commands.housekeeping import collect_garbage
    from pipeline.config.loading import load
    from pipeline.terminal.garbage import print_plan

    settings = load(config, workspace=workspace)
    print_plan(collect_garbage(settings, keep, serving_keep, apply, in_line(wait)), settings.root, apply, as_json)


PinArgument = Annotated[
    str, typer.Argument(metavar="RUN|VERSION", help="A run (its id, 'latest' …), or the number of a pushed version.")
]


@app.command(
    cls=Waiting,
    rich_help_panel=KEEP,
    epilog="Examples: [bold]longhaul pin latest[/] · [bold]longhaul pin 1795253362[/]",
)
def pin(
    what: PinArgument, config: ConfigOption = None, workspace: WorkspaceOption = None, wait: WaitOption = None
) -> None:
    """Keep a run or a pushed model, and all that it came of, from `longhaul gc`."""
    from pipeline.commands.housekeeping import pin as mark
    from pipeline.config.loading import load

    typer.echo(
        for_standard_output(
            f"pinned {mark(load(config, workspace=workspace), what, on=True, wait=in_line(wait, BRIEFLY))}"
        )
    )


@app.command(cls=Waiting, rich_help_panel=KEEP, epilog="Example: [bold]longhaul unpin latest[/]")
def unpin(
    what: PinArgument, config: ConfigOption = None, workspace: WorkspaceOption = None, wait: WaitOption = None
) -> None:
    """Take a pin away."""
    from pipeline.commands.housekeeping import pin as mark
    from pipeline.config.loading import load

    typer.echo(
        for_standard_output(
            f"unpinned {mark(load(config, workspace=workspace), what, on=False, wait=in_line(wait, BRIEFLY))}"
        )
    )


@app.command("export", rich_help_panel=KEEP, epilog="Example: [bold]longhaul export latest --output run.zip[/]")
def export_run(
    run_id: RunArgument = "latest",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The zip file; RUN.zip when not given.", show_default=False)
    ] = None,
    with_artifacts: Annotated[
        bool, typer.Option("--with-artifacts", help="Also data, models, report and log, which hold rows or values.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    on: OnOption = None,
    emulate: EmulatedOption = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write one run as a zip file: records, configuration, schema, metrics, lineage as OpenLineage events."""
    from pipeline.commands.elsewhere import recorded_runs
    from pipeline.commands.housekeeping import export
    from pipeline.files import check_output

    check_output(output)
    if output and output.suffix.lower() not in ("", ".zip"):
        raise ConfigError(f"--output {output}: what is written is a zip file", "let the name end with .zip")
    settings, store, (run,) = recorded_runs(config, workspace, on, emulate, run_id, whole=True)
    typer.echo(
        for_standard_output(export(settings.root, store, run, output, with_artifacts=with_artifacts, force=force))
    )


@app.command("import", cls=Waiting, rich_help_panel=KEEP, epilog="Example: [bold]longhaul import run.zip[/]")
def import_run(
    file: Annotated[Path, typer.Argument(help="What `longhaul export` wrote.")],
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    wait: WaitOption = None,
) -> None:
    """Put a run that was exported elsewhere on record here, to look at and compare; no run builds on it."""
    from pipeline.commands.housekeeping import import_
    from pipeline.config.loading import load

    run_id = import_(load(config, workspace=workspace), file, in_line(wait))
    told = f"imported {run_id}; `longhaul show {run_id}` shows it, `longhaul report {run_id}` writes its page"
    typer.echo(for_standard_output(as_given(told)))


@app.command(rich_help_panel=KEEP, epilog="Example: [bold]longhaul backup --output /backups/metadata.db[/]")
def backup(
    output: OutputOption = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Copy the metadata store, also while a run is at work."""
    from pipeline.commands.housekeeping import back_up
    from pipeline.config.loading import load
    from pipeline.files import SQLITE, check_output

    check_output(output, replaces=(SQLITE,))
    typer.echo(for_standard_output(back_up(load(config, workspace=workspace), output)))


@app.command(
    cls=Waiting,
    rich_help_panel=KEEP,
    epilog="Examples: [bold]longhaul relocate --dry-run[/] · [bold]longhaul relocate --workspace /mnt/new/workspace[/]",
)
def relocate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be rewritten.")] = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over", help="Also records on a server that another workspace has, whose place this one takes."
        ),
    ] = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    wait: WaitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the records name the folders of a workspace that was moved or copied, as the next run would."""
    from pipeline.commands.housekeeping import relocate as rewrite
    from pipeline.config.loading import load
    from pipeline.terminal.relocation import print_relocation

    settings = load(config, workspace=workspace)
    done = rewrite(settings, dry_run=dry_run, take_over=take_over, wait=in_line(wait))
    print_relocation(done, settings.root, dry_run=dry_run, as_json=as_json)


@app.command(
    "move-records",
    cls=Waiting,
    rich_help_panel=KEEP,
    epilog="Example: [bold]longhaul move-records postgresql://longhaul@db.example.org:5432/lineage -c wine.yaml[/]",
)
def move_records_(
    url: Annotated[str, typer.Argument(metavar="URL", help="An empty database: postgresql://user@host:port/database.")],
    config: ChangedConfigOption,
    workspace: WorkspaceOption = None,
    wait: WaitOption = None,
) -> None:
    """Move the records to a database server, and have the YAML file name it (metadata.url)."""
    from pipeline.commands.move_records import move_records

    done = move_records(config, workspace, url, in_line(wait))
    counted = ", ".join(f"{count:,} {kind}" for kind, count in done.counts.items())
    typer.echo(
        for_standard_output(
            f"moved {counted} to {done.url}; {config} names it, and the file that held them is {done.file}"
        )
    )


@app.command(rich_help_panel=KEEP, epilog="Example: [bold]longhaul doctor --json[/]")
def doctor(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Check machine, packages, workspace and what the configuration names; every finding comes with its remedy."""
    from pipeline.config.loading import load
    from pipeline.doctor import examine
    from pipeline.terminal.doctor import print_findings

    findings = examine(load(config, workspace=workspace))
    print_findings(findings, as_json)
    raise typer.Exit(EXIT_INPUT if any(finding.remedy for finding in findings) else 0)
