"""From a trained model to one that serves: the check before the push, what it stops, the way back, the same
predictions wherever a row is scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.lineage.runs import Run
from pipeline.lineage.store import open_store
from pipeline.lineage.version_folders import versions
from pipeline.serving.rollout import under_way
from pipeline.serving.versions import newest, read_manifest
from tests.place import Command, Place, done, uri

pytestmark = [pytest.mark.slow, pytest.mark.in_order]


@pytest.fixture(scope="module")
def place(
    small_pipeline: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
    longhaul: Command,
) -> Place:
    folder = tmp_path_factory.mktemp("shipping")
    file = small_pipeline(folder, "01", "02", "11")
    return Place(folder, longhaul, yaml.safe_load(file.read_text()))


@pytest.fixture(scope="module")
def first(place: Place) -> Run:
    outcome, run = place.run()
    assert outcome.code == 0, outcome.text
    assert "Checked   512 rows agree " in outcome.text
    return run


def test_the_check_is_on_record(place: Place, first: Run) -> None:
    blessing = uri(first, "InfraCheck", "InfraBlessing")
    assert (blessing / "INFRA_BLESSED").exists()
    (artifact,) = first.artifacts["InfraCheck"]
    assert (artifact.properties["blessed"], artifact.properties["checked"]) == (1, 1)
    assert first.infra_verdict
    assert first.infra_verdict["rows"] == {
        "what Evaluator measured": 256, "what the network predicted in training": 256,
    }  # fmt: skip
    assert max(first.infra_verdict["differences"].values()) < 1e-6
    page = (place.workspace / "reports" / f"{first.run_id}.html").read_text()
    assert "What the network predicted in training" in page
    assert "Milliseconds a request" in page


def test_the_manifest_tells_where_the_model_comes_from(place: Place, first: Run) -> None:
    manifest = read_manifest(Path(str(first.pushed)))
    assert manifest
    assert first.verdict
    assert (manifest.pipeline, manifest.run_id, manifest.spans) == ("flights", first.run_id, (1, 2, 11))
    assert manifest.schema_digest == first.properties["schema_digest"]
    assert manifest.metrics == first.verdict["metrics"]
    assert manifest.inputs == {"carrier": "bytes", "humidity_pct": "float"}
    assert manifest.files == json.loads((uri(first, "Trainer", "ModelRun") / "exported.json").read_text())
    (model,) = [artifact for artifact in first.artifacts["Trainer"] if artifact.type == "Model"]
    assert manifest.artifacts["model"] == model.id


def test_predictions_are_equal_wherever_a_row_is_scored(place: Place, first: Run, tmp_path: Path) -> None:
    """Evaluator in the pipeline, plain TensorFlow by both signatures, and `longhaul predict`."""
    import tensorflow as tf

    measured = pq.read_table(uri(first, "Evaluator", "ModelEvaluation") / "scored_rows.parquet")
    expected = np.array(measured["prediction"].to_pylist())[:, 0]
    records = measured["example"].to_pylist()
    served = tf.saved_model.load(str(first.pushed)).signatures
    found = served["serving_default"](examples=tf.constant(records))["prediction"].numpy()[:, 0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)  # a batch of another size: the last digit

    def value(record: bytes, name: str) -> Any:
        feature = tf.train.Example.FromString(record).features.feature
        kind = feature[name].WhichOneof("kind") if name in feature else None
        values = getattr(feature[name], kind).value if kind else ()
        return values[0] if values else None

    columns = {name: [value(record, name) for record in records] for name in ("carrier", "humidity_pct")}
    answer = served["serving_tensors"](
        carrier=tf.constant([text or b"" for text in columns["carrier"]]),
        humidity_pct=tf.constant([np.nan if h is None else h for h in columns["humidity_pct"]], tf.float64),
    )["prediction"].numpy()[:, 0]
    np.testing.assert_allclose(answer, found, rtol=0, atol=1e-6)

    table = pa.table({"row": range(len(records)), **columns, "scheduled_departure": [0] * len(records)})
    table = table.set_column(1, "carrier", table["carrier"].cast(pa.string()))
    for suffix in ("parquet", "csv"):
        pq.write_table(table, tmp_path / "rows.parquet")
        outcome = place.call("predict", tmp_path / "rows.parquet", "-o", tmp_path / f"scored.{suffix}", "--key", "row")
        assert outcome.code == 0, outcome.text
    scored = pq.read_table(tmp_path / "scored.parquet")
    assert scored.column_names == ["row", "predicted_late", "probability_late_1", "model_version"]
    np.testing.assert_allclose(scored["probability_late_1"].to_numpy(), expected, rtol=0, atol=1e-6)
    lines = (tmp_path / "scored.csv").read_text().splitlines()
    assert lines[0] == "row,predicted_late,probability_late_1,model_version"
    np.testing.assert_allclose([float(line.split(",")[2]) for line in lines[1:]], expected, rtol=0, atol=1e-6)


@pytest.mark.long
def test_a_slow_model_is_stopped_and_nobody_s_champion(
    place: Place, first: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    from trainer.signatures import ServedModel

    predict = ServedModel._predict

    def slow(self: Any, raw: Any) -> Any:
        def work(step: Any, matrix: Any) -> Any:
            return step + 1, tf.tanh(tf.matmul(matrix, matrix))

        answer = predict(self, raw)
        start = tf.fill([200, 200], answer["prediction"][0, 0])
        _, matrix = tf.while_loop(lambda step, _: step < 100, work, (0, start))
        return answer | {"prediction": answer["prediction"] + 0.0 * tf.reduce_mean(matrix)}

    before = versions(place.serving)
    with monkeypatch.context() as patch:
        patch.setattr(ServedModel, "_predict", slow)
        outcome, run = place.run(trainer={"epochs": 2}, infra_check={"p99_ms_batch_1": 5})
    assert outcome.code == 1, outcome.text
    assert run.status == "complete"
    assert run.verdict
    assert run.infra_verdict
    assert (run.verdict["blessed"], run.infra_verdict["blessed"], run.pushed) == (True, False, None)
    assert versions(place.serving) == before
    why = run.infra_verdict["failures"][0]
    assert why.startswith("serving_default at batch 1 takes ")
    assert why.endswith("measured twice); 5 ms is allowed")
    shown = " ".join(outcome.text.split())
    assert f"Not pushed: not fit to serve {why}" in shown
    assert why in " ".join(place.call("show", "latest").text.split())
    page = (place.workspace / "reports" / f"{run.run_id}.html").read_text()
    assert "Not pushed: not fit to serve" in page
    assert why in page

    # Again, from the record alone: the same answer.
    assert place.run(trainer={"epochs": 2}, infra_check={"p99_ms_batch_1": 5})[0].code == 1

    outcome, third = place.run(trainer={"epochs": 3})
    assert outcome.code == 0, outcome.text
    assert third.verdict
    assert first.verdict
    assert third.verdict["champion"]["auc"] == pytest.approx(first.verdict["metrics"]["auc"], abs=1e-9)


@pytest.mark.long
def test_a_model_that_is_tampered_with_after_the_training_is_stopped(place: Place, first: Run) -> None:
    outcome, run = place.run("--to", "Evaluator", trainer={"epochs": 4})
    assert outcome.code == 0, outcome.text
    weights = uri(run, "Trainer", "Model") / "Format-Serving" / "variables" / "variables.data-00000-of-00001"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 255
    weights.write_bytes(content)
    before = versions(place.serving)
    outcome, run = place.run(trainer={"epochs": 4})
    assert (outcome.code, run.pushed, versions(place.serving)) == (1, None, before)
    assert run.infra_verdict
    assert (
        "variables/variables.data-00000-of-00001 changed since the training exported the model"
        in (run.infra_verdict["failures"])
    )


@pytest.mark.long
def test_a_model_that_is_tampered_with_after_the_check_is_stopped(place: Place, first: Run) -> None:
    outcome, run = place.run("--to", "InfraCheck", trainer={"epochs": 5})
    assert outcome.code == 0, outcome.text
    graph = uri(run, "Trainer", "Model") / "Format-Serving" / "saved_model.pb"
    graph.write_bytes(graph.read_bytes() + b"\n")
    before = versions(place.serving)
    outcome, run = place.run(trainer={"epochs": 5})
    assert (outcome.code, run.status, run.pushed, versions(place.serving)) == (2, "failed", None, before)
    assert "saved_model.pb changed since; nothing was pushed" in " ".join(outcome.text.split())

    # One that serves is the champion, which the next model is compared with.
    served = read_manifest(place.serving / str(newest(place.serving)))
    assert served
    (artifact,) = open_store(place.config).get_artifacts_by_id([served.artifacts["model"]])
    champion, graph = served.run_id, Path(artifact.uri) / "Format-Serving" / "saved_model.pb"
    graph.write_bytes(graph.read_bytes() + b"\n")
    outcome, failed = place.run(trainer={"epochs": 6})
    assert (outcome.code, failed.status, versions(place.serving)) == (2, "failed", before)
    said = " ".join(outcome.text.split())
    assert f" of champion run {champion} is damaged: the files in {graph.parent} are not those that its" in said
    assert f"Remedy: bring its files back, or move the folder {graph.parents[1]} away" in said
    assert "bug of ours" not in said
    graph.parents[1].rename(place.file.with_name("damaged"))
    outcome, judged = place.run(trainer={"epochs": 6})
    assert outcome.code == 0, outcome.text
    assert judged.verdict
    assert judged.verdict["champion_name"] == f"champion run {champion}"  # the copy that serves takes its place
    assert judged.verdict["champion"] == pytest.approx(served.metrics, abs=1e-6)


def test_after_a_rollback_no_run_pushes_the_model_again(place: Place, first: Run) -> None:
    outcome, bad = place.run(trainer={"epochs": 7})
    assert outcome.code == 0, outcome.text
    assert place.call("rollback", "--note", "misses late flights").code == 0
    rolled_back = versions(place.serving)
    again = f"{Path(str(bad.pushed)).name}; it was rolled back, version {newest(place.serving)} serves"

    outcome, unchanged = place.run(trainer={"epochs": 7})
    assert (outcome.code, done(unchanged), versions(place.serving)) == (0, set(), rolled_back)
    assert "loading TensorFlow" not in outcome.text
    assert again in " ".join(outcome.text.split())

    outcome, cached = place.run("--from", "Evaluator", trainer={"epochs": 7})
    assert (outcome.code, done(cached), versions(place.serving)) == (0, set(), rolled_back)

    outcome, pushed = place.run("--from", "Pusher", "--no-cache", trainer={"epochs": 7})
    assert (outcome.code, done(pushed), pushed.pushed, versions(place.serving)) == (0, {"Pusher"}, None, rolled_back)
    assert "Not pushed it was rolled back; `longhaul rollback --to VERSION" in " ".join(outcome.text.split())


def test_after_a_rollback_a_new_model_is_judged_by_what_serves_and_its_trial_is_on_record(
    place: Place, first: Run
) -> None:
    rolled_back = versions(place.serving)
    outcome, new = place.run(trainer={"epochs": 8}, serving={"rollout": {"canary": 25, "key": "carrier"}})
    assert outcome.code == 0, outcome.text
    served = read_manifest(place.serving / str(rolled_back[-1]))
    assert served
    assert new.verdict
    assert new.verdict["champion_name"] == f"champion run {served.run_id}"  # not the one that was withdrawn
    assert new.verdict["champion"] == pytest.approx(served.metrics, abs=1e-6)
    assert f"which serves as version {rolled_back[-1]}" in " ".join(outcome.text.split())
    assert versions(place.serving) == [*rolled_back, int(Path(str(new.pushed)).name)]

    before, pushed = rolled_back[-1], versions(place.serving)[-1]
    trying = under_way(place.serving)
    assert trying
    assert (trying.version, trying.stable, trying.share) == (pushed, before, 25)
    steps = [
        {key: one.custom_properties[key].string_value for key in ("step", "version", "stable", "share", "key", "by")}
        for one in open_store(place.config).get_executions_by_type("longhaul.Rollout")
    ]
    assert steps == [
        {"step": "start", "version": str(pushed), "stable": str(before), "share": "25.0", "key": "carrier",
         "by": trying.by}
    ]  # fmt: skip
    assert f"canary of version {pushed} beside {before}" in " ".join(place.call("rollout", "status").text.split())
    assert place.call("rollout", "abort", "--note", "not better").code == 0
    served, stable = (read_manifest(place.serving / str(one)) for one in (newest(place.serving), before))
    assert served
    assert stable
    assert (served.digest, served.replaces) == (stable.digest, int(pushed))

    withdrawn = rolled_back[-2]
    assert place.call("rollback", "--to", str(withdrawn)).code == 0  # forward again, it was not so bad
    manifest, original = (read_manifest(place.serving / str(one)) for one in (newest(place.serving), withdrawn))
    assert manifest
    assert original
    assert (manifest.digest, manifest.copy_of) == (original.digest, withdrawn)
