"""A slice of the flights as a job for Vertex AI: emulated here, and submitted to a stand-in of the service.

Most steps are forked from one process that has imported TFX; one test starts the very commands.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.config.loading import load
from pipeline.serving.versions import newest_manifest
from tests import small
from tests.compiled import job_of
from tests.place import Command, Place
from tests.stand_ins.vertex import StandIn, serving

pytestmark = [pytest.mark.slow, pytest.mark.in_order]

COLUMNS = [
    *("scheduled_departure", "carrier", "origin", "sched_dep_minute", "humidity_pct", "plane_year", "late"),
]
STEPS = {
    *("TableExampleGen", "StatisticsGen", "InferredSchema", "CuratedSchema", "ExampleValidator", "DataGate"),
    *("Transform", "Trainer", "Evaluator", "InfraCheck", "Pusher"),
}


class Desk(Place):
    """A workspace for jobs, with the table in its bucket."""

    @property
    def buckets(self) -> Path:
        return self.workspace / "vertex" / "buckets"

    def set(self, **vertex: Any) -> None:
        self.document["vertex"] |= vertex
        self.write()

    def emulate(self, *arguments: str) -> Any:
        return self.call("run", "--on", "vertex", "--emulate", "--fast", *arguments)

    def manifest(self) -> Any:
        return newest_manifest(self.buckets / "my-bucket" / "longhaul" / "serving" / "flights")


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory,
    flights: Path,
    narrow_schema: Callable[..., Path],
    longhaul: Command,
) -> Desk:
    folder = tmp_path_factory.mktemp("vertex")
    settings = {
        "name": "flights",
        "data": {"path": "table.parquet", "label": "late", "task": "binary"},
        "split": {"by": "hash"},
        "schema": {"file": str(narrow_schema(folder / "narrow.pbtxt", COLUMNS))},
        "features": {"exclude": ["scheduled_departure"]},
        "trainer": small.TRAINER,
        "evaluation": small.EVALUATION,
        "infra_check": small.INFRA_CHECK,
        "vertex": {
            "project": "my-project",
            "region": "us-central1",
            "root": "gs://my-bucket/longhaul",
            "image": "us-docker.pkg.dev/my-project/repo/longhaul:1",
            "service_account": "runner@my-project.iam.gserviceaccount.com",
            "data": "gs://my-bucket/flights/span-{SPAN}/flights.parquet",
        },
    }
    place = Desk(folder, longhaul, settings)
    month = pq.read_table(flights / "span-01" / "flights.parquet", columns=COLUMNS)
    bad = month.set_column(COLUMNS.index("origin"), "origin", pa.array(["XXX"] * month.num_rows, pa.string()))
    for name, table in (("flights", month), ("broken", bad)):
        file = place.buckets / "my-bucket" / name / "span-01" / "flights.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(table, file)
    return place


@pytest.fixture(scope="module")
def first(place: Desk) -> Any:
    return place.emulate()


def steps(text: str) -> dict[str, str]:
    """How each step ended, as the terminal shows it, without the reason: '' if it was done."""
    found = re.findall(r"^\S +\d+/\d+ +(\w+) +[\d.]+ s *([\w ]*)(?::.*)?$", text, re.MULTILINE)
    return dict(found)


def test_the_emulated_job_pushes_a_model(first: Any, place: Desk) -> None:
    assert first.code == 0, first.text
    assert steps(first.text) == dict.fromkeys(STEPS, "")
    assert "Pushed    gs://my-bucket/longhaul/serving/flights/" in first.text
    manifest = place.manifest()
    assert manifest.pipeline == "flights"
    assert manifest.spans == (1,)
    (logs,) = (place.workspace / "vertex" / "jobs").iterdir()
    assert {log.stem for log in logs.glob("*.log")} == STEPS
    assert (logs / "TableExampleGen.driver.sh").exists()


def test_the_model_as_artifact_is_where_vertex_would_put_it(first: Any, place: Desk) -> None:
    (job,) = (place.buckets / "my-bucket" / "longhaul" / "artifacts" / "emulator").iterdir()
    assert re.fullmatch(r"flights-\d{17}", job.name)
    (trainer,) = job.glob("Trainer_*")
    assert (trainer / "model" / "Format-Serving" / "saved_model.pb").exists()
    told = json.loads((trainer / "executor_output.json").read_text())
    assert told["artifacts"]["model"]["artifacts"][0]["metadata"]["hp.epochs"] == "1"


def test_an_unchanged_job_is_cached_and_judged_against_the_champion(first: Any, place: Desk) -> None:
    before = place.manifest()
    second = place.emulate()
    assert second.code == 0, second.text
    # Evaluator has a champion now; what follows reads its new verdict.
    again = {"Evaluator", "InfraCheck", "Pusher"}
    assert steps(second.text) == {step: "" if step in again else "cached" for step in STEPS}
    (blessing,) = sorted(
        place.buckets.rglob("Evaluator_*/executor_output.json"), key=lambda file: file.stat().st_mtime
    )[-1:]
    metadata = json.loads(blessing.read_text())["artifacts"]["blessing"]["artifacts"][0]["metadata"]
    assert metadata["baseline_model_id"] == metadata["current_model_id"]  # the champion is this very model
    assert metadata["baseline_model_id"].startswith("projects/")
    assert place.manifest().digest == before.digest

    third = place.emulate()
    assert steps(third.text) == dict.fromkeys(STEPS, "cached")


def test_bad_data_stop_at_the_gate(first: Any, place: Desk) -> None:
    before = place.manifest()
    blocked = place.emulate("--parameter", "data_root=gs://my-bucket/broken")
    assert blocked.code == 1, blocked.text
    behind = {"Transform", "Trainer", "Evaluator", "InfraCheck", "Pusher"}
    assert {step for step, how in steps(blocked.text).items() if how == "not reached"} == behind
    assert "DataGate said no; Pusher was not triggered" in blocked.text
    assert place.manifest() == before


def test_a_model_below_its_threshold_is_not_pushed(first: Any, place: Desk) -> None:
    before = place.manifest()
    place.document["evaluation"]["thresholds"] = {"auc": {"at_least": 0.999}}
    place.write()
    try:
        refused = place.emulate()
    finally:
        place.document["evaluation"]["thresholds"] = {"auc": {"at_least": 0.1}}
        place.write()
    assert refused.code == 1, refused.text
    assert steps(refused.text)["Pusher"] == "not reached"
    assert steps(refused.text)["Trainer"] == "cached"
    assert "Evaluator said no" in refused.text
    assert place.manifest() == before


def test_a_step_that_fails_leaves_what_follows_untriggered(first: Any, place: Desk) -> None:
    """ExampleGen says itself what the user did wrong; its traceback stays in the log."""
    failed = place.emulate("--parameter", "data_root=gs://my-bucket/empty")
    assert failed.code == 2, failed.text
    ended = steps(failed.text)
    assert ended["TableExampleGen"] == "failed"
    assert ended["CuratedSchema"] == "cached"
    assert set(ended.values()) == {"failed", "cached", "not reached"}
    assert "TableExampleGen failed" in failed.text
    assert re.search(r"`sh \S+/TableExampleGen.executor.sh` runs this step alone", failed.text)


@pytest.mark.long
def test_every_steps_own_command_does_it(first: Any, place: Desk, tmp_path: Path) -> None:
    """ExampleGen with its driver, and StatisticsGen: fresh processes, as the container starts them."""
    from pipeline.runners.vertex.emulator.job import EmulatedJob

    job = job_of(load(place.file))
    tasks = job["pipelineSpec"]["root"]["dag"]["tasks"]
    for name in tasks.keys() - {"TableExampleGen", "StatisticsGen"}:
        del tasks[name]
    job["runtimeConfig"]["gcsOutputDirectory"] = "gs://my-bucket/exact"
    (tmp_path / "buckets").mkdir()
    (tmp_path / "buckets" / "my-bucket").symlink_to(place.buckets / "my-bucket")
    emulated = EmulatedJob(job, "exact-1", tmp_path)
    assert emulated.run() == "SUCCEEDED", {name: task.error for name, task in emulated.tasks.items()}
    (examples,) = emulated.tasks["TableExampleGen"].outputs["examples"]
    assert json.loads(examples.metadata["split_names"]) == ["train", "eval"]
    assert examples.metadata["payload_format"] == "FORMAT_PARQUET"
    assert json.loads(examples.metadata["spans"]) == [1]
    (statistics,) = emulated.tasks["StatisticsGen"].outputs["statistics"]
    folder = tmp_path / "buckets" / statistics.uri.removeprefix("gs://")
    assert (folder / "Split-train" / "FeatureStats.pb").stat().st_size > 0
    script = (emulated.folder / "StatisticsGen.executor.sh").read_text()
    assert f"exec {sys.executable} -m pipeline.runners.vertex.container --executor_class_path" in script


def test_the_command_line_compiles(first: Any, place: Desk, tmp_path: Path) -> None:
    done = place.call("compile", "--output", str(tmp_path / "job.json"))
    assert done.code == 0, done.text
    assert "job.json: 11 steps" in done.text
    assert json.loads((tmp_path / "job.json").read_text())["displayName"] == "flights"
    assert place.call("compile", "--output", str(tmp_path / "job.yaml")).code == 0
    assert yaml.safe_load((tmp_path / "job.yaml").read_text())["schemaVersion"] == "2.1.0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compile", "--output", "job.txt"], "job.txt: unknown kind of file"),
        (["run", "--emulate"], "add --on vertex"),
        (
            ["run", "--on", "vertex", "--from", "Trainer"],
            "--from, --to, --wait-for-data and --hold are for runs on this",
        ),
        (["run", "--on", "vertex", "--emulate", "--parameter", "x=1"], "names are"),
        (["schedule", "create", "--cron", "every monday"], "'every monday' is no schedule"),
        (["runs", "--emulate"], "add --on vertex"),
    ],
)
def test_what_cannot_be_asked_is_refused(first: Any, place: Desk, arguments: list[str], message: str) -> None:
    refused = place.call(*arguments)
    assert refused.code == 2
    assert message in refused.text


def test_emulated_jobs_are_on_record_as_runs_are(first: Any, place: Desk) -> None:
    """Failed, not blessed, blocked, cached and first: what the tests above did."""

    def told(*arguments: str) -> Any:
        done = place.call(*arguments, "--on", "vertex", "--emulate", "--json")
        assert done.code == 0, done.text
        return json.loads(done.text)

    runs = told("runs")
    assert [(run["status"], run["verdict"]) for run in runs] == [
        ("failed", ""),
        ("complete", "not blessed"),
        ("blocked", "blocked"),
        *[("complete", "blessed")] * 3,
    ]
    failed, _, blocked, *_, oldest = runs
    assert failed["reason"].startswith("TableExampleGen failed: ")
    assert "origin" in blocked["reason"]
    assert oldest["spans"] == [1]
    assert oldest["hyperparameters"]["epochs"] == 1
    assert {run["run_id"]: run["serving"] for run in runs}[oldest["run_id"]]
    assert oldest["properties"]["config_digest"]
    shown = place.call("show", failed["run_id"], "--on", "vertex", "--emulate")
    assert "longhaul: " in shown.text  # the end of the step's own log
    (version,) = {version["version"]: version for version in told("versions")}.values()
    assert (version["state"], version["manifest"]["run_id"]) == ("served", oldest["run_id"])
    lineage = place.call("lineage", "served", "--on", "vertex", "--emulate")
    assert f"run {oldest['run_id']}" in lineage.text
    assert "--on vertex" in lineage.text
    down = place.call("lineage", oldest["run_id"], "--down", "--on", "vertex", "--emulate")
    assert "1 model; pushed: 1; served now: 1" in down.text
    same = told("diff", runs[4]["run_id"], oldest["run_id"])
    assert same["columns"] == []
    page = place.call("report", oldest["run_id"], "--on", "vertex", "--emulate")
    assert page.code == 0, page.text
    html = Path(page.text.strip()).read_text()
    assert "is on record, but" not in html
    assert "Blessed" in html


# Submitting


@pytest.fixture(scope="module")
def service(first: Any, place: Desk) -> Iterator[StandIn]:
    """The stand-in, which shares the emulator's folder, so that unchanged steps are cached."""
    from pipeline.runners.vertex.emulator.process import run_in_fork

    with serving(place.workspace / "vertex", run_in_fork) as stand_in, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", stand_in.url)
        patch.setattr("pipeline.runners.vertex.service._POLL_S", 0.2)
        place.set(endpoint=stand_in.url)
        yield stand_in
        place.set(endpoint=None)


