"""Which settings the cache knows a step by: those that it reads, and no other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest

from pipeline.config.arrival import Arrival
from pipeline.config.beam import BeamStep
from pipeline.config.decision import Cost
from pipeline.config.evaluation import OwnMetric, Threshold
from pipeline.config.reading import Reading
from pipeline.config.split import GroupSplit, HashSplit
from pipeline.config.steps import OwnStep
from pipeline.config.vertex import VertexStep
from pipeline.lineage.provenance import present_software
from tests.compiled import chain
from tests.test_cache_keys import WITH_ALL_STEPS, configuration, steps_of
from trainer.settings.base import Section
from trainer.settings.trainer import AFTER_FITTING, TrainerRequest
from trainer.settings.tuner import TunerRequest

pytestmark = pytest.mark.slow

EVERY_SECTION: dict[str, Any] = {
    **WITH_ALL_STEPS,
    "vertex": {
        "project": "my-project",
        "region": "us-central1",
        "root": "gs://my-bucket/longhaul",
        "image": "us-docker.pkg.dev/my-project/repo/longhaul:1",
    },
    "push": {
        "destination": "gs://my-bucket/models",
        "vertex_model": {"project": "p", "location": "l", "display_name": "d", "serving_image": "i"},
    },
    "serving": {"rollout": {"canary": 10, "key": "origin"}},
    "beam": {name: {"master": "host:8081", "job_endpoint": "host:8099"} for name in ("flink", "spark")},
}
OF_FEATURES = {"Transform", "Tuner", "Trainer", "Evaluator", "InfraCheck", "Pusher"}
"""Steps that are told which columns there are, and of what kind."""
READ_BY: dict[str, set[str]] = {
    "name": {"Pusher"},
    # Two keep something there that is no artifact; and of the flights it is a part of data.path.
    "workspace": {"Tuner", "Pusher", "TableExampleGen", "DataGate"},
    "data.path": {"TableExampleGen", "DataGate"},
    "data.query": {"TableExampleGen", "DataGate"},
    "data.spans.use": {"TableExampleGen"},
    "data.spans.except": {"TableExampleGen"},
    "data.format": {"TableExampleGen", "DataGate"},
    **{f"data.arrival.{name}": set() for name in Arrival.model_fields},
    "data.builder": set(),
    "data.label": {"TableExampleGen", "DataGate"} | OF_FEATURES,
    "data.task": {"TableExampleGen", "DataGate"} | OF_FEATURES,
    "data.classes": {"TableExampleGen"} | OF_FEATURES,
    "data.ordered": {"Evaluator"},
    "data.unlabelled_at_most": {"TableExampleGen"},
    "data.drop": {"TableExampleGen", "DataGate"},
    "data.weight": {"TableExampleGen", "StatisticsGen", "DataGate"} | OF_FEATURES,
    **{
        f"data.{name}": {"TableExampleGen", "DataGate"}
        for name in ("missing", "columns", "bad_rows", "bad_rows_at_most")
    },
    "data.payload": {"TableExampleGen"},
    "data.label_decisions": {"TableExampleGen"},
    "data.serving": {"DataGate"},
    "split": {"TableExampleGen"},  # the others are told by it how the bounds fell
    "split.by": {"TableExampleGen", "Tuner", "Trainer"},
    "split.column": {"TableExampleGen", "Tuner", "Trainer"},  # they learn in the order of time
    "schema.file": {"CuratedSchema"},
    "schema.policy": {"DataGate"},
    "schema.checks": {"DataGate"},
    "steps": set(),  # they are steps beside these
    "features": OF_FEATURES,
    "features.exclude": {"DataGate"} | OF_FEATURES,
    "features.derive": {"StatisticsGen", "DataGate"} | OF_FEATURES,  # an excluded column may be read by an expression
    "features.bins": {"Tuner", "Trainer"},
    "trainer": {"Tuner", "Trainer"},
    **{f"trainer.{name}": {"Trainer"} for name in AFTER_FITTING},
    "trainer.run_fn": {"Transform", "Tuner", "Trainer"},  # which a step of its own takes the place of
    "trainer.build_model": {"Trainer"},
    **{name: set() for name in ("trainer.train_steps", "trainer.eval_steps")},  # told to run_fn
    "transform": {"Transform", "Tuner", "Trainer"},  # as with run_fn
    "tuner": {"Tuner"},
    "evaluation": {"Evaluator"},
    "decision": {"Evaluator"},
    "infra_check": {"InfraCheck"},
    "push": {"Pusher"},
    **{f"serving.rollout{name}": {"Pusher"} for name in ("", ".canary", ".key")},
    **{
        name: set()
        for name in (
            "orchestrator",
            "card",
            "predict",
            "serving",
            "vertex",
            "beam",
            "metadata",
            "run",
            "keep",
            "observe",
            "notify",
            "watch",
            "continuous",
        )
    },
}
"""By setting, or by section for all settings of it that are not named."""
INSTEAD: dict[str, Any] = {
    "data.label": "origin",
    "data.task": "regression",
    "data.weight": "sched_dep_minute",
    "data.columns": {"origin": Reading(kind="text")},
    "split.by": HashSplit(by="hash"),
    "serving.redact": ["origin"],
    "serving.rollout.key": "carrier",
    "features.exclude": ("month",),
    "features.derive": {"total": "month + sched_dep_minute"},
    "features.categorical": ("sched_dep_minute",),
    "evaluation.thresholds": {"auc": Threshold(at_least=0.4)},
    "evaluation.slices": (("origin",),),
    "evaluation.metrics": {"cost": OwnMetric(function="json.decoder.JSONDecoder", better="lower")},
    "decision.threshold.cost": Cost(miss=5, false_alarm=1),
    "tuner.space": {"members": (2, 4)},
    "vertex.steps": {"Trainer": VertexStep(cpu=4)},
    "beam.steps": {"Evaluator": BeamStep(options={"direct_num_workers": 2})},
    "beam.runner": "flink",
    "transform.preprocessing_fn": "json.decoder.JSONDecoder",
    "trainer.run_fn": "json.decoder.JSONDecoder",
    "trainer.build_model": "json.decoder.JSONDecoder",
    "schema.checks": ("json.decoder.JSONDecoder",),
    "steps": {"More": OwnStep(component="tfx.components.SchemaGen", inputs={"statistics": "StatisticsGen.statistics"})},
}
"""Other values, of settings of which just any value would not do."""


def settings_of(section: Section, beginning: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(name as in the file, type, value) of all settings of a section and of the sections in it."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        setting = f"{beginning}{field.alias or name}"
        if isinstance(value, Section):
            yield from settings_of(value, f"{setting}.")
        else:
            yield setting, field.annotation, value


def values_of(annotation: Any) -> Iterator[Any]:
    """Some values of a type."""
    if get_origin(annotation) is Annotated:
        yield from values_of(get_args(annotation)[0])
    elif get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif get_origin(annotation) in (Union, UnionType):
        for inner in get_args(annotation):
            yield from values_of(inner)
    elif get_origin(annotation) is tuple:
        inner = [part for part in get_args(annotation) if part is not ...]
        yield from zip(*map(values_of, inner), strict=False)
    elif get_origin(annotation) is dict:
        yield {"other": next(values_of(get_args(annotation)[1]), None)}
    else:
        yield from {bool: (False, True), int: (7, 8), float: (0.25, 0.5), str: ("other",)}.get(annotation, ())


def with_setting(section: Section, setting: str, value: Any) -> Section:
    name, _, rest = setting.partition(".")
    field = next(known for known, field in type(section).model_fields.items() if name in (known, field.alias))
    inner = getattr(section, field)
    # Not checked: one setting is another, whatever the others say.
    return section.model_copy(update={field: with_setting(inner, rest, value) if rest else value})


def test_a_step_is_told_the_settings_that_it_reads_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried with every setting: which steps' execution properties are others if it is another."""
    monkeypatch.setattr("pipeline.components.told.step_code_digest", lambda _: "")  # see tests/test_cache_keys.py
    software = present_software()
    monkeypatch.setattr("pipeline.contract.run_inputs.present_software", lambda: software)  # nor does it change here
    config = configuration(tmp_path, EVERY_SECTION)
    schema, policy = tmp_path / "other.pbtxt", tmp_path / "flights.policy.yaml"
    shutil.copy(config.schema_file, schema)
    policy.touch()
    assert config.policy_file, "of the other schema there is none"
    shutil.copy(config.policy_file, tmp_path / "other.policy.yaml")
    decisions = tmp_path / "decisions.csv"
    header = ("row", "given", "suggested", "decision", "reviewer", "reason")
    decisions.write_text(f"{','.join(header)}\n{'0' * 16},0,1,relabel,A. Meyer,checked\n")
    files = {"schema.file": schema, "schema.policy": policy, "data.label_decisions": decisions}
    instead = INSTEAD | {name: str(file) for name, file in files.items()}

    def told(config: Any) -> dict[str, str]:
        endpoints = {"flink": "host:8099"}
        return {name: str(step.exec_properties) for name, step in steps_of(config, job_servers=endpoints).items()}

    before = told(config)
    wrong, tried = {}, set()
    for setting, annotation, value in settings_of(config):
        other = instead.get(setting) or next((one for one in values_of(annotation) if one != value), None)
        assert other is not None, f"{setting}: name another value in INSTEAD"
        after = told(with_setting(config, "split" if setting == "split.by" else setting, other))
        again = {name for name in before if after.get(name) != before[name]}
        within = setting.rpartition(".")[0]
        readers = READ_BY.get(setting, READ_BY.get(within, READ_BY.get(setting.partition(".")[0])))
        tried |= {setting, within}
        if again != readers:
            wrong[setting] = again
    assert wrong == {}
    assert {name for name in READ_BY if "." in name} <= tried


