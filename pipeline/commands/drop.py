"""`longhaul drop`: a column leaves the table, or the model's view of it, by one edit of the YAML file."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.markup import escape

from pipeline.config.loading import check_edited, load
from pipeline.config.model_settings import ModelSettings
from pipeline.config.place import Place
from pipeline.config.split import deciding_columns, time_column
from pipeline.config.yaml_edit import with_item, without_item
from pipeline.contract.schema import feature_table, read_schema
from pipeline.contract.schema_text import replacing
from pipeline.data.columns import nearest
from pipeline.data.sources import source, table_files
from pipeline.errors import ConfigError, PipelineError
from pipeline.terminal.console import console_for

_FOLLOWS = {
    "data.drop": "never read, asked for, compared or passed on; the schema may go on describing it",
    "features.exclude": "kept and validated with what is learned from; the model is not shown it, and nothing asks for "
    "it in new rows to score",
}
_FOLLOWS_BACK = {"data.drop": "read and asked for again", "features.exclude": "shown to the model again"}


@dataclass(frozen=True)
class Dropped:
    """What changed.

    Attributes:
        setting: where the columns stand now.
        columns: those that did not stand there before; with `back`, that no longer stand there.
        slices: that were taken out of `evaluation.slices`.
        moves_split: rows are dealt to the splits by a hash of all columns, which are fewer now; more with `back`.
        back: the columns were taken out of the setting again.
    """

    file: Path
    setting: str
    columns: tuple[str, ...]
    slices: tuple[tuple[str, ...], ...]
    moves_split: bool
    back: bool = False


def drop_columns(file: Path, columns: Sequence[str], *, exclude: bool, back: bool = False) -> Dropped:
    """Write the columns into `data.drop` or, with `exclude`, `features.exclude`; the rest of the file stays as it is.

    Args:
        back: take them out of it again.

    Raises:
        ConfigError: a column is needed or unknown, no feature would be left, or the file cannot be changed safely.
    """
    config = load(file)
    path, present = ("features", "exclude"), config.features.exclude
    if not exclude:
        path, present = ("data", "drop"), config.data.drop
    new = [name for name in dict.fromkeys(columns) if (name in present) is back]
    for name in new:
        (_check_described if back else _check)(config, name, exclude)
    text = original = file.read_bytes().decode()
    for name in new:
        text = (without_item if back else with_item)(text, path, name)
    slices = (
        () if exclude or back else tuple(crossed for crossed in config.evaluation.slices if set(crossed) & set(new))
    )
    for crossed in slices:
        text = without_item(text, ("evaluation", "slices"), list(crossed))
    feature_table(check_edited(text, file), read_schema(config.schema_file))  # such as a table without a feature
    if text != original:
        with replacing(file, text, "--config"):
            pass
    moves = not exclude and deciding_columns(config.split) is None
    return Dropped(file, ".".join(path), tuple(new), slices, bool(new) and moves, back)


def _check_described(place: Place, name: str, exclude: bool) -> None:
    """A column that is read again must be described, or no step would know its type."""
    if not exclude and name not in [feature.name for feature in read_schema(place.schema_file).feature]:
        raise ConfigError(
            f"the schema {place.schema_file} does not describe {name!r}",
            "add it to the schema, or take it out of data.drop and let `longhaul init TABLE --again` look at it anew",
        )


def _check(settings: ModelSettings, name: str, exclude: bool) -> None:
    if name == settings.data.label:
        raise ConfigError(f"{name!r} is the label (data.label)", "name another column, or another label first")
    if not exclude and name in (*(deciding_columns(settings.split) or ()), time_column(settings.split)):
        raise ConfigError(
            f"the rows are split by {name!r} (split)",
            "`longhaul drop --exclude` keeps it from the model only; or split by something else first",
        )
    known = [feature.name for feature in read_schema(settings.schema_file).feature]
    if name in known:
        return
    if not exclude:  # a column that is in the table only may be dropped before anybody describes it
        with suppress(PipelineError):
            files = table_files.find_files(settings.data_pattern, settings.data.spans, form=settings.data.format)[:1]
            known += [column for column in source.column_names(files, usable=False) if column not in known]
    if name not in known:
        raise ConfigError(f"there is no column {name!r}; {nearest(name, known)}", "correct the name")


def print_dropped(done: Dropped, as_json: bool) -> None:
    """Say what changed, and what follows from it."""
    if as_json:
        print(json.dumps(asdict(done) | {"file": str(done.file)}, indent=1))
        return
    console = console_for(sys.stdout)
    file = escape(str(done.file))
    if not done.columns:
        said = "names none of them" if done.back else "names them already"
        console.print(f"Nothing changed: {done.setting} of {file} {said}", soft_wrap=True)
        return
    names = escape(", ".join(map(repr, done.columns)))
    where = "out of" if done.back else "into"
    console.print(f"Wrote     {names} {where} {done.setting} of {file}; nothing else in it changed", soft_wrap=True)
    for crossed in done.slices:
        console.print(f"          {escape(str(list(crossed)))} out of evaluation.slices", soft_wrap=True)
    follows = (_FOLLOWS_BACK if done.back else _FOLLOWS)[done.setting]
    console.print(f"From now  {follows}", soft_wrap=True)
    if done.moves_split:
        console.print(
            "Note      rows are dealt to the splits by a hash of all columns: they are dealt anew. split.columns names "
            "those that should decide, for next time",
            soft_wrap=True,
        )
    console.print("Next      longhaul run", soft_wrap=True)
