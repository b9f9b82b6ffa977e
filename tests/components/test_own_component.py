"""Components of the user's: where they stand, what they are refused for, and how they fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tfx.types import artifact_utils, standard_artifacts

from pipeline.components.own_component import OWN_CODE, Executor
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import CodeError, ConfigError, PipelineError
from tests import compiled
from tests.test_cache_keys import configuration

pytestmark = pytest.mark.slow

CODE = """
import sys
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputDict, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.component.experimental.container_component import create_container_component
from tfx.types.standard_artifacts import Examples, Model, Schema

@component
def weigh(model: InputArtifact[Model], most: Parameter[int] = 5) -> OutputDict(weight=int):
    if most == 3:
        raise ValueError(f"heavier than {most}")
    if most == 2:
        sys.exit()
    return {"weight": 2 * most}

@component
def look(examples: InputArtifact[Examples]) -> OutputDict(rows=int):
    return {"rows": 1}

@component
def compare(rows: int, weight: int) -> None:
    print(rows, weight)

def plain(model): ...

class NoComponent: ...

class Halfway(BaseComponent): ...

boxed = create_container_component("boxed", image="alpine", command=["true"])
"""
VERTEX = {
    "project": "my-project",
    "region": "us-central1",
    "root": "gs://my-bucket/longhaul",
    "image": "us-docker.pkg.dev/my-project/repo/longhaul:1",
    "data": "gs://my-bucket/{SPAN}/flights.parquet",
}
WEIGH = {"component": "my_steps.py:weigh", "inputs": {"model": "Trainer.model"}, "before": ["Pusher"]}
LOOK = {"component": "my_steps.py:look", "inputs": {"examples": "TableExampleGen.examples"}}
COMPARE = {"component": "my_steps.py:compare", "inputs": {"rows": "Look.rows", "weight": "Weigh.weight"}}


def configured(folder: Path, **steps: dict[str, Any]) -> PipelineConfig:
    (folder / "my_steps.py").write_text(CODE)
    return configuration(folder, {"steps": steps, "vertex": VERTEX})


def test_each_stands_behind_what_it_reads_and_before_what_waits_for_it(tmp_path: Path) -> None:
    config = configured(tmp_path, Weigh=WEIGH, Look=LOOK | {"before": ["DataGate"]}, Compare=COMPARE)
    steps = {step.node_info.id: step for step in compiled.steps_of(config)}
    before = {name: set(step.upstream_nodes) for name, step in steps.items()}
    assert before["Weigh"] == {"Trainer", "DataGate"}
    assert before["Look"] == {"TableExampleGen"}
    assert before["Compare"] == {"Look", "Weigh", "DataGate"}
    assert {"Weigh"} == before["Pusher"] & {"Weigh", "Look", "Compare"}
    assert "Look" in before["DataGate"]
    assert steps["Weigh"].node_info.type.name == "my_steps.weigh"
    told = steps["Weigh"].parameters.parameters[OWN_CODE].field_value.string_value
    (tmp_path / "my_steps.py").write_text(CODE.replace("2 * most", "3 * most"))
    (again,) = (step for step in compiled.steps_of(config) if step.node_info.id == "Weigh")
    assert again.parameters.parameters[OWN_CODE].field_value.string_value != told


def test_on_vertex_the_code_travels_with_the_step(tmp_path: Path) -> None:
    spec = compiled.job_of(configured(tmp_path, Weigh=WEIGH))["pipelineSpec"]
    tasks = spec["root"]["dag"]["tasks"]
    assert "Weigh" in tasks["Pusher"]["dependentTasks"]
    assert (
        "pipeline.components.own_component.Executor"
        in (spec["deploymentSpec"]["executors"]["Weigh_executor"]["container"]["args"])
    )
    code = json.loads(tasks["Weigh"]["inputs"]["parameters"][OWN_CODE]["runtimeValue"]["constant"])
    assert (code["said"], code["executor"]) == ("my_steps.py:weigh", "my_steps.weigh_Executor")
    assert code["wheel"]


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ({"A": WEIGH | {"before": ["Pushr"]}}, "steps.A: there is no step 'Pushr'; did you mean 'Pusher'?"),
        ({"A": WEIGH | {"inputs": {"model": "Traner.model"}}}, "steps.A: there is no step 'Traner'; did you mean"),
        (
            {"A": WEIGH | {"inputs": {"model": "Trainer.modell"}}},
            "A.inputs.model: Trainer makes no 'modell'; did you mean",
        ),
        (
            {"A": WEIGH | {"inputs": {"model": "CuratedSchema.schema"}}},
            "steps.A.inputs.model: my_steps.py:weigh takes Model there, and this is Schema",
        ),
        ({"A": WEIGH | {"inputs": {"modell": "Trainer.model"}}}, "cannot be made of these inputs and parameters"),
        ({"A": WEIGH | {"parameters": {"most": "many"}}}, "cannot be made of these inputs and parameters"),
        ({"A": WEIGH | {"parameters": {"least": 1}}}, "Unknown arguments to 'weigh': least"),
        ({"Trainer": WEIGH}, "steps.Trainer: there is a step of that name already"),
        ({"A": WEIGH | {"before": ["DataGate"]}}, "each of these would wait for itself: "),
        ({"A": LOOK | {"after": ["B"]}, "B": LOOK | {"after": ["A"]}}, "each of these would wait for itself: "),
        ({"A": WEIGH | {"component": "my_steps.py:plain"}}, "my_steps.py:plain is no component of TFX"),
        ({"A": WEIGH | {"component": "my_steps.py:NoComponent"}}, "my_steps.py:NoComponent is no component"),
        ({"A": {"component": "my_steps.py:Halfway"}}, "my_steps.py:Halfway is no component"),
        ({"A": {"component": "my_steps.py:boxed"}}, "is run by a container, which Longhaul does not start"),
        ({"A": WEIGH | {"component": "my_steps.py:wiegh"}}, "steps.A.component: my_steps.py has no wiegh"),
        ({"A": WEIGH | {"inputs": {"model": "Trainer"}}}, "steps.A.inputs.model: "),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(tmp_path: Path, steps: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compiled.chain(configured(tmp_path, **steps))
    assert told in str(caught.value)
    assert caught.value.remedy


def test_a_module_that_cannot_be_imported_is_told_by_its_own_line(tmp_path: Path) -> None:
    config = configured(tmp_path, Weigh=WEIGH)
    (tmp_path / "my_steps.py").write_text(CODE + "\n{}['no']\n")
    with pytest.raises(PipelineError, match=r"my_steps\.py:\d+, in <module>: \{\}\['no'\]"):
        compiled.chain(config)


def test_it_does_its_work_and_an_error_begins_with_its_own_line(tmp_path: Path) -> None:
    config = configured(tmp_path, Weigh=WEIGH)
    (step,) = (node for node in compiled.chain(config).components if node.id == "Weigh")
    made = {"weight": [artifact_utils.get_single_instance([standard_artifacts.Integer()])]}
    made["weight"][0].uri = str(tmp_path / "value")
    read = {"model": [standard_artifacts.Model()]}
    Executor().Do(read, made, dict(step.spec.exec_properties) | {"most": 4})
    assert made["weight"][0].value == 8
    with pytest.raises(CodeError, match=r"^my_steps\.py:12, in weigh: raise ValueError") as caught:
        Executor().Do(read, made, dict(step.spec.exec_properties) | {"most": 3})
    assert "ValueError: heavier than 3" in caught.value.what
    assert "if it says no on purpose" in caught.value.remedy
    with pytest.raises(CodeError, match=r"in weigh: sys\.exit\(\)\n  SystemExit"):
        Executor().Do(read, made, dict(step.spec.exec_properties) | {"most": 2})
