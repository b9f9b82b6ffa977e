"""`longhaul suspects`: rows of a run's training split whose label a person should look at, as a page and as a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.commands.suspects_file import Suspect, Suspects, text_of
from pipeline.config.model_settings import ModelSettings
from pipeline.config.number_text import bound_text
from pipeline.data.convert import shorten
from pipeline.data.decided_labels import BETWEEN, FILE, Decisions, read_decisions, row_hashes
from pipeline.errors import ConfigError, WorkspaceError
from pipeline.files import one_spelling, write_whole
from pipeline.guard.checks import TRAIN_SPLIT
from pipeline.guard.find_rows import find_rows, source_of
from pipeline.guard.label_noise import points_of
from pipeline.lineage.runs import Run
from pipeline.reports.formats import moment
from pipeline.reports.one_feature import recorded_settings, table_of
from pipeline.reports.personal import unshown
from pipeline.reports.suspects import render
from pipeline.terminal.screen import chatter_to
from trainer.features import FeatureTable

_FEWEST_ROWS = 50
_MOST_VALUES = 30
"""Columns that stand in the file, those that tell rows apart first."""
Hashes = npt.NDArray[np.uint64]


def find_suspects(
    settings: ModelSettings, run: Run, keys: Sequence[str], at_most: int, output: Path | None, *, quiet: bool = False
) -> Suspects:
    """Rank the rows of a run's training split by how suspect their labels are, and write page and file.

    Args:
        keys: columns that tell rows apart; none for all but the label, or as the file has it.
        at_most: rows to write.
        output: the file; when None that of `data.label_decisions`, or one in the workspace.
        quiet: show no progress.

    Raises:
        ConfigError: the run has no classes or no network of Longhaul's, or the keys do not tell rows apart.
        WorkspaceError: what the run left is gone, or nothing can be written.
    """
    recorded, schema = recorded_settings(run)
    label, features = recorded["data"]["label"], table_of(recorded, schema)
    if features.label.task == "regression":
        raise ConfigError(
            f"run {run.run_id} is a regression; only labels that are classes can be suspect",
            "the page of the run has its worst rows: `longhaul report`",
        )
    if recorded.get("transform", {}).get("preprocessing_fn") or recorded.get("trainer", {}).get("run_fn"):
        raise ConfigError(
            f"run {run.run_id} shapes its rows by code of yours; trees grow on Longhaul's features only",
            "name a run without transform.preprocessing_fn and trainer.run_fn; `longhaul runs` lists them",
        )
    table = _training_rows(run)
    if table.num_rows < _FEWEST_ROWS:
        raise ConfigError(
            f"run {run.run_id} trained on {table.num_rows} rows; {_FEWEST_ROWS} are needed to doubt one",
            "look through so few rows yourself, or collect more",
        )
    file = one_spelling(output) if output else settings.label_decisions_file or settings.root / FILE
    known = read_decisions(file, settings.data.label_classes) if file.exists() else Decisions()
    decided = {(one.row, text) for one in known.rows if one.decision for text in (one.given, one.label)}
    if decided and keys and tuple(dict.fromkeys(keys)) != known.keys:
        by = BETWEEN.join(known.keys) or "all columns"
        raise ConfigError(f"{file} tells rows apart by {by}", "name the same columns by --key, or another --output")
    keys = tuple(dict.fromkeys(keys)) or known.keys
    hashes = _told_apart(table, label, keys)
    texts = np.array([str(value) for value in table.column(label).to_pylist()])
    with chatter_to(Path(os.devnull), "" if quiet else "growing trees without a part of the rows, five times"):
        found = _ranked(run, table, features, hashes)
    names = [f"{one:016x}" for one in hashes[found.rows].tolist()]
    doubted = np.flatnonzero(found.flagged | (found.score > 0.5))
    each = {(names[place], str(texts[found.rows[place]])): place for place in doubted[::-1]}  # equal rows once
    shown = sorted(place for name, place in each.items() if name not in decided)[:at_most]
    places = find_rows(
        source_of(settings.data, settings.data_pattern, run.ingestion),
        keys,
        label,
        set(hashes[found.rows[shown]].tolist()),
    )
    hidden = {label, *unshown(recorded, table.column_names)}
    columns = [name for name in dict.fromkeys([*keys, *table.column_names]) if name not in hidden][:_MOST_VALUES]
    values = table.select(columns).take(pa.array(found.rows[shown])).to_pylist()
    classes, types = features.label.classes, (run.ingestion or {}).get("columns", {})  # as the run has them
    rows = [
        Suspect(
            names[place],
            *places.get(int(hashes[found.rows[place]]), ("", 0)),
            str(texts[found.rows[place]]),
            classes[found.suggested[place]],
            round(float(found.score[place]), 4),
            bool(found.flagged[place]),
            found.why(place, classes, classes.index(texts[found.rows[place]])),
            {name: _short(value, types.get(name, "")) for name, value in of_row.items()},
        )
        for place, of_row in zip(shown, values, strict=True)
    ]
    page = settings.root / "reports" / f"{run.run_id}-suspects.html"
    made = Suspects(
        settings.name, run.run_id, keys, classes, rows, table.num_rows, found.errors, found.skill,
        len({(one.row, one.given) for one in known.rows if one.decision}), str(file), str(page),
    )  # fmt: skip
    text, remedy = text_of(made, file), "name another file with --output"
    write_whole(text, file, "file of suspects", remedy)
    write_whole(render(made.to_json(), text), page, "page", "choose another workspace with --workspace")
    return made


def _short(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if kind == "timestamp":
        return moment(value)
    text = bound_text(value) if isinstance(value, float) else str(value)
    return text if len(text) <= 200 else shorten(text, 200)


def _folder(run: Run, step: str, kind: str) -> Path:
    folder = next((one.folder for one in run.artifacts.get(step, []) if one.type == kind), None)
    if folder is None or not folder.is_dir():
        raise WorkspaceError(
            f"run {run.run_id} has no {kind} {'any more' if folder else 'on record'}",
            "name a run that is complete and whose files are kept; `longhaul runs` lists them",
        )
    return folder


def _training_files(run: Run) -> list[str]:
    folder = _folder(run, "TableExampleGen", "Examples") / f"Split-{TRAIN_SPLIT}"
    files = sorted(str(path) for path in folder.glob("*.parquet"))
    if not files:
        raise ConfigError(
            f"run {run.run_id} keeps its rows as tf.Examples", "set data.payload: parquet, and run once more"
        )
    return files


def _training_rows(run: Run) -> pa.Table:
    """Return the training split in the order in which trainer.reading reads it."""
    tables = [pq.read_table(file) for file in _training_files(run)]
    return pa.concat_tables(tables, promote_options="default").combine_chunks()


def _told_apart(table: pa.Table, label: str, keys: Sequence[str]) -> Hashes:
    """Return what tells rows apart, (rows,)."""
    if label in keys:
        raise ConfigError(f"--key {label}: it is the label, which decisions change", "name other columns")

    def of(columns: Sequence[str]) -> Hashes:
        return np.concatenate([row_hashes(batch, label, columns) for batch in table.to_batches()])

    hashes = of(keys)
    if keys and (different := len(np.unique(of(())))) > len(np.unique(hashes)):
        alike = different - len(np.unique(hashes))
        raise ConfigError(
            f"--key {BETWEEN.join(keys)}: {alike:,} rows that differ have the key of another", "name more columns"
        )
    return hashes


def _ranked(run: Run, table: pa.Table, features: FeatureTable, hashes: Hashes) -> Any:
    import tensorflow as tf
    import tensorflow_transform as tft

    from pipeline.evaluation.suspects import rank
    from trainer.artifact_names import LABEL, PREDICTION
    from trainer.reading import read_transformed
    from trainer.rows import to_examples

    graph = tft.TFTransformOutput(str(_folder(run, "Transform", "TransformGraph")))
    layer = graph.transform_features_layer()
    columns = read_transformed(_training_files(run), features, layer, to_learn=True)
    labels = columns.pop(LABEL).astype(np.int64)
    model = tf.saved_model.load(str(_folder(run, "Trainer", "Model") / "Format-Serving"))

    def ask(rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        chosen = table.take(pa.array(rows)).combine_chunks()
        answers = []
        for batch in chosen.to_batches(max_chunksize=8192):
            records = tf.constant(to_examples(batch))
            answers.append(model.signatures["serving_default"](examples=records)[PREDICTION].numpy())
        said = np.concatenate(answers).reshape(len(rows), -1)
        return np.hstack([1 - said, said]) if said.shape[1] == 1 else said

    names = [one.name for one in features.features if one.name in table.column_names]
    count = len(features.label.classes)
    return rank(columns, labels, count, hashes % np.uint64(1 << 62), points_of(table.select(names)), ask)
