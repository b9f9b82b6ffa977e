"""`longhaul runs`, `show`, `lineage`, `report`, `diff` on jobs of Vertex AI: over HTTP against the stand-in; no TFX."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.runners.vertex.job_record import MADE_WITH
from tests.captured import called
from tests.place import Outcome
from tests.stand_ins.planted_jobs import AFTER_THE_GATE, ROOT, SCHEMA, Desk
from tests.stand_ins.vertex import StandIn, serving

FIRST, SECOND, THIRD = "flights-20261102030000001", "scheduled-77", "flights-20261102032000003"


class Office:
    """A configuration, the service with jobs on it, and the command line."""

    def __init__(self, folder: Path, service: StandIn) -> None:
        self.folder, self.service = folder, service
        self.desk = Desk(service.folder / "buckets", folder / "models", service.jobs)
        (folder / "schema.pbtxt").write_text(SCHEMA)
        self.document: dict[str, Any] = {
            "name": "flights",
            "workspace": str(folder / "workspace"),
            "orchestrator": "vertex",
            "data": {"path": "table.csv", "label": "late", "task": "binary"},
            "split": {"by": "hash"},
            "schema": {"file": "schema.pbtxt"},
            "evaluation": {"thresholds": {"auc": {"at_least": 0.64}}},
            "vertex": {
                "project": "my-project",
                "region": "us-central1",
                "root": ROOT,
                "image": "us-docker.pkg.dev/my-project/repo/longhaul:1",
                "endpoint": service.url,
            },
        }
        self.write()

    @property
    def file(self) -> Path:
        return self.folder / "flights.yaml"

    def write(self, **changes: Any) -> None:
        self.file.write_text(yaml.safe_dump(self.document | changes))

    def call(self, *arguments: str) -> Outcome:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STORAGE_EMULATOR_HOST", self.service.url)
            return called(*arguments, "--config", self.file)

    def told(self, *arguments: str) -> Any:
        """What a command that goes well tells a script."""
        done = self.call(*arguments, "--json")
        assert done.code == 0, done.text
        return json.loads(done.text)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    (tmp_path / "vertex" / "buckets" / "my-bucket").mkdir(parents=True)
    with serving(tmp_path / "vertex", launch=lambda *_: 1) as service:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", service.url)
        yield Office(tmp_path, service)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """With the jobs of `weeks`, for tests that only look."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "vertex" / "buckets" / "my-bucket").mkdir(parents=True)
    with serving(folder / "vertex", launch=lambda *_: 1) as service:
        office = Office(folder, service)
        weeks(office)
        yield office


def weeks(office: Office) -> Desk:
    """A job that pushed, one whose first steps are cached, and one that failed."""
    desk = office.desk
    desk.job(FIRST, 0, version=100, auc=0.7)
    desk.push(100, FIRST, "first", metrics={"auc": 0.7})
    desk.job(SECOND, 10, version=200, auc=0.8, cached_from=FIRST)
    desk.push(200, "", "second", metrics={"auc": 0.8})
    after = dict.fromkeys(("Evaluator", "InfraCheck", "Pusher"), "NOT_TRIGGERED")
    desk.job(THIRD, 20, "FAILED", states={"Trainer": "FAILED", **after}, error="the replica <b>ran</b> out of memory")
    return desk


# How a job stands


