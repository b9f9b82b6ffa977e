"""The log of requests: what is asked can be read again as it was, whatever becomes of the writer or the disk."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.serving import request_log
from pipeline.serving.request_files import expire, files, finish, tables
from pipeline.serving.request_layout import Entry, layout_of
from pipeline.serving.request_log import RequestLog
from pipeline.serving.request_upkeep import LogOptions
from tests.waiting import eventually

TOLD = {
    "label": {"task": "binary", "classes": ["no", "yes"]},
    "signatures": {
        "serving_tensors": {
            "inputs": {
                "name_": {"feature": "name", "dtype": "string", "shape": [None]},
                "miles": {"feature": "miles", "dtype": "float64", "shape": [None]},
                "seats": {"feature": "seats", "dtype": "float64", "shape": [None], "whole_numbers": True},
            }
        }
    },
}
LAYOUT = layout_of(TOLD, {})
NOON = datetime(2026, 5, 4, 12, 30, tzinfo=UTC).timestamp()


def an_entry(rows: list[dict[str, Any]], request_id: str = "a", **changes: Any) -> Entry:
    """A request of rows by feature; None where a value is missing."""
    columns: dict[str, Any] = {
        "name_": [row["name"] or "" for row in rows],
        "miles": [math.nan if row["miles"] is None else row["miles"] for row in rows],
        "seats": [math.nan if row["seats"] is None else row["seats"] for row in rows],
    }
    outputs = {"prediction": np.array([[row["score"]] for row in rows], np.float64)}
    entry = Entry(
        "flights", LAYOUT, request_id, NOON, "serving_tensors", len(rows), 7, columns=columns, outputs=outputs
    )
    return replace(entry, **changes)


def a_row(draw: random.Random) -> dict[str, Any]:
    return {
        "name": draw.choice([None, "UA", "Zoë", "a" * 300, "'\";\n"]),
        "miles": draw.choice([None, -1.5, 0.0, 1e30, math.inf, draw.random()]),
        "seats": draw.choice([None, 0, -3, 2**40, draw.randrange(500)]),
        "score": draw.random(),
    }


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[Callable[..., RequestLog]]:
    """A log of `flights` in the test's folder; ended with the test."""
    opened: list[RequestLog] = []

    def begin(said: list[str] | None = None, **options: Any) -> RequestLog:
        told: list[str] = [] if said is None else said
        opened.append(
            RequestLog(LogOptions(**{"folder": str(tmp_path / "requests")} | options), ["flights"], told.append)
        )
        return opened[-1]

    yield begin
    for log in opened:
        log.close()


def logged(folder: Path) -> list[dict[str, Any]]:
    return [row for table in tables(folder / "flights") for row in table.to_pylist()]


@pytest.mark.parametrize("seed", range(3))
def test_what_was_asked_can_be_read_again(open_log: Callable[..., RequestLog], tmp_path: Path, seed: int) -> None:
    """Requests of random sizes, as lists, arrays and tf.Examples: each row comes back, in its own types."""
    draw = random.Random(seed)
    log = open_log()
    expected = {}
    for number in range(60):
        rows = [a_row(draw) for _ in range(draw.choice([1, 1, 1, 2, 40]))]
        entry = an_entry(rows, f"r{number}", caller=draw.choice([None, "shop"]), latency_s=0.25)
        form = draw.choice(["lists", "arrays", "examples", "some rows"])
        if form == "arrays":
            text = [(value or "").encode() for value in entry.columns["name_"]]  # type: ignore[index]
            entry.columns = {
                "name_": np.array(text, object),
                **{key: np.array(entry.columns[key], np.float64) for key in ("miles", "seats")},  # type: ignore[index]
            }
        elif form == "examples":
            entry.columns, entry.signature = {"examples": [example(row) for row in rows]}, "serving_default"
        elif form == "some rows":
            entry.places, entry.route = [3 + 2 * place for place in range(len(rows))], "canary"
        log.add(entry)
        for place, row in enumerate(rows):
            expected[f"r{number}", place if entry.places is None else entry.places[place]] = (row, entry, form)
    log.close()
    found = logged(tmp_path / "requests")
    assert len(found) == len(expected)
    for one in found:
        row, entry, form = expected[one["request_id"], one["row"]]
        features = {key: row[key] for key in ("name", "miles", "seats")}
        if form == "examples" and features["miles"] is not None:
            features["miles"] = np.float32(features["miles"])
        assert one["features"] == features
        assert one["scores"] == [pytest.approx(row["score"])]
        assert one["label"] == ("yes" if row["score"] >= 0.5 else "no")
        told = {key: one[key] for key in ("version", "route", "caller", "signature", "latency_s", "error")}
        assert told == {"version": "7", "route": entry.route, "caller": entry.caller, "signature": entry.signature,
                        "latency_s": 0.25, "error": None}  # fmt: skip
        assert one["time"].timestamp() == NOON
    (file,) = (tmp_path / "requests" / "flights" / "2026-05-04").iterdir()
    assert file.match("12-*.parquet")
    schema = pq.read_schema(file)
    assert schema.field("time").type == pa.timestamp("us", "UTC")
    assert schema.field("features").type.field("seats").type == pa.int64()


