"""What `watch` says of logs in which something was planted. The log and the labels are files, as people have them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.watch import Watch
from pipeline.guard.policy import Policy
from pipeline.watch.alarm_life import merged
from pipeline.watch.alarms import PAGE, TICKET, Alarm, found_now
from pipeline.watch.imported import import_predictions
from pipeline.watch.intake import take_in
from pipeline.watch.judging import Judge
from pipeline.watch.labels import Joining, label_files, realize, take_in_labels
from pipeline.watch.profiles import ColumnSpec, Spec
from pipeline.watch.reference import Reference, build_reference, read_reference, write_reference
from pipeline.watch.requests import log_files
from pipeline.watch.state import opened
from pipeline.watch.windows import gaps, hour_of, windows
from tests.serving.test_prediction_log import record, write

START = datetime(2026, 1, 5, tzinfo=UTC)
ROWS = 4_000
SCHEMA = text_format.Parse(
    """
    feature { name: "miles" type: FLOAT float_domain { min: 0 max: 3000 } presence { min_fraction: 0.9 } }
    feature { name: "town" type: BYTES domain: "town" presence { min_fraction: 1 } }
    string_domain { name: "town" value: "a" value: "b" value: "c" }
    """,
    schema_pb2.Schema(),
)
Rows = dict[str, Any]


def rows(rng: np.random.Generator, count: int = ROWS) -> Rows:
    return {
        "miles": rng.gamma(4, 250, count).clip(0, 3000),
        "town": rng.choice(["a", "b", "c"], count, p=[0.5, 0.3, 0.2]),
    }


def chance(of: Rows) -> Any:
    miles = np.array([0.0 if one is None else one for one in of["miles"]], float)
    return 1 / (1 + np.exp(-(-1 + (miles - 1000) / 500 + 0.5 * (np.asarray(of["town"]) == "b"))))


def score(batch: pa.RecordBatch) -> Any:
    return chance({name: batch.column(name).to_pylist() for name in ("miles", "town")})[:, None]


def outcome(rng: np.random.Generator, of: Rows, count: int) -> Any:
    return (rng.random(count) < chance(of)).astype(int)


@pytest.fixture(scope="module")
def reference() -> Reference:
    rng = np.random.default_rng(1)
    of = rows(rng, 30_000)
    batch = pa.RecordBatch.from_pydict(of | {"late": outcome(rng, of, 30_000)})
    features = [("miles", True), ("town", False)]
    return build_reference(
        "7", features, [batch], score, "late", "binary", ("0", "1"), SCHEMA, {"miles": 0.1, "town": 0.02}
    )


@dataclass
class World:
    """A log, labels and a state; `weeks` are written as asked for."""

    folder: Path
    reference: Reference
    settings: Watch = field(default_factory=lambda: Watch(labels_within="7d"))
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(9))
    alarms: dict[str, Alarm] = field(default_factory=dict)

    def week(
        self,
        number: int,
        change: Callable[[Rows], Rows] = lambda one: one,
        *,
        flipped: float | Callable[[Rows], Any] = 0.0,
        labels: bool = True,
        count: int = ROWS,
        plain: bool = False,
        ahead: timedelta = timedelta(),
        season: Callable[[Rows], Rows] = lambda one: one,
        bot: int = 0,
    ) -> None:
        """Write a week's requests and its labels. The outcome follows from the true rows, the score from those sent.

        Args:
            season: changes the true rows; change: what is sent of them; bot: how often the first row is sent again.
        """
        true = season(rows(self.rng, count))
        sent = change({name: np.asarray(values, object) for name, values in true.items()})
        times = [
            START + ahead + timedelta(weeks=number, hours=int(h)) for h in np.sort(self.rng.integers(0, 168, count))
        ]
        features = {
            "miles": pa.array([None if one is None else float(one) for one in sent["miles"]], pa.float64()),
            "town": pa.array(list(sent["town"]), pa.string()),
        }
        ids = [f"{number}-{k}" for k in range(count)]
        table: Rows = {
            "request_id": ids,
            "row": pa.array([0] * count, pa.int32()),
            "time": pa.array(times, pa.timestamp("us", "UTC")),
            "version": ["7"] * count,
            "route": ["stable"] * count,
            "error": pa.nulls(count, pa.string()),
        }
        scores = score(pa.RecordBatch.from_pydict(features))
        path = self.folder / "log" / f"{number}.parquet"
        path.parent.mkdir(exist_ok=True)
        if plain:
            texts = [f"[{one[0]}]" for one in scores]
            pa.csv.write_csv(pa.table(table | features | {"scores": texts}), path.with_suffix(".csv"))
        else:
            struct = pa.StructArray.from_arrays(list(features.values()), names=list(features))
            found = pa.table(table | {"features": struct, "scores": pa.array(list(scores), pa.list_(pa.float64()))})
            again = found.take(pa.array(np.zeros(bot, int)))
            at = found.column("time").take(pa.array(self.rng.integers(0, count, bot)))
            pq.write_table(pa.concat_tables([found, again.set_column(2, "time", at)]), path)
        if labels:
            late = outcome(self.rng, true, count)
            flip = self.rng.random(count) < (flipped(true) if callable(flipped) else flipped)
            self.label(number, ids, np.where(flip, 1 - late, late))

    def label(self, number: int, ids: list[str], late: Any) -> None:
        folder = self.folder / "labels"
        folder.mkdir(exist_ok=True)
        pa.csv.write_csv(pa.table({"request_id": ids, "late": late}), folder / f"{number:02d}.csv")

    def look(self, weeks: float) -> tuple[list[dict[str, Any]], dict[str, Alarm]]:
        """Look so many weeks after the start; verdicts and open alarms."""
        now = START + timedelta(weeks=weeks)
        joining = Joining(("request_id",), "late", (("town",),), self.folder / "parts", self.folder / "tmp")
        with opened(self.folder / "state.db") as state:
            touched = take_in(state, self.folder / "log", lambda _: self.reference.spec, hour_of(now))
            files = label_files(self.folder / "labels") if (self.folder / "labels").exists() else []
            labelled = take_in_labels(state, files, joining)
            realize(state, touched | labelled, lambda _: self.reference.spec, joining)
            found = windows(state.rows_by_hour(), "week")
            judge = Judge(self.settings, Policy(), 0.95, lambda *_: {}, (("town",),))
            verdicts = judge.judge(state, self.reference, found, set(), {}, hour_of(now))
            self.labels = state.labels()
        json.dumps(verdicts)  # they are kept as JSON
        here = found_now(verdicts, gaps(found, "week", hour_of(now)), self.settings, now, "7", bool(files))
        self.alarms, self.told = merged(self.alarms, here, self.settings, now)
        self.alarms = {k: _told(one, [e for e, o in self.told if o.key == k]) for k, one in self.alarms.items()}
        return verdicts, {key: one for key, one in self.alarms.items() if not one.closed}


def _told(one: Alarm, events: list[str]) -> Alarm:
    return Alarm(**vars(one) | {"told": events[-1] if events else one.told})


@pytest.fixture
def world(tmp_path: Path, reference: Reference) -> World:
    return World(tmp_path, reference)


def kinds(alarms: dict[str, Alarm]) -> set[tuple[str, str]]:
    return {(one.kind, one.severity) for one in alarms.values()}


def test_weeks_without_change_are_valid_and_harmless_and_nothing_moved(world: World) -> None:
    for number in range(4):
        world.week(number, plain=number == 2)
    verdicts, alarms = world.look(5)
    assert [(one["rows"], one["valid"], one["harmful"], one["realized"]["share"]) for one in verdicts] == [
        (ROWS, True, False, 1.0)
    ] * 4
    assert (alarms, [one["moved_count"] for one in verdicts]) == ({}, [0] * 4)
    assert verdicts[0]["realized"]["metrics"]["auc"] == pytest.approx(world.reference.promise["auc"], abs=0.03)
    assert {one["slice"] for one in verdicts[0]["slices"]} == {"town=a", "town=b", "town=c"}


def test_a_feed_that_turns_to_kilometres_is_invalid_and_harmful_and_named(world: World) -> None:
    def in_kilometres(of: Rows) -> Rows:
        return of | {"miles": of["miles"] * 1.609}

    for number in range(2):
        world.week(number)
    assert world.look(2)[1] == {}
    world.week(2, in_kilometres)
    verdicts, alarms = world.look(3)
    assert kinds(alarms) == {("invalid", PAGE), ("harmful", PAGE)}
    assert verdicts[2]["findings"][0]["kind"] == "float_type_big_float"
    assert verdicts[2]["moved"][0]["column"] == "miles"
    assert "miles" in alarms["harmful:7"].cause
    assert {event for event, _ in world.told} == {"opened"}
    world.look(3.1)
    assert world.told == []  # once is enough
    world.look(5)
    assert {event for event, _ in world.told} == {"escalated"} | ({"opened"} if len(world.told) > 2 else set())


def test_a_column_that_empties_slowly_is_invalid_once_too_little_is_left(world: World) -> None:
    for number, share in enumerate((0.0, 0.04, 0.08, 0.2)):

        def emptied(of: Rows, share: float = share) -> Rows:
            return of | {"miles": np.where(np.arange(len(of["miles"])) < share * len(of["miles"]), None, of["miles"])}

        world.week(number, emptied, labels=False)
    verdicts, alarms = world.look(4)
    assert [one["valid"] for one in verdicts] == [True, True, True, False]
    assert ("invalid", PAGE) in kinds(alarms)
    assert verdicts[3]["findings"][0]["kind"] == "feature_type_low_fraction_present"


def test_a_category_split_in_two_is_a_value_that_the_schema_does_not_list(world: World) -> None:
    world.week(
        0,
        lambda of: (
            of | {"town": np.where(np.arange(ROWS) % 2, of["town"], np.where(of["town"] == "b", "b2", of["town"]))}
        ),
    )
    verdicts, alarms = world.look(1)
    assert verdicts[0]["findings"][0]["kind"] == "enum_type_unexpected_string_values"
    assert verdicts[0]["moved"][0]["column"] == "town"
    assert kinds(alarms) == {("invalid", PAGE)}


def test_a_slice_and_a_segment_are_harmed_though_the_whole_is_not(world: World) -> None:
    def of_c(share: float) -> Callable[[Rows], Any]:
        return lambda of: share * (np.asarray(of["town"]) == "c")

    for number in range(2):
        world.week(number)
    assert world.look(2)[1] == {}
    world.week(2, flipped=of_c(0.14))
    verdicts, alarms = world.look(3)
    assert kinds(alarms) == {("harmful_part", PAGE)}
    assert verdicts[2]["slices"][0]["slice"] == "town=c"
    assert "of town=c, " in alarms["harmful_part:7"].evidence
    assert "town=c" in verdicts[2]["segments"][0]["segment"]
    world.week(3, count=20_000, flipped=of_c(0.3))
    alarms = world.look(4)[1]
    assert kinds(alarms) == {("harmful", PAGE)}  # one call is enough
    assert alarms["harmful:7"].cause.endswith("; most of all where town=c")


def test_labels_that_stop_are_a_ticket_and_close_when_they_come(world: World) -> None:
    for number in range(4):
        world.week(number, labels=number < 2)
    assert kinds(world.look(4)[1]) == {("labels_missing", TICKET)}
    for number in (2, 3):
        world.label(number, [f"{number}-{k}" for k in range(ROWS)], np.zeros(ROWS, int) + (np.arange(ROWS) % 2))
    world.look(4.1)
    assert world.alarms["labels_missing"].closed
    assert ("closed", "labels_missing") in {(event, one.key) for event, one in world.told}


def test_labels_delayed_by_a_month_judge_the_old_windows_anew(world: World) -> None:
    for number in range(3):
        world.week(number, labels=False)
    assert {one["realized"]["rows"] for one in world.look(3)[0]} == {0}
    ids = [f"0-{k}" for k in range(ROWS)] + ["nobody"]
    world.label(0, ids, np.ones(ROWS + 1, int))
    verdicts, alarms = world.look(5)
    assert [one["realized"]["rows"] for one in verdicts] == [ROWS, 0, 0]
    assert verdicts[0]["harmful"]
    assert ("harmful", PAGE) in kinds(alarms)
    assert [(one["rows"], one["unmatched"]) for one in world.labels] == [(ROWS + 1, 1)]


def test_corrected_labels_win_and_duplicates_are_counted(world: World) -> None:
    world.week(0, labels=False)
    world.label(0, ["0-1", "0-1", "0-2"], np.array([0, 1, 1]))
    world.label(1, ["0-2", "0-3"], np.array([0, 0]))
    verdicts, _ = world.look(1)
    assert verdicts[0]["realized"]["rows"] == 3
    assert [(one["rows"], one["repeated"]) for one in world.labels] == [(3, 1), (2, 0)]


def test_a_bot_that_sends_one_row_a_million_times_moves_nothing(world: World) -> None:
    world.week(0, labels=False)
    world.week(1, bot=1_000_000, labels=False)
    verdicts, alarms = world.look(2)
    assert kinds(alarms) == {("repeated_requests", TICKET)}
    assert (verdicts[1]["rows"], verdicts[1]["moved_count"]) == (1_000_000 + ROWS, 0)


def test_a_clock_that_jumps_ahead_is_told_and_makes_no_window_of_the_future(world: World) -> None:
    world.week(0, labels=False)
    world.week(1, ahead=timedelta(days=400), count=500, labels=False)
    verdicts, alarms = world.look(0.99)
    assert len(verdicts) == 1
    assert kinds(alarms) == {("clock", TICKET)}


def test_a_clock_that_jumps_back_to_1970_is_told_and_makes_no_window_and_no_gap(world: World) -> None:
    world.week(0, labels=False)
    world.week(1, ahead=timedelta(days=-20_500), count=500, labels=False)
    verdicts, alarms = world.look(0.99)
    assert (len(verdicts), verdicts[0]["rows"]) == (1, ROWS + 500)
    assert kinds(alarms) == {("clock", TICKET)}


def test_a_season_and_a_holiday_week_call_nobody(world: World) -> None:
    """Others come from week to week, and in one week few; what a row leads to stays as it was."""

    def more_of_b(share: float) -> Callable[[Rows], Rows]:
        def changed(of: Rows) -> Rows:
            chosen = world.rng.random(len(of["town"])) < share
            return of | {"town": np.where(chosen, "b", of["town"])}

        return changed

    for number, share in enumerate((0.0, 0.05, 0.1, 0.15, 0.1)):
        world.week(number, season=more_of_b(share))
    world.week(5, season=more_of_b(0.9), count=ROWS // 5)
    verdicts, alarms = world.look(6)
    assert alarms == {}
    assert [one["valid"] for one in verdicts] == [True] * 6
    assert verdicts[5]["moved"][0]["column"] == "town"  # it is said, and calls nobody


def test_a_log_with_a_gap_is_a_ticket(world: World) -> None:
    for number in (0, 1, 3):
        world.week(number, labels=False)
    assert kinds(world.look(4)[1]) == {("log_gap", TICKET)}


def test_a_season_is_compared_with_the_same_weeks_a_year_before(world: World) -> None:
    def summer(of: Rows) -> Rows:
        return of | {"miles": np.minimum(of["miles"] * 1.3, 3000)}

    world.week(0, summer, labels=False)
    world.week(52, summer, labels=False)
    verdicts, _ = world.look(53)
    assert (verdicts[0]["against"], verdicts[0]["moved_count"]) == ("training", 1)
    assert (verdicts[1]["against"], verdicts[1]["moved_count"]) == ("the same season a year before", 0)


def test_a_state_that_is_lost_or_damaged_is_made_anew_with_the_same_verdicts(world: World) -> None:
    for number in range(2):
        world.week(number)
    before = world.look(3)[0]
    (world.folder / "state.db").write_bytes(b"no database at all" * 100)
    assert world.look(3)[0] == before
    assert world.look(3)[0] == before  # and looking again takes nothing in twice


def test_what_a_model_promised_is_read_back_as_it_was_written(reference: Reference, tmp_path: Path) -> None:
    write_reference(reference, tmp_path / "reference.parquet")
    again = read_reference(tmp_path / "reference.parquet")
    assert again is not None
    assert (again.spec, again.promise, again.loss) == (reference.spec, reference.promise, reference.loss)
    assert (again.counted.bins == reference.counted.bins).all()
    (tmp_path / "other.parquet").write_bytes(b"no")
    assert read_reference(tmp_path / "other.parquet") is None


def test_labels_and_keys_in_csv_stay_as_they_are_written(tmp_path: Path) -> None:
    """No type is guessed."""
    (tmp_path / "given.csv").write_text("request_id,answer\n1.50,True\n2.50,False\n")
    joining = Joining(("request_id",), "answer", (), tmp_path / "parts", tmp_path / "tmp")
    with opened(tmp_path / "state.db") as state:
        take_in_labels(state, label_files(tmp_path / "given.csv"), joining)
        (part,) = [one["part"] for one in state.labels()]
    found = sorted(
        zip(*(pq.read_table(part).column(name).to_pylist() for name in ("request_id", "label_text")), strict=True)
    )
    assert found == [("1.50", "True"), ("2.50", "False")]


def test_a_log_of_tensorflow_serving_is_read_once_and_again_when_it_grows(tmp_path: Path) -> None:
    log, folder = tmp_path / "log", tmp_path / "imported"
    log.mkdir()
    assert not import_predictions(log, folder)
    one = record({"miles": [[100.0], [200.5]], "town": [["a"], ["b"]]}, [[0.25], [0.5]])
    write(log / "a.tfrecord", one)
    spec = Spec("binary", ("0", "1"), (), (ColumnSpec("miles", True, (150.0,)), ColumnSpec("town", False, (), ("a",))))
    with opened(tmp_path / "state.db") as state:
        for records, rows in ((1, 2), (1, 2), (3, 6)):
            write(log / "a.tfrecord", *[one] * records)
            os.utime(log / "a.tfrecord", (records, records))
            assert import_predictions(log, folder)
            assert log_files(log) == log_files(log / "a.tfrecord") == []
            take_in(state, folder, lambda _: spec, hour_of(START) + 24)
            assert sum(state.rows_by_hour().values()) == rows
        counted = state.profile(0, hour_of(START) + 24, "7")
    assert counted is not None
    assert counted.bins[0][:2].tolist() == [3, 3]