def test_a_job_is_submitted_and_followed_to_its_end(service: StandIn, place: Desk) -> None:
    ran = place.call("run", "--on", "vertex", "--wait")
    assert ran.code == 0, ran.text
    (job,) = service.jobs.values()
    assert job["serviceAccount"] == "runner@my-project.iam.gserviceaccount.com"
    assert f"Submitted {job['name']}" in ran.text
    assert "https://console.cloud.google.com/vertex-ai/pipelines/locations/us-central1/runs/" in ran.text
    assert steps(ran.text).keys() == STEPS
    assert "Serves already    gs://my-bucket/longhaul/serving/flights/" in ran.text  # the emulated job pushed it
    assert re.search(r"Submitted \S+ \([\d.]+ s\)", ran.text)

    listed = json.loads(place.call("runs", "--on", "vertex", "--json").text)
    assert [(run["run_id"], run["status"]) for run in listed] == [(job["name"].rpartition("/")[2], "complete")]
    assert listed[0]["metrics"]["auc"] > 0


@pytest.mark.long
def test_a_gate_that_says_no_is_told_from_a_failure(service: StandIn, place: Desk) -> None:
    blocked = place.call("run", "--on", "vertex", "--wait", "--parameter", "data_root=gs://my-bucket/broken")
    assert blocked.code == 1, blocked.text
    failed = place.call("run", "--on", "vertex", "--wait", "--parameter", "data_root=gs://my-bucket/empty")
    assert failed.code == 2, failed.text
    assert "TableExampleGen failed" in failed.text


