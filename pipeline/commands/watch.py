"""`longhaul watch`: takes in requests and labels, judges windows, keeps alarms, tells people and records."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.commands.on_record import try_to_record
from pipeline.commands.promised import References
from pipeline.config.command_texts import with_options
from pipeline.config.loading import options_of
from pipeline.config.model_settings import ModelSettings
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.place import Place
from pipeline.config.value_types import seconds_of
from pipeline.config.watch import Watch
from pipeline.data.sources.bigquery_address import is_address
from pipeline.errors import ConfigError, DataError, cannot_write
from pipeline.files import incoming, one_spelling, write_whole
from pipeline.guard.policy_file import read_policy
from pipeline.lineage.watching import forget_windows, record_verdicts
from pipeline.observe.notifications import AlarmNews, notify
from pipeline.reports.front import refresh_front
from pipeline.reports.page_places import production_path
from pipeline.reports.production import collect, render
from pipeline.serving.prediction_log import prediction_files
from pipeline.serving.versions import serving_version
from pipeline.watch import alarms as watched
from pipeline.watch.alarm_life import merged, silenced
from pipeline.watch.alarms import Alarm
from pipeline.watch.detectable import Detectable, detectable_of
from pipeline.watch.imported import import_predictions
from pipeline.watch.imported_tables import import_tables
from pipeline.watch.intake import take_in
from pipeline.watch.judging import Judge
from pipeline.watch.labels import Joining, check_labels, label_files, realize, take_in_labels
from pipeline.watch.metrics import metrics_text
from pipeline.watch.profiles import Spec
from pipeline.watch.requests import log_files
from pipeline.watch.retention import forget
from pipeline.watch.samples import estimates
from pipeline.watch.served import served
from pipeline.watch.state import State, opened
from pipeline.watch.strangers import Stranger, strangers
from pipeline.watch.watched import Watched
from pipeline.watch.windows import gaps, hour_of, windows
from pipeline.workspace.lock import AT_ONCE, BRIEFLY, Wait, alone

IMPORTED = "imported"
LATELY = 8
"""Windows that say how many rows get labels."""


def log_of(place: Place, watch: Watch) -> Path:
    """Return the log of requests; of one in BigQuery, where its rows are put."""
    if is_address(watch.log or ""):
        return place.watch_folder / IMPORTED
    base = place.file.parent if place.file else Path()
    return place.requests_folder / place.name if watch.log is None else one_spelling(watch.log, base)


def watch_once(config: PipelineConfig, now: datetime | None = None, wait: Wait = AT_ONCE) -> Watched:
    """Take in what is new, judge the windows that it touches, and tell what must be told.

    Raises:
        PipelineError: there is no log, or nothing that promised anything.
        LockedError: another look is at work, for longer than this one waits.
    """
    now = now or datetime.now(UTC)
    folder, log = config.watch_folder, log_of(config, config.watch)
    no_log = DataError(
        f"there is no log of requests: {config.watch.log or log} holds no Parquet, CSV or TFRecord file",
        "`longhaul serve` of the pipeline's own model keeps one, without --no-log; or name another in watch.log",
    )
    if not has_log(config, config.watch):
        raise no_log
    with alone(folder, "watch", wait), opened(folder / "state.db") as state:
        if not _imported(config.watch, log, folder / IMPORTED) and not log_files(log):
            raise no_log
        return _watched(config, state, folder, log, now)


def _imported(watch: Watch, log: Path, folder: Path) -> bool:
    """Put a log of another form beside the state; return whether there is one."""
    named = watch.log or ""
    return import_tables(named, folder) if is_address(named) else import_predictions(log, folder)


def has_log(place: Place, watch: Watch) -> bool:
    """Return whether there is something to watch; the service is not asked."""
    log = log_of(place, watch)
    return is_address(watch.log or "") or bool(log_files(log) or prediction_files(log))


def _watched(config: PipelineConfig, state: State, folder: Path, log: Path, now: datetime) -> Watched:
    settings = config.watch
    references = References(config, folder)

    def spec_for(version: str) -> Spec | None:
        return references(version).spec

    touched = state.touched()  # by a look that was killed
    for place in (log, folder / IMPORTED):
        touched |= take_in(state, place, spec_for, hour_of(now))
    joining = Joining(
        *(settings.keys, config.data.label, config.evaluation.slices, folder / "labels", folder / "tmp"),
    )
    given = [*label_files(_given(config.watch, config.file))] if settings.labels else []
    files = [*label_files(folder / "given"), *given]
    labelled = take_in_labels(state, files, joining)
    if state.labels():
        realize(state, touched | labelled, spec_for, joining)
    shutil.rmtree(joining.temporary, ignore_errors=True)
    all_windows = windows(state.rows_by_hour(), settings.window)
    serves = serving_version(config.serving_folder) or ""
    unforgotten = ""
    if forget(state, folder, all_windows, hour_of(now), seconds_of(settings.keep) / 3600, serves):
        all_windows = windows(state.rows_by_hour(), settings.window)
        unforgotten = _forget_on_record(config, now - timedelta(seconds=seconds_of(settings.keep)))
    new = {one for one in all_windows if any(one.first <= hour < one.last for hour in touched)}
    known = state.verdicts()
    judge = Judge(
        *(settings, read_policy(config.policy_file), config.evaluation.confidence),
        lambda window, version, reference: estimates(state, window, version, reference),
        config.evaluation.slices,
    )
    changed: list[dict[str, Any]] = []
    first, last = (all_windows[0].first, all_windows[-1].last) if all_windows else (0, 0)
    with state.whole():
        state.clear_verdicts()
        for version in dict.fromkeys(version for version, route in state.versions(first, last) if route == "stable"):
            before = {one["window"]: one for one in known if one["version"] == version}
            for verdict in judge.judge(state, references(version), all_windows, new, before, hour_of(now)):
                old = before.get(verdict["window"])
                is_news = old is None or any(old[one] != verdict[one] for one in ("valid", "harmful"))
                is_news |= old != verdict and verdict["over"]  # of a window that is not over not each new row
                state.put_verdict(verdict["window"], version, verdict, is_news=is_news)
                if old != verdict:
                    changed.append(verdict)
        state.settle()
    verdicts = state.verdicts()
    holes = gaps(all_windows, settings.window, hour_of(now))
    answered = state.answered()
    unknown = strangers(answered, lambda version: references(version).unknown)
    told, alarms = _tell(config, state, verdicts, holes, serves, bool(files), now, unknown)
    if not (unrecorded := _record(config, folder, state.verdicts(unrecorded=True))):
        state.recorded()
    write_whole(metrics_text(config.name, verdicts, alarms), folder / "metrics.prom", "metrics", "fix its permissions")
    newest_hour = state.newest_labelled()
    seen = Watched(
        *(verdicts, [(one["name"], one["version"]) for one in changed], alarms, told, state.labels()),
        *("" if newest_hour is None else watched.window_text(newest_hour), unrecorded or unforgotten),
        _detectable(config.watch, references, verdicts),
        unknown,
        now,
    )
    if verdicts:
        _write_page(config, seen, served(answered, all_windows), now)
    return seen


def _detectable(watch: Watch, references: References, verdicts: list[dict[str, Any]]) -> Detectable | None:
    """Return what the labels of the newest version can tell, by how many rows of a window have had them lately."""
    mine = [one for one in verdicts if one["version"] == verdicts[-1]["version"]]
    rows = [one["realized"]["rows"] for one in mine if one["realized"]["rows"]]
    reference = references(mine[-1]["version"]) if rows else None
    if reference is None or reference.unknown:
        return None
    usual = int(median(rows[-LATELY:]))
    return detectable_of(reference, usual, len(rows), watch.may_lose, watch.delta)


def _write_page(settings: ModelSettings, seen: Watched, times: list[dict[str, Any]], now: datetime) -> None:
    path = production_path(settings.root)
    is_new = not path.exists()
    alarms = [one.to_json() for one in seen.alarms]
    options = [*options_of(settings.root, settings.file)]
    unknown = [one.sentence for one in seen.strangers]
    page = collect(settings.name, seen.verdicts, alarms, times, seen.labels, seen.watermark, now, options, unknown)
    write_whole(render(page), path, "page", "free the disk, then `longhaul watch --once`")
    if is_new:  # the front page leads to it
        refresh_front(settings)


def _given(watch: Watch, config_file: Path | None) -> Path:
    return one_spelling(str(watch.labels), config_file.parent if config_file else Path())


def _tell(
    config: PipelineConfig,
    state: State,
    verdicts: list[dict[str, Any]],
    holes: Any,
    serves: str,
    has_labels: bool,
    now: datetime,
    unknown: list[Stranger],
) -> tuple[list[str], list[Alarm]]:
    """Open, escalate and close alarms; tell each once. It is put down first what is to be told, then that it was."""
    before = {key: Alarm.from_json(one) for key, one in state.alarms().items()}
    settings = config.watch, now, serves, has_labels, config.evaluation.confidence
    found = watched.found_now(verdicts, holes, *settings, unknown)
    after, tell = merged(before, found, config.watch, now)
    for key, one in after.items():
        state.put_alarm(key, one.to_json())
    said = []
    options = [*options_of(config.root, config.file)]
    for event, one in tell:
        commands = [with_options(command, options) for command in one.commands]
        news = AlarmNews(
            pipeline=config.name,
            ending="alarm",
            run_id=one.run_id,
            reason=one.evidence,
            workspace=str(config.root),
            event=event,
            alarm=one.to_json() | {"commands": commands},
        )
        problems = [*notify(config.notify, news)]
        said.append(f"{event}: {one.severity} {one.key}: {one.evidence}")
        said += [f"nobody was told: {problem}" for problem in problems]
        if not problems:
            after[one.key] = replace(one, told=event)
            state.put_alarm(one.key, after[one.key].to_json())
    return said, list(after.values())


def _record(place: Place, folder: Path, changed: list[dict[str, Any]]) -> str:
    if not changed:
        return ""
    return try_to_record(
        place,
        lambda store: record_verdicts(store, place.record_name, changed, folder / "windows", place.serving_folder),
    )


def _forget_on_record(place: Place, before: datetime) -> str:
    """Forget windows in the workspace's own store; one on a server keeps them."""
    database = place.root / "metadata.db"
    if place.metadata.url or not database.exists():
        return ""

    def forget_there(_: object) -> None:
        forget_windows(database, place.record_name, before)

    return try_to_record(place, forget_there)