@pytest.mark.parametrize(
    ("state", "planted", "status", "verdict", "reason"),
    [
        ("SUCCEEDED", {"version": 100}, "complete", "blessed", ""),
        ("SUCCEEDED", {"blessed": False, "auc": 0.6}, "complete", "not blessed", ""),
        ("SUCCEEDED", {"blocked": True}, "blocked", "blocked", "carrier, train: .*found <b>XX</b>"),
        (
            "FAILED",
            {
                "states": {"Trainer": "FAILED"} | dict.fromkeys(AFTER_THE_GATE[2:], "NOT_TRIGGERED"),
                "error": "no memory",
            },
            "failed",
            "",
            "Trainer failed: no memory",
        ),
        ("FAILED", {"states": dict.fromkeys(AFTER_THE_GATE, "PENDING"), "error": "no quota"}, "failed", "", "no quota"),
        (
            "CANCELLED",
            {"states": {"Transform": "CANCELLED"} | dict.fromkeys(AFTER_THE_GATE[1:], "NOT_TRIGGERED")},
            "interrupted",
            "",
            "it was cancelled",
        ),
        (
            "RUNNING",
            {"states": {"Transform": "RUNNING"} | dict.fromkeys(AFTER_THE_GATE[1:], "PENDING")},
            "running",
            "",
            "",
        ),
        ("PAUSED", {"states": dict.fromkeys(AFTER_THE_GATE, "PENDING")}, "running", "", "it is paused"),
        ("QUEUED", {"states": dict.fromkeys(AFTER_THE_GATE, "PENDING")}, "running", "", "it waits for its turn"),
    ],
)
def test_a_job_in_any_state_is_a_run(
    office: Office, state: str, planted: dict[str, Any], status: str, verdict: str, reason: str
) -> None:
    office.desk.job(FIRST, 0, state, **planted)
    (listed,) = office.told("runs")
    assert (listed["run_id"], listed["status"], listed["verdict"]) == (FIRST, status, verdict)
    assert re.search(reason, listed["reason"]), listed["reason"]
    assert listed["rows"] == {"train": 800, "eval": 200}
    assert listed["spans"] == [1]
    shown = office.call("show", "latest")
    assert shown.code == 0, shown.text
    assert f"{FIRST}  {status}, started 2026-11-02T03:00:00+00:00" in shown.text
    told = office.told("show", FIRST)
    states = {step["node"]: step["state"] for step in told["steps"]}
    expected = {"NOT_TRIGGERED": "not reached", "FAILED": "failed", "CANCELLED": "interrupted", "RUNNING": "running"}
    for task, how in planted.get("states", {}).items():
        if how != "PENDING":
            assert states[task] == expected[how]
    assert states["StatisticsGen"] == "done"


def test_the_page_of_a_job_is_that_of_a_run(planted: Office, office: Office) -> None:
    office.desk.job(FIRST, 0, blocked=True)
    for desk, name, words in (
        (planted, FIRST, "0.7000"),
        (planted, THIRD, "&lt;b&gt;ran&lt;"),
        (office, FIRST, "&lt;b&gt;XX"),
    ):
        page = desk.call("report", name, "--output", str(desk.folder / "page.html"))
        assert page.code == 0, page.text
        html = (desk.folder / "page.html").read_text()
        assert words in html
        assert "<b>ran" not in html
        assert "<b>XX" not in html
    assert not [*(planted.folder / "workspace").rglob("rows.parquet")]  # no data come along, nor models
    assert not [file for file in (planted.folder / "workspace").rglob("saved_model.pb") if file.stat().st_size]


def test_a_job_at_work_is_read_again_until_it_has_ended(office: Office) -> None:
    office.desk.job(FIRST, 0, "RUNNING", states={"Trainer": "RUNNING"} | dict.fromkeys(AFTER_THE_GATE[2:], "PENDING"))
    assert [run["status"] for run in office.told("runs")] == ["running"]
    office.desk.job(FIRST, 0, version=100)
    assert [(run["status"], run["pushed_version"]) for run in office.told("runs")] == [("complete", "100")]
    assert {step["state"] for step in office.told("show", FIRST)["steps"]} == {"done"}


def test_what_the_service_forgets_stays_on_record(office: Office) -> None:
    weeks(office)
    office.desk.job("flights-4", 30, "RUNNING", states=dict.fromkeys(AFTER_THE_GATE, "PENDING"))
    assert len(office.told("runs")) == 4
    del office.service.jobs[FIRST], office.service.jobs["flights-4"]
    runs = {run["run_id"]: run for run in office.told("runs")}
    assert runs[FIRST]["status"] == "complete"
    assert runs["flights-4"]["status"] == "interrupted"
    assert runs["flights-4"]["reason"] == "the service does not know it any more"


