"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from pipeline.config.command_texts import note_given
from pipeline.errors import ConfigError
from pipeline.observe.quiet import hold_back
from pipeline.observe.standard_streams import visible
from pipeline.workspace.lock import AT_ONCE, Wait

RUN, LOOK, SERVE, KEEP = "Run", "Look", "Serve", "Keep in order"
"""Groups of commands in `--help`."""


def noted(param: typer.CallbackParam, value: Any) -> Any:
    """Keep what was given, for the commands that are printed; the callback of `-c`, `-w` and `--on`."""
    note_given(param.opts[-1], value)
    return value


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="The pipeline's YAML file; the 2013 flights when not given.",
        show_default=False,
        callback=noted,
    ),
]
ChangedConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The pipeline's YAML file, which is changed.", callback=noted)
]
WorkspaceOption = Annotated[
    str | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Where everything is written; wins over the file.",
        show_default=False,
        callback=noted,
    ),
]
WaitOption = Annotated[
    str | None,
    typer.Option(
        "--wait",
        metavar="[=TIME]",
        help="Stand in line for what another process holds, with TIME (90s, 10m, 6h) so long at most; "
        "on Vertex AI, wait for the job's end.",
        show_default=False,
    ),
]


class Waiting(TyperCommand):
    """A command with `--wait`, whose TIME may be left out; it stands behind `=`, so that it is no argument."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a bare `--wait` an empty TIME."""
        end = args.index("--") if "--" in args else len(args)
        return super().parse_args(ctx, ["--wait=" if a == "--wait" else a for a in args[:end]] + args[end:])


def in_line(wait: str | None, otherwise: Wait = AT_ONCE) -> Wait:
    """Return how to stand in line, as `--wait` says.

    Args:
        otherwise: how to without it.

    Raises:
        ConfigError: it says no time.
    """
    if wait is None:
        return otherwise
    from pipeline.config.value_types import seconds_of

    try:
        limit = seconds_of(wait) if wait else None
    except ValueError as exc:
        raise ConfigError(
            f"--wait: {exc}", "for example `--wait=10m`; `--wait` alone waits as long as it takes"
        ) from exc
    said = Wait(limit)
    return Wait(limit, lambda who: typer.echo(visible(f"{who}; waiting{said.words} …"), err=True))


OnOption = Annotated[
    Literal["local", "vertex"] | None,
    typer.Option(
        "--on",
        help="Where the steps run; `orchestrator` in the file when not given.",
        show_default=False,
        callback=noted,
    ),
]
EmulatedOption = Annotated[
    bool,
    typer.Option(
        "--emulate", help="With --on vertex: the jobs that `longhaul run --emulate` ran here.", callback=noted
    ),
]
BeamOption = Annotated[
    Literal["direct", "flink", "spark", "dataflow"] | None,
    typer.Option("--beam", help="Which Beam runner does the data work; wins over the file.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, 'latest', 'previous' or 'latest~N'.")]
TableArgument = Annotated[
    str,
    typer.Argument(
        help="A file, a folder or a glob of any format in docs/sources.md; or an address of PostgreSQL or BigQuery."
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="For jobs: print nothing if all is well, and everything if the exit code is not 0.",
        callback=hold_back,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The file; in the workspace when not given.", show_default=False),
]
