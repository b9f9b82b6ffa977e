"""`longhaul replay`: what policies of retraining would have done in the past, and what the best schedule would have."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.config.data import Data
from pipeline.config.model_settings import ModelSettings
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.replay import ReplayFile
from pipeline.config.split import Split, TimeSplit
from pipeline.config.value_types import seconds_of
from pipeline.continuous.past import Rows, enough, losses_of, rows_of
from pipeline.continuous.replaying import Losses, Played, best_with, play
from pipeline.continuous.triggers import period
from pipeline.contract.schema import column_type, feature_table, read_schema
from pipeline.data.sources.source import plan_fragments, read_fragment
from pipeline.data.sources.table_files import find_files
from pipeline.data.values.readings import readings_of
from pipeline.errors import ConfigError, DataError
from pipeline.files import is_same_file, write_whole
from pipeline.reports.page_places import FRONT, front_path
from pipeline.reports.replay import render
from pipeline.watch.harm import loss_name, tolerated
from trainer.features import FeatureTable

_NEXT = {"day": 1, "week": 7, "month": 31}


def replay(
    config: PipelineConfig,
    asked: ReplayFile,
    first: str,
    last: str,
    folder: Path,
    tell: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, Any]:
    """Play all policies from one day to another; write `replay.json` and `replay.html`, and return the former.

    Args:
        first, last: days, 2013-04-01, or months.
        tell: told how many models are trained, of how many.

    Raises:
        ConfigError: the days are none, rows have weights, or the pipeline's split tells no column of time.
        DataError: there are no rows to begin with.
    """
    if config.data.weight is not None:
        raise ConfigError(
            f"data.weight: a replay counts every row as one, and the rows are weighted by {config.data.weight!r}",
            "replay with a configuration that has no data.weight",
        )
    began = time.process_time()
    begins = _ticks(_day(first, "--from", end=False), _day(last, "--to", end=True), asked.tick)
    table, rows = read_rows(config)
    rows = rows.thinned(asked.one_row_in)
    after = timedelta(seconds=seconds_of(asked.labels_after))
    if not enough(rows, begins[0], after):
        raise DataError(
            f"too few rows of {config.data_pattern} have labels when the replay begins ({begins[0]:%Y-%m-%d})",
            "begin later with --from, or shorten labels_after" + (", or lower one_row_in" * (asked.one_row_in > 1)),
        )
    _check_whole(begins, rows)
    window = None if asked.window == "all" else int(asked.window.removeprefix("last "))
    past = losses_of(rows, table.label.task, len(table.label.classes), begins, after, window, asked.rounds, tell)
    name = loss_name(table.label.task)
    may_lose = tolerated(name, config.watch.may_lose, float(past.promise[0]))
    played = [
        play(policy, settings, past, after, may_lose=may_lose, delta=config.watch.delta)
        for policy, settings in asked.policies.items()
    ]
    found = _result(config, asked, table, past, played, name, may_lose, time.process_time() - began)
    write_whole(json.dumps(found, indent=1), folder / "replay.json", "result", "name another folder with --output")
    front = FRONT if is_same_file(folder / FRONT, front_path(config.root)) else ""
    write_whole(render(found, front), folder / "replay.html", "page", "name another folder with --output")
    return found


def read_rows(settings: ModelSettings) -> tuple[FeatureTable, Rows]:
    """Read the labelled rows of the table of a pipeline.

    Raises:
        ConfigError: the split tells no column of time.
    """
    schema = read_schema(settings.schema_file)
    table = feature_table(settings, schema)
    column = _time_column(settings.split)
    return table, rows_of(table, _batches(settings.data, settings.data_pattern, table, schema, column), column)


def _result(
    settings: ModelSettings,
    asked: ReplayFile,
    table: FeatureTable,
    past: Losses,
    played: list[Played],
    name: str,
    may_lose: float,
    cpu_s: float,
) -> dict[str, Any]:
    weights = past.rows / past.rows.sum()
    never = float((past.mean[0] * weights).sum())
    always = float((past.mean.diagonal() * weights).sum())
    best, when = best_with(past, past.ticks - 1)
    of = f", of one row in {asked.one_row_in}" if asked.one_row_in > 1 else ""
    gain = never - always
    return {
        "pipeline": settings.name,
        "table": settings.data.path,
        "loss": name,
        "label": table.label.name,
        "model": f"boosted trees (LightGBM), {asked.rounds} rounds, not the pipeline's network{of}",
        "tick": asked.tick,
        "labels_after": asked.labels_after,
        "window": asked.window,
        "begins": [one.isoformat() for one in past.begins],
        "rows": [int(one) for one in past.rows],
        "may_lose": may_lose,
        "cpu_seconds": round(cpu_s, 1),
        "trained": past.ticks,
        "training_cpu_hours": round(float(past.cpu_s.sum()) / 3600, 4),
        "never": never,
        "never_curve": [float(one) for one in past.mean[0]],
        "always": always,
        "best": {"loss": best, "runs": len(when), "when": [past.begins[tick].date().isoformat() for tick in when]},
        "policies": [
            asdict(one)
            | {
                "because": {past.begins[tick].date().isoformat(): said for tick, said in one.because.items()},
                "gain": (never - one.loss) / gain if gain > 0 else None,
                "best_with_as_many_runs": one.loss - one.regret,
            }
            for one in played
        ],
    }


def _check_whole(begins: tuple[datetime, ...], rows: Rows) -> None:
    counts = np.diff(np.searchsorted(rows.time, [one.timestamp() for one in begins]))
    empty = [begin for begin, count in zip(begins, counts, strict=False) if not count]
    if empty:
        last = datetime.fromtimestamp(float(rows.time[-1]), UTC)
        raise DataError(
            f"the table has no row in the tick that begins on {empty[0]:%Y-%m-%d}; its last is of {last:%Y-%m-%d}",
            "choose --from and --to so that each tick has rows, or a longer `tick`",
        )


def _batches(data: Data, pattern: str, table: FeatureTable, schema: Any, column: str) -> Iterator[pa.RecordBatch]:
    wanted = {*(one.name for one in table.features), table.label.name, column}
    types = {one.name: column_type(one) for one in schema.feature if one.name in wanted}
    files = find_files(pattern, form=data.format, readings=readings_of(data))
    for fragment in plan_fragments(files, columns=list(types)):
        yield from read_fragment(fragment, types)


def _time_column(split: Split) -> str:
    column = split.column if isinstance(split, TimeSplit) else None
    if not column:
        raise ConfigError(
            "replay needs to know when a row was: the split names no column of time",
            "write `split: {by: time, column: COLUMN, …}`",
        )
    return column


def _ticks(first: datetime, end: datetime, length: str) -> tuple[datetime, ...]:
    """Return when ticks begin, and when the last one ends: only whole ones between the two days."""
    found = []
    _, begin = period(length, first)
    while begin < end:
        if begin >= first:
            found.append(begin)
        _, begin = period(length, begin + timedelta(days=_NEXT[length]))
    while found and begin > end:
        begin = found.pop()
    if len(found) < 2:
        raise ConfigError(
            f"there are fewer than two whole ticks of a {length} from {first:%Y-%m-%d} to {end:%Y-%m-%d}",
            "choose --from and --to further apart, or a shorter `tick`",
        )
    return (*found, begin)


def _day(text: str, option: str, *, end: bool) -> datetime:
    """Return a day's beginning; with `end`, the end of a day or month."""
    try:
        is_month = len(text) == 7
        day = date.fromisoformat(f"{text}-01" if is_month else text)
    except ValueError as exc:
        raise ConfigError(f"{option} {text}: no day", "write 2013-04-01, or 2013-04") from exc
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if not end:
        return begin
    return period("month", begin + timedelta(days=31))[1] if is_month else begin + timedelta(days=1)