def test_many_jobs_are_read_a_page_at_a_time_and_once(office: Office) -> None:
    for number in range(7):
        office.desk.job(f"flights-{number}", number, blessed=False)
    office.service.most_on_a_page = 2
    assert [run["run_id"] for run in office.told("runs")] == [f"flights-{number}" for number in reversed(range(7))]
    office.service.asked.clear()
    office.told("runs")
    assert sum("pipelineJobs" in path for path in office.service.asked) == 1


# The same tables


def test_runs_are_sorted_filtered_and_say_which_serves(planted: Office) -> None:
    listed = planted.call("runs")
    assert [line.split()[0] for line in listed.text.splitlines()[:4]] == ["run", THIRD, SECOND, FIRST]
    assert "● 200" in listed.text
    assert "● serves now" in listed.text
    assert "Trainer failed: the replica <b>ran</b> out of memory" in planted.told("runs")[0]["reason"]
    best = planted.told("runs", "--filter", "auc>0.7", "--sort", "auc")
    assert [(run["run_id"], run["serving"], run["metrics"]["auc"]) for run in best] == [(SECOND, True, 0.8)]
    assert best[0]["hyperparameters"] == {"epochs": 3}


def test_show_says_where_a_cached_step_came_from_and_where_the_log_of_a_failed_one_is(planted: Office) -> None:
    shown = planted.call("show", SECOND)
    assert f"From      {FIRST}: all cached steps" in shown.text
    places = [artifact["uri"] for artifact in planted.told("show", SECOND)["artifacts"]["Evaluator"]]
    assert "gs://my-bucket/longhaul/artifacts/123/scheduled-77/Evaluator_10/evaluation" in places
    assert "copied_to" not in shown.text
    failed = planted.call("show", "latest")
    assert "Trainer failed: the replica <b>ran</b> out of memory" in failed.text
    assert "https://console.cloud.google.com/logs/query;query=resource.type%3D%22ml_job%22" in failed.text
    assert "customJobs" not in failed.text
    assert "%22909%22?project=my-project" in failed.text


def test_a_job_goes_by_its_id_its_resource_name_and_its_place(planted: Office) -> None:
    names = {"previous": SECOND, "latest~2": FIRST, f"projects/p/locations/l/pipelineJobs/{SECOND}": SECOND}
    assert {name: planted.told("show", name)["run_id"] for name in names} == names
    missing = planted.call("show", "scheduled-78")
    assert missing.code == 2
    assert "there is no run 'scheduled-78'" in missing.text
    assert "did you mean scheduled-77?" in missing.text


def test_diff_compares_two_jobs(planted: Office) -> None:
    told = planted.told("diff", FIRST, SECOND)
    assert json.dumps(told).count("0.8") >= 1
    assert planted.call("diff", "latest~2", "previous").code == 0


def test_a_job_is_exported_to_be_kept(planted: Office, tmp_path: Path) -> None:
    archive = tmp_path / "job.zip"
    done = planted.call("export", "scheduled-77", "--output", str(archive))
    assert (done.code, done.text) == (0, f"{archive}\n")
    with zipfile.ZipFile(archive) as found:
        names = {name.rpartition("/")[2] for name in found.namelist()}
    assert {"mlmd.json", "summary.json", "verdict.json", "ingestion.json"} <= names
    refused = planted.call("import", str(archive), "--workspace", str(tmp_path / "other"))
    assert (refused.code, "holds scheduled-77, a job of Vertex AI" in refused.text) == (2, True)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        *((command, "docs/vertex.md#what-other-commands-do") for command in ("pin latest", "unpin latest", "gc")),
        *((command, "docs/vertex.md#what-other-commands-do") for command in ("gc --apply", "backup", "resume")),
        ("rejudge served --table t.csv", f"gcloud storage cp -r {ROOT}/serving/flights/VERSION FOLDER"),
        ("rejudge --all --table t.csv", f"gcloud storage cp -r {ROOT}/serving/flights/VERSION FOLDER"),
        ("predict t.csv --output p.csv", f"gcloud storage cp -r {ROOT}/serving/flights/VERSION FOLDER"),
    ],
)
def test_what_is_about_runs_of_this_machine_says_what_to_do_for_jobs(planted: Office, command: str, said: str) -> None:
    done = planted.call(*command.split())
    assert done.code == 2
    assert "jobs" in done.text
    assert said in done.text
    assert "## What other commands do" in Path("docs/vertex.md").read_text()


