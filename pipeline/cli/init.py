"""`longhaul init`: a first configuration, and what a person may say of the table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline.cli.options import RUN, JsonOption, TableArgument

app = typer.Typer()

_Columns = list[str] | None


@app.command(
    rich_help_panel=RUN,
    epilog="Examples: [bold]longhaul init patients.csv --label diagnosis[/] · "
    "[bold]longhaul init sales.txt --label amount --drop note --type zip=text --missing -9[/]",
)
def init(
    table: TableArgument,
    label: Annotated[
        str | None,
        typer.Option(
            "--label", help="The column to predict; without it, those that may be are listed.", show_default=False
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Of the pipeline; from the table's file name when not given.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Look at the table anew and keep what people changed in both files since.")
    ] = False,
    drop: Annotated[
        _Columns, typer.Option("--drop", metavar="COLUMN", help="Leave a column out (data.drop).", show_default=False)
    ] = None,
    keep: Annotated[
        _Columns,
        typer.Option(
            "--keep", metavar="COLUMN", help="Show a column to the model, whatever it looks like.", show_default=False
        ),
    ] = None,
    kinds: Annotated[
        _Columns,
        typer.Option(
            "--type",
            metavar="COLUMN=KIND",
            help="What a column holds: text, number, boolean, date, duration or category; with any setting of "
            "data.columns behind it, as in when=date:format=%d/%m/%Y.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        Literal["binary", "multiclass", "regression"] | None,
        typer.Option("--task", help="What the label is, where it could be several things.", show_default=False),
    ] = None,
    missing: Annotated[
        _Columns,
        typer.Option(
            "--missing", metavar="MARKER", help="A text that means 'missing' (data.missing).", show_default=False
        ),
    ] = None,
    unlabelled: Annotated[
        float | None,
        typer.Option(
            "--unlabelled-at-most",
            metavar="PART",
            help="So large a part of the rows may have no label; they are left out (data.unlabelled_at_most).",
            show_default=False,
        ),
    ] = None,
    values: Annotated[
        _Columns,
        typer.Option(
            "--na-is-value", metavar="COLUMN", help="In this column NA and its like are values.", show_default=False
        ),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(
            "--delimiter", help="What stands between two fields: ';', 'tab', '|', 'blanks'.", show_default=False
        ),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Of the text, for example cp1252.", show_default=False)
    ] = None,
    form: Annotated[
        _Columns,
        typer.Option("--format", metavar="SETTING=VALUE", help="Any setting of data.format.", show_default=False),
    ] = None,
    with_code: Annotated[
        bool,
        typer.Option("--with-code", help="Write also a skeleton of code of your own: a network, a check, a test."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a configuration and a first schema for a table of yours, and say what was understood of it."""
    from pipeline.commands.first_code import check_room, write_first_code
    from pipeline.commands.init import write_first_files
    from pipeline.config.data import UNLABELLED_AT_MOST
    from pipeline.contract.first_reading import KINDS, Wishes

    settings: dict[str, Any] = _pairs("--format", form or ())
    if delimiter is not None:
        settings["delimiter"] = {"tab": "\t", "\\t": "\t", "comma": ",", "blank": " "}.get(delimiter, delimiter)
    if encoding is not None:
        settings["encoding"] = encoding
    types, of_types = _types(kinds or (), KINDS)
    if unlabelled is not None and not 0 < unlabelled < 1:
        raise typer.BadParameter(f"{unlabelled} is not between 0 and 1", param_hint="--unlabelled-at-most")
    wishes = Wishes(
        drop=tuple(drop or ()),
        keep=tuple(keep or ()),
        types=types,
        settings=of_types,
        missing=tuple(missing or ()),
        values=tuple(values or ()),
        format=settings,
        task=task,
        unlabelled_at_most=UNLABELLED_AT_MOST if unlabelled is None else unlabelled,
    )
    if with_code:
        check_room(Path.cwd())
    config = write_first_files(table, label, name, Path.cwd(), force, again=again, wishes=wishes, as_json=as_json)
    if with_code:
        write_first_code(config, quiet=as_json)


def _pairs(option: str, given: Sequence[str]) -> dict[str, Any]:
    pairs = {}
    for one in given:
        name, mark, value = one.partition("=")
        if not mark:
            raise typer.BadParameter(f"{one!r} has no '='", param_hint=option)
        pairs[name] = _value(value)
    return pairs


def _types(given: Sequence[str], kinds: Sequence[str]) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Return the kind and the settings of each column; several of one column add up."""
    types: dict[str, str] = {}
    settings: dict[str, dict[str, Any]] = {}
    for one in given:
        found = re.fullmatch(rf"(.*)=({'|'.join(kinds)})(?::(\w+=.*))?", one, re.DOTALL)
        if found is None:
            raise typer.BadParameter(
                f"{one!r} is not COLUMN=KIND or COLUMN=KIND:SETTING=VALUE; a kind is one of {', '.join(kinds)}",
                param_hint="--type",
            )
        name, kind, setting = found.groups()
        types[name] = kind
        if setting:
            settings.setdefault(name, {}).update(_pairs("--type", [setting]))
    return types, settings


def _value(text: str) -> Any:
    """Read a setting's value as in the YAML file; what is no YAML by itself, such as a bracket, is text."""
    import yaml

    from pipeline.config.yaml_file import parse_yaml

    try:
        value = parse_yaml(text)
    except yaml.YAMLError:
        return text
    return text if value is None and text not in ("null", "~") else value