@pytest.mark.parametrize("seed", range(3))
def test_requests_that_were_asked_together_are_told_apart(
    open_log: Callable[..., RequestLog], tmp_path: Path, seed: int
) -> None:
    """They share columns and outputs; some are not logged, and others come in another order."""
    draw = random.Random(seed)
    log = open_log()
    entries: list[Entry] = []
    expected: dict[tuple[str, int], dict[str, Any]] = {}
    for batch in range(5):
        sizes = [draw.choice([1, 1, 2, 7]) for _ in range(draw.randrange(1, 9))]
        rows = [a_row(draw) for _ in range(sum(sizes))]
        whole = an_entry(rows)
        if batch % 2:
            whole.columns = {key: np.array(values, object if key == "name_" else np.float64)
                             for key, values in (whole.columns or {}).items()}  # fmt: skip
        at = 0
        for place, size in enumerate(sizes):
            own = replace(whole, request_id=f"{batch}-{place}", rows=size, at=at, whole=len(rows))
            its = rows[at : at + size]
            at += size
            if draw.random() < 0.7 or not entries:
                entries.append(own)
                expected |= {(own.request_id, number): row for number, row in enumerate(its)}
    draw.shuffle(entries)
    for entry in entries:
        log.add(entry)
    log.close()
    found = {(one["request_id"], one["row"]): one for one in logged(tmp_path / "requests")}
    assert found.keys() == expected.keys()
    for key, one in found.items():
        assert one["features"] == {name: expected[key][name] for name in ("name", "miles", "seats")}
        assert one["scores"] == [pytest.approx(expected[key]["score"])]


def example(row: dict[str, Any]) -> bytes:
    from tensorflow.core.example import example_pb2

    found = example_pb2.Example()
    if row["name"] is not None:
        found.features.feature["name"].bytes_list.value.append(row["name"].encode())
    if row["miles"] is not None:
        found.features.feature["miles"].float_list.value.append(np.float32(row["miles"]))
    if row["seats"] is not None:
        found.features.feature["seats"].int64_list.value.append(row["seats"])
    return found.SerializeToString()


ROW = {"name": "UA", "miles": 5.0, "seats": 3, "score": 0.75}


def test_an_error_is_logged_with_or_without_columns(open_log: Callable[..., RequestLog], tmp_path: Path) -> None:
    log = open_log(sample=0.0)
    assert not log.wants("any")
    log.add(an_entry([ROW], version=None, outputs=None, error="INTERNAL: x"))
    log.add(an_entry([ROW], "b", version=None, outputs=None, columns=None, error="INVALID_ARGUMENT: y"))
    log.close()
    one, other = sorted(logged(tmp_path / "requests"), key=lambda row: str(row["request_id"]))
    assert (one["error"], one["features"]["name"], one["version"], one["scores"]) == ("INTERNAL: x", "UA", None, None)
    assert (other["error"], other["features"]) == ("INVALID_ARGUMENT: y", None)


def test_a_share_of_the_requests_is_the_same_one_each_time(open_log: Callable[..., RequestLog]) -> None:
    log = open_log(sample=0.25)
    wanted = [log.wants(f"request-{number}") for number in range(4000)]
    assert 800 < sum(wanted) < 1200
    assert wanted == [log.wants(f"request-{number}") for number in range(4000)]


