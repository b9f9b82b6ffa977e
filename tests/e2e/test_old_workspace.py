"""A workspace that an earlier version made (tests/fixtures/old_workspace): read, built on, and not made anew."""

from __future__ import annotations

import fcntl
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.components import told
from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.artifact_names import STEP_CODE
from pipeline.lineage.records import NODE
from pipeline.lineage.runs import RUN_CONTEXT, Run, StepState, find_run
from pipeline.lineage.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.in_order]

ARCHIVE = Path(__file__).parents[1] / "fixtures" / "old_workspace" / "workspace.tar.xz"
PLACE = Path("/tmp/longhaul-old-workspace-v1")
CONFIG = PLACE / "toy.yaml"
FIRST, CACHED, SECOND, LAST = "20261128-181700-384", "20261128-181827-781", "20261128-181836-419", "20261128-182020-364"
VERSION = "1795890185"
"""The champion, which the last run pushed."""
LOOK_UPS = {"SeenSpans", "Champion"}
JUDGED_ANEW = {"DataGate", "Evaluator", "InfraCheck", "Pusher"}
"""TFMA's settings name the module of a metric of ours, which moved: the Evaluator runs again, and what follows it. The
gate is told of spans and split by the examples and no more by settings."""
OF_THE_RUN = {"run_id", "code_digest", "config_digest", "seconds", "peak_rss_bytes", "bytes", "rows"}
"""Properties of an execution that tell of one run, and are no settings of the step: that of the configuration counts
defaults, of which there are more now."""


@pytest.fixture(autouse=True)
def place() -> Iterator[Path]:
    """Where the workspace was made: ML Metadata holds absolute paths."""
    with PLACE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(PLACE, ignore_errors=True)
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(PLACE, filter="tar")
        yield PLACE
        shutil.rmtree(PLACE)


@pytest.fixture
def config() -> PipelineConfig:
    return load(CONFIG)


def said(name: str) -> Any:
    """What the version that made it said."""
    return json.loads((PLACE / "said" / f"{name}.json").read_text())


def as_told_then(now: Any, then: Any) -> Any:
    """What is told now without the keys that were not told then."""
    if isinstance(now, dict) and isinstance(then, dict):
        return {key: as_told_then(value, then[key]) for key, value in now.items() if key in then}
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        return [as_told_then(*both) for both in zip(now, then, strict=True)]
    return now


def latest(config: PipelineConfig) -> Run:
    return find_run(open_store(config), config.name, "latest")


def settings_of_steps(config: PipelineConfig, run_id: str) -> dict[str, dict[str, Any]]:
    """By step what ML Metadata holds of its execution."""
    store = open_store(config)
    context = store.get_context_by_type_and_name(RUN_CONTEXT, run_id)
    return {
        execution.custom_properties[NODE].string_value: {
            name: getattr(value, str(value.WhichOneof("value"))) for name, value in execution.custom_properties.items()
        }
        for execution in store.get_executions_by_context(context.id)
    }


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["runs"], "runs"),
        (["versions"], "versions"),
        (["show", "latest"], "show"),
        (["diff", "previous", "latest"], "diff"),
        (["diff", FIRST, SECOND], "diff2"),
        (["schema", "history"], "history"),
        (["gc"], "gc"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_commands_that_look_say_what_they_said(longhaul: Callable[..., Any], arguments: list[str], name: str) -> None:
    outcome = longhaul(*arguments, "-c", CONFIG, "--json")
    assert outcome.code == 0, outcome.text
    assert as_told_then(json.loads(outcome.text), said(name)) == said(name)


def test_the_lineage_of_the_champion_is_what_it_was(longhaul: Callable[..., Any]) -> None:
    outcome = longhaul("lineage", "served", "-c", CONFIG, "--json")
    assert outcome.code == 0, outcome.text
    now, then = json.loads(outcome.text), said("lineage")
    for since in ("predictions", "judgements", "windows"):
        assert now["down"].pop(since) == []  # which were not on record then
    assert {key: now[key] for key in ("subject", "up", "down")} == {
        key: then[key] for key in ("subject", "up", "down")
    }  # `again` compares with the code of today


def test_pages_of_its_runs_are_written(longhaul: Callable[..., Any]) -> None:
    for command in ("report", "card"):
        outcome = longhaul(command, SECOND, "-c", CONFIG, "-o", PLACE / f"{command}.html")
        assert outcome.code == 0, outcome.text
        assert SECOND in (PLACE / f"{command}.html").read_text()


def test_every_step_with_the_code_of_then_is_taken_from_the_cache(
    longhaul: Callable[..., Any], config: PipelineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names of classes, the settings that steps are told, and their inputs are what they were."""
    then = settings_of_steps(config, LAST)
    monkeypatch.setattr(told, "step_code_digest", lambda component: then[component.id].get(STEP_CODE, ""))
    outcome = longhaul("run", "-c", CONFIG)
    assert outcome.code == 0, outcome.text
    run = latest(config)
    assert run.run_id not in (FIRST, CACHED, SECOND, LAST)
    assert {step.node for step in run.steps if step.state is not StepState.CACHED} - LOOK_UPS == JUDGED_ANEW
    now = settings_of_steps(config, run.run_id)
    assert now.keys() == then.keys() >= {"TableExampleGen", "Trainer"} | JUDGED_ANEW
    then["Evaluator"]["eval_config"] = then["Evaluator"]["eval_config"].replace(
        "pipeline.components.calibration_error", "pipeline.evaluation.calibration_error"
    )
    del now["DataGate"]  # whose policy has bounds for the rows of spans, besides
    pushes = json.loads(now["Pusher"]["elsewhere"])
    assert (pushes.pop("approval"), pushes.pop("approval_within")) == ("automatic", None)
    now["Pusher"]["elsewhere"] = json.dumps(pushes, separators=(",", ":"))
    for node, settings in now.items():
        assert {name: value for name, value in settings.items() if name not in OF_THE_RUN} == {
            name: value for name, value in then[node].items() if name not in OF_THE_RUN
        }, node


def test_a_run_with_the_code_of_today_finds_the_champion(longhaul: Callable[..., Any], config: PipelineConfig) -> None:
    outcome = longhaul("run", "-c", CONFIG)
    assert outcome.code == 0, outcome.text
    words = " ".join(outcome.text.split())
    assert f"compared with champion run {LAST}, which serves as version {VERSION}" in words
    run = latest(config)
    assert {step.node for step in run.steps if step.state is StepState.DONE} >= {"Transform", "Trainer", "Evaluator"}
    assert run.verdict
    # As floats: what threads add up in another order differs in the last place.
    assert run.verdict["champion"] == pytest.approx(said("runs")[0]["metrics"], rel=1e-6)


def test_the_champion_of_then_is_served_again_after_a_rollback(longhaul: Callable[..., Any]) -> None:
    for flags in ([], ["--to", VERSION]):
        outcome = longhaul("rollback", *flags, "-c", CONFIG)
        assert outcome.code == 0, outcome.text
    versions = json.loads(longhaul("versions", "-c", CONFIG, "--json").text)
    (served,) = [version for version in versions if version["state"] == "served"]
    assert served["manifest"]["run_id"] == LAST