def test_what_made_a_job_is_on_record_where_it_was_submitted_with_it(office: Office) -> None:
    settings = {"name": "flights", "trainer": {"epochs": 3}}
    made_with = {"config_digest": "c0ffee" * 10, "code_digest": "decade" * 10, "config": json.dumps(settings)}
    office.desk.write(f"{ROOT}/records/ab12.json", made_with | {"schema_reviewer": "Ann Lee", "schema_note": "fine"})
    office.desk.job(FIRST, 0, version=100, labels={MADE_WITH: "ab12"})
    told = office.told("show", FIRST)
    assert told["properties"]["config_digest"] == "c0ffee" * 10
    assert told["properties"]["schema_review"] == "approved by Ann Lee"
    assert "config c0ffeec0ffee, code decadedecade" in office.call("show", FIRST).text
    assert "schema:1" in office.call("lineage", "schema:7").text


# Lineage, both ways


@pytest.mark.parametrize(
    ("thing", "up", "down"),
    [
        ("served", ["PushedModel", "Model", "Examples", "TableExampleGen"], []),
        ("model:100", ["PushedModel", "Trainer"], []),
        (SECOND, ["Evaluator", f"run {FIRST}"], ["no model"]),
        (FIRST, ["Trainer"], ["version 100, not served now", "version 200, served now"]),
        (f"{ROOT}/artifacts/123/{FIRST}/Trainer_9/model", ["Trainer"], ["pushed by run scheduled-77"]),
        (f"{ROOT}/serving/flights/200", ["Pusher"], []),
        ("gs://my-bucket/flights/span-01/flights.parquet", [], ["served now"]),
        ("span-01/flights.parquet", [], ["1 model; pushed: 1; served now: 1"]),
        ("schema:1", [], ["1 model"]),
    ],
)
def test_lineage_goes_both_ways_from_anything(planted: Office, thing: str, up: list[str], down: list[str]) -> None:
    told = planted.call("lineage", thing)
    assert told.code == 0, told.text
    for words in (*up, *down):
        assert words in told.text, told.text
    assert "copied_to" not in planted.call("lineage", thing, "--json").text


def test_the_page_of_a_job_s_lineage_is_drawn(planted: Office) -> None:
    for arguments in ((FIRST,), ("--all",)):
        drawn = planted.call("lineage", *arguments, "--html", str(planted.folder / "graph.html"))
        assert drawn.code == 0, drawn.text
        assert "2026-11-02 03:00" in (planted.folder / "graph.html").read_text()


# What goes wrong


@pytest.mark.parametrize(
    ("command", "status", "says", "message", "code"),
    [
        ("runs", 401, "", "the credentials have expired or are not valid", 2),
        ("show", 403, "Permission 'aiplatform.pipelineJobs.list' denied.", "permission denied", 2),
        ("lineage", 404, "The project was not found.", "there is no such thing", 2),
        ("report", 429, "Quota exceeded.", "a quota is used up", 69),
        ("diff", 503, "The service is currently unavailable.", "the service failed", 69),
        ("versions", 503, "The service is currently unavailable.", "the service failed", 69),
        ("rollback", 403, "Permission denied.", "permission denied", 2),
    ],
)
def test_what_the_service_says_no_with_is_one_message(
    office: Office, command: str, status: int, says: str, message: str, code: int
) -> None:
    office.service.refuse_with = (status, says)
    refused = office.call(command)
    assert refused.code == code, refused.text
    assert re.search(f"jobs of flights: {re.escape(message)}: .*{re.escape(says)}", refused.text)
    assert "Remedy: " in refused.text
    assert "Traceback" not in refused.text


