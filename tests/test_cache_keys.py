"""Which code the cache knows a step by: the files that it uses, and no other."""

from __future__ import annotations

import importlib
import multiprocessing
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config.loading import REFERENCE, load
from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage import import_closure
from pipeline.lineage.artifact_names import STEP_CODE
from pipeline.lineage.provenance import present_software, step_code_digest, step_modules
from tests import compiled

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

    nodes = compiled.chain(config, **options).components
    return {node.id: node for node in nodes if isinstance(node, BaseComponent)}


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return steps_of(configuration(tmp_path_factory.mktemp("steps"), WITH_ALL_STEPS))


@pytest.fixture(scope="module")
def used(steps: dict[str, Any]) -> dict[str, frozenset[str]]:
    """By step the files of ours that it uses."""
    return {name: import_closure.closure(step_modules(step)) for name, step in steps.items() if name not in OF_TFX}


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
    assert {"pipeline/terminal/results.py", "pipeline/definition.py", "pipeline/lineage/provenance.py"} <= set(unused)


@pytest.mark.parametrize(
    ("file", "again"),
    {
        "pipeline/evaluation/model_judge.py": {"Evaluator"},
        "pipeline/evaluation/tallies.py": {"Evaluator"},
        "pipeline/evaluation/columnar_metrics.py": {"Evaluator"},
        "pipeline/evaluation/calibration_error.py": {"Evaluator"},  # named in TFMA's configuration, too
        "pipeline/components/statistics_gen.py": {"StatisticsGen"},
        "pipeline/components/curated_schema.py": {"CuratedSchema"},
        "pipeline/data/table_statistics.py": {"StatisticsGen", "DataGate"},
        "pipeline/patches/row_groups.py": {"StatisticsGen", "Transform", "Evaluator"},
        "pipeline/patches/histograms.py": {"StatisticsGen", "DataGate"},
        "pipeline/patches/reloaded_graph.py": {"Transform"},
        "pipeline/patches/resolution.py": set[str](),  # which inputs a step has stands in its key
        "trainer/patches.py": {"Trainer"},
        "pipeline/guard/validation.py": {"ExampleValidator", "DataGate"},
        "pipeline/guard/judge.py": {"DataGate"},
        "pipeline/data/split.py": {"TableExampleGen", "DataGate", "Evaluator"},
        "pipeline/data/split_shards.py": {"TableExampleGen"},
        "pipeline/serving/publish.py": {"Pusher"},
        "pipeline/serving/probe.py": {"InfraCheck"},  # runs in a process of its own
        "pipeline/serving/cpp_session.py": {"InfraCheck"},  # which loads this by its path
        "pipeline/serving/server/protos.py": {"InfraCheck"},  # and this
        "pipeline/lineage/source_files.py": {"TableExampleGen"},
        "trainer/teacher.py": {"Tuner", "Trainer"},
        "trainer/bins.py": {"Tuner", "Trainer"},
        "trainer/training_split.py": {"Tuner", "Trainer"},
        "trainer/tune.py": {"Tuner"},
        "trainer/worker.py": {"Trainer"},  # started with -m
        "trainer/signatures.py": {"Trainer"},  # or trials of days would be lost
        "trainer/preprocessing.py": {  # derived features have statistics, which the gate compares
            *("StatisticsGen", "DataGate", "Transform", "Tuner", "Trainer", "Evaluator", "InfraCheck")
        },
        "pipeline/config/evaluation.py": {"Evaluator"},
        "pipeline/config/decision.py": {"Evaluator"},
        "trainer/settings/fitting.py": {"Tuner", "Trainer"},
        "trainer/settings/trainer.py": {"Trainer"},  # or a new way to export would lose trials of days
        "trainer/settings/tuner.py": {"Tuner"},
        "trainer/settings/features.py": set[str](),  # what it says comes as a FeatureTable
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
        "pipeline/__init__.py",  # asks for its version, which names no file
        *("pipeline/serving/check.py", "pipeline/serving/probe.py", "pipeline/serving/cpp_session.py"),
        "pipeline/serving/server/protos.py",  # asks where TensorFlow lies
        "trainer/distribution.py",
        "pipeline/components/__init__.py",  # imports for pipelines of others, never for a step
        "trainer/user_code.py",  # imports the user's code, whose digest is among the step's settings
    }


def test_no_step_depends_on_what_it_does_not_read(used: dict[str, frozenset[str]]) -> None:
    """Else a new setting, a new word on the screen or a new command would run steps again, hours of training with
    them."""
    settings = {
        "TableExampleGen": {
            "config/arrival",
            "config/data",
            "config/reading",
            "config/spans",
            "config/split",
            "config/text_format",
            "config/value_types",
        },
        "DataGate": {
            "config/arrival",
            "config/data",
            "config/reading",
            "config/spans",
            "config/split",
            "config/text_format",
            "config/value_types",
        },
        "Tuner": {"trainer/settings/fitting", "trainer/settings/tuner"},
        "Trainer": {"trainer/settings/fitting", "trainer/settings/trainer"},
        # It knows rows again as the split does, by their hash.
        "Evaluator": {"config/code_path", "config/decision", "config/evaluation", "config/spans", "config/split"},
        "InfraCheck": {"config/infra_check"},
        "Pusher": {"config/push", "config/serving", "config/value_types"},
    }
    rooms = {
        "TableExampleGen": {"data", "lineage/of_pipeline", "lineage/source_files"},
        "StatisticsGen": {"data", "patches/histograms", "patches/row_groups"},
        "ExampleValidator": {"data", "guard"},
        "DataGate": {"data", "guard", "patches/histograms"},
        "Transform": {"data", "patches/reloaded_graph", "patches/row_groups"},
        "Evaluator": {"data", "evaluation", "patches/row_groups", "serving/attributions"},
        "Tuner": {"data/artifact_files"},
        "Trainer": {"evaluation/model_contract"},
        "InfraCheck": {"lineage/skipped", "serving"},
        "Pusher": {"files", "lineage/skipped", "lineage/version_folders", "serving", "workspace/lock"},
    }
    for name, closure in used.items():
        modules = {file.removesuffix(".py") for file in closure if not file.endswith("__init__.py")}
        ours = {module.removeprefix("pipeline/") for module in modules}
        assert {module for module in ours if module.startswith(("config/", "trainer/settings/"))} - {
            "config/number_text",  # no setting
            "trainer/settings/base",
        } == settings.get(name, set()), name
        allowed = {"components", "config", "errors", "lineage/artifact_names", "trainer", *rooms.get(name, ())}
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
    vertex = {
        "project": "my-project",
        "region": "us-central1",
        "root": "gs://my-bucket/longhaul",
        "image": "us-docker.pkg.dev/my-project/repo/longhaul:1",
        "data": "gs://my-bucket/{SPAN}/flights.parquet",
    }
    config = configuration(tmp_path, {"vertex": vertex})
    here = {
        node.node_info.id: node.parameters.parameters[STEP_CODE].field_value.string_value
        for node in compiled.steps_of(config)
        if STEP_CODE in node.parameters.parameters
    }
    assert here == {name: step_code_digest(step) for name, step in steps_of(config).items() if name not in OF_TFX}
    tasks = compiled.job_of(config)["pipelineSpec"]["root"]["dag"]["tasks"]
    there = {name: task["inputs"]["parameters"].get(STEP_CODE) for name, task in tasks.items() if name in here}
    assert there == {name: {"runtimeValue": {"constant": digest}} for name, digest in here.items()}


def test_the_run_counts_every_file_that_a_step_uses(used: dict[str, frozenset[str]]) -> None:
    """`longhaul diff` and the recipe of `longhaul lineage` tell which of these differ."""
    assert frozenset().union(*used.values()) <= present_software().code_files.keys()
