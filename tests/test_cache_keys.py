"""What the cache knows a step by: the code that it uses and the settings that it reads, and nothing else."""

from __future__ import annotations

import importlib
import multiprocessing
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import yaml

from pipeline import import_closure
from pipeline.components.artifact_names import STEP_CODE
from pipeline.config import REFERENCE, PipelineConfig, load
from pipeline.provenance import code_files, step_code_digest, step_modules
from pipeline.sections.base import Section
from pipeline.sections.beam import BeamStep
from pipeline.sections.evaluation import Threshold
from pipeline.sections.split import HashSplit
from pipeline.sections.trainer import AFTER_FITTING
from pipeline.sections.vertex import VertexStep

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
WITH_ALL_STEPS = {"tuner": {"mode": "search"}, "trainer": {"warm_start": True}}
OF_TFX = {"InferredSchema"}
"""Steps without a line of ours; TFX's version stands in the fingerprint of a run."""


def configuration(folder: Path, changes: dict[str, Any]) -> PipelineConfig:
    """The flights', with sections changed."""
    document = yaml.safe_load(REFERENCE.read_text())
    for section, fields in changes.items():
        document[section] = document.get(section, {}) | fields
    document["schema"]["file"] = str(ROOT / "schema" / "flights.pbtxt")
    file = folder / "flights.yaml"
    file.write_text(yaml.safe_dump(document))
    return load(file, workspace=str(folder / "workspace"))


def steps_of(config: PipelineConfig, **options: Any) -> dict[str, Any]:
    """The components of the chain by name; look-ups, which are made anew in every run, left out."""
    from tfx.dsl.components.base.base_component import BaseComponent

    from pipeline.definition import create_pipeline

    nodes = create_pipeline(config, **options).components
    return {node.id: node for node in nodes if isinstance(node, BaseComponent)}


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return steps_of(configuration(tmp_path_factory.mktemp("steps"), WITH_ALL_STEPS))


@pytest.fixture(scope="module")
def used(steps: dict[str, Any]) -> dict[str, frozenset[str]]:
    """By step the files of ours that it uses."""
    return {name: import_closure.closure(step_modules(step)) for name, step in steps.items() if name not in OF_TFX}


# Code


def test_every_step_but_those_of_tfx_is_told_the_digest_of_its_code(steps: dict[str, Any]) -> None:
    digests = {name: step.exec_properties.get(STEP_CODE) for name, step in steps.items()}
    assert {name for name, digest in digests.items() if digest is None} == OF_TFX
    assert len(set(digests.values())) == len(digests)
    for name in OF_TFX:
        assert step_modules(steps[name]) == set()