def test_a_service_that_does_not_answer_is_named(office: Office) -> None:
    office.write(vertex=office.document["vertex"] | {"endpoint": "http://127.0.0.1:9"})
    refused = office.call("runs")
    assert refused.code == 69
    assert "cannot be reached" in refused.text
    assert "Traceback" not in refused.text


def test_a_bucket_that_is_not_there_is_named(office: Office) -> None:
    weeks(office)
    office.service.buckets.clear()
    refused = office.call("versions")
    assert refused.code == 2
    assert "gs://my-bucket/longhaul" in refused.text
    assert "404" in refused.text
    assert "Traceback" not in refused.text


def test_artifacts_that_the_bucket_has_lost_are_missed_by_the_page_only(office: Office) -> None:
    weeks(office)
    for file in (office.service.folder / "buckets").rglob("verdict.json"):
        file.unlink()
    assert [run["verdict"] for run in office.told("runs")] == ["", "", ""]
    done = office.call("report", FIRST, "--output", str(office.folder / "page.html"))
    assert done.code == 0, done.text


def test_without_the_section_it_is_asked_for(office: Office) -> None:
    del office.document["vertex"]
    office.write()
    refused = office.call("runs")
    assert refused.code == 2
    assert "there is no section `vertex`" in refused.text


def test_without_credentials_nobody_is_asked(office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    office.write(vertex={key: value for key, value in office.document["vertex"].items() if key != "endpoint"})
    refused = office.call("runs")
    assert refused.code == 2
    assert "no credentials of Google Cloud were found" in refused.text
    assert "gcloud auth application-default login" in refused.text


def test_runs_of_this_machine_are_a_word_away(office: Office) -> None:
    weeks(office)
    local = office.call("runs", "--on", "local")
    assert local.code == 2
    assert "nothing has run on this machine in workspace" in local.text
    office.write(orchestrator="local")
    assert len(office.told("runs", "--on", "vertex")) == 3
    wrong = office.call("runs", "--emulate")
    assert wrong.code == 2
    assert "add --on vertex" in wrong.text


def test_a_plan_speaks_of_the_table_of_the_job_and_of_no_other(office: Office) -> None:
    table = "carrier,distance_miles,late\n" + "".join(f"AA,{n},{n % 2}\n" for n in range(40))  # a row for each split
    (office.folder / "table.csv").write_text(table)
    vertex = office.document["vertex"]
    office.write(vertex=vertex | {"data": "gs://my-bucket/flights/span-{SPAN}/flights.csv"})
    refused = office.call("plan")
    assert refused.code == 2
    assert "gs://my-bucket/flights/span-{SPAN}/flights.csv cannot be listed from here" in refused.text
    assert "`longhaul run --on vertex" in refused.text
    # The emulator's buckets are folders.
    folder = office.folder / "workspace" / "vertex" / "buckets" / "my-bucket" / "flights" / "span-01"
    folder.mkdir(parents=True)
    (folder / "flights.csv").write_text(table)
    planned = office.told("plan", "--emulate")
    assert (planned["used"], planned["since"], planned["champion"]) == ([1], None, None)
    assert planned["table"].endswith("/buckets/my-bucket/flights/span-{SPAN}/flights.csv")
    assert office.told("plan", "--on", "local")["files"] == 1


def test_looking_at_jobs_imports_no_tensorflow_and_no_client_of_vertex(office: Office) -> None:
    weeks(office)
    script = (
        "import sys; from pipeline import cli\n"
        f"sys.argv = ['longhaul', 'runs', '--config', {str(office.file)!r}]\n"
        "try: cli.main()\nexcept SystemExit as exit_: assert not exit_.code\n"
        "print([name for name in ('tensorflow', 'tfx', 'kfp', 'apache_beam', 'google.cloud.aiplatform_v1') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
