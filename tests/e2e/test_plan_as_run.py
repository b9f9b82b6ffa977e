"""`longhaul plan` ends as the run that it plans: with its exit code and, where that fails at the data, its sentence."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import EXIT_INPUT, EXIT_NOT_YET
from tests.place import Command, Place

DATA = {"path": "data/{SPAN}/t.csv", "label": "sold", "task": "binary"}
CONFIG: dict[str, Any] = {
    "name": "foreseen", "data": DATA, "split": {"by": "time", "eval": "last 1 span"}, "schema": {"file": "s.pbtxt"},
    "evaluation": {"thresholds": {"auc": {"at_least": 0.0}}},
}  # fmt: skip
SCHEMA = """
feature { name: "day" type: INT time_domain { string_format: "%Y-%m-%d" } presence { min_fraction: 1 } }
feature { name: "price" type: FLOAT presence { min_fraction: 1 } }
feature { name: "sold" type: INT int_domain { min: 0 max: 1 } presence { min_fraction: 1 } }
"""
HEADER = "day,price,sold\n"
SPANS = 3


def arrives(place: Place, span: int, text: str | None = None) -> Path:
    """Thirty days of a span."""
    first = date(2025, 1, 1) + timedelta(30 * (span - 1))
    rows = "".join(f"{first + timedelta(n)},{n}.5,{n % 2}\n" for n in range(30))
    file = place.folder / "data" / str(span) / "t.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(HEADER + rows if text is None else text)
    os.utime(file, (time.time() - 9000,) * 2)
    return file


def gone(place: Place, span: int) -> None:
    (place.folder / "data" / str(span) / "t.csv").unlink()


def by_time(**split: Any) -> Callable[[Place], None]:
    return lambda place: place.document.update(split={"by": "time", "column": "day"} | split)


def data(**settings: Any) -> Callable[[Place], None]:
    return lambda place: place.document.update(data=DATA | settings)


def whole_table(text: str) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        arrives(place, 3, text)
        place.document.update(data=DATA | {"path": "data/3/t.csv"}, split={"by": "hash", "columns": ["day"]})

    return change


def both(*changes: Callable[[Place], Any]) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        for one in changes:
            one(place)

    return change


KINDS: dict[str, Callable[[Place], Any]] = {
    "all is there": lambda place: None,
    "empty file": lambda place: arrives(place, 3, ""),
    "empty file outside of the window": both(data(spans="last 2"), lambda place: arrives(place, 1, "")),
    "empty file of a table without spans": whole_table(""),
    "header only": lambda place: arrives(place, 3, HEADER),
    "header only of a span among others": lambda place: arrives(place, 2, HEADER),
    "header only of all": lambda place: [arrives(place, span, HEADER) for span in range(1, SPANS + 1)],
    "header only of a table without spans": whole_table(HEADER),
    "missing span, refused": both(data(arrival={"missing": "refuse"}), lambda place: arrives(place, 5)),
    "missing span, warned of": lambda place: arrives(place, 5),
    "missing span of a range": both(data(spans=[1, 9]), lambda place: gone(place, 3)),
    "span that the split names": both(by_time(eval=[3]), lambda place: gone(place, 3)),
    "no span at all": lambda place: [gone(place, span) for span in range(1, SPANS + 1)],
    "unstable file": both(data(arrival={"still_for": "1h"}), lambda place: arrives(place, 3).touch()),
    "no marker": data(arrival={"marker": "_SUCCESS"}),
    "too few files": data(arrival={"files": 2}),
    "columns that are expected": data(arrival={"columns": ["nope"]}),
    "no file to read but a folder of nothing": both(
        data(path="data/{SPAN}"), lambda place: (place.folder / "data" / "4").mkdir()
    ),
    "no table but other bytes": lambda place: arrives(place, 3).write_bytes(bytes(range(256)) * 9),
    "other columns": lambda place: arrives(place, 3, "day,cost,sold\n2025-03-02,1,1\n"),
    "eval_from after all data": by_time(eval_from="2030-01-01"),
    "eval_from before all data": by_time(eval_from="2020-01-01"),
    "test_from after all data": by_time(eval_from="2025-03-02", test_from="2030-01-01"),
    "eval_from that fits": by_time(eval_from="2025-03-02"),
    "last rows by time": by_time(eval="last 20 %"),
    "one time for all": both(
        by_time(eval="last 20 %"),
        data(spans="last 1"),
        lambda place: arrives(place, 3, HEADER + "2025-01-01,1,1\n2025-01-01,1,0\n" * 9),
    ),
    "split that leaves nothing to train": by_time(eval="last 3 spans"),
    "window that matches nothing": data(spans="from 9"),
    "too few rows for the shares": both(
        lambda place: place.document.update(split={"by": "hash", "weights": {"train": 100_000, "eval": 1}}),
        lambda place: arrives(place, 3),
    ),
    "stratified": lambda place: place.document.update(split={"by": "hash", "stratify": "sold"}),
    "time that is missing": both(by_time(eval_from="2025-03-02"), lambda place: arrives(place, 3, HEADER + ",1,1\n")),
    "schema that cannot be read": lambda place: (place.folder / "s.pbtxt").write_text("feature {"),
    "that, and an empty file": lambda place: both(KINDS["schema that cannot be read"], KINDS["empty file"])(place),
    "serving requests that are not there": data(serving="requests.csv"),
    "policy that cannot be read": both(
        lambda place: place.document.update(schema={"file": "s.pbtxt", "policy": "p.yaml"}),
        lambda place: (place.folder / "p.yaml").write_text("nope: 1"),
    ),
}


CODES = {
    EXIT_NOT_YET: (
        *("empty file", "missing span, refused", "missing span of a range", "unstable file", "no marker"),
        *("too few files", "columns that are expected", "that, and an empty file"),
    ),
    0: (
        *("all is there", "empty file outside of the window", "header only of a span among others"),
        *("missing span, warned of", "eval_from that fits", "last rows by time", "stratified"),
    ),
}
"""What the run ends with; the others with 2."""


def refusal(text: str) -> list[str]:
    """What was wrong and what to do about it."""
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith("longhaul: ")), len(lines))
    return lines[start:]


def aged(text: str) -> str:
    return re.sub(r"changed \d+ s ago", "changed a while ago", text)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_plan_ends_as_the_run(kind: str, tmp_path: Path, longhaul: Command) -> None:
    place = Place(tmp_path, longhaul, dict(CONFIG))
    (tmp_path / "s.pbtxt").write_text(SCHEMA)
    for span in range(1, SPANS + 1):
        arrives(place, span)
    KINDS[kind](place)
    place.write()
    planned, run = place.call("plan"), place.call("run", "--to", "TableExampleGen")
    wanted = next((code for code, kinds in CODES.items() if kind in kinds), EXIT_INPUT)
    assert (run.code, planned.code) == (wanted, wanted), (run.text, planned.text)
    if run.code == EXIT_NOT_YET:
        told = [
            line.removeprefix("Not yet").strip() for line in planned.text.splitlines() if line.startswith("Not yet")
        ]
        assert aged(f"the data are not there yet: {'; '.join(told)}") in aged(run.text)
    else:
        assert refusal(planned.text) == refusal(run.text)
