"""Policies on the past: by hand, against every schedule there is, and on a small table that turns."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.commands.replay import replay
from pipeline.config.loading import load
from pipeline.config.replay import Policy, read_policies
from pipeline.continuous import replaying
from pipeline.continuous.replaying import Losses, best_with, play
from pipeline.errors import ConfigError, DataError
from pipeline.watch.above import above_promise
from pipeline.watch.sequences import Bounds

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
AFTER = timedelta(days=7)


def past(mean: Any, rows: int = 5_000) -> Losses:
    """Weeks in which models lose so much, by the week in which they were trained."""
    mean = np.array(mean, float)
    ticks = len(mean)
    mean[np.tril_indices(ticks, -1)] = np.nan
    flat = np.full(ticks, 0.3)
    return Losses(
        tuple(MONDAY + timedelta(weeks=k) for k in range(ticks + 1)), np.full(ticks, float(rows)), mean,
        mean**2 + 0.04, np.full(mean.shape, 0.2), flat, np.full(ticks, 0.04), np.full(ticks, 50_000),
        np.full(ticks, 36.0),
    )  # fmt: skip


def turned(ticks: int = 10, at: int = 4) -> Losses:
    """The world turns: who was trained before it loses more from then on, the longer before, the more."""
    mean = np.full((ticks, ticks), 0.3)
    mean[:at, at:] = 0.4
    return past(mean)


def played(past_: Losses, **policy: Any) -> Any:
    return play("p", Policy(**policy), past_, AFTER, may_lose=0.0025, delta=0.05)


def test_triggers_and_guards_are_those_of_the_loop() -> None:
    world = turned()
    never = played(world)
    assert (never.runs, never.pages, never.loss) == (0, 1, pytest.approx(0.36))
    assert never.regret == pytest.approx(0)  # of all schedules without a run it is the only one
    weekly = played(world, schedule="week")
    assert (weekly.runs, weekly.served) == (9, tuple(range(10)))
    assert weekly.cpu_hours == pytest.approx(0.09)
    monthly = played(world, schedule="month")
    assert monthly.because == {4: "no run has been complete in 2026-02"} | ({8: "no run has been complete in 2026-03"})
    harm = played(world, harm=True)
    assert (harm.runs, harm.pages) == (1, 1)
    (tick,) = harm.because
    assert tick == 6  # the labels of week 4 are there two weeks later
    assert harm.because[tick].startswith("version 0 is harmful: window 2026-02-02, loss at least 0.3")
    assert played(world, drift=0.3).runs == 0
    assert played(world, drift=0.1).runs == 9
    assert played(world, schedule="week", cooldown="14d").served == (0, 1, 1, 3, 3, 5, 5, 7, 7, 9)
    assert played(world, new_span=True, min_new_rows=12_000).served == (0, 0, 0, 3, 3, 3, 6, 6, 6, 9)
    assert played(world, schedule="week", budget=0.02).runs == 9  # two runs a week may be


def test_a_model_is_judged_once_however_many_ticks_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = []

    def counted(*given: Any) -> Bounds:
        judged.append(given)
        return above_promise(*given)

    monkeypatch.setattr(replaying, "above_promise", counted)
    assert (played(turned(), harm=True).runs, len(judged)) == (1, 2)


def test_the_best_in_hindsight_is_the_best_of_all_schedules() -> None:
    draw = np.random.default_rng(3)
    world = past(draw.uniform(0.2, 0.5, (7, 7)))

    def loss_of(when: tuple[int, ...]) -> float:
        served = [max([0, *(one for one in when if one <= tick)]) for tick in range(7)]
        return float(world.mean[served, range(7)].mean())

    for runs in range(7):
        every = [when for k in range(runs + 1) for when in itertools.combinations(range(1, 7), k)]
        found, when = best_with(world, runs)
        assert found == pytest.approx(min(map(loss_of, every)))
        assert loss_of(when) == pytest.approx(found)
    assert played(world, schedule="week").regret == pytest.approx(loss_of(tuple(range(1, 7))) - best_with(world, 6)[0])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sixteen weeks of a small table whose meaning turns in the ninth; its configuration."""
    draw = np.random.default_rng(7)
    lines = ["at,size,color,answer"]
    for week in range(16):
        for _ in range(600):
            size = draw.normal()
            at = MONDAY + timedelta(weeks=week, seconds=int(draw.integers(604_800)))
            chance = 1 / (1 + np.exp(-(2 if week < 8 else -2) * size))
            color, answer = draw.choice(["red", "blue"]), int(draw.random() < chance)
            lines.append(f"{at:%Y-%m-%dT%H:%M:%S},{size:.4f},{color},{answer}")
    (tmp_path / "t.csv").write_text("\n".join([*lines, ""]))
    (tmp_path / "t.pbtxt").write_text(
        'feature { name: "at" type: INT time_domain { integer_format: UNIX_SECONDS } }\n'
        'feature { name: "size" type: FLOAT }\nfeature { name: "color" type: BYTES }\n'
        'feature { name: "answer" type: INT int_domain { min: 0 max: 1 } }\n'
    )
    document = {
        "name": "t",
        "workspace": str(tmp_path / "workspace"),
        "data": {"path": "t.csv", "label": "answer", "task": "binary"},
        "split": {"by": "time", "column": "at", "eval": "last 10 %"},
        "schema": {"file": "t.pbtxt"},
        "features": {"exclude": ["at"]},
        "evaluation": {"thresholds": {"auc": {"at_least": 0.5}}},
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(document))
    policies = {
        "policies": {"never": {}, "weekly": {"schedule": "week"}, "on <harm>": {"harm": True, "cooldown": "7d"}},
        "window": "last 4",
        "rounds": 30,
    }
    (tmp_path / "policies.yaml").write_text(yaml.safe_dump(policies, sort_keys=False))
    return tmp_path


