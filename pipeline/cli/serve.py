"""Commands about the served model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import (
    SERVE,
    ConfigOption,
    EmulatedOption,
    JsonOption,
    OnOption,
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
def versions(
    on: OnOption = None,
    emulate: EmulatedOption = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the pushed versions of the model, the newest first: which one serves, which were rolled back, what waits."""
    from pipeline.commands.elsewhere import is_on_vertex
    from pipeline.commands.rollback import list_versions
    from pipeline.config.loading import load
    from pipeline.serving.approvals import waiting
    from pipeline.serving.rollout import under_way
    from pipeline.terminal.versions import print_versions

    settings = load(config, workspace=workspace)
    if is_on_vertex(settings, on, emulated=emulate):
        from pipeline.commands.versions_elsewhere import list_versions_in_bucket

        known, asked = list_versions_in_bucket(settings, emulated=emulate), []
    else:
        known, asked = list_versions(settings.serving_folder), waiting(settings.serving_folder)
    print_versions(known, settings.evaluation.thresholds, asked, as_json)
    if not as_json and (trying := under_way(settings.serving_folder)):
        print(f"Rollout: {trying.words}")


@app.command(
    cls=Waiting,
    rich_help_panel=SERVE,
    epilog='Examples: [bold]longhaul approve latest --by "Ann Lee" --note "looked at the slices"[/] · '
    '[bold]longhaul approve latest --reject --by "Ann Lee" --note "too small a gain"[/]',
)
def approve(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run whose model waits: its id, or 'latest'.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides.")],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Why; kept for others.")],
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires", metavar="TIME", help="The approval holds so long (90d); else for ever.", show_default=False
        ),
    ] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Let the model stay away; no run asks again.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also if the request has lapsed, or what serves, or the schema, has changed since."
        ),
    ] = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    wait: WaitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a model serve that waits for a person (push.approval: manual), or reject it."""
    from pipeline.commands.approve import decide
    from pipeline.config.loading import load
    from pipeline.terminal.versions import print_approval

    settings, waits = load(config, workspace=workspace), in_line(wait, BRIEFLY)
    done = decide(settings, run_id, by=by, note=note, expires=expires, reject=reject, force=force, wait=waits)
    print_approval(done, as_json)


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
    on: OnOption = None,
    emulate: EmulatedOption = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    wait: WaitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve an earlier version of the model again, also while a run is at work; runs leave it so."""
    from pipeline.commands.elsewhere import is_on_vertex
    from pipeline.commands.rollback import roll_back
    from pipeline.config.loading import load
    from pipeline.terminal.versions import print_rollback

    settings = load(config, workspace=workspace)
    if is_on_vertex(settings, on, emulated=emulate):
        from pipeline.commands.versions_elsewhere import roll_back_in_bucket

        print_rollback(roll_back_in_bucket(settings, to, note, dry_run, force=force, emulated=emulate), as_json)
    else:
        tell = partial(print_rollback, as_json=as_json)
        roll_back(settings, to, note, dry_run, force=force, wait=in_line(wait, BRIEFLY), tell=tell)


@app.command(
    rich_help_panel=SERVE,
    epilog="Examples: [bold]longhaul serve[/] · [bold]longhaul serve --name flights=workspace/serving/flights "
    "--name wine=/models/wine --workers 2[/] · [bold]longhaul serve --host 0.0.0.0 --tokens tokens.txt "
    "--tls-certificate server.pem --tls-key server.key[/]. More in docs/serving.md.",
)
def serve(
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="FOLDER",
            help="A folder of versions, or one version; the pipeline's own folder when not given.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            metavar="NAME=FOLDER",
            help="The same under a name of your choice; may be repeated.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of REST; 0: any free one.")] = 8501,
    grpc_port: Annotated[
        int, typer.Option("--grpc-port", min=-1, max=65535, help="Of gRPC; 0: any free one, -1: none.")
    ] = 8500,
    host: Annotated[str, typer.Option("--host", help="0.0.0.0 for all networks.")] = "127.0.0.1",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes behind the ports; one a core.")] = 1,
    tokens: Annotated[
        Path | None,
        typer.Option(
            "--tokens",
            help="A file of bearer tokens, one a line; or the variable LONGHAUL_SERVE_TOKENS. None: everybody may ask.",
            show_default=False,
        ),
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option("--tls-certificate", help="PEM file, with its chain.", show_default=False)
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="PEM file.", show_default=False)] = None,
    cors: Annotated[bool, typer.Option("--cors", help="Let pages of other hosts ask.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=0.001, help="Seconds for a request.")] = 30.0,
    max_body_mb: Annotated[int, typer.Option("--max-body-mb", min=1, help="Of a request.")] = 32,
    max_rows: Annotated[int, typer.Option("--max-rows", min=1, help="Of a request.")] = 100_000,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            metavar="FOLDER",
            help="Write down what is asked and answered; the pipeline's own model does so in its workspace.",
            show_default=False,
        ),
    ] = None,
    no_log: Annotated[bool, typer.Option("--no-log", help="Write down no requests.")] = False,
    max_waiting: Annotated[
        int, typer.Option("--max-waiting", min=1, help="Rows that may wait for the model; beyond, requests get 429.")
    ] = 200_000,
    max_connections: Annotated[
        int, typer.Option("--max-connections", min=1, help="Of each protocol and worker; beyond, idle ones are closed.")
    ] = 1000,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Answer requests with the pushed model, as TensorFlow Serving does: REST, gRPC, and the Open Inference Protocol.

    A new version, or a rollback, takes over within a second and without a failed request. SIGTERM or Ctrl-C end the
    server when it has answered what it has begun.
    """
    from pipeline.commands.serve import folders_of, log_of, serve_models
    from pipeline.config.loading import load
    from pipeline.serving.server.process import Options
    from pipeline.serving.server.rest import Limits

    own = None if model or name else load(config, workspace=workspace)
    serve_models(
        Options(
            folders=folders_of(own, model, name or ()),
            host=host,
            port=port,
            grpc_port=None if grpc_port < 0 else grpc_port,
            workers=workers,
            limits=Limits(body=max_body_mb << 20, rows=max_rows, timeout_s=timeout),
            most_waiting=max_waiting,
            most_connections=max_connections,
            tokens=str(tokens) if tokens else None,
            tls_certificate=str(tls_certificate) if tls_certificate else None,
            tls_key=str(tls_key) if tls_key else None,
            cors=cors,
            log=None if no_log else log_of(own, log),
        )
    )
