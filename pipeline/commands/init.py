"""A first configuration and a first schema for a table that somebody has."""

from __future__ import annotations

import difflib
import json
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from google.protobuf import text_format
from jinja2 import Environment, PackageLoader
from rich.console import Console
from rich.markup import escape

from pipeline.commands.again import Merged, as_decided, merge_config, merge_schema
from pipeline.commands.first_name import checked, name_from
from pipeline.commands.first_network import sizes
from pipeline.commands.first_wishes import as_before, keep
from pipeline.config.data import UNLABELLED_AT_MOST
from pipeline.config.editor_schema import SCHEMA, write_editor_schema
from pipeline.config.number_text import count_text
from pipeline.config.yaml_edit import rendered
from pipeline.config.yaml_file import quoted
from pipeline.contract.first_look import FirstLook, label_candidates, look_at
from pipeline.contract.first_reading import Wishes
from pipeline.contract.first_schema import infer_schema
from pipeline.contract.schema_text import replacing
from pipeline.data.sources import table_files
from pipeline.errors import ConfigError, DataError
from pipeline.files import one_spelling
from pipeline.reports.rules import few_to_learn_note
from pipeline.terminal.console import console_for
from pipeline.terminal.first_look import print_again, print_first_look


@dataclass(frozen=True)
class FirstFiles:
    """Where the files of a pipeline lie that `init` writes, below `folder`."""

    folder: Path
    name: str

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / f"{self.name}.yaml"

    @property
    def schema(self) -> Path:
        """The schema."""
        return self.folder / "schema" / f"{self.name}.pbtxt"

    @property
    def policy(self) -> Path:
        """The policy of the data gate."""
        return self.schema.with_suffix(".policy.yaml")

    def last(self, file: Path) -> Path:
        """Where it is kept what `init` wrote last, for `--again`."""
        return self.folder / ".longhaul" / file.name


def write_first_files(
    table: str,
    label: str | None,
    name: str | None,
    folder: Path,
    force: bool,
    *,
    again: bool = False,
    wishes: Wishes | None = None,
    as_json: bool = False,
) -> Path:
    """Write `<name>.yaml`, a schema of it for editors and `schema/<name>.pbtxt` into `folder`; say what was understood
    and what to do next.

    Args:
        again: the files are there; what people changed in them stays.

    Returns:
        The configuration.

    Raises:
        DataError: the table cannot be used, or has no such column.
        ConfigError: a file is in the way.
    """
    files = FirstFiles(folder, checked(name) if name else name_from(table))
    if label is None and not again:
        raise _which_label(table, wishes or Wishes())
    there = [file for file in (files.config, files.schema) if file.exists()]
    if again and len(there) < 2:
        raise ConfigError(
            f"--again: there is no {files.schema if there else files.config}",
            "leave --again out the first time, or name the pipeline with --name",
        )
    if there and not (force or again):
        raise ConfigError(
            f"{there[0]} is there already",
            "--again looks at the table anew and keeps your edits; or give another --name, or --force to overwrite it",
        )
    if again:
        label, wishes = as_before(files.config, files.last(files.config), label, wishes or Wishes())
    assert label is not None
    wishes = wishes or Wishes()
    found = _naming_options(look_at, table, label, wishes)
    rows = found.table.rows.num_rows
    _check_rows(table, rows)
    texts = first_texts(table, files.name, found, folder, wishes.unlabelled_at_most)
    fresh = dict(zip((files.config, files.schema), texts, strict=True))
    merged = _merged(files, fresh) if again else {file: Merged(text) for file, text in fresh.items()}
    changes = {file: _difference(file, one.text) for file, one in merged.items()} if again else {}
    for file, one in merged.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        if not again or changes[file]:
            with replacing(file, one.text, "init"):
                pass
        files.last(file).parent.mkdir(exist_ok=True)
        files.last(file).write_text(fresh[file])
    keep(files.last(files.config), wishes)
    if found.allowed_leaks and not files.policy.exists():
        files.policy.write_text(_policy_text(found.allowed_leaks), encoding="utf-8")
    write_editor_schema(folder / SCHEMA.name)
    found = as_decided(found, merged[files.config].text)
    kept = [line for one in merged.values() for line in one.kept]
    if as_json:
        wrote = {"config": str(files.config), "schema": str(files.schema)}
        difference = {"difference": "".join(changes.values()), "kept": kept} if again else {}
        facts = {"table": table, "name": files.name, **found.to_json(), "wrote": wrote}
        print(json.dumps(facts | difference, indent=1))
        return files.config
    console = console_for(sys.stdout)
    print_first_look(console, found)
    if again:
        print_again(console, "".join(changes.values()), kept)
    _print_written(console, files, rows)
    return files.config


def _merged(files: FirstFiles, fresh: Mapping[Path, str]) -> dict[Path, Merged]:
    merged = {}
    for file, merge in ((files.config, merge_config), (files.schema, merge_schema)):
        last = files.last(file)
        before = last.read_text() if last.exists() else None
        merged[file] = merge(before, file.read_bytes().decode(), fresh[file])
    return merged


def _difference(file: Path, text: str) -> str:
    lines = file.read_bytes().decode().splitlines(keepends=True)
    return "".join(difflib.unified_diff(lines, text.splitlines(keepends=True), file.name, file.name, n=1))


