"""`longhaul watch`: takes in requests and labels, judges windows, keeps alarms, tells people and records."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.commands.on_record import try_to_record
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.value_types import seconds_of
from pipeline.contract.schema import column_type, feature_table, read_schema
from pipeline.data.examples import read_examples
from pipeline.errors import ConfigError, DataError, PipelineError, WorkspaceError
from pipeline.files import locked, one_spelling, write_whole
from pipeline.guard.policy_file import read_policy
from pipeline.lineage.artifact_names import EXPLANATION_FILE
from pipeline.lineage.runs import Run, find_run
from pipeline.lineage.store import open_existing_store
from pipeline.lineage.watching import record_verdicts
from pipeline.observe.notifications import AlarmNews, notify
from pipeline.reports.artifacts import Artifacts
from pipeline.serving.versions import newest, read_manifest
from pipeline.terminal.screen import chatter_to
from pipeline.watch import alarms as watched
from pipeline.watch.alarms import Alarm
from pipeline.watch.intake import take_in
from pipeline.watch.judging import Judge
from pipeline.watch.labels import Joining, label_files, realize, take_in_labels
from pipeline.watch.metrics import metrics_text
from pipeline.watch.profiles import Spec
from pipeline.watch.reference import Reference, build_reference, read_reference, write_reference
from pipeline.watch.requests import log_files
from pipeline.watch.samples import estimates
from pipeline.watch.state import State, opened
from pipeline.watch.watched import Watched
from pipeline.watch.windows import gaps, hour_of, windows
from trainer.features import Kind


def folder_of(config: PipelineConfig) -> Path:
    """Return where watching keeps what it knows."""
    return config.root / "watch" / config.name


def log_of(config: PipelineConfig) -> Path:
    """Return the log of requests."""
    base = config.file.parent if config.file else Path()
    return config.root / "requests" / config.name if config.watch.log is None else one_spelling(config.watch.log, base)


def watch_once(config: PipelineConfig, now: datetime | None = None) -> Watched:
    """Take in what is new, judge the windows that it touches, and tell what must be told.

    Raises:
        PipelineError: there is no log, or nothing that promised anything.
    """
    now = now or datetime.now(UTC)
    folder, log = folder_of(config), log_of(config)
    if not log_files(log):
        raise DataError(
            f"there is no log of requests: {log} holds no Parquet or CSV file",
            "`longhaul serve --log` keeps one; or name another in watch.log",
        )
    folder.mkdir(parents=True, exist_ok=True)

    def is_held(_: int) -> None:
        raise WorkspaceError(f"another process watches {config.name}", "wait for it to end")

    with locked(folder / ".lock", is_held), opened(folder / "state.db") as state:
        return _watched(config, state, folder, log, now)


def _watched(config: PipelineConfig, state: State, folder: Path, log: Path, now: datetime) -> Watched:
    settings = config.watch
    references = _References(config, folder)

    def spec_for(version: str) -> Spec | None:
        return references(version).spec

    touched = take_in(state, log, spec_for, hour_of(now))
    joining = Joining(
        *(settings.keys, config.data.label, config.evaluation.slices, folder / "labels", folder / "tmp"),
    )
    given = [*label_files(_given(config))] if settings.labels else []
    files = [*label_files(folder / "given"), *given]
    labelled = take_in_labels(state, files, joining)
    if state.labels():
        realize(state, touched | labelled, spec_for, joining)
    shutil.rmtree(joining.temporary, ignore_errors=True)
    all_windows = windows(state.rows_by_hour(), settings.window)
    new = {one for one in all_windows if any(one.first <= hour < one.last for hour in touched)}
    known = state.verdicts()
    judge = Judge(
        *(settings, read_policy(config.policy_file), config.evaluation.confidence),
        lambda window, version, reference: estimates(state, window, version, reference),
    )
    changed: list[dict[str, Any]] = []
    first, last = (all_windows[0].first, all_windows[-1].last) if all_windows else (0, 0)
    state.clear_verdicts()
    for version in dict.fromkeys(version for version, route in state.versions(first, last) if route == "stable"):
        before = {one["window"]: one for one in known if one["version"] == version}
        for verdict in judge.judge(state, references(version), all_windows, new, before, hour_of(now)):
            state.put_verdict(verdict["window"], version, verdict)
            if before.get(verdict["window"]) != verdict:
                changed.append(verdict)
    verdicts = state.verdicts()
    holes = gaps(all_windows, settings.window)
    serves = newest(config.serving_folder) or ""
    told, alarms = _tell(config, state, verdicts, holes, serves, bool(files), now)
    unrecorded = _record(config, folder, changed)
    write_whole(metrics_text(config.name, verdicts, alarms), folder / "metrics.prom", "metrics", "fix its permissions")
    newest_hour = state.newest_labelled()
    return Watched(
        *(verdicts, [(one["name"], one["version"]) for one in changed], alarms, told, state.labels()),
        *("" if newest_hour is None else watched.window_text(newest_hour), unrecorded),
    )


def _given(config: PipelineConfig) -> Path:
    return one_spelling(str(config.watch.labels), config.file.parent if config.file else Path())


def _tell(
    config: PipelineConfig,
    state: State,
    verdicts: list[dict[str, Any]],
    holes: Any,
    serves: str,
    has_labels: bool,
    now: datetime,
) -> tuple[list[str], list[Alarm]]:
    """Open, escalate and close alarms; tell each once. It is put down first what is to be told, then that it was."""
    before = {key: Alarm.from_json(one) for key, one in state.alarms().items()}
    found = watched.found_now(verdicts, holes, config.watch, now, serves, has_labels)
    after, tell = watched.merged(before, found, config.watch, now)
    for key, one in after.items():
        state.put_alarm(key, one.to_json())
    said = []
    for event, one in tell:
        news = AlarmNews(
            pipeline=config.name,
            ending="alarm",
            run_id=one.run_id,
            reason=one.evidence,
            workspace=str(config.root),
            event=event,
            alarm=one.to_json(),
        )
        problems = [*notify(config.notify, news)]
        said.append(f"{event}: {one.severity} {one.key}: {one.evidence}")
        said += [f"nobody was told: {problem}" for problem in problems]
        if not problems:
            after[one.key] = replace(one, told=event)
            state.put_alarm(one.key, after[one.key].to_json())
    return said, list(after.values())


def _record(config: PipelineConfig, folder: Path, changed: list[dict[str, Any]]) -> str:
    if not changed:
        return ""
    return try_to_record(
        config,
        lambda store: record_verdicts(store, config.record_name, changed, folder / "windows", config.serving_folder),
    )


def silence(config: PipelineConfig, key: str, duration: str, reason: str) -> Alarm:
    """Have nobody told of an alarm for some time.

    Raises:
        ConfigError: there is no such alarm, or no reason.
    """
    try:
        until = datetime.now(UTC) + timedelta(seconds=seconds_of(duration))
    except ValueError as exc:
        raise ConfigError(f"--for: {exc}", "for example --for 2d") from exc
    if not reason.strip():
        raise ConfigError("a silence needs a reason", "say it with --reason")
    with opened(folder_of(config) / "state.db") as state:
        alarms = state.alarms()
        if key not in alarms:
            known = ", ".join(alarms) or "none"
            raise ConfigError(f"there is no alarm {key!r}", f"the alarms are: {known}")
        one = watched.silenced(Alarm.from_json(alarms[key]), until, reason)
        state.put_alarm(key, one.to_json())
        return one


def add_labels(config: PipelineConfig, file: Path) -> Path:
    """Keep a file of labels for `watch`; the same file again is the same delivery."""
    if not file.is_file() or file.suffix not in (".parquet", ".csv"):
        raise DataError(f"{file} is no Parquet or CSV file", "name a file of labels that is there")
    folder = folder_of(config) / "given"
    folder.mkdir(parents=True, exist_ok=True)
    for known in log_files(folder):
        if known.size == file.stat().st_size and Path(known.path).read_bytes() == file.read_bytes():
            return Path(known.path)
    target = folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{file.name.lstrip('.')}"
    hidden = target.with_name(f".{target.name}")
    shutil.copy2(file, hidden)
    hidden.replace(target)
    return target


class _References:
    """What each version promised: read from its file, or made by scoring its run's evaluation rows."""

    def __init__(self, config: PipelineConfig, folder: Path) -> None:
        self._config, self._folder = config, folder
        self._known: dict[str, Reference] = {}

    def __call__(self, version: str) -> Reference:
        if version not in self._known:
            self._known[version] = self._find(version)
        return self._known[version]

    def _find(self, version: str) -> Reference:
        served = newest(self._config.serving_folder) or ""
        there = (self._config.serving_folder / version).is_dir() if version else False
        wanted = version if there or not served else served
        for name in dict.fromkeys((version, wanted)):
            found = read_reference(self._folder / f"reference-{name or 'none'}.parquet")
            if found:
                return replace(found, version=version)
        reference = _made(self._config, wanted, self._like())
        write_reference(reference, self._folder / f"reference-{wanted}.parquet")
        return replace(reference, version=version)

    def _like(self) -> Spec | None:
        """Return how columns of an earlier version are counted: seasons can be compared by equal bins only."""
        for path in sorted(self._folder.glob("reference-*.parquet")):
            if found := read_reference(path):
                return found.spec
        return None


