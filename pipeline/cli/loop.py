"""`longhaul loop`: train anew and roll out by itself; `longhaul replay`: what that would have done in the past."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.options import (
    LOOK,
    RUN,
    ConfigOption,
    JsonOption,
    QuietOption,
    Waiting,
    WaitOption,
    WorkspaceOption,
    in_line,
)
from pipeline.cli.repeating import again_and_again

app = typer.Typer()


@app.command(
    cls=Waiting,
    rich_help_panel=RUN,
    epilog="Examples: [bold]longhaul loop --once[/] · [bold]longhaul loop --every 1h[/] · "
    "[bold]longhaul loop --explain[/] · [bold]longhaul loop --once --trigger manual[/]. "
    "More in docs/operate/loop.md.",
)
def loop(
    once: Annotated[bool, typer.Option("--once", help="Look once and end: for cron.")] = False,
    every: Annotated[str, typer.Option("--every", metavar="TIME", help="Without --once: how often to look.")] = "1h",
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what a look would do now, and why not; do and write nothing.")
    ] = False,
    trigger: Annotated[
        Literal["manual"] | None,
        typer.Option("--trigger", help="Ask for a run, once, besides what the file names.", show_default=False),
    ] = None,
    key: Annotated[
        str,
        typer.Option("--key", help="With --trigger: the same key is the same wish; the time when not given."),
    ] = "",
    wait: WaitOption = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train when the section `continuous` says so; roll out by shadow and canary; take back what is worse.

    With --once, the exit code is 1 if a gate said no or a model was aborted, and 75 if another loop is at work.
    """
    from datetime import UTC, datetime

    from pipeline.commands.loop import explain as say
    from pipeline.commands.loop import loop_once
    from pipeline.config.loading import load
    from pipeline.errors import ConfigError
    from pipeline.terminal.loop import print_looked

    settings, waits = load(config, workspace=workspace), in_line(wait)
    if key and not trigger:
        raise ConfigError("--key names a wish, and there is none", "add --trigger manual")
    asked = [key or f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"] if trigger else []
    if not (asked or explain or settings.continuous.has_trigger):
        raise ConfigError(
            "nothing would ever begin a run: the section `continuous` names no trigger",
            "set new_span, schedule, harm or age there, or ask with --trigger manual",
        )
    if explain:
        print_looked(say(settings, asked), as_json)
        return
    if once:
        done = loop_once(settings, asked, wait=waits)
        print_looked(done, as_json)
        raise typer.Exit(done.code)

    def look() -> None:
        print_looked(loop_once(settings, asked, wait=waits), as_json)
        asked.clear()

    again_and_again(every, look)


@app.command(
    rich_help_panel=LOOK,
    epilog="Example: [bold]longhaul replay --from 2013-04 --to 2013-12 --policy examples/year/policies.yaml[/]",
)
def replay(
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="Its first day or month, as 2013-04-01.")],
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Its last day or month.")],
    policy: Annotated[Path, typer.Option("--policy", metavar="FILE", help="A YAML file of policies.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where replay.html and replay.json go; the workspace's reports when not given.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Play policies of retraining on the past: what they would have lost and cost, beside the best in hindsight."""
    import sys

    from pipeline.commands.replay import replay as play
    from pipeline.commands.run import build_table
    from pipeline.config.loading import load
    from pipeline.config.replay import read_policies
    from pipeline.terminal.console import console_for
    from pipeline.terminal.replay import print_replay

    settings, asked = load(config, workspace=workspace), read_policies(policy)
    build_table(settings.data.builder, settings.data_pattern, console_for(sys.stderr))
    folder = output or settings.root / "reports"
    folder.mkdir(parents=True, exist_ok=True)

    def tell(done: int, all_: int) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\r{done} of {all_} models are trained", nl=done == all_, err=True)

    print_replay(play(settings, asked, first, last, folder, tell), folder / "replay.html", as_json)
