"""By what a step of a rollout is judged: failures, labels or estimates, by a log as the server writes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.commands import loop_rollout
from pipeline.config.continuous import Continuous
from pipeline.config.pipeline import PipelineConfig
from pipeline.continuous import estimated, failures, paired, unpaired
from pipeline.continuous.journal import Attempt
from pipeline.continuous.paired import ABORT, PASS, WAIT, Judgement
from pipeline.serving.rollout import CANARY, Rollout
from pipeline.watch.intake import take_in
from pipeline.watch.labels import Joining, label_files, take_in_labels
from pipeline.watch.reference import build_reference, write_reference
from pipeline.watch.state import opened
from pipeline.watch.windows import hour_of
from tests.serving.test_rollback import config, push  # noqa: F401

BEGAN = datetime(2026, 1, 5, 6, tzinfo=UTC)
ROWS = 1_200


def chance(batch: pa.RecordBatch, off: float) -> Any:
    """Scores of a model that is off by so much where the way is long."""
    miles = np.asarray(batch.column("distance_miles"), float)
    return 1 / (1 + np.exp(1 - miles / 500 - off * (miles > 500)))[:, None]


class World:
    """Two versions, a log of both and labels; `off` says how wrong the challenger is."""

    def __init__(self, config: PipelineConfig, monkeypatch: pytest.MonkeyPatch, off: float, **continuous: Any) -> None:  # noqa: F811
        settings: dict[str, Any] = {"min_pairs": 500, "canary": (10,)} | continuous
        self.config = config.model_copy(update={"continuous": Continuous(**settings)})
        self.off = {push(config, "champion"): 0.0, push(config, "challenger"): off}
        self.champion, self.challenger = self.off
        self.rng = np.random.default_rng(3)
        folder = config.watch_folder
        rows = self.rows(20_000)
        for version, wrong in self.off.items():
            score = lambda batch, wrong=wrong: chance(batch, wrong)  # noqa: E731
            late = (self.rng.random(20_000) < chance(rows, 0)[:, 0]).astype(int)
            features = [("carrier", False), ("distance_miles", True)]
            labelled = rows.append_column("late", pa.array(late))
            made = build_reference(str(version), features, [labelled], score, "late", "binary", ("0", "1"))
            write_reference(made, folder / f"reference-{version}.parquet")
            self.spec = made.spec
        monkeypatch.setattr(
            loop_rollout, "scorer_of", lambda _, version: lambda batch: chance(batch, self.off[version])
        )

    def rows(self, count: int) -> pa.RecordBatch:
        return pa.RecordBatch.from_pydict(
            {"carrier": self.rng.choice(["UA", "AA"], count), "distance_miles": self.rng.gamma(4, 130, count)}
        )

    def log(self, routes: dict[str, tuple[int, bool]], *, hidden: bool = False, labels: bool = False) -> None:
        """Write what versions answered, or failed at; of a canary each row once."""
        count = ROWS
        asked = self.rows(count)
        ids = [f"r{k}" for k in range(count)]
        times = [BEGAN + timedelta(seconds=k) for k in range(count)]
        tables = []
        for route, (version, fails) in routes.items():
            here = np.arange(count)
            if "canary" in routes:
                here = here[(here % 2 == 0) == (route == "canary")]
            mine = asked.take(pa.array(here))
            scores = pa.array(list(chance(mine, self.off[version])), pa.list_(pa.float64()))
            shown = mine.select(["carrier"]) if hidden else mine
            tables.append(pa.table({
                "request_id": [ids[k] for k in here], "row": pa.array([0] * len(here), pa.int32()),
                "version": pa.nulls(len(here), pa.string()) if fails else [str(version)] * len(here),
                "time": pa.array([times[k] for k in here], pa.timestamp("us", "UTC")),
                "route": [route] * len(here), "signature": ["serving_default"] * len(here),
                "error": pa.array(["INTERNAL: no such op"] * len(here)) if fails else pa.nulls(len(here), pa.string()),
                "features": shown.to_struct_array(),
                "scores": pa.nulls(len(here), scores.type) if fails else scores,
            }))  # fmt: skip
        folder = self.config.watch_folder
        (self.config.root / "requests" / "log").mkdir(parents=True)
        pq.write_table(pa.concat_tables(tables), self.config.root / "requests" / "log" / "a.parquet")
        with opened(folder / "state.db") as state:
            take_in(state, self.config.root / "requests" / "log", lambda _: self.spec, hour_of(BEGAN) + 9)
            if labels:
                late = (self.rng.random(count) < chance(asked, 0)[:, 0]).astype(int)
                pq.write_table(pa.table({"request_id": ids, "late": late}), folder / "late.parquet")
                joining = Joining(("request_id",), "late", (), folder / "labels", folder / "tmp")
                take_in_labels(state, label_files(folder / "late.parquet"), joining)

    def judged(self, mode: str = "shadow") -> Judgement:
        at = Rollout(self.challenger, self.champion, self.challenger, mode, 10 if mode == CANARY else 0)
        attempt = Attempt(1, (), BEGAN.isoformat(), "", version=self.challenger, since=BEGAN.isoformat())
        return loop_rollout.judged(self.config, attempt, at)


@pytest.fixture
def world(config: PipelineConfig, monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:  # noqa: F811
    return lambda off=0.0, **continuous: World(config, monkeypatch, off, **continuous)


@pytest.mark.parametrize("mode", ["shadow", "canary"])
@pytest.mark.parametrize("estimates", ["ignore", "promote"])
def test_one_that_answers_nothing_is_aborted(world: Callable[..., World], mode: str, estimates: str) -> None:
    here = world(estimates=estimates)
    here.log({"stable": (here.champion, False), mode: (here.challenger, True)})
    found = here.judged(mode)
    assert (found.action, found.by) == (ABORT, failures.BY)
    assert "the champion at 0 of" in found.because


@pytest.mark.parametrize("mode", ["shadow", "canary"])
@pytest.mark.parametrize(("off", "estimates", "action"), [
    (1.5, "abort", ABORT), (1.5, "ignore", WAIT), (0.0, "promote", PASS), (0.0, "abort", WAIT),
])  # fmt: skip
def test_without_labels_estimates_decide_as_the_policy_says(
    world: Callable[..., World], mode: str, off: float, estimates: str, action: str
) -> None:
    here = world(off, estimates=estimates)
    here.log({"stable": (here.champion, False), mode: (here.challenger, False)})
    found = here.judged(mode)
    assert found.action == action, found.because
    assert found.by == (estimated.BY if action != WAIT else paired.BY)
    assert found.because.startswith("0 of 500 labelled rows that both have answered are there")
    assert ("as estimated on 1,000 rows" if mode == "shadow" else "as estimated on 500 rows") in found.because or (
        estimates == "ignore"
    )


def test_labels_decide_once_they_are_there(world: Callable[..., World]) -> None:
    here = world(1.5, estimates="promote")
    here.log({"stable": (here.champion, False), "shadow": (here.challenger, False)}, labels=True)
    found = here.judged()
    assert (found.action, found.by, found.rows) == (ABORT, paired.BY, ROWS)


def test_where_the_champion_cannot_be_asked_each_version_is_judged_by_its_own_rows(world: Callable[..., World]) -> None:
    here = world(4.0)
    here.config = here.config.model_copy(
        update={"serving": here.config.serving.model_copy(update={"redact": ["distance_miles"]})}
    )
    here.log({"stable": (here.champion, False), "canary": (here.challenger, False)}, hidden=True, labels=True)
    found = here.judged("canary")
    assert (found.action, found.by, found.rows) == (ABORT, unpaired.BY, ROWS // 2), found.because