def test_an_image_that_is_not_there_is_named(service: StandIn, place: Desk) -> None:
    service.missing_images.add(place.document["vertex"]["image"])
    try:
        failed = place.call("run", "--on", "vertex", "--wait", "--no-cache")
    finally:
        service.missing_images.clear()
    assert failed.code == 2
    assert "could not be pulled" in failed.text
    assert "vertex.image names it" in failed.text


@pytest.mark.long
def test_schedules_are_made_paused_resumed_and_deleted(service: StandIn, place: Desk) -> None:
    made = place.call("schedule", "create", "--cron", "0 3 * * 1")
    assert made.code == 0, made.text
    (name,) = service.schedules
    assert service.schedules[name]["cron"] == "0 3 * * 1"
    number = name.rpartition("/")[2]

    def listed() -> list[tuple[str, str, int]]:
        rows = json.loads(place.call("schedule", "list", "--json").text)
        return [(row["schedule"], row["state"], row["runs"]) for row in rows]

    assert listed() == [(number, "active", 0)]
    jobs = len(service.jobs)
    assert place.call("schedule", "pause", number).code == 0
    service.fire(name)
    assert (listed(), len(service.jobs)) == ([(number, "paused", 0)], jobs)
    assert place.call("schedule", "resume", number).code == 0
    service.fire(name)
    assert (listed(), len(service.jobs)) == ([(number, "active", 1)], jobs + 1)
    service.threads[-1].join()
    assert [*service.jobs.values()][-1]["state"] == "PIPELINE_STATE_SUCCEEDED"
    assert place.call("schedule", "delete", number).code == 0
    assert listed() == []
    gone = place.call("schedule", "pause", number)
    assert gone.code == 2
    assert "there is no such thing" in gone.text