def test_a_table_that_turns_is_replayed(table: Path) -> None:
    config = load(table / "t.yaml")
    found = replay(config, read_policies(table / "policies.yaml"), "2026-02-02", "2026-04-26", table)
    assert json.loads((table / "replay.json").read_text()) == json.loads(json.dumps(found))
    assert (found["trained"], found["begins"][0], found["begins"][-1]) == (
        12, "2026-02-02T00:00:00+00:00", "2026-04-27T00:00:00+00:00",
    )  # fmt: skip
    never, weekly, harm = found["policies"]
    assert never["loss"] > weekly["loss"] + 0.2
    assert harm["loss"] < never["loss"] - 0.15
    assert 1 <= harm["runs"] <= 5 < weekly["runs"]
    assert (never["pages"], never["gain"], weekly["gain"]) == (1, pytest.approx(0), pytest.approx(1))
    assert all(one["regret"] >= -1e-12 for one in found["policies"])
    page = (table / "replay.html").read_text()
    assert "on &lt;harm&gt;" in page
    assert "<harm>" not in page
    assert page.count("<polyline") == 3
    assert "index.html" not in page, "no front page stands beside it"
    for address in ("http:", "https:", "<script"):
        assert address not in page


def test_days_are_replayed_on_a_part_of_the_rows(table: Path) -> None:
    document = {"policies": {"daily": {"schedule": "day"}}, "tick": "day", "rounds": 2, "one_row_in": 4}
    (table / "policies.yaml").write_text(yaml.safe_dump(document))
    reports = table / "workspace" / "reports"
    reports.mkdir(parents=True)
    (reports / "index.html").touch()
    found = replay(load(table / "t.yaml"), read_policies(table / "policies.yaml"), "2026-03-16", "2026-03-20", reports)
    assert 'href="index.html"' in (reports / "replay.html").read_text()
    assert (found["trained"], found["policies"][0]["runs"]) == (5, 4)
    assert sum(found["rows"]) == pytest.approx(600 / 7 * 5 / 4, rel=0.3)
    assert found["model"].endswith("not the pipeline's network, of one row in 4")
    assert read_policies(Path("examples/year/daily.yaml")).tick == "day"
    (table / "policies.yaml").write_text(yaml.safe_dump(document | {"one_row_in": 400}))
    with pytest.raises(DataError, match="or lower one_row_in"):
        replay(load(table / "t.yaml"), read_policies(table / "policies.yaml"), "2026-03-16", "2026-03-20", table)


def test_the_year_of_the_examples_is_drawn_from_its_numbers() -> None:
    from examples.year.figure import FOLDER, drawing

    assert drawing() == (FOLDER / "year.svg").read_text()
    told = json.loads((FOLDER / "replay.json").read_text())
    assert [one["name"] for one in told["policies"]] == list(read_policies(FOLDER / "policies.yaml").policies)


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("x", "2026-04", "--from x: no day"),
        ("2026-04-01", "2026-04-12", "fewer than two whole ticks of a week"),
        ("2026-01-05", "2026-04-01", "too few rows of .* have labels when the replay begins"),
        ("2026-03-02", "2026-08-01", "no row in the tick that begins on 2026-04-27"),
    ],
)
def test_what_cannot_be_replayed_is_said(table: Path, first: str, last: str, said: str) -> None:
    with pytest.raises((ConfigError, DataError), match=said):
        replay(load(table / "t.yaml"), read_policies(table / "policies.yaml"), first, last, table)
    assert not (table / "replay.json").exists()


def test_a_file_of_policies_that_is_wrong_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    with pytest.raises(ConfigError, match="there is no such file"):
        read_policies(file)
    file.write_text("policies: {weekly: {schedul: week}}\n")
    with pytest.raises(ConfigError, match=r"schedul: unknown key; did you mean 'schedule'\?"):
        read_policies(file)
    file.write_text("- never\n")
    with pytest.raises(ConfigError, match="expected `policies:`"):
        read_policies(file)
