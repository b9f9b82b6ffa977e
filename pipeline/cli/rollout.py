"""`longhaul rollout`: try a version beside the one that answers; and `longhaul requests`: what was asked meanwhile."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import SERVE, ConfigOption, JsonOption, Waiting, WaitOption, WorkspaceOption, in_line
from pipeline.workspace.lock import BRIEFLY

if TYPE_CHECKING:
    from pipeline.serving.rollout import Rollout

requests_app = typer.Typer()
app = typer.Typer(
    name="rollout",
    help="Try a version beside the one that answers: in the shadow, or for a share of the requests.",
    no_args_is_help=True,
)
NoteOption = Annotated[str, typer.Option("--note", "--reason", help="Why; kept for others.", show_default=False)]
ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who; you when not given.", show_default=False)]


def _print(done: Rollout, begin: str, as_json: bool) -> None:
    print(json.dumps(asdict(done), indent=1) if as_json else f"{begin}{done.words}")


@app.command(
    "start",
    cls=Waiting,
    epilog="Examples: [bold]longhaul rollout start 1767225600 --shadow[/] · "
    "[bold]longhaul rollout start 1767225600 --canary 10 --key customer[/]; again with another share is a step.",
)
def start_rollout(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="One of `longhaul versions`.")],
    shadow: Annotated[
        bool, typer.Option("--shadow", help="It gets all requests, and answers to the log only.")
    ] = False,
    canary: Annotated[
        float | None, typer.Option("--canary", metavar="PERCENT", help="It answers this share.", show_default=False)
    ] = None,
    key: Annotated[
        str,
        typer.Option(
            "--key",
            metavar="COLUMN",
            help="One value meets one version; one request when not given.",
            show_default=False,
        ),
    ] = "",
    note: NoteOption = "",
    by: ByOption = "",
    wait: WaitOption = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin; servers follow within a second. Of a version that is tried already: change how."""
    from pipeline.commands.rollout import start
    from pipeline.config.loading import load
    from pipeline.errors import ConfigError

    if shadow == (canary is not None):
        raise ConfigError("either --shadow or --canary PERCENT is needed", "name one of them")
    settings, waits = load(config, workspace=workspace), in_line(wait, BRIEFLY)
    _print(start(settings, version, share=canary, key=key, note=note, by=by, wait=waits), "", as_json)


@app.command("status")
def show_status(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Say what is tried; exit code 2 if nothing is."""
    from pipeline.commands.rollout import status
    from pipeline.config.loading import load

    _print(status(load(config, workspace=workspace).serving_folder), "", as_json)


@app.command("promote", cls=Waiting)
def promote_rollout(
    note: NoteOption = "", by: ByOption = "", wait: WaitOption = None, config: ConfigOption = None,
    workspace: WorkspaceOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Have the version that is tried answer everything."""
    from pipeline.commands.rollout import promote
    from pipeline.config.loading import load

    _print(promote(load(config, workspace=workspace), note, by, in_line(wait, BRIEFLY)), "Promoted: ", as_json)


@app.command("abort", cls=Waiting)
def abort_rollout(
    note: NoteOption = "", by: ByOption = "", wait: WaitOption = None, config: ConfigOption = None,
    workspace: WorkspaceOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Have the version beside it answer everything."""
    from pipeline.commands.rollout import abort
    from pipeline.config.loading import load

    _print(abort(load(config, workspace=workspace), note, by, in_line(wait, BRIEFLY)), "Aborted: ", as_json)


@requests_app.command(
    rich_help_panel=SERVE,
    epilog="Examples: [bold]longhaul requests --since 24h[/] · [bold]longhaul requests --log logs/wine --json[/]",
)
def requests(
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Of the last 90s, 10m, 6h, 2d.", show_default=False)
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            metavar="FOLDER",
            help="That of one model, or TensorFlow Serving's (TFRecord files); the pipeline's own when not given.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count the requests that were logged: by hour, version and route, with errors."""
    from pipeline.commands.requests import count_requests
    from pipeline.config.loading import load
    from pipeline.config.value_types import seconds_of
    from pipeline.errors import ConfigError

    try:
        last_s = None if since is None else seconds_of(since)
    except ValueError as exc:
        raise ConfigError(f"--since {since}: {exc}", "write 90s, 10m, 6h or 2d") from exc
    if log is None:
        settings = load(config, workspace=workspace)
        log = settings.requests_folder / settings.name
    found = count_requests(log, last_s)
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=1))
        return
    print(f"{'hour (UTC)':18} {'version':>12} {'route':8} {'requests':>9} {'rows':>9} {'errors':>7} {'mean ms':>8}")
    for one in found:
        print(f"{one.hour:18} {one.version or '-':>12} {one.route:8} {one.requests:9} {one.rows:9} {one.errors:7} "
              f"{'-' if one.latency_ms is None else format(one.latency_ms, '.2f'):>8}")  # fmt: skip