@pytest.mark.parametrize("split", [None, HashSplit(by="hash"), GroupSplit(by="group", column="origin")])
@pytest.mark.parametrize("algorithm", ["bayesian", "hyperband"])
def test_trainer_and_tuner_take_what_they_are_told(tmp_path: Path, split: Any, algorithm: str) -> None:
    config = configuration(tmp_path, EVERY_SECTION | {"tuner": {"mode": "search", "algorithm": algorithm}})
    steps = steps_of(config.model_copy(update={"split": split} if split else {}), job_servers={"flink": "host:8099"})
    from tfx.utils import json_utils

    for name, request in (("Trainer", TrainerRequest), ("Tuner", TunerRequest)):
        told = json_utils.loads(steps[name].exec_properties["custom_config"])
        taken = request.model_validate(told)
        every = taken.model_dump(mode="json", by_alias=True)
        every["features"] = json.loads(json.dumps(taken.features.to_dict()))
        # What came later is told only when somebody gave it.
        assert every.pop("build_model", None) is None
        assert every.pop("weight") is None
        assert every["trainer"].pop("balance") == "none"
        assert every == told


def test_which_beam_runner_did_the_work_does_not_count(tmp_path: Path) -> None:
    """A job server has another port in every run."""
    from ml_metadata.proto import metadata_store_pb2
    from tfx.dsl.compiler import compiler
    from tfx.orchestration import metadata
    from tfx.orchestration.local import runner_utils
    from tfx.orchestration.portable import cache_utils

    from pipeline.patches.install import LAUNCHER, install_patches

    install_patches(LAUNCHER)

    def key(step: str, **changes: Any) -> str:
        ir = compiler.Compiler().compile(
            chain(configuration(tmp_path, changes), job_servers={"flink": changes.pop("at", "host:1")})
        )
        (node,) = [node.pipeline_node for node in ir.nodes if node.pipeline_node.node_info.id == step]
        executor = runner_utils.extract_executor_spec(runner_utils.extract_local_deployment_config(ir), step)
        parameters = {name: value.field_value for name, value in node.parameters.parameters.items()}
        database = metadata_store_pb2.ConnectionConfig(fake_database=metadata_store_pb2.FakeDatabaseConfig())
        with metadata.Metadata(database) as handle:
            return str(
                cache_utils.get_cache_context(
                    metadata_handle=handle,
                    pipeline_node=node,
                    pipeline_info=ir.pipeline_info,
                    executor_spec=executor,
                    parameters=parameters,
                ).name
            )

    on_flink = {"runner": "flink", "flink": {"master": "host:8081", "job_endpoint": "host:8099"}}
    assert key("StatisticsGen") == key("StatisticsGen", beam=on_flink)
    assert key("Evaluator") == key("Evaluator", beam=on_flink) != key("Evaluator", evaluation={"min_rows": 7})
