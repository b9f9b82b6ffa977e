"""Batch prediction from the command line's point of view: checks first, then the work, then what came of it."""

from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from rich.markup import escape
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.beam import arguments
from pipeline.commands.on_record import command_of, record
from pipeline.commands.uncollected import uncollected
from pipeline.config.data import Data
from pipeline.config.pipeline import PipelineConfig
from pipeline.contract.schema import column_type, feature_table, read_schema
from pipeline.data.columns import ColumnType, nearest
from pipeline.data.csv_text import csv_header
from pipeline.data.patterns import would_read
from pipeline.data.sources import source, table_files
from pipeline.data.values.readings import readings_of
from pipeline.errors import ConfigError, DataError, PipelineError
from pipeline.files import check_output, is_same_file, one_spelling
from pipeline.lineage import import_closure
from pipeline.lineage.provenance import package_versions
from pipeline.observe.log_file import output_to
from pipeline.runners.local.interruption import outliving_the_terminal
from pipeline.serving.checkpoint import key_of, workplace
from pipeline.serving.chosen_model import find_model
from pipeline.serving.met import Part, beyond, limits_of, put_together
from pipeline.serving.predicted_columns import predicted_names
from pipeline.terminal.console import console_for
from pipeline.terminal.predictions import Predictions, print_predictions
from pipeline.terminal.screen import Screen
from pipeline.workspace.scratch import scratch
from trainer.features import FeatureTable

if TYPE_CHECKING:
    from pipeline.serving.scoring import Outcome

_SUFFIXES = (".parquet", ".csv")
_VERSION = "model_version"
"""The column that says which model predicted."""


def predict_table(
    config: PipelineConfig,
    table: str,
    output: Path,
    *,
    model: str | None,
    keys: Sequence[str] = (),
    force: bool,
    strict: bool = False,
    as_json: bool,
) -> bool:
    """Scores every row of `table` with a served model, writes `output`, and reports on the terminal.

    Args:
        table: a file, a folder, a glob or an address in BigQuery, as `data.path`.
        output: .parquet or .csv; the table's columns and rows in their order (BigQuery's have none), with the
            predictions beside them. It appears whole or not at all. What an interrupted prediction of the same has
            finished is not done again.
        keys: the columns that tell the rows; only they go to the output beside the predictions. All when empty.
        model: a pushed version, or the folder of a SavedModel; the version that serves when None.
        strict: write nothing if anything is met that the model was not made for; else `config.predict` says how much
            may be.

    Returns:
        False if more was met than may be: then nothing was written.

    Raises:
        PipelineError: the user's mistake; nothing is written.
    """
    began = time.monotonic()
    _check_output(output, force)
    chosen = find_model(config, model)
    schema = read_schema(config.schema_file)
    features = feature_table(config, schema)
    files = table_files.find_files(table, form=config.data.format, readings=readings_of(config.data))
    _check_apart(output, table, files)
    _check_apart_from_training(output, config.data, config.data_pattern)
    with scratch(config.root) as temporary, _chatter_in_log(config.root, temporary) as screen:
        columns, feature_types = _types(files, features, schema, config.data.drop)
        columns = _chosen(columns, keys)
        fragments = source.plan_fragments(files, columns=columns | feature_types)
        # Before the seconds that TensorFlow takes: a column that is missing, or wrong at first sight.
        next(source.read_fragment(fragments[0], feature_types), None)
        label = features.label
        version_column = _VERSION if _VERSION not in columns else f"{_VERSION}_{label.name}"
        _check_names([*predicted_names(label), version_column], columns, files)
        own_types = source.verbatim_types(files, columns)
        is_csv = output.suffix == ".csv"
        if not as_json:
            screen.waiting("loading TensorFlow and Beam")
        loading = time.monotonic()
        with uncollected():
            from pipeline.serving.scoring import Scoring, score
            from pipeline.serving.signature_check import check_signature

        loading_s = time.monotonic() - loading
        tensor_names = check_signature(str(chosen.folder), features)
        scoring = Scoring(
            model=str(chosen.folder),
            table=features,
            tensor_names=tensor_names,
            columns=columns,
            features=feature_types,
            # Text is kept for text only: elsewhere numbers and times are worth more as such.
            verbatim=own_types is not None and (is_csv or source.keep_types(files)),
            as_csv=is_csv,
            version=(version_column, chosen.name),
            threshold=chosen.threshold,
        )
        states = table_files.file_states(files)
        made_of = [
            *(states, fragments, chosen.digest, asdict(scoring)),
            *(import_closure.digest(import_closure.closure([Scoring.__module__])), package_versions()),
        ]
        with workplace(output, key_of(*made_of)) as folder:
            outcomes = score(fragments, scoring, folder, arguments.DIRECT)
            parts = [Part(fragments[each.fragment].path, each.rows, each.met) for each in outcomes]
            met = put_together(parts, [feature.name for feature in features.features if feature.optional])
            too_much = beyond(met, limits_of(config.predict, config.data, strict))
            if not too_much:
                whole = folder / "whole"
                _join(
                    [Path(outcome.shard) for outcome in outcomes], [*columns, *scoring.added] if is_csv else None, whole
                )
                whole.replace(output)
        predicted = _sum(outcomes, label.classes)
        rows = sum(outcome.rows for outcome in outcomes)
        unrecorded = ""
        if not too_much:
            told = {"rows": str(rows), "met": [each.to_json() for each in met], **predicted}
            command = command_of(config.file, config.root, table, output, chosen, keys)
            unrecorded = record(config, chosen, files, states, output, began, command, told)
    print_predictions(
        Predictions(
            output=None if too_much else str(output),
            model=str(chosen.folder),
            version=chosen.name,
            rows=rows,
            resumed_rows=sum(outcome.rows for outcome in outcomes if not outcome.is_new),
            columns=scoring.added,
            seconds=round(time.monotonic() - began, 2),
            loading_s=round(loading_s, 2),
            met=met,
            too_much=too_much,
            unrecorded=unrecorded,
            judging=chosen.judged_by,
            **predicted,
        ),
        label.name,
        as_json,
    )
    return not too_much