def test_what_does_not_fit_is_dropped_and_counted(
    open_log: Callable[..., RequestLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "_FLUSH_S", 3600)  # nothing is written before the end
    log = open_log()
    eventually(lambda: log._waiting is not None)
    for number in range(100):
        log.add(an_entry([ROW], f"r{number}", size=(1 << 20)))
        log._go_on.clear()
    log.close()
    written, dropped = log.counts.written["flights"], log.counts.dropped["flights"]
    assert written + dropped == 100
    assert written == len(logged(tmp_path / "requests"))
    assert dropped > 0


KILLED = """
import sys, time, json
from tests.serving.test_request_log import an_entry, ROW
from pipeline.serving.request_log import RequestLog
from pipeline.serving.request_upkeep import LogOptions
from dataclasses import replace
log = RequestLog(LogOptions(sys.argv[1]), ["flights"], print)
number = 0
while True:
    log.add(replace(an_entry([ROW], f"r{number}"), time=time.time()))
    print(json.dumps([number, time.time()]), flush=True)
    number += 1
    time.sleep(0.005)
"""


def test_a_kill_loses_the_last_second_at_most(open_log: Callable[..., RequestLog], tmp_path: Path) -> None:
    folder = tmp_path / "requests"
    with (tmp_path / "told").open("w") as told:
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stdout=told)
    eventually(lambda: len(logged(folder)) > 300)  # read while it is written
    process.send_signal(signal.SIGKILL)
    process.wait()
    told_lines = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()[:-1]]
    kept = {row["request_id"] for row in logged(folder)}
    lost = [when for number, when in told_lines if f"r{number}" not in kept]
    assert not lost or told_lines[-1][1] - min(lost) < 1 + slack(told_lines)
    assert list(folder.glob("flights/*/.*.part"))
    open_log().close()  # the next one makes Parquet of it
    assert not list(folder.glob("flights/*/.*"))
    assert {row["request_id"] for row in logged(folder)} == kept


def slack(told: list[tuple[int, float]]) -> float:
    """How long the process was not let run at a time, on a busy machine."""
    return sum(max(0.0, later - earlier - 0.1) for (_, earlier), (_, later) in pairwise(told))


@pytest.fixture
def disk(small_disk: Callable[[Path, str], Path], tmp_path: Path) -> Path:
    return small_disk(tmp_path / "requests", "2m")


def test_a_full_disk_ends_the_log_until_there_is_room(
    open_log: Callable[..., RequestLog], disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "_AGAIN_S", 0.2)
    said: list[str] = []
    log = open_log(said)
    log.add(an_entry([ROW], "before"))
    eventually(lambda: log.counts.written["flights"] == 1)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free))
    sent = 0
    while log.counts.dropped["flights"] < 3000:
        log.add(an_entry([ROW | {"name": os.urandom(40).hex()}] * 50, f"r{sent}"))
        sent += 1
        time.sleep(0.001)
    assert len([text for text in said if "not logged any more" in text]) == 1
    assert "No space left on device" in said[0]
    ballast.unlink()

    def goes_on() -> bool:
        log.add(an_entry([ROW], "after"))
        return any("are logged again" in text for text in said)

    eventually(goes_on)
    log.close()
    found = logged(disk)
    assert {"before", "after"} <= {row["request_id"] for row in found}
    assert len(found) >= log.counts.written["flights"]
    assert not list(disk.glob("flights/*/.*.part"))


def test_what_is_redacted_stands_in_no_file(open_log: Callable[..., RequestLog], tmp_path: Path) -> None:
    secret = ROW | {"name": "Ann Lee of Main Street", "miles": 12345.678}
    for leave_out in (False, True):
        folder = tmp_path / str(leave_out)
        log = open_log(folder=str(folder), redact=("name", "miles"), leave_out=leave_out)
        log.add(an_entry([secret, secret, ROW]))
        log.add(an_entry([ROW], "b", columns={"examples": [example(secret)]}, signature="serving_default"))
        problem = "INVALID_ARGUMENT: column miles, row 0: it has to be 0 to 5000; it is 12345.678"
        log.add(an_entry([ROW], "c", columns=None, outputs=None, error=problem))
        log.add(an_entry([ROW], "d", columns=None, outputs=None, error="INVALID_ARGUMENT: JSON Value: Ann Lee"))
        log.close()
        rows = logged(folder)
        assert "Ann Lee" not in repr(rows)
        assert "12345" not in repr(rows)
        errors = {row["request_id"]: row["error"] for row in rows}
        assert errors["c"] == "INVALID_ARGUMENT: column miles, row 0: it has to be 0 to 5000"
        assert errors["d"] == "INVALID_ARGUMENT"
        if leave_out:
            assert set(rows[0]["features"]) == {"seats"}
        else:
            hashes = [row["features"]["name"] for row in rows if row["features"]]
            assert len(set(hashes)) == 2  # equal values stay equal, over both forms
            assert all(len(value) == 32 for value in hashes)
            assert (folder / ".redact.key").stat().st_mode & 0o777 == 0o600


