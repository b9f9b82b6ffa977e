"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.observe.quiet import hold_back

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
BeamOption = Annotated[
    Literal["direct", "flink", "spark", "dataflow"] | None,
    typer.Option("--beam", help="Which Beam runner does the data work; wins over the file.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, 'latest', 'previous' or 'latest~N'.")]
TableArgument = Annotated[
    str,
    typer.Argument(help="CSV, Parquet or TFRecord: a file, a folder or a glob; or bigquery://PROJECT.DATASET.TABLE."),
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
