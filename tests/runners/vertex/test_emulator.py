"""The emulator on jobs of a few shell commands: order, conditions, cache, retries, exit handler, cancelling."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import JobError
from pipeline.runners.vertex.emulator.buckets import Buckets
from pipeline.runners.vertex.emulator.conditions import holds
from pipeline.runners.vertex.emulator.job import EmulatedJob
from pipeline.runners.vertex.emulator.store import Artifact, Store
from tests.waiting import eventually

TOLD = {"artifacts": {"v": {"artifacts": [{"uri": "gs://b/x", "metadata": {"blessed": 1.0, "word": "a && !b"}}]}}}
BLESSED = "inputs.artifacts['v'].artifacts[0].metadata['blessed']"
MODEL = {"instanceSchema": "title: tfx.Model\ntype: object\n"}


def task(name: str, **more: Any) -> dict[str, Any]:
    return {"taskInfo": {"name": name}, "componentRef": {"name": name}, **more}


def from_task(producer: str, key: str = "out") -> dict[str, Any]:
    return {"taskOutputArtifact": {"producerTask": producer, "outputArtifactKey": key}}


def shell(script: str, **more: Any) -> dict[str, Any]:
    """A container whose script sees its output's address as $1, and its output file's as $2."""
    out, told = "{{$.outputs.artifacts['out'].uri}}", "{{$}}"
    return {"container": {"image": "image:1", "command": ["sh", "-c", script, "sh", out, told], **more}}


def job(executors: dict[str, Any], tasks: dict[str, Any], parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    """A job in which every component makes one Model."""
    made = {"artifacts": {"out": {"artifactType": MODEL}}}
    return {
        "pipelineSpec": {
            "pipelineInfo": {"name": "toy"},
            "components": {name: {"executorLabel": name, "outputDefinitions": made} for name in executors},
            "deploymentSpec": {"executors": executors},
            "root": {
                "dag": {"tasks": tasks},
                "inputDefinitions": {"parameters": {name: {"parameterType": "STRING"} for name in parameters or {}}},
            },
        },
        "runtimeConfig": {"gcsOutputDirectory": "gs://bucket/root", "parameterValues": parameters or {}},
    }


def run(plan: dict[str, Any], folder: Path, job_id: str = "toy-1") -> EmulatedJob:
    emulated = EmulatedJob(plan, job_id, folder)
    emulated.run()
    return emulated


def states(emulated: EmulatedJob) -> dict[str, str]:
    return {name: task.state for name, task in emulated.tasks.items()}


WRITES = 'mkdir -p "$1" && echo model > "$1/file"'
SAYS_BLESSED = """python3 - "$2" <<'END'
import json, pathlib, sys
told = json.loads(sys.argv[1])["outputs"]
file = pathlib.Path(told["outputFile"])
file.parent.mkdir(parents=True, exist_ok=True)
uri = told["artifacts"]["out"]["artifacts"][0]["uri"]
file.write_text(json.dumps({"artifacts": {"out": {"artifacts": [{"uri": uri, "metadata": {"blessed": BLESSED}}]}}}))
END"""


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (f"({BLESSED} == 1.0)", True),
        (f"{BLESSED} == 0.0", False),
        (f"{BLESSED} > 0.5 && {BLESSED} < 2.0", True),
        (f"{BLESSED} == 0.0 || !({BLESSED} == 0.0)", True),
        (f"{BLESSED} != 1.0", False),
        ("inputs.artifacts['v'].artifacts[0].metadata['word'] == 'a && !b'", True),
        ("'gs://' + 'b/x' == inputs.artifacts['v'].artifacts[0].uri", True),
        ("true && !false", True),
    ],
)
def test_conditions_hold_or_do_not(condition: str, expected: bool) -> None:
    assert holds(condition, TOLD) is expected


@pytest.mark.parametrize("condition", ["inputs.artifacts['w'] == 1.0", "open('x')", "1.0 ==", "[x for x in inputs]"])
def test_a_condition_that_cannot_be_evaluated_says_so(condition: str) -> None:
    with pytest.raises(JobError, match="cannot be evaluated"):
        holds(condition, TOLD)


def test_buckets_are_folders_in_arguments_and_addresses_in_what_steps_write(tmp_path: Path) -> None:
    buckets = Buckets(tmp_path)
    told = '{"uri": "gs://b/x", "mounted": "/gcs/b/x", "other": "/data/gcs/x"}'
    here = f'{{"uri": "{tmp_path}/b/x", "mounted": "{tmp_path}/b/x", "other": "/data/gcs/x"}}'
    assert buckets.local(told) == here
    assert buckets.remote(f"{tmp_path}/b/x") == "gs://b/x"


def test_the_store_finds_the_newest_that_fits(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    for name, blessed in (("a", 1.0), ("b", 1.0), ("c", 0.0)):
        store.put("p", {"out": [Artifact(name, f"gs://{name}", "tfx.ModelBlessing", {}, {"blessed": blessed})]})
    blessed = 'schema_title="tfx.ModelBlessing" AND state=LIVE AND metadata.blessed.number_value=1'
    assert [found.name for found in store.find("p", blessed)] == ["b"]
    assert [found.uri for found in store.find("p", 'name="a" AND state=LIVE')] == ["gs://a"]
    assert store.find("q", blessed) == []
    assert store.find("p", 'schema_title="tfx.Model"') == []
    with pytest.raises(JobError, match="does not understand the filter"):
        store.find("p", "create_time > 1")


def test_steps_run_in_order_write_into_the_bucket_and_are_cached(tmp_path: Path) -> None:
    cached = {"cachingOptions": {"enableCache": True}}
    plan = job(
        {"Make": shell(WRITES), "Read": shell(f'test -f "$3/file" && {WRITES}')},
        {
            "Read": task("Read", inputs={"artifacts": {"in": from_task("Make")}}, **cached),
            "Make": task("Make", **cached),
        },
    )
    plan["pipelineSpec"]["deploymentSpec"]["executors"]["Read"]["container"]["args"] = [
        "{{$.inputs.artifacts['in'].uri}}"
    ]
    first = run(plan, tmp_path)
    assert (first.state, states(first)) == ("SUCCEEDED", {"Read": "SUCCEEDED", "Make": "SUCCEEDED"})
    (made,) = first.tasks["Make"].outputs["out"]
    assert made.uri.startswith("gs://bucket/root/emulator/toy-1/Make_")
    assert (tmp_path / "buckets" / made.uri.removeprefix("gs://") / "file").read_text() == "model\n"

    second = run(plan, tmp_path, "toy-2")
    assert states(second) == {"Read": "SKIPPED", "Make": "SKIPPED"}
    assert second.tasks["Make"].outputs == first.tasks["Make"].outputs

    plan["pipelineSpec"]["deploymentSpec"]["executors"]["Read"]["container"]["image"] = "image:2"
    assert states(run(plan, tmp_path, "toy-3")) == {"Read": "SUCCEEDED", "Make": "SKIPPED"}


@pytest.mark.parametrize(("blessed", "state"), [("1.0", "SUCCEEDED"), ("0.0", "NOT_TRIGGERED")])
def test_what_a_step_says_decides_what_follows(tmp_path: Path, blessed: str, state: str) -> None:
    asks = {"triggerPolicy": {"condition": "inputs.artifacts['in'].artifacts[0].metadata['blessed'] == 1.0"}}
    plan = job(
        {"Judge": shell(SAYS_BLESSED.replace("BLESSED", blessed)), "Push": shell(WRITES), "After": shell(WRITES)},
        {
            "Judge": task("Judge"),
            "Push": task("Push", inputs={"artifacts": {"in": from_task("Judge")}}, **asks),
            "After": task("After", dependentTasks=["Push"]),
        },
    )
    emulated = run(plan, tmp_path)
    assert emulated.state == "SUCCEEDED"
    assert states(emulated) == {"Judge": "SUCCEEDED", "Push": state, "After": state}


def test_a_failure_leaves_what_depends_on_it_untriggered_and_the_rest_running(tmp_path: Path) -> None:
    plan = job(
        {"Bad": shell("echo so it is >&2; exit 3"), "Next": shell(WRITES), "Other": shell(WRITES)},
        {"Bad": task("Bad"), "Next": task("Next", dependentTasks=["Bad"]), "Other": task("Other")},
    )
    emulated = run(plan, tmp_path)
    assert emulated.state == "FAILED"
    assert states(emulated) == {"Bad": "FAILED", "Next": "NOT_TRIGGERED", "Other": "SUCCEEDED"}
    bad = emulated.tasks["Bad"]
    assert bad.error == "its command ended with exit code 3"
    assert bad.log is not None
    assert "so it is" in bad.log.read_text()


@pytest.mark.parametrize(("tries", "state"), [(1, "FAILED"), (2, "SUCCEEDED")])
def test_a_step_is_tried_again_as_often_as_the_job_says(tmp_path: Path, tries: int, state: str) -> None:
    script = f"n=$(cat {tmp_path}/n 2>/dev/null || echo 0); echo $((n + 1)) > {tmp_path}/n; test $n -ge 1"
    plan = job(
        {"Flaky": shell(script)},
        {"Flaky": task("Flaky", retryPolicy={"maxRetryCount": tries - 1, "backoffDuration": "0.01s"})},
    )
    assert run(plan, tmp_path).state == state
    assert (tmp_path / "n").read_text() == f"{tries}\n"


@pytest.mark.parametrize(("script", "state"), [("true", "SUCCEEDED"), ("exit 1", "FAILED")])
def test_the_exit_handler_runs_whatever_happened_and_is_told(tmp_path: Path, script: str, state: str) -> None:
    """The shape that TFX compiles a pipeline with an exit handler to: all steps in a graph of their own."""
    plan = job({"Work": shell(script), "Exit": shell(f'echo "$3" > {tmp_path}/told')}, {})
    spec = plan["pipelineSpec"]
    spec["deploymentSpec"]["executors"]["Exit"]["container"]["args"] = ["{{$.inputs.parameters['status']}}"]
    spec["components"]["tfx-dag"] = {"dag": {"tasks": {"Work": task("Work")}}}
    spec["root"]["dag"]["tasks"] = {
        "tfx-dag": task("tfx-dag"),
        "Exit": task(
            "Exit",
            dependentTasks=["tfx-dag"],
            triggerPolicy={"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
            inputs={"parameters": {"status": {"taskFinalStatus": {"producerTask": "tfx-dag"}}}},
        ),
    }
    emulated = run(plan, tmp_path)
    assert emulated.state == state
    assert emulated.tasks["Exit"].state == "SUCCEEDED"
    assert json.loads((tmp_path / "told").read_text())["state"] == state


def test_importers_and_resolvers_find_and_hand_on(tmp_path: Path) -> None:
    importer = {"artifactUri": {"runtimeParameter": "where"}, "typeSchema": MODEL, "metadata": {"good": 1.0}}
    query = 'schema_title="tfx.Model" AND state=LIVE AND metadata.good.number_value=1'
    plan = job(
        {
            "Import": {"importer": importer},
            "Find": {"resolver": {"outputArtifactQueries": {"out": {"filter": query}}}},
            "Tell": shell(f'echo "$3" > {tmp_path}/told', args=["{{$.inputs.artifacts['in'].uri}}"]),
        },
        {
            "Import": task("Import"),
            "Find": task("Find", dependentTasks=["Import"]),
            "Tell": task("Tell", inputs={"artifacts": {"in": from_task("Find")}}),
        },
        {"where": "gs://bucket/models/7"},
    )
    assert run(plan, tmp_path).state == "SUCCEEDED"
    assert (tmp_path / "told").read_text() == f"{tmp_path}/buckets/bucket/models/7\n"


def test_cancelling_kills_what_is_at_work_and_begins_nothing(tmp_path: Path) -> None:
    plan = job(
        {"Long": shell(f"touch {tmp_path}/began; sleep 3000"), "Next": shell(WRITES)},
        {"Long": task("Long"), "Next": task("Next", dependentTasks=["Long"])},
    )
    emulated = EmulatedJob(plan, "toy-1", tmp_path)
    thread = threading.Thread(target=emulated.run)
    thread.start()
    eventually((tmp_path / "began").exists)
    emulated.cancel()
    thread.join(timeout=300)  # long before the step would end
    assert not thread.is_alive()
    assert (emulated.state, states(emulated)) == ("CANCELLED", {"Long": "CANCELLED", "Next": "CANCELLED"})


def test_a_step_can_be_run_again_by_its_script(tmp_path: Path) -> None:
    import subprocess

    emulated = run(job({"Make": shell(WRITES)}, {"Make": task("Make")}), tmp_path)
    (made,) = emulated.tasks["Make"].outputs["out"]
    file = tmp_path / "buckets" / made.uri.removeprefix("gs://") / "file"
    file.unlink()
    subprocess.run(["sh", str(emulated.folder / "Make.executor.sh")], check=True)
    assert file.exists()


@pytest.mark.parametrize(
    ("values", "message"), [({}, "'where' has no value"), ({"where": "a", "x": "b"}, "no parameter 'x'")]
)
def test_parameters_must_be_those_of_the_job(tmp_path: Path, values: dict[str, str], message: str) -> None:
    plan = job({}, {}, {"where": ""})
    plan["runtimeConfig"]["parameterValues"] = values
    with pytest.raises(JobError, match=message):
        EmulatedJob(plan, "toy-1", tmp_path)