@pytest.mark.parametrize(
    ("status", "says", "message", "code"),
    [
        # The client's own words.
        (401, "credentials cannot be refreshed", "the credentials have expired or are not valid", 2),
        (403, "Permission 'aiplatform.pipelineJobs.create' denied.", "permission denied", 2),
        (409, "already exists", "there is one of that name already", 2),
        (429, "Quota exceeded for aiplatform.googleapis.com", "a quota is used up", 69),
        (400, "The field parameterValues lacks data_root.", "the service refuses it", 2),
        (503, "The service is currently unavailable.", "the service failed", 69),
    ],
)
def test_what_the_service_says_no_with_becomes_one_message(
    service: StandIn, place: Desk, status: int, says: str, message: str, code: int
) -> None:
    jobs = len(service.jobs)
    service.refuse_with = (status, says)
    try:
        refused = place.call("run", "--on", "vertex")
    finally:
        service.refuse_with = None
    assert refused.code == code
    assert re.search(f"{re.escape(message)}: .*{re.escape(says)}", refused.text)
    assert "Remedy: " in refused.text
    assert "Traceback" not in refused.text
    assert len(service.jobs) == jobs


def test_a_bucket_that_is_not_there_is_found_out_before(service: StandIn, place: Desk) -> None:
    place.set(root="gs://other-bucket/longhaul")
    try:
        refused = place.call("run", "--on", "vertex")
    finally:
        place.set(root="gs://my-bucket/longhaul")
    assert refused.code == 2
    assert "vertex.root: there is no bucket other-bucket" in refused.text


def test_without_credentials_nothing_is_compiled(
    service: StandIn, place: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    place.set(endpoint=None)
    try:
        refused = place.call("run", "--on", "vertex")
    finally:
        place.set(endpoint=service.url)
    assert refused.code == 2
    assert "no credentials of Google Cloud were found" in refused.text
    assert "gcloud auth application-default login" in refused.text


def test_a_service_that_does_not_answer_is_named(service: StandIn, place: Desk) -> None:
    place.set(endpoint="http://127.0.0.1:9")
    try:
        refused = place.call("run", "--on", "vertex")
    finally:
        place.set(endpoint=service.url)
    assert refused.code == 69
    assert "cannot be reached" in refused.text
