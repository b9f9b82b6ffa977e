"""What `longhaul watch` costs, how often it calls somebody for nothing, and how small a loss it finds.

    python -m bench.watch size [--rows 1000000 --columns 1000]      one look at a log, and at an hour of it
    python -m bench.watch years WORKSPACE [--years 200]              pages in years of flights without change
    python -m bench.watch power WORKSPACE [--trials 100]             planted losses found within two weekly windows

WORKSPACE is one in which `longhaul run` was run on the flights: its newest model scores its own evaluation rows. Years
are drawn from these rows with replacement (6,300 a week), and so is what training promised, so that nothing changes.
Beside the pages of `watch` stands what Evidently's default rules flag (Evidently 0.7, `stattests/registry.py` and
`data_drift.py`: with more than 1,000 rows normed Wasserstein distance of numbers and Jensen-Shannon distance of
categories, of at least 0.1; a data set drifts if half of its columns do).

Each part adds its figures to bench/results/watch.json.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.commands.promised import labelled_rows
from pipeline.config.loading import load
from pipeline.config.watch import Watch
from pipeline.contract.schema import column_type, feature_table, read_schema
from pipeline.evaluation.tallies import rows_of
from pipeline.guard.policy_file import read_policy
from pipeline.lineage.runs import find_run
from pipeline.lineage.store import open_existing_store
from pipeline.serving.versions import newest, read_manifest
from pipeline.watch.alarms import PAGE, found_now, merged
from pipeline.watch.excess import center_of, least_excess, moments
from pipeline.watch.harm import AREA, EXCESS, LOSS, MAY_LOSE, PROMISE, area_of
from pipeline.watch.intake import take_in
from pipeline.watch.judging import Judge
from pipeline.watch.labels import sliced
from pipeline.watch.profiles import Profile, profile
from pipeline.watch.reference import Reference, build_reference, losses
from pipeline.watch.samples import estimates
from pipeline.watch.segments import losses_by_segment
from pipeline.watch.sequences import Groups, lower_bounds, upper_bound
from pipeline.watch.state import Realized, opened
from pipeline.watch.windows import Window, hour_of, windows
from trainer.features import Kind

Array = npt.NDArray[Any]
RESULT = Path(__file__).parent / "results" / "watch.json"
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
A_WEEK, BLOCK = 6_300, 900
WEEKS = 52


def main() -> None:
    """Measure one part and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["size", "look", "years", "power"])
    parser.add_argument("workspace", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=1_000)
    parser.add_argument("--years", type=int, default=200)
    parser.add_argument("--trials", type=int, default=100)
    asked = parser.parse_args()
    if asked.part == "look":
        print(json.dumps(look(asked.workspace)))
        return
    found: dict[str, Any] = {}
    if asked.part == "size":
        found = {"size": size(asked.rows, asked.columns, 168), "hour": size(100_000, 40, 1)}
    elif asked.part == "years":
        found = {"years": years(Flights.of(asked.workspace), asked.years)}
    else:
        found = {"power": power(Flights.of(asked.workspace), asked.trials)}
    known = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    RESULT.write_text(json.dumps(known | found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


# What it costs


def size(rows: int, columns: int, hours: int) -> dict[str, Any]:
    """Write a log of so many rows and look at it in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        each = 50_000
        first = made_rows(each, columns, hours, seed=1)
        (folder / "log").mkdir()
        pq.write_table(first, folder / "log" / "000.parquet")
        for number in range(1, rows // each):  # the rows are the same in each file; what reading costs is, too
            (folder / "log" / f"{number:03d}.parquet").write_bytes((folder / "log" / "000.parquet").read_bytes())
        done = subprocess.run(
            [sys.executable, "-m", "bench.watch", "look", name, "--columns", str(columns)],
            capture_output=True,
            check=True,
        )
        return {"rows": rows, "columns": columns, **json.loads(done.stdout)}


def made_rows(rows: int, columns: int, hours: int, seed: int) -> pa.Table:
    """Return a log: nine tenths numbers, one text."""
    rng = np.random.default_rng(seed)
    features: dict[str, Any] = {}
    for k in range(columns):
        if k % 10:
            features[f"number_{k}"] = np.round(rng.normal(k, 10, rows), 2)
        else:
            features[f"text_{k}"] = pa.array(rng.integers(0, 50, rows)).cast(pa.string())
    struct = pa.StructArray.from_arrays([pa.array(one) for one in features.values()], names=list(features))
    times = [MONDAY + timedelta(seconds=int(s)) for s in np.sort(rng.integers(0, hours * 3600, rows))]
    return pa.table(
        {
            "request_id": pa.array(np.arange(rows)).cast(pa.string()),
            "time": pa.array(times, pa.timestamp("us", "UTC")),
            "version": ["7"] * rows,
            "features": struct,
            "scores": pa.array(list(rng.beta(1, 4, (rows, 1))), pa.list_(pa.float64())),
        }
    )


def look(folder: Path) -> dict[str, Any]:
    """Take in a log and judge it, as `watch` does after what a version promised is known."""
    names = list(pq.read_schema(next((folder / "log").glob("*.parquet"))).field("features").type)
    made = made_rows(20_000, len(names), 168, seed=2)
    rng = np.random.default_rng(3)
    batch = pa.RecordBatch.from_struct_array(made.column("features").combine_chunks())
    scores = np.array(made.column("scores").to_pylist())
    labelled = batch.append_column("late", pa.array((rng.random(len(scores)) < scores[:, 0]).astype(int)))
    features = [(one.name, pa.types.is_floating(one.type)) for one in names]
    reference = build_reference("7", features, [labelled], lambda _: scores, "late", "binary", ("0", "1"))
    began, cpu = time.perf_counter(), time.process_time()
    with opened(folder / "state.db") as state:
        take_in(state, folder / "log", lambda _: reference.spec, hour_of(MONDAY) + 200)
        taken = time.perf_counter() - began
        found = windows(state.rows_by_hour(), "week")
        judge = Judge(Watch(), read_policy(None), 0.95, lambda w, v, r: estimates(state, w, v, r))
        verdicts = judge.judge(state, reference, found, set(found), {}, hour_of(MONDAY) + 200)
    return {
        "counted": sum(one["rows"] for one in verdicts),
        "estimated": sorted(verdicts[0]["estimated"]),
        "take_in_s": round(taken, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


# What it says when nothing changes, and when something does


class Flights:
    """The evaluation rows of a model with its scores."""

    def __init__(self, table: pa.Table, features: list[tuple[str, bool]], importance: dict[str, float]) -> None:
        self.table, self.features, self.importance = table.combine_chunks(), features, importance
        self.scores = np.asarray(table.column("score"))[:, None]
        self.truth = np.asarray(table.column("truth"), float)

    @classmethod
    def of(cls, workspace: Path) -> Flights:
        """Score the rows, once."""
        from pipeline.watch.scored import scorer

        config = load(None, workspace=str(workspace))
        version = newest(config.serving_folder)
        manifest = read_manifest(config.serving_folder / str(version))
        assert manifest is not None
        run = find_run(open_existing_store(config), config.record_name, manifest.run_id)
        schema = read_schema(config.schema_file)
        table = feature_table(config, schema)
        types = {feature.name: column_type(feature) for feature in schema.feature}
        label = table.label.name
        names = [one.name for one in table.features]
        batches = list(labelled_rows(run, {name: types[name] for name in (*names, label)}))
        score = scorer(config.serving_folder / str(version))
        found = []
        for batch in batches:
            rows = batch.select(names)
            plain = pa.Table.from_batches([rows])
            late = np.array(
                [str(one) in ("1", "True", "true", "late") for one in batch.column(label).to_pylist()], float
            )
            found.append(
                plain.append_column("score", pa.array(score(rows)[:, 0])).append_column("truth", pa.array(late))
            )
        kinds = [(one.name, one.kind is not Kind.CATEGORICAL) for one in table.features]
        return cls(pa.concat_tables(found), kinds, {})

    def reference(self, rng: np.random.Generator) -> Reference:
        """Return what training promised by rows that are drawn anew."""
        chosen = rng.integers(0, len(self.truth), len(self.truth))
        table = self.table.take(pa.array(chosen))
        batch = table.combine_chunks().to_batches()[0]
        late = batch.column("truth").cast(pa.int64())
        rows = batch.select([name for name, _ in self.features]).append_column("late", late)
        scores = self.scores[chosen]
        return build_reference("7", self.features, [rows], lambda _: scores, "late", "binary", ("0", "1"))


class Drawn:
    """Windows that are sums of blocks of rows, as `Judge` asks a state for them."""

    def __init__(self, flights: Flights, reference: Reference, rng: np.random.Generator) -> None:
        slices = [("origin",), ("carrier",)]
        order = rng.permutation(len(flights.truth))
        self.blocks: list[tuple[Profile, dict[str, Realized], Array]] = []
        for start in range(0, len(order) - BLOCK + 1, BLOCK):
            chosen = order[start : start + BLOCK]
            batch = flights.table.take(pa.array(chosen)).combine_chunks().to_batches()[0]
            scores, truth = flights.scores[chosen], flights.truth[chosen]
            loss = losses("binary", truth, scores)
            rows = rows_of("binary", truth, scores, np.arange(len(chosen)) % 20)
            parts = {
                name: Realized(float(loss[some].sum()), float((loss[some] ** 2).sum()), rows.tally(some))
                for name, some in sliced(batch, slices)
            }
            features = batch.select([name for name, _ in flights.features])
            counted = profile(reference.spec, features, scores[:, 0], 1)
            self.blocks.append((counted, parts, losses_by_segment(reference.spec, batch, loss)))
        self.weeks: dict[int, list[int]] = {}

    def draw(self, rng: np.random.Generator) -> list[Window]:
        """Draw a year; return its windows."""
        first = hour_of(MONDAY)
        found = [Window(first + 168 * k, first + 168 * (k + 1)) for k in range(WEEKS)]
        self.weeks = {one.first: list(rng.integers(0, len(self.blocks), A_WEEK // BLOCK)) for one in found}
        return found

    def profile(self, first: int, last: int, version: str | None) -> Profile | None:
        """See `State.profile`."""
        some = [self.blocks[k][0] for k in self.weeks.get(first, [])]
        return sum(some[1:], some[0]) if some else None

    def realized(self, first: int, last: int, version: str) -> Iterator[tuple[int, str, int, Realized]]:
        """See `State.realized`; labels come a week at a time."""
        for k in self.weeks.get(first, []):
            yield from ((first, name, first, one) for name, one in self.blocks[k][1].items())

    def by_segment(self, first: int, last: int, version: str) -> Iterator[tuple[int, Array]]:
        """See `State.by_segment`."""
        yield from ((first, self.blocks[k][2]) for k in self.weeks.get(first, []))


def years(flights: Flights, count: int) -> dict[str, Any]:
    """Count the pages of so many years without change; ten years have one promise."""
    rng = np.random.default_rng(7)
    settings = Watch()
    judge = Judge(settings, read_policy(None), 0.95, lambda *_: {}, (("origin",), ("carrier",)))
    pages, moved = [], []
    for number in range(count):
        if number % 10 == 0:
            reference = flights.reference(rng)
            drawn = Drawn(flights, reference, rng)
        found = drawn.draw(rng)
        verdicts = judge.judge(drawn, reference, found, set(), {}, found[-1].last)  # type: ignore[arg-type]
        told: dict[str, Any] = {}
        called = 0
        for k in range(1, WEEKS + 1):
            now = MONDAY + timedelta(weeks=k)
            here = found_now(verdicts[:k], [], settings, now, "7", True)
            told, said = merged(told, here, settings, now)
            called += sum(event == "opened" and one.severity == PAGE for event, one in said)
            told = {key: type(one)(**vars(one) | {"told": "opened"}) for key, one in told.items()}
        pages.append(called)
        moved.append(sum(one["moved_count"] for one in verdicts))
    return {
        "years": count,
        "pages": int(np.sum(pages)),
        "years_with_a_page": int(np.sum(np.array(pages) > 0)),
        "columns_named_a_year": round(float(np.mean(moved)), 2),
        "evidently_defaults": evidently(flights, rng, min(count, 10)),
    }


def evidently(flights: Flights, rng: np.random.Generator, count: int) -> dict[str, Any]:
    """Apply the default rules of Evidently to the same kind of years."""
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import wasserstein_distance

    columns, kinds = [], []
    for name, is_number in flights.features:
        column = flights.table.column(name)
        if is_number:
            columns.append(np.asarray(column.cast(pa.float64(), safe=False), float))
        else:
            columns.append(np.unique(np.array([str(one) for one in column.to_pylist()]), return_inverse=True)[1])
        kinds.append(is_number)
    flagged, drifted = 0, 0
    for _ in range(count * WEEKS):
        first, second = (rng.integers(0, len(flights.truth), size) for size in (len(flights.truth), A_WEEK))
        moved = 0
        for values, is_number in zip(columns, kinds, strict=True):
            a, b = values[first], values[second]
            if is_number:
                a, b = a[np.isfinite(a)], b[np.isfinite(b)]
                moved += bool(len(a) and len(b)) and wasserstein_distance(a, b) / max(float(a.std()), 0.001) >= 0.1
            else:
                width = int(values.max()) + 1
                moved += jensenshannon(*(np.bincount(one, minlength=width) for one in (a, b)), base=2) >= 0.1
        flagged += moved
        drifted += moved >= 0.5 * len(columns)
    return {
        "years": count,
        "columns_a_year": round(flagged / count, 2),
        "weeks_with_a_column_a_year": round(flagged and flagged / count, 2),
        "drifts_of_the_data_set_a_year": round(drifted / count, 2),
    }


def power(flights: Flights, trials: int) -> list[dict[str, Any]]:
    """Plant losses after ten good weeks: labels dealt out anew among a share of the rows. Count how often they are
    found within two weeks. Beside the tests of `watch` stands what nobody can beat: the likelihood ratio of the rows
    with the change known, at a 52nd of delta for that pair of weeks."""
    found = []
    z = np.log(flights.scores[:, 0] / (1 - flights.scores[:, 0]))
    base = flights.truth.mean()
    for share in (0.05, 0.1, 0.2):
        for rows in (A_WEEK, 25_000):
            rng = np.random.default_rng(11)
            hits = {"log_loss": 0, "auc": 0, "excess": 0, "any": 0}
            lost = []
            for _ in range(trials):
                known = rng.integers(0, len(z), len(z))  # as far from the truth as any that training measures
                reference = flights.scores[known], flights.truth[known]
                weeks = []
                for week in range(12):
                    chosen = rng.integers(0, len(z), rows)
                    truth = flights.truth[chosen].copy()
                    if week >= 10:
                        some = np.flatnonzero(rng.random(rows) < share)
                        truth[some] = rng.permutation(truth[some])
                    weeks.append(_realized(flights.scores[chosen], truth))
                here = _found(_realized(*reference), weeks)
                hits = {name: hits[name] + here[name] for name in hits}
                lost.append(_means(weeks[10:]) - _means(weeks[:10]))
            calibrated = 1 / (1 + np.exp(-z))
            changed = (1 - share) * calibrated + share * base
            nats = changed * np.log(changed / calibrated) + (1 - changed) * np.log((1 - changed) / (1 - calibrated))
            found.append(
                {
                    "share": share,
                    "rows_a_week": rows,
                    "log_loss": round(float(np.mean([one[0] for one in lost])), 4),
                    "auc": round(float(np.mean([one[1] for one in lost])), 4),
                    "found": {name: hit / trials for name, hit in hits.items()},
                    "likelihood_ratio_nats": round(2 * rows * float(nats.mean()), 1),
                    "at_best": round(best_power(2 * rows * float(nats.mean()), 0.05 / WEEKS), 3),
                }
            )
            print(found[-1], file=sys.stderr, flush=True)
    return found


def best_power(nats: float, level: float) -> float:
    """Return the power of Neyman and Pearson's test at a level; the log likelihood ratio is normal about `nats`."""
    from scipy.special import ndtr, ndtri

    return float(ndtr(math.sqrt(2 * nats) - ndtri(1 - level)))


def _realized(scores: Array, truth: Array) -> Realized:
    loss = losses("binary", truth, scores)
    tally = rows_of("binary", truth, scores, np.arange(len(truth)) % 20).tally(np.arange(len(truth)))
    return Realized(float(loss.sum()), float((loss**2).sum()), tally)


def _means(weeks: list[Realized]) -> Array:
    loss = np.mean([one.loss / one.rows for one in weeks])
    return np.array([loss, np.mean([area_of(one)[0] for one in weeks])])


def _found(reference: Realized, weeks: list[Realized]) -> dict[str, bool]:
    """Apply the tests of `watch` by labels; the promise is that of all rows."""
    said = {}
    mean = reference.loss / reference.rows
    variance = reference.square / reference.rows - mean**2
    area, area_variance = area_of(reference)
    rows = np.array([one.rows for one in weeks], float)
    part = 0.05 * PROMISE / 2
    means = np.array([one.loss / one.rows for one in weeks])
    spread = np.array([one.square / one.rows for one in weeks]) - means**2
    bound = lower_bounds(Groups(rows, means, spread), 0.05 * LOSS, variance)
    most = upper_bound(mean, variance, reference.rows, part) + MAY_LOSE["log_loss"]
    said["log_loss"] = bool((bound[10:] > most).any())
    areas = np.array([area_of(one) for one in weeks])
    bound = lower_bounds(Groups(rows, 1 - areas[:, 0], areas[:, 1] * rows), 0.05 * AREA, area_variance * reference.rows)
    most = upper_bound(1 - area, area_variance * reference.rows, reference.rows, part) + MAY_LOSE["auc"]
    said["auc"] = bool((bound[10:] > most).any())
    center = center_of(reference.tally)
    promised = moments(reference.tally, center)
    least = least_excess([moments(one.tally, center) for one in weeks], promised, 0.05 * EXCESS)
    said["excess"] = max(least[10:]) > MAY_LOSE["log_loss"]
    return said | {"any": any(said.values())}


if __name__ == "__main__":
    main()