def test_requests_are_counted_by_hour_version_and_route(
    open_log: Callable[..., RequestLog], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline.cli import app

    log = open_log()
    log.add(an_entry([ROW, ROW], latency_s=0.002))
    log.add(an_entry([ROW], "b", route="canary", version=8, latency_s=0.004))
    log.add(an_entry([ROW], "c", version=None, outputs=None, columns=None, error="INVALID_ARGUMENT: y"))
    log.close()
    folder = str(tmp_path / "requests" / "flights")
    app(["requests", "--log", folder, "--json"], standalone_mode=False)
    found = {(one["version"], one["route"]): one for one in json.loads(capsys.readouterr().out)}
    assert found.keys() == {("7", "stable"), ("8", "canary"), ("", "stable")}
    one = found["7", "stable"]
    assert (one["hour"], one["requests"], one["rows"], one["errors"], one["latency_ms"]) == (
        "2026-05-04T12:00Z", 1, 2, 0, 2.0,
    )  # fmt: skip
    assert found["", "stable"]["errors"] == 1
    app(["requests", "--log", folder, "--since", "1h"], standalone_mode=False)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    day = tmp_path / "flights" / "2026-05-04"
    day.mkdir(parents=True)
    for name in ("11-aa-1.parquet", "12-aa-1.parquet", ".11-bb-1.part", "notes.txt"):
        (day / name).touch()
    at = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
    assert [file.name for file in files(day.parent, since=at)] == ["12-aa-1.parquet"]
    assert [file.name for file in expire(day.parent, at)] == ["11-aa-1.parquet"]
    assert expire(day.parent, at + timedelta(minutes=30)) != []
    assert sorted(path.name for path in day.iterdir()) == [".11-bb-1.part", "notes.txt"]  # somebody else's stay


def test_an_hour_is_finished_by_few_rows_at_a_time_with_dictionaries_of_texts_and_differences_of_whole_numbers(
    tmp_path: Path,
) -> None:
    part = tmp_path / ".04-a-1.part"
    numbers = np.arange(200_000.0)
    kind = pa.struct([*((name, pa.float64()) for name in "abcdefghijk"), ("l", pa.int64())])
    whole_numbers = pa.array(np.resize([2**63 - 1, -(2**63), 0, 7, 8], 1000), mask=np.arange(1000) % 7 == 0)
    schema = pa.schema([("request_id", pa.string()), ("route", pa.string()), ("features", kind)])
    with part.open("wb") as file, pa.ipc.new_stream(file, schema) as stream:
        for rows in np.split(numbers, 200):  # 19 MB
            features = pa.StructArray.from_arrays([*[rows] * 11, whole_numbers], fields=list(kind))
            texts = [pa.array(list(map(str, range(1000)))), pa.array(["stable"] * 1000)]
            stream.write_batch(pa.record_batch([*texts, features], schema=schema))
    finished = finish(part)
    assert finished
    whole = pq.ParquetFile(finished)
    groups = [whole.metadata.row_group(at) for at in range(whole.num_row_groups)]
    assert max(group.num_rows for group in groups) * 12 * 8 <= 9 << 20
    columns = [groups[0].column(at) for at in range(groups[0].num_columns)]
    assert {one.path_in_schema for one in columns if "RLE_DICTIONARY" in one.encodings} == {"route"}
    assert {one.path_in_schema for one in columns if "DELTA_BINARY_PACKED" in one.encodings} == {"features.l"}
    assert (
        whole.read(["features.l"])["features"].combine_chunks().field(0).to_pylist() == whole_numbers.to_pylist() * 200
    )
    assert whole.read(["features.a"])["features"].combine_chunks().field(0).to_pylist() == list(numbers)
