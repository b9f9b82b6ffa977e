"""`longhaul rollout`: try a version beside the one that answers."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import ConfigOption, JsonOption, WorkspaceOption

if TYPE_CHECKING:
    from pipeline.serving.rollout import Rollout

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
    _print(start(load(config, workspace=workspace), version, share=canary, key=key, note=note, by=by), "", as_json)


@app.command("status")
def show_status(config: ConfigOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Say what is tried; exit code 2 if nothing is."""
    from pipeline.commands.rollout import status
    from pipeline.config.loading import load

    _print(status(load(config, workspace=workspace)), "", as_json)


@app.command("promote")
def promote_rollout(
    note: NoteOption = "", by: ByOption = "", config: ConfigOption = None, workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Have the version that is tried answer everything."""
    from pipeline.commands.rollout import promote
    from pipeline.config.loading import load

    _print(promote(load(config, workspace=workspace), note, by), "Promoted: ", as_json)


@app.command("abort")
def abort_rollout(
    note: NoteOption = "", by: ByOption = "", config: ConfigOption = None, workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Have the version beside it answer everything."""
    from pipeline.commands.rollout import abort
    from pipeline.config.loading import load

    _print(abort(load(config, workspace=workspace), note, by), "Aborted: ", as_json)