def test_a_changed_line_changes_the_digests_of_the_steps_that_use_the_file_and_no_other(
    steps: dict[str, Any], used: dict[str, frozenset[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried with every file, on a copy of the sources."""
    for package in import_closure.PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(import_closure, "ROOT", tmp_path)

    def digests() -> dict[str, str]:
        return {name: step_code_digest(steps[name]) for name in used}

    before = digests()
    assert before == {name: steps[name].exec_properties[STEP_CODE] for name in used}
    files = import_closure.all_files()
    assert set(files) >= frozenset().union(*used.values()), "the digest of the whole code covers that of every step"
    unused = []
    for file in files:
        using = {name for name, closure in used.items() if file in closure}
        if not using:
            unused.append(file)
            continue
        original = (tmp_path / file).read_text()
        (tmp_path / file).write_text(original + "# one line more\n")
        after = digests()
        assert {name for name in used if after[name] != before[name]} == using, file
        (tmp_path / file).write_text(original)
    for file in unused:
        with (tmp_path / file).open("a") as source:
            source.write("# one line more\n")
    assert digests() == before
    assert {"pipeline/terminal.py", "pipeline/definition.py", "pipeline/provenance.py"} <= set(unused)


@pytest.mark.parametrize(
    ("file", "again"),
    {
        "pipeline/components/model_judge.py": {"Evaluator"},
        "pipeline/components/tallies.py": {"Evaluator"},
        "pipeline/components/columnar_metrics.py": {"Evaluator"},
        "pipeline/components/calibration_error.py": {"Evaluator"},  # named in TFMA's configuration, too
        "pipeline/components/statistics_gen.py": {"StatisticsGen"},
        "pipeline/components/curated_schema.py": {"CuratedSchema"},
        "pipeline/data/table_statistics.py": {"StatisticsGen", "DataGate"},
        "pipeline/guard/validation.py": {"ExampleValidator", "DataGate"},
        "pipeline/guard/judge.py": {"DataGate"},
        "pipeline/data/split.py": {"TableExampleGen", "DataGate", "Evaluator"},
        "pipeline/data/split_shards.py": {"TableExampleGen"},
        "pipeline/push/publish.py": {"Pusher"},
        "pipeline/infra/probe.py": {"InfraCheck"},  # runs in a process of its own
        "pipeline/infra/cpp_session.py": {"InfraCheck"},  # which loads this by its path
        "pipeline/lineage/source_files.py": {"TableExampleGen"},
        "trainer/teacher.py": {"Tuner", "Trainer"},
        "trainer/bins.py": {"Tuner", "Trainer"},
        "trainer/training_split.py": {"Tuner", "Trainer"},
        "trainer/tune.py": {"Tuner"},
        "trainer/worker.py": {"Trainer"},  # started with -m
        "trainer/signatures.py": {"Trainer"},  # or trials of days would be lost
        "trainer/preprocessing.py": {"Transform", "Tuner", "Trainer", "Evaluator", "InfraCheck"},
        "pipeline/sections/evaluation.py": {"Evaluator"},
        "pipeline/sections/trainer.py": set[str](),  # its settings come as plain data
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_these_steps_use_that_file(used: dict[str, frozenset[str]], file: str, again: set[str]) -> None:
    assert {name for name, closure in used.items() if file in closure} == again


def load_anew(modules: dict[str, list[str]], answers: Any) -> None:
    """Puts by step the files of ours that Python loads for its modules."""
    loaded = {}
    for step, names in modules.items():
        for name in [name for name in sys.modules if name.split(".")[0] in import_closure.PACKAGES]:
            del sys.modules[name]
        for name in names:
            importlib.import_module(name)
        ours = [module for name, module in sys.modules.items() if name.split(".")[0] in import_closure.PACKAGES]
        loaded[step] = sorted(Path(str(module.__file__)).relative_to(ROOT).as_posix() for module in ours)
    answers.put(loaded)


def test_python_loads_nothing_for_a_step_that_the_digest_leaves_out(
    steps: dict[str, Any], used: dict[str, frozenset[str]]
) -> None:
    """Asked of Python itself, in a process that has imported TFX already."""
    modules = {name: sorted(step_modules(steps[name])) for name in used}
    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()
    process = fork.Process(target=load_anew, args=(modules, answers))
    process.start()
    process.join(300)
    assert process.exitcode == 0
    for name, files in answers.get().items():
        assert len(files) > 1
        assert set(files) <= used[name], name


def test_programs_and_files_that_a_step_names_are_known(used: dict[str, frozenset[str]]) -> None:
    """Whoever starts a program or reads a file beside its module names it in text that the closure understands; tried
    above for these."""
    ways = ("__file__", "import_module(", "importlib", "PackageLoader", "subprocess.", "exec(", "runpy")
    files = frozenset().union(*used.values())
    found = {file for file in files if any(way in (ROOT / file).read_text() for way in ways)}
    assert found == {
        *("pipeline/infra/check.py", "pipeline/infra/probe.py", "pipeline/infra/cpp_session.py"),
        "trainer/distribution.py",
    }


def test_no_step_depends_on_what_it_does_not_read(used: dict[str, frozenset[str]]) -> None:
    """Else a new setting, a new word on the screen or a new command would run steps again, hours of training with
    them."""
    sections = {
        "TableExampleGen": {"data", "split"},
        "DataGate": {"data", "split"},
        "Evaluator": {"evaluation"},
        "InfraCheck": {"infra_check"},
        "Pusher": {"push"},
    }
    rooms = {
        "TableExampleGen": {"data", "lineage/source_files"},
        "StatisticsGen": {"data"},
        "ExampleValidator": {"data", "guard"},
        "DataGate": {"data", "guard"},
        "Transform": {"data"},
        "Evaluator": {"data", "evaluation", "number_text"},
        "InfraCheck": {"infra", "lineage/skipped"},
        "Pusher": {"durable", "infra/verdict", "lineage/skipped", "lineage/version_folders", "push", "served"},
    }
    for name, closure in used.items():
        modules = {file.removesuffix(".py") for file in closure if not file.endswith("__init__.py")}
        ours = {module.removeprefix("pipeline/") for module in modules if module.startswith("pipeline/")}
        assert {module for module in ours if module.startswith("sections/")} - {"sections/base"} == {
            f"sections/{section}" for section in sections.get(name, ())
        }, name
        allowed = {"components", "errors", "sections", *rooms.get(name, ())}
        assert {module for module in ours if not {module, module.split("/")[0]} & allowed} == set(), name
        assert len(ours & COMPONENTS) == 1, f"{name} depends on the component of another step"


COMPONENTS = {
    f"components/{name}"
    for name in (
        *("example_gen", "statistics_gen", "curated_schema", "example_validator", "data_gate", "transform", "tuner"),
        *("trainer", "champion", "base_model", "evaluator", "infra_check", "pusher"),
    )
}


def test_the_digests_stand_in_the_compiled_pipeline_and_in_the_job_for_vertex(tmp_path: Path) -> None:
    from tfx.dsl.compiler import compiler

    from pipeline.definition import create_pipeline
    from pipeline.runners.compile import compile_job

    vertex = {
        "project": "my-project",
        "region": "us-central1",
        "root": "gs://my-bucket/longhaul",
        "image": "us-docker.pkg.dev/my-project/repo/longhaul:1",
        "data": "gs://my-bucket/{SPAN}/flights.parquet",
    }
    config = configuration(tmp_path, {"vertex": vertex})
    nodes = [node.pipeline_node for node in compiler.Compiler().compile(create_pipeline(config)).nodes]
    here = {
        node.node_info.id: node.parameters.parameters[STEP_CODE].field_value.string_value
        for node in nodes
        if STEP_CODE in node.parameters.parameters
    }
    assert here == {name: step_code_digest(step) for name, step in steps_of(config).items() if name not in OF_TFX}
    tasks = compile_job(config)["pipelineSpec"]["root"]["dag"]["tasks"]
    there = {name: task["inputs"]["parameters"].get(STEP_CODE) for name, task in tasks.items() if name in here}
    assert there == {name: {"runtimeValue": {"constant": digest}} for name, digest in here.items()}


def test_the_run_counts_every_file_that_a_step_uses(used: dict[str, frozenset[str]]) -> None:
    """`longhaul diff` and the recipe of `longhaul lineage` tell which of these differ."""
    assert frozenset().union(*used.values()) <= code_files().keys()


# Settings

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
    "beam": {name: {"master": "host:8081", "job_endpoint": "host:8099"} for name in ("flink", "spark")},
}
OF_FEATURES = {"Transform", "Tuner", "Trainer", "Evaluator", "InfraCheck", "Pusher"}
"""Steps that are told which columns there are, and of what kind."""
READ_BY: dict[str, set[str]] = {
    "name": {"Pusher"},
    # Two keep something there that is no artifact; and of the flights it is a part of data.path.
    "workspace": {"Tuner", "Pusher", "TableExampleGen", "DataGate"},
    "data.path": {"TableExampleGen", "DataGate"},
    "data.query": {"TableExampleGen"},
    "data.spans": {"TableExampleGen", "DataGate"},
    "data.builder": set(),
    "data.label": {"TableExampleGen", "DataGate"} | OF_FEATURES,
    "data.task": {"TableExampleGen", "DataGate"} | OF_FEATURES,
    "data.classes": {"TableExampleGen"} | OF_FEATURES,
    "data.drop": {"TableExampleGen", "DataGate"},
    "data.payload": {"TableExampleGen"},
    "data.serving": {"DataGate"},
    "split": {"TableExampleGen", "DataGate"},
    "split.by": {"TableExampleGen", "DataGate", "Tuner", "Trainer"},
    "split.column": {"TableExampleGen", "DataGate", "Tuner", "Trainer"},  # they learn in the order of time
    "schema.file": {"CuratedSchema"},
    "schema.policy": {"DataGate"},
    "features": OF_FEATURES,
    "features.exclude": {"DataGate"} | OF_FEATURES,
    "features.bins": {"Tuner", "Trainer"},
    "trainer": {"Tuner", "Trainer"},
    **{f"trainer.{name}": {"Trainer"} for name in AFTER_FITTING},
    "tuner": {"Tuner"},
    "evaluation": {"Evaluator"},
    "infra_check": {"InfraCheck"},
    "push": {"Pusher"},
    **{name: set() for name in ("card", "vertex", "beam", "metadata", "run", "observe", "notify")},
}
"""By setting, or by section for all settings of it that are not named."""
INSTEAD: dict[str, Any] = {
    "data.label": "origin",
    "data.task": "regression",
    "split.by": HashSplit(by="hash"),
    "features.exclude": ("month",),
    "features.categorical": ("sched_dep_minute",),
    "evaluation.thresholds": {"auc": Threshold(at_least=0.4)},
    "evaluation.slices": (("origin",),),
    "tuner.space": {"members": (2, 4)},
    "vertex.steps": {"Trainer": VertexStep(cpu=4)},
    "beam.steps": {"Evaluator": BeamStep(options={"direct_num_workers": 2})},
    "beam.runner": "flink",
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
    monkeypatch.setattr("pipeline.definition.step_code_digest", lambda _: "")  # of code see above
    config = configuration(tmp_path, EVERY_SECTION)
    schema, policy = tmp_path / "other.pbtxt", tmp_path / "flights.policy.yaml"
    shutil.copy(config.schema_file, schema)
    policy.touch()
    assert config.policy_file, "of the other schema there is none"
    shutil.copy(config.policy_file, tmp_path / "other.policy.yaml")
    instead = INSTEAD | {"schema.file": str(schema), "schema.policy": str(policy)}

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
        readers = READ_BY.get(setting, READ_BY.get(setting.partition(".")[0]))
        tried.add(setting)
        if again != readers:
            wrong[setting] = again
    assert wrong == {}
    assert {name for name in READ_BY if "." in name} <= tried


def test_which_beam_runner_did_the_work_does_not_count(tmp_path: Path) -> None:
    """A job server has another port in every run."""
    from ml_metadata.proto import metadata_store_pb2
    from tfx.dsl.compiler import compiler
    from tfx.orchestration import metadata
    from tfx.orchestration.local import runner_utils
    from tfx.orchestration.portable import cache_utils

    from pipeline.definition import create_pipeline
    from pipeline.runners import launch  # noqa: F401 (installs it)

    def key(step: str, **changes: Any) -> str:
        ir = compiler.Compiler().compile(
            create_pipeline(configuration(tmp_path, changes), job_servers={"flink": changes.pop("at", "host:1")})
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
