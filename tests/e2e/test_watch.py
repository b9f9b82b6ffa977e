"""`longhaul watch` and `longhaul labels` on a model that a run pushed: from the log to exit code, alarm and lineage."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pipeline.lineage.store import open_store
from pipeline.lineage.watching import WINDOW
from tests.e2e.test_rejudge import write_span
from tests.faults.place import CONFIG, SCHEMA
from tests.place import Command, Place

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_requests_of_a_pushed_model_are_judged_told_and_recorded(longhaul: Command, tmp_path: Path) -> None:
    (tmp_path / "toy.pbtxt").write_text(SCHEMA)
    for span in (1, 2):
        write_span(tmp_path, span)
    document: dict[str, Any] = copy.deepcopy(CONFIG)
    document["data"]["path"] = "span-{SPAN}/table.csv"
    document["split"] = {"by": "time", "column": "day", "eval": "last 1 span"}
    document["evaluation"]["thresholds"] = {"auc": {"at_least": 0.0}}
    told = tmp_path / "told.jsonl"
    document["notify"] = {"command": ["/bin/sh", "-c", f"cat >> {told}; echo >> {told}"], "on": ["alarm"]}
    document["watch"] = {"owner": "the toys' team"}
    place = Place(tmp_path, longhaul, document)
    outcome, run = place.run()
    assert outcome.code == 0, outcome.text

    nothing = place.call("watch", "--once")
    assert (nothing.code, "there is no log of requests" in nothing.text) == (2, True)

    version = next(path.name for path in (place.workspace / "serving" / place.name).iterdir() if path.name.isdecimal())
    predicted = tmp_path / "predicted.parquet"
    assert place.call("predict", tmp_path / "span-2" / "table.csv", "--output", predicted).code == 0
    rows = pa.concat_tables([pq.read_table(predicted)] * 20)  # that chance says little
    folder = place.workspace / "requests" / place.name / "2026-01-05"
    folder.mkdir(parents=True)
    monday = datetime(2026, 1, 5, tzinfo=UTC)
    ids = [f"r{k}" for k in range(rows.num_rows)]
    features = {name: rows.column(name) for name in ("day", "color", "size")}
    struct = pa.StructArray.from_arrays([one.combine_chunks() for one in features.values()], names=list(features))
    scores = [
        [one] for one in rows.column(next(n for n in rows.schema.names if n.startswith("probability"))).to_pylist()
    ]
    log = pa.table(
        {
            "request_id": ids,
            "row": pa.array([0] * len(ids), pa.int32()),
            "version": [version] * len(ids),
            "time": pa.array([monday + timedelta(seconds=k) for k in range(len(ids))], pa.timestamp("us", "UTC")),
            "route": ["stable"] * len(ids),
            "error": pa.nulls(len(ids), pa.string()),
            "features": struct,
            "scores": pa.array(scores, pa.list_(pa.float64())),
        }
    )
    pq.write_table(log, folder / "00-a-1.parquet")

    calm = place.call("watch", "--once", "--json")
    assert calm.code == 0, calm.text
    (window,) = json.loads(calm.text)["windows"]
    assert (window["valid"], window["harmful"], window["run_id"]) == (True, False, run.run_id)
    assert window["estimated"]["auc"][2] <= window["estimated"]["auc"][0] <= window["estimated"]["auc"][3]

    answers = [{"no": "yes", "yes": "no"}[one] for one in rows.column("predicted_answer").to_pylist()]
    labels = tmp_path / "labels.csv"
    pa.csv.write_csv(pa.table({"request_id": ids, "answer": answers}), labels)
    assert place.call("labels", labels).code == 0
    harmed = place.call("watch", "--once", "--json")
    plain = json.loads(harmed.text)
    assert (harmed.code, plain["windows"][0]["harmful"]) == (1, True)
    assert plain["windows"][0]["realized"]["share"] == 1.0
    harm = next(one for one in plain["alarms"] if one["kind"] == "harmful")
    assert (harm["owner"], harm["serves"]) == ("the toys' team", version)
    again = place.call("watch", "--once")
    assert (again.code, again.text.count("harmful:")) == (1, 1)
    news = [json.loads(line) for line in told.read_text().splitlines() if line]
    assert [(one["event"], one["alarm"]["kind"]) for one in news if one["alarm"]["kind"] == "harmful"] == [
        ("opened", "harmful")
    ]

    store = open_store(place.config)
    recorded = store.get_artifacts_by_type(WINDOW)
    assert [one.custom_properties["harmful"].string_value for one in recorded] == ["False", "True"]
    lineage = place.call("lineage", f"model:{version}", "--down")
    assert "valid, harmful  6,000 rows answered by model" in lineage.text, lineage.text
    assert "longhaul_watch_harmful" in (place.workspace / "watch" / place.name / "metrics.prom").read_text()
    page = (place.workspace / "reports" / "production.html").read_text()
    assert "calls a person" in page
    assert "the toys&#39; team" in page
    assert 'href="production.html"' in (place.workspace / "reports" / "index.html").read_text()

    silent = place.call("watch", "--silence", harm["key"], "--for", "2d", "--reason", "known")
    assert silent.code == 0, silent.text
    assert place.call("watch", "--silence", "nothing", "--reason", "known").code == 2
