"""The command line: parse, call, print. Whatever is heavy is imported inside the command that needs it.

A module for each group of commands in `--help`, and for each command that has commands of its own.
"""

from __future__ import annotations

import sys
import traceback
from functools import partial
from typing import Annotated

import typer

import pipeline
from pipeline.cli import (
    config,
    explain,
    init,
    judge,
    keep,
    look,
    loop,
    rollout,
    run,
    schedule,
    schema,
    serve,
    suspects,
    watch,
)
from pipeline.cli.options import LOOK, RUN, SERVE
from pipeline.config.command_texts import as_given, forget_given
from pipeline.errors import (
    EXIT_BUG,
    EXIT_DISK_FULL,
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    PipelineError,
    causes,
    tells_of_full_disk,
)
from pipeline.observe.quiet import settled
from pipeline.observe.standard_streams import standard_streams, visible
from pipeline.runners.local.interruption import stopped, terminable
from pipeline.terminal.wrapping import for_terminal

new_app = partial(
    typer.Typer,
    name="longhaul",
    help="Carries a table to a served, watched, explainable model, and remembers every step.",
    epilog="Exit codes: 0 done; 1 a gate said no; 2 the input is wrong; 66, 69, 75, 124 again later; 70 a bug of ours; "
    "74 disk full; 130, 143 stopped. [bold]longhaul help exit-codes[/] says what each means.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app = new_app()
GROUPS = (run, loop, init, look, serve, watch, judge, keep, explain, suspects)
for group in GROUPS:
    app.add_typer(group.app)
app.add_typer(schedule.app, rich_help_panel=RUN)
app.add_typer(schema.app, rich_help_panel=LOOK)
app.add_typer(rollout.app, rich_help_panel=SERVE)
app.add_typer(rollout.requests_app)
app.add_typer(config.app, rich_help_panel=LOOK)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"longhaul {pipeline.__version__}")
        raise typer.Exit


def needed(words: list[str]) -> typer.Typer:
    """Return the program with the one command that is called, or all of it: typer takes a tenth of the time of a
    rollback to build all."""
    for command in (command for group in GROUPS for command in group.app.registered_commands):
        if words[:1] == [command.name or getattr(command.callback, "__name__", "")]:
            one = new_app(callback=_root)
            one.registered_commands.append(command)
            return one
    return app


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run a command, and turn its errors into messages and exit codes: the console script."""
    with standard_streams(), settled(), terminable():
        try:
            needed(sys.argv[1:])()
        except SystemExit as exc:  # typer ends so, also after a wrong option (2) and after a KeyboardInterrupt (130)
            if exc.code == EXIT_INTERRUPTED:
                what, code = stopped()
                _complain(what + _how_to_go_on())
                sys.exit(code)
            raise
        except PipelineError as exc:
            _complain(str(exc))
            sys.exit(exc.exit_code)
        except Exception as exc:
            if known := _known(exc):
                text, code = known
                _complain(text)
                sys.exit(code)
            _complain(f"a bug of ours: {type(exc).__name__}: {exc}")
            typer.echo(visible(traceback.format_exc()), nl=False, err=True)
            sys.exit(EXIT_BUG)
        finally:
            forget_given()


def _known(error: Exception) -> tuple[str, int] | None:
    """Return what to say, and the exit code, of an error that is no bug of ours, wherever it was met."""
    if tells_of_full_disk("\n".join(map(str, causes(error)))):
        return f"a disk is full: {error}\n  Remedy: free some space there and run again", EXIT_DISK_FULL
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return (
            f"{error.object[:200]!r} holds bytes that are no UTF-8, which cannot be put on record\n"
            "  Remedy: name it in UTF-8; rename a file that is called so"
        ), EXIT_INPUT
    if isinstance(error, FileNotFoundError) and "No usable temporary directory" in str(error):
        return (
            f"no folder for temporary files can be written: {error.strerror}\n"
            "  Remedy: free some space or fix the permissions there, or set TMPDIR to another folder"
        ), EXIT_INPUT
    if isinstance(error, PermissionError) and error.filename:
        return (
            f"{error.filename}: {error.strerror}\n"
            "  Remedy: call it as the user to whom that belongs, or have the permissions changed"
        ), EXIT_INPUT
    if type(error).__module__ == "ml_metadata.errors":
        from pipeline.lineage.store import failure

        of_store = failure(error)
        return str(of_store), of_store.exit_code
    return None


def _how_to_go_on() -> str:
    command = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    if command in ("run", "resume"):
        return "; `longhaul resume` goes on after the last finished step"
    if command == "predict":
        return "; the same command goes on after the parts that are finished"
    return ""


def _complain(text: str) -> None:
    who = "longhaul: "
    typer.secho(who, fg="red", bold=True, nl=False, err=True)
    typer.echo(for_terminal(f"{who}{visible(as_given(text))}", sys.stderr).removeprefix(who), err=True)