def _check_output(output: Path, force: bool) -> None:
    if output.suffix not in _SUFFIXES:
        raise ConfigError(f"--output {output}: predictions are written as {' or '.join(_SUFFIXES)}", "name such a file")
    check_output(output)
    if output.exists() and not force:
        raise ConfigError(f"--output {output} is there already", "name another file, or --force to overwrite it")


def _check_apart(output: Path, table: str, files: Sequence[table_files.SourceFile]) -> None:
    """Sees that what is written is no part of what is read, now or the next time."""
    if "://" in table:
        return
    reads = would_read(str(one_spelling(table)), str(one_spelling(output)))
    if reads or any(is_same_file(output, file.path) for file in files):
        raise ConfigError(
            f"--output {output}: that is a file of the table that is to be scored, or would become one",
            "name a file elsewhere; the table is left as it is",
        )


def _check_apart_from_training(output: Path, data: Data, pattern: str) -> None:
    """See that the training table is left as it is, too."""
    if "://" in pattern:
        return
    is_read = would_read(pattern, str(one_spelling(output)))
    if not is_read and output.exists():
        with suppress(DataError):  # a model may be used where its training data are not
            is_read = any(is_same_file(output, file.path) for file in table_files.find_files(pattern, form=data.format))
    if is_read:
        raise ConfigError(
            f"--output {output}: that is a file of the training table (data.path), or would become one",
            "name a file elsewhere; the table is left as it is",
        )


def _types(
    files: Sequence[table_files.SourceFile], features: FeatureTable, schema: schema_pb2.Schema, drop: Sequence[str]
) -> tuple[dict[str, ColumnType], dict[str, ColumnType]]:
    """Return the table's columns, and those that the model is given; the schema's types win over those found."""
    declared = {feature.name: column_type(feature) for feature in schema.feature}
    feature_types = {feature.name: declared[feature.name] for feature in features.features}
    found = source.infer_columns(files, drop, declared)
    source.check_has(files, found, feature_types)
    # TFRecord tells only some of its columns at once; the features must be among them.
    return found | feature_types, feature_types


def _chosen(columns: dict[str, ColumnType], keys: Sequence[str]) -> dict[str, ColumnType]:
    """Return the columns to pass on."""
    for key in keys:
        if key not in columns:
            raise ConfigError(
                f"--key {key}: the table has no such column; {nearest(key, columns)}", "name a column of the table"
            )
    return {key: columns[key] for key in keys} or columns


def _check_names(
    names: Sequence[str], columns: Mapping[str, ColumnType], files: Sequence[table_files.SourceFile]
) -> None:
    if taken := [name for name in names if name in columns]:
        raise DataError(
            f"{files[0].path} has a column {taken[0]!r}, which is the name of a prediction",
            f"rename it in the table, or list {taken[0]!r} in data.drop to leave it out",
        )


@contextmanager
def _chatter_in_log(root: Path, temporary: Path) -> Iterator[Screen]:
    """Send the chatter of TensorFlow and Beam to a file below `logs`, or, where that cannot be written, to one that
    goes with the folder `temporary`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    log = root / "logs" / f"predict-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
    except OSError as exc:  # a workspace that is read-only, or full, holds a model all the same
        print(f"Note: {log} cannot be written ({exc.strerror}); no log is kept", file=sys.stderr)
        log = temporary / log.name
    with outliving_the_terminal(), output_to(log) as terminal:
        screen = Screen(console_for(terminal))
        try:
            yield screen
        except BaseException as exc:
            with suppress(OSError):
                traceback.print_exc()  # into the log
            screen.close_line()
            if log.parent != temporary and not isinstance(exc, PipelineError | KeyboardInterrupt):
                screen.say(f"[red]the whole story is in {escape(str(log))}[/]")
            raise
        screen.close_line()


def _join(shards: Sequence[Path], header: Sequence[str] | None, whole: Path) -> None:
    """Write the shards one after the other, as CSV under `header` or, without one, as Parquet by row groups."""
    with whole.open("wb") as file:
        if header is not None:
            file.write(csv_header(header))
            for shard in shards:
                with shard.open("rb") as lines:
                    shutil.copyfileobj(lines, file, 1 << 20)
        else:
            with pq.ParquetWriter(file, pq.read_schema(shards[0]), compression="zstd") as writer:
                for shard in shards:
                    part = pq.ParquetFile(shard)
                    for group in range(part.num_row_groups):
                        writer.write_table(part.read_row_group(group))
        file.flush()
        os.fsync(file.fileno())  # else a power cut after the renaming could leave an empty file


def _sum(outcomes: Sequence[Outcome], classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`classes` and `values` of the whole from those of the parts."""
    if not classes:
        least, greatest, totals = zip(*(outcome.values for outcome in outcomes), strict=True)
        mean = sum(totals) / sum(outcome.rows for outcome in outcomes)
        return {"classes": {}, "values": {"least": min(least), "mean": mean, "greatest": max(greatest)}}
    counts = sum((Counter(outcome.classes) for outcome in outcomes), Counter[str]())
    return {"classes": {name: counts[name] for name in classes}, "values": {}}
