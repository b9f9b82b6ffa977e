"""`longhaul rejudge`: any pushed model on any labelled rows, without a run; several side by side on the same rows."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore

from pipeline.commands.on_record import try_to_record
from pipeline.config.data import Data
from pipeline.config.model_settings import ModelSettings
from pipeline.config.place import Place
from pipeline.config.spans import Spans, span_number, spans_text
from pipeline.contract.schema import column_type, feature_table, read_schema, without
from pipeline.data.row_weights import check_weight_column, check_weights
from pipeline.data.sources import source, table_files
from pipeline.data.sources.fragments import place_of
from pipeline.data.sources.meaning import without_misfits
from pipeline.data.values.readings import readings_of
from pipeline.errors import ConfigError, DataError, NotYetError
from pipeline.evaluation.mismatch import mismatch
from pipeline.evaluation.model_contract import Contract
from pipeline.files import write_whole
from pipeline.lineage.artifact_names import CONTRACT, MODEL_DIGEST
from pipeline.lineage.judgements import record_judgement
from pipeline.lineage.own_code import find_own_code
from pipeline.lineage.predictions import Scoring, table_digest
from pipeline.lineage.runs import find_run, is_run_id
from pipeline.lineage.store import open_existing_store
from pipeline.lineage.version_folders import versions
from pipeline.serving.chosen_model import find_model
from pipeline.serving.versions import damage, read_manifest, serving_version
from pipeline.terminal.screen import chatter_to
from trainer.digests import file_digests, model_digest

_FEWEST_DIGITS = 6


@dataclass
class Rejudged:
    """One model, and what came of it.

    Attributes:
        name: its version; of one that was never pushed the beginning of its digest.
        run_id: the run that made it; empty where nobody knows.
        has_seen: those of the spans that its run read, for training or for judging.
        why_not: why it cannot be measured on these rows; empty if it was.
        verdict: as Evaluator's (pipeline.evaluation.summary); empty if it was not measured.
        execution: its number in ML Metadata; None if it is not on record.
    """

    name: str
    folder: Path
    digest: str
    run_id: str
    contract: Contract | None
    has_seen: tuple[int, ...] = ()
    why_not: str = ""
    verdict: dict[str, Any] = field(default_factory=dict)
    execution: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        plain = {name: value for name, value in vars(self).items() if name not in ("contract", "folder", "verdict")}
        return plain | {"folder": str(self.folder)} | self.verdict


@dataclass
class Comparison:
    """Models on the same rows.

    Attributes:
        rows: in words; `spans` of them, none of a table of its own.
        models: the oldest first.
        serving: the name of the model that serves, if it is among them.
        unrecorded: why it could not be recorded; empty if it was.
    """

    rows: str
    spans: tuple[int, ...]
    models: list[Rejudged]
    serving: str | None
    unrecorded: str = ""

    @property
    def passed(self) -> bool:
        """Whether every model that could be measured holds the thresholds, and one could."""
        measured = [model for model in self.models if model.verdict]
        return bool(measured) and all(model.verdict["blessed"] for model in measured)


def rejudge(
    settings: ModelSettings,
    models: Sequence[str],
    table: str | None,
    spans: Sequence[str],
    *,
    everything: bool,
    quiet: bool = False,
) -> Comparison:
    """Score models on labelled rows, hold the configuration's thresholds against them, and record each.

    Args:
        models: versions, 'served', runs ('latest' …), digests or folders.
        table: as `data.path`; when None, `spans` of that.
        everything: also all versions in the serving folder.
        quiet: show no progress.

    Raises:
        PipelineError: there is no such model, the rows cannot be used, or no model can be measured on them.
    """
    began = datetime.now(UTC)
    base = settings.serving_folder
    wanted = [*(str(number) for number in versions(base) if everything), *models]
    if everything and not wanted:
        find_model(settings, None)  # which says that there is none
    if not wanted:
        raise ConfigError("no model is named", "`longhaul rejudge served --span 12`, or --all for all pushed versions")
    chosen = list({one.digest: one for one in (_find(settings, name) for name in wanted)}.values())
    served = serving_version(base)
    serving = next((one for one in chosen if one.name == served), None)
    if served and serving is None and not damage(base / served):
        serving = _find(settings, served)  # `may_lose` is measured from it
    schema = without(read_schema(settings.schema_file), settings.data.drop)
    files = _files(settings.data, settings.data_pattern, table, spans)
    declared = {feature.name: column_type(feature) for feature in schema.feature}
    columns = source.infer_columns(files, settings.data.drop, declared)
    label, task = settings.data.label, settings.data.task
    if label not in columns:
        raise DataError(f"{files[0].path} has no column {label!r}, the label", "name rows whose label is known")
    check_weight_column(columns, files[0].path, settings.data.weight)
    today = Contract.of_table(feature_table(settings, schema))
    used = tuple(sorted({file.span for file in files})) if table is None else ()
    slices = [one for one in settings.evaluation.slices if set(one) <= columns.keys()]
    candidates = chosen if serving is None or serving in chosen else [*chosen, serving]
    for one in candidates:
        one.why_not = mismatch(one.contract, today, columns) if one.contract else "nobody knows what it takes"
        manifest = read_manifest(one.folder)
        one.has_seen = tuple(span for span in used if manifest and span in manifest.spans)
    fit = [one for one in candidates if not one.why_not]
    if not any(one in fit for one in chosen):
        why = "; ".join(f"{one.name}: {one.why_not}" for one in chosen)
        raise ConfigError(f"no model can be measured on these rows: {why}", "name others, or other rows")
    states = table_files.file_states(files)
    own = find_own_code(settings).by_name("evaluation.metrics")
    with chatter_to(Path(os.devnull), "" if quiet else "loading TensorFlow"):
        from pipeline.evaluation.booleans import boolean_columns
        from pipeline.evaluation.rejudging import judged, tallied

        rows = _labelled(files, columns, label, settings.data.weight)
        found = tallied(
            *(rows, {one.digest: one.folder for one in fit}, slices, task, settings.data.weight),
            keep_rows=bool(own),
            booleans=boolean_columns(schema),
        )
    if not found:
        raise DataError("no row has a label", "name rows whose label is known")
    champion = serving if serving in fit else None
    decision = settings.decision if task == "binary" else None
    for one in fit:
        beside = (
            (champion.digest, f"version {champion.name}, which serves") if champion and one is not champion else None
        )
        one.verdict = judged(found, one.digest, beside, task, settings.evaluation, settings.data.weight, own, decision)
    said = table or f"{'span' if len(used) == 1 else 'spans'} {spans_text(used)}"
    done = Comparison(said, used, chosen, serving.name if serving in chosen and serving else None)
    done.unrecorded = _record(settings, done, states, [file.path for file in files], began)
    return done


def _files(data: Data, pattern: str, table: str | None, spans: Sequence[str]) -> list[table_files.SourceFile]:
    form, readings = data.format, readings_of(data)
    if table is not None:
        return table_files.find_files(table, form=form, readings=readings)
    try:
        wanted = sorted({span_number(span) for span in spans})
    except ValueError as exc:
        raise ConfigError(f"--span: {exc}", "for example --span 12, or --span 2025-03") from exc
    there = table_files.list_files(pattern, form, readings)
    if not wanted:  # of a table without spans, all rows
        if {file.span for file in there} - {0}:
            raise ConfigError("no rows are named", "name a span with --span, or a file with --table")
        return table_files.find_files(pattern, form=form, readings=readings)
    if missing := sorted(set(wanted) - {file.span for file in there}):
        known = spans_text({file.span for file in there})
        raise NotYetError(f"span {spans_text(missing)} is not there", f"there are spans {known}")
    window = Spans.model_validate({"use": [wanted[0], wanted[-1]]})
    found = table_files.find_files(pattern, window, form, readings)
    return [file for file in found if file.span in wanted]


def _labelled(files: Sequence[table_files.SourceFile], columns: Any, label: str, weight: str | None) -> Any:
    for fragment in source.plan_fragments(files, columns=columns):
        passed = 0
        for batch, misfits in source.read_marked(fragment, columns):
            if weight is not None:
                check_weights(batch, weight, label, misfits, partial(place_of, fragment, passed))
            passed += batch.num_rows
            kept = without_misfits(batch, misfits)
            yield kept.filter(kept.column(label).is_valid())


def _find(place: Place, wanted: str) -> Rejudged:
    """Return a model by what a person calls it."""
    base = place.serving_folder
    if wanted == "served":
        return _of_folder(find_model(place, None).folder)
    if is_run_id(wanted) or wanted.startswith(("latest", "previous")):
        return _of_run(place, wanted)
    if len(wanted) >= _FEWEST_DIGITS and set(wanted) <= set("0123456789abcdef") and not wanted.isdecimal():
        for number in reversed(versions(base)):
            manifest = read_manifest(base / str(number))
            if manifest and manifest.digest.startswith(wanted):
                return _of_folder(find_model(place, str(number)).folder)
    return _of_folder(find_model(place, wanted).folder)


def _of_folder(folder: Path) -> Rejudged:
    manifest = read_manifest(folder)
    if manifest is None:
        digest = model_digest(file_digests(folder))
        return Rejudged(digest[:12], folder, digest, "", None)
    contract = Contract(manifest.task, manifest.label, manifest.classes, manifest.inputs)
    return Rejudged(str(manifest.version), folder, manifest.digest, manifest.run_id, contract)


def _of_run(place: Place, wanted: str) -> Rejudged:
    """Return the model that a run trained or took from the cache, pushed or not."""
    run = find_run(open_existing_store(place), place.record_name, wanted)
    models = [artifact for artifact in run.artifacts.get("Trainer", []) if artifact.type == "Model"]
    if not models:
        raise ConfigError(f"run {run.run_id} has no model", "`longhaul runs` tells which runs got so far")
    digest, text = (str(models[0].properties.get(name, "")) for name in (MODEL_DIGEST, CONTRACT))
    base = place.serving_folder
    for number in reversed(versions(base)):
        manifest = read_manifest(base / str(number))
        if manifest and manifest.digest == digest:
            return _of_folder(find_model(place, str(number)).folder)
    folder = Path(models[0].uri, "Format-Serving")
    if not folder.is_dir() or not text:
        raise ConfigError(f"the model of run {run.run_id} is not there any more", "`longhaul versions` lists what is")
    return Rejudged(digest[:12], folder, digest, run.run_id, Contract.from_json(text))


def _record(place: Place, done: Comparison, states: Any, paths: Sequence[str], began: datetime) -> str:
    """Record each judgement; return why that failed, empty if it did not."""

    def put(store: MetadataStore) -> None:
        digest = table_digest(paths)
        for one in (one for one in done.models if one.verdict):
            name = f"rejudged-{one.name}-{began:%Y%m%d-%H%M%S-%f}.json"
            report = place.root / "reports" / name
            text = json.dumps({"rows": done.rows, "files": states} | one.to_json(), indent=1)
            write_whole(text, report, "judgement", "choose another workspace with --workspace")
            told = {
                "rows": str(int(one.verdict["metrics"]["example_count"])),
                "judged_on": done.rows,
                "metrics": json.dumps(one.verdict["metrics"]),
                "blessed": str(int(one.verdict["blessed"])),
                "failures": json.dumps(one.verdict["failures"]),
            }
            command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
            judgement = Scoring(one.folder, one.name, one.digest, states, digest, report, command, told)
            one.execution = record_judgement(store, place.record_name, judgement)

    return try_to_record(place, put)
