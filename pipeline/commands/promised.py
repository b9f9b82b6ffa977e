"""What each served version promised, for `longhaul watch`: from its file, or by scoring its run's evaluation rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.config.model_settings import ModelSettings
from pipeline.config.place import Place
from pipeline.contract.schema import column_type, feature_table, read_schema
from pipeline.data.examples import read_examples
from pipeline.errors import EXIT_INPUT, DataError, PipelineError, WorkspaceError
from pipeline.lineage.artifact_names import EXPLANATION_FILE
from pipeline.lineage.runs import Run, find_run
from pipeline.lineage.store import has_records, open_existing_store
from pipeline.lineage.version_folders import versions
from pipeline.lineage.watching import is_number, pushed_to
from pipeline.reports.artifacts import Artifacts
from pipeline.serving.versions import read_manifest, serving_version
from pipeline.terminal.screen import chatter_to
from pipeline.watch.corrected import backtest
from pipeline.watch.profiles import Spec
from pipeline.watch.reference import Reference, build_reference, read_reference, write_reference
from trainer.features import Kind


class References:
    """What each version promised: read from its file, or made by scoring its run's evaluation rows."""

    def __init__(self, settings: ModelSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._known: dict[str, Reference] = {}

    def __call__(self, version: str) -> Reference:
        """Return what a version promised: of rows without one, the version that serves. A version without a known
        promise has a reference that says so, also if it serves.

        Raises:
            PipelineError: no version's promise is known.
        """
        if version not in self._known:
            self._known[version] = self._find(version)
        return self._known[version]

    def _find(self, version: str) -> Reference:
        served = serving_version(self._settings.serving_folder) or ""
        if not version and served:
            return replace(self(served), version="")
        if is_number(version) and (found := read_reference(self._file(version))):
            return found if found.off is not None else self._kept(found)
        try:
            return self._make(version)
        except PipelineError as exc:
            base = self(served) if served and version != served else self._any() or self._of_another(version)
            if exc.exit_code != EXIT_INPUT or base is None:
                raise
            return base.of_stranger(version, exc.what)

    def _of_another(self, version: str) -> Reference | None:
        """Return the promise of the newest other version that has a known one."""
        for number in reversed(versions(self._settings.serving_folder)):
            if str(number) != version:
                with suppress(PipelineError):
                    return self._make(str(number))
        return None

    def _file(self, version: str) -> Path:
        return self._folder / f"reference-{version or 'none'}.parquet"

    def _make(self, version: str) -> Reference:
        like = self._any()  # seasons can be compared by equal bins only
        return self._kept(_made(self._settings, version, like.spec if like else None))

    def _kept(self, reference: Reference) -> Reference:
        reference = replace(reference, off=backtest(reference))
        write_reference(reference, self._file(reference.version))
        return reference

    def _any(self) -> Reference | None:
        found = map(read_reference, sorted(self._folder.glob("reference-*.parquet")))
        return next((one for one in found if one), None)


def _made(settings: ModelSettings, version: str, like: Spec | None) -> Reference:
    manifest = read_manifest(settings.serving_folder / version) if is_number(version) else None
    if manifest is None:
        raise WorkspaceError(_not_there(settings, version), "watch versions that `longhaul run` pushed")
    run = find_run(open_existing_store(settings), settings.record_name, manifest.run_id)
    schema = read_schema(settings.schema_file)
    table = feature_table(settings, schema)
    types = {feature.name: column_type(feature) for feature in schema.feature}
    columns = {feature.name: types[feature.name] for feature in table.features} | {
        table.label.name: types[table.label.name]
    }
    hidden = set(settings.serving.redact)  # the log does not hold their values
    features = [(one.name, one.kind is not Kind.CATEGORICAL) for one in table.features if one.name not in hidden]
    with chatter_to(Path(os.devnull), ""):
        from pipeline.watch.scored import scorer

        return build_reference(
            *(version, features, labelled_rows(run, columns), scorer(settings.serving_folder / version)),
            label=table.label.name,
            task=table.label.task,
            classes=table.label.classes,
            schema=schema,
            importance=_importance(run),
            run_id=manifest.run_id,
            spans=manifest.spans,
            like=like,
        )


def _not_there(place: Place, version: str) -> str:
    """Say why nobody knows a version that has no manifest."""
    if not version:
        return "the log does not say which version answered, and none serves"
    if not is_number(version):
        return "a version is the number of its folder, and this is none"
    folder = place.serving_folder / version
    if folder.exists():
        return f"{folder} has no manifest, so no run of Longhaul pushed it"
    if has_records(place.metadata, place.root) and pushed_to(
        *(open_existing_store(place), place.record_name, place.serving_folder, version)
    ):
        return "a run pushed it, and it was removed before `longhaul watch` had looked at it"
    return f"there is no {folder}, and no run on record pushed it"


def labelled_rows(run: Run, columns: Any) -> Iterator[pa.RecordBatch]:
    """Yield the evaluation rows of a run: these columns in their types.

    Raises:
        PipelineError: they are not there any more.
    """
    examples = [one for found in run.artifacts.values() for one in found if one.type == "Examples"]
    if not examples:
        raise PipelineError(f"the rows of run {run.run_id} are not there any more", "`longhaul run` makes new ones")
    try:
        yield from read_examples(examples[0].folder, "eval", columns)
    except FileNotFoundError as exc:
        raise DataError(f"{exc}: what the model promised cannot be known", "`longhaul pin` keeps a run's rows") from exc


def _importance(run: Run) -> dict[str, float]:
    found = Artifacts(run).optional_json("ModelEvaluation", EXPLANATION_FILE) or {}
    listed = (found.get("importance") or {}).get("features", [])
    return {one["name"]: max(float(one["drop"]), 0.0) for one in listed}