def _made(config: PipelineConfig, version: str, like: Spec | None) -> Reference:
    manifest = read_manifest(config.serving_folder / version) if version else None
    if manifest is None:
        raise WorkspaceError(
            f"nobody knows what version {version or '(none)'} promised: {config.serving_folder} has no manifest of it",
            "watch versions that `longhaul run` pushed",
        )
    run = find_run(open_existing_store(config), config.record_name, manifest.run_id)
    schema = read_schema(config.schema_file)
    table = feature_table(config, schema)
    types = {feature.name: column_type(feature) for feature in schema.feature}
    columns = {feature.name: types[feature.name] for feature in table.features} | {
        table.label.name: types[table.label.name]
    }
    hidden = set(config.serving.redact)  # the log does not hold their values
    features = [(one.name, one.kind is not Kind.CATEGORICAL) for one in table.features if one.name not in hidden]
    with chatter_to(Path(os.devnull), ""):
        from pipeline.watch.scored import scorer

        return build_reference(
            *(version, features, _labelled(run, columns), scorer(config.serving_folder / version)),
            label=table.label.name,
            task=table.label.task,
            classes=table.label.classes,
            schema=schema,
            importance=_importance(run),
            run_id=manifest.run_id,
            spans=manifest.spans,
            like=like,
        )


def _labelled(run: Run, columns: Any) -> Iterator[pa.RecordBatch]:
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