def silence(folder: Path, key: str, duration: str, reason: str, wait: Wait = BRIEFLY) -> Alarm:
    """Have nobody told of an alarm for some time.

    Raises:
        ConfigError: there is no such alarm, or no reason.
        LockedError: a look is at work, which would write over it, for longer than this waits.
    """
    try:
        until = datetime.now(UTC) + timedelta(seconds=seconds_of(duration))
    except ValueError as exc:
        raise ConfigError(f"--for: {exc}", "for example --for 2d") from exc
    if not reason.strip():
        raise ConfigError("a silence needs a reason", "say it with --reason")
    with alone(folder, "watch", wait), opened(folder / "state.db") as state:
        alarms = state.alarms()
        if key not in alarms:
            known = ", ".join(alarms) or "none"
            raise ConfigError(f"there is no alarm {key!r}", f"the alarms are: {known}")
        one = silenced(Alarm.from_json(alarms[key]), until, reason)
        state.put_alarm(key, one.to_json())
        return one


def add_labels(watch_folder: Path, keys: Sequence[str], label: str, file: Path) -> Path:
    """Keep a file of labels for `watch`; the same file again is the same delivery.

    Raises:
        DataError: it is none, or cannot be joined with the log.
        WorkspaceError: it cannot be kept.
    """
    if not file.is_file() or file.suffix not in (".parquet", ".csv"):
        raise DataError(f"{file} is no Parquet or CSV file", "name a file of labels that is there")
    folder = watch_folder / "given"
    folder.mkdir(parents=True, exist_ok=True)
    # Every later look would stop at one that cannot be joined.
    check_labels(file, keys, label, watch_folder / "tmp")
    for known in log_files(folder):
        if known.size == file.stat().st_size and Path(known.path).read_bytes() == file.read_bytes():
            return Path(known.path)
    target = folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{file.name.lstrip('.')}"
    try:
        with incoming(target) as hidden:
            shutil.copy2(file, hidden)
    except OSError as exc:
        what = f"{file} cannot be kept as {target}: {exc.strerror}; nothing was taken in"
        raise cannot_write(folder, exc, what, "fix the permissions there, then hand it in again") from exc
    return target