def _which_label(table: str, wishes: Wishes) -> DataError:
    options, read = _naming_options(label_candidates, table, wishes)
    if not options:
        sheets = [one for one in read.said if "FILE#SHEET" in one]
        if not sheets:
            _check_rows(table, read.rows.num_rows)
        names = ", ".join(map(repr, [*read.types][:_SHOWN])) + (", …" if len(read.types) > _SHOWN else "")
        return DataError(
            f"{table} has {count_text(read.rows.num_rows, 'row')} and the columns {names}; none of them looks like a "
            "label",
            "; ".join(["name the one to be predicted with --label, if it is there all the same", *sheets]),
        )
    listed = "".join(f"\n  --label {shlex.quote(one)}   ({what})" for one, what in options)
    return DataError(
        f"which column of {table} is to be predicted? It may be one of these:{listed}",
        "name it with --label",
    )


_SHOWN = 8
_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


def _naming_options(look: Callable[_Given, _Found], *given: _Given.args, **named: _Given.kwargs) -> _Found:
    """Call a function; its remedies name a setting together with the option that gives it, for there is no file yet."""
    try:
        return look(*given, **named)
    except DataError as exc:
        raise DataError(exc.what, _by_options(exc.remedy)) from exc


def _by_options(remedy: str) -> str:
    """Return a remedy that names a setting with the option that gives it, since there is no configuration yet."""
    remedy = re.sub(r"`longhaul drop (.*?)` \(data\.drop\)", r"`--drop \1`", remedy)
    if not (named := re.findall(r"data\.format: \{(\w+): ([^{}]+)\}", remedy)):
        return remedy
    options = " or ".join(f"--format '{key}={value}'" for key, value in named)
    return f"{remedy} (with `longhaul init`: {options})"


def first_texts(
    table: str, name: str, found: FirstLook, folder: Path = Path(), unlabelled_at_most: float = UNLABELLED_AT_MOST
) -> tuple[str, str]:
    """Return the configuration and the schema as text.

    Args:
        folder: of the configuration; a table in it or below is found again wherever both are moved to.
        unlabelled_at_most: what part of the rows may have no label.
    """
    header = _SCHEMA_HEADER.format(table=table_files.file_name(table))
    table, query = table_files.without_query(table)
    path = table if "://" in table else _named_from(one_spelling(folder), one_spelling(table))
    environment = Environment(loader=PackageLoader("pipeline.commands", "templates"), keep_trailing_newline=True)
    environment.filters |= {"quoted": quoted, "rendered": rendered, "comment": _comment}
    rows, recognised = found.table.rows.num_rows, found.table.recognised
    readings = {
        column: reading.model_dump(mode="json", exclude_defaults=True) for column, reading in recognised.columns.items()
    }
    dropped = found.named_in("data.drop")
    text = environment.get_template("config.yaml.j2").render(
        name=name,
        path=path,
        query=query,
        format=found.table.form.written(),
        label=found.label,
        guess=found.guess,
        rows=rows,
        drop=dropped,
        exclude=found.named_in("features.exclude"),
        categorical=found.named_in("features.categorical"),
        derived=found.derived,
        missing=recognised.missing,
        readings={column: reading for column, reading in readings.items() if reading},
        set_aside=recognised.set_aside,
        unlabelled_at_most=unlabelled_at_most,
        **sizes(rows, len(found.types)),
    )
    read = {column: kind for column, kind in found.types.items() if column not in dropped}
    labelled = found.table.rows.filter(found.table.rows.column(found.label).is_valid())  # a run leaves out the others
    schema = infer_schema(labelled, read, found.label)
    return text, header + text_format.MessageToString(schema, as_utf8=True)


def _named_from(folder: Path, table: Path) -> str:
    if folder not in table.parents:
        return str(table)
    relative = str(table.relative_to(folder))
    return f"./{relative}" if relative.startswith("~") else relative


def _check_rows(table: str, rows: int) -> None:
    if rows < 3:
        raise DataError(
            f"{table}: {count_text(rows, 'row')} {'is' if rows == 1 else 'are'} too few to learn from and to judge by",
            "add rows: some hundred",
        )


def _print_written(console: Console, files: FirstFiles, rows: int) -> None:
    if few := few_to_learn_note(rows):
        console.print(f"[yellow]Note[/]      {few}")
    shown = escape(files.config.name)
    console.print(f"Wrote     {shown} and schema/{escape(files.schema.name)}: read both, they are yours now")
    console.print(f"Editors   {SCHEMA.name} tells them what may stand in {shown}")
    console.print(f"Next      longhaul run --config {escape(shlex.quote(files.config.name))}", soft_wrap=True)


_SCHEMA_HEADER = """\
# Inferred from {table} by `longhaul init`. From here on it is yours: it says what the data must be, not what
# they happened to be. Read it line by line; loosen what is too tight, tighten what is too loose.

"""


def _policy_text(allowed: Sequence[str]) -> str:
    lines = [f"  {quoted(name)}: {{ severity: {{ label_leak: warn }} }}\n" for name in allowed]
    return (
        "# Shown to the model although they alone tell the label: the gate warns of that, and does not stop the run.\n"
        + ("features:\n" + "".join(lines))
    )


def _comment(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)
