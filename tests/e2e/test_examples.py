"""The projects in examples/, run as a person runs them, and what becomes of a function that fails."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from rich.text import Text

from pipeline.config.loading import load
from pipeline.lineage.runs import find_run
from pipeline.lineage.store import open_store
from tests import small
from tests.place import Command

pytestmark = [pytest.mark.slow, pytest.mark.long]

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the examples whose checks take no time."""
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    for file in tmp_path.glob("examples/*/*.yaml"):
        document = yaml.safe_load(file.read_text()) | {"infra_check": small.INFRA_CHECK}
        file.write_text(yaml.safe_dump(document))
    return tmp_path / "examples"


@pytest.mark.parametrize(
    ("example", "said"),
    [
        ("derived-features", "held every threshold"),
        ("text-table", "held every threshold"),
        ("own-checks", "Own steps TypicalPenguins: asked 3, known 3"),
        ("own-network", "The network is the one that my_network.py:build_model builds"),
        ("own-preprocessing", "The model was trained by my_code.py:build_model"),
        ("own-keras-model", "The model was trained by my_model.py:run_fn"),
        ("scikit-learn", "The model was trained by my_model.py:run_fn"),
    ],
)
def test_an_example_serves_a_good_model_and_is_cached(
    example: str, said: str, project: Path, longhaul: Command
) -> None:
    (file,), workspace = (project / example).glob("*.yaml"), project / "workspace"
    named = ("--config", file, "--workspace", workspace)
    first = longhaul("run", *named)
    assert first.code == 0, first.text
    assert said in " ".join(Text.from_ansi(first.text).plain.split())
    is_own = example in ("own-preprocessing", "own-keras-model", "scikit-learn")
    assert ("single predictions are not taken apart" in first.text) == is_own
    config = load(file, workspace=str(workspace))
    run = find_run(open_store(config), config.record_name, "latest")
    assert {file.name for file in (project / example).glob("*.py")} <= set(json.loads(run.properties["code_files"]))
    assert run.pushed
    table = next((project / example).glob("*.csv"), project / "penguins.csv")
    assert longhaul("predict", table, *named, "--output", project / "out.csv").code == 0
    if example == "own-checks":
        assert "✓ cost at most 0.6" in Text.from_ansi(first.text).plain
        assert "may be at most 0.6" in (workspace / "reports" / f"{run.run_id}.html").read_text()
        fail(
            project / example / "my_metrics.py",
            "def cost(labels, predictions, weights):",
            "    raise RuntimeError('no')",
        )
        failed = longhaul("run", *named)
        assert failed.code == 2
        assert (
            "my_metrics.py:10, in cost: raise RuntimeError('no')" in Text.from_ansi(failed.errors or failed.text).plain
        )
    if example == "derived-features":
        bill = json.loads(longhaul("explain", "bill", *named, "--json").text)
        assert (bill["inputs"], bill["kind"]) == (["culmen_depth_mm", "culmen_length_mm"], "numeric")
        assert bill["importance"]["of"] == 7
        assert bill["statistics"]["train"]["low"] == 0
        file.write_text(file.read_text().replace("bill: ", "bill: 100 * "))  # which is no drift
        findings = json.loads(longhaul("validate", table, *named, "--json").text)["findings"]
        assert "bill" not in {one["feature"] for one in findings}
    if example == "scikit-learn":  # the code is known by its digest
        assert "cached" in longhaul("run", *named).text
        fail(project / example / "my_model.py", "def run_fn(fn_args):", "    raise RuntimeError('no luck')")
        failed = longhaul("run", *named)
        told = Text.from_ansi(failed.errors or failed.text).plain
        assert failed.code == 2
        assert "my_model.py:13, in run_fn: raise RuntimeError('no luck')" in told
        assert "Traceback" not in told
        assert [path.name for path in (workspace / "serving" / "penguins").glob("[0-9]*")] == [Path(run.pushed).name]


def test_a_check_of_the_users_stops_a_run_before_it_learns(project: Path, longhaul: Command) -> None:
    table = project / "penguins.csv"
    heading, rest = table.read_text().split("\n", 1)
    names = {"flipper_length_mm": "culmen_depth_mm", "culmen_depth_mm": "flipper_length_mm"}
    table.write_text(",".join(names.get(name, name) for name in heading.split(",")) + "\n" + rest)
    found = longhaul("run", "--config", project / "own-checks" / "penguins.yaml", "--workspace", project / "workspace")
    told = " ".join(Text.from_ansi(found.errors or found.text).plain.split())
    assert found.code == 1
    assert "breaks a rule of your own: expected a correlation with body_mass_g of at least 0.5" in told
    assert "rule: my_checks.py:the_heavy_have_long_flippers" in told
    assert not list(project.glob("workspace/artifacts/Trainer/model/*"))
    assert not list(project.glob("workspace/serving/penguins/[0-9]*"))


def test_a_step_of_the_users_keeps_a_model_from_being_pushed(project: Path, longhaul: Command) -> None:
    file = project / "own-checks" / "penguins.yaml"
    named = ("--config", file, "--workspace", project / "workspace")
    document = yaml.safe_load(file.read_text())
    document["steps"]["TypicalPenguins"]["parameters"]["must_know"] = 4
    file.write_text(yaml.safe_dump(document))
    # In a process of its own: this one may have loaded the same code from another example's wheel.
    command = [sys.executable, "-m", "pipeline.cli", "run", *map(str, named)]
    failed = subprocess.run(command, capture_output=True, text=True)
    told = Text.from_ansi(failed.stdout + failed.stderr).plain
    assert failed.returncode == 2
    assert "my_steps.py:39, in ask_for_typical_ones: raise ValueError" in told
    assert "the model knows 3 of 3 typical penguins" in told
    assert "Traceback" not in told
    assert not list(project.glob("workspace/serving/penguins/[0-9]*"))
    document["steps"]["TypicalPenguins"]["parameters"]["must_know"] = 3
    file.write_text(yaml.safe_dump(document))
    assert "cached" in longhaul("run", *named).text
    shown = Text.from_ansi(longhaul("show", "latest", *named).text).plain
    assert "Own steps TypicalPenguins: asked 3, known 3" in shown


def test_the_module_of_tfx_s_taxi_example_serves_unchanged(project: Path, longhaul: Command) -> None:
    whole = Path(find_spec("tfx.examples").submodule_search_locations[0], "chicago_taxi_pipeline/data/big_tipper_label")
    rows = (whole / "data.csv").read_text().splitlines(keepends=True)
    (project / "taxi" / "taxi.csv").write_text("".join(rows[:3001]))
    named = ("--config", project / "taxi" / "taxi.yaml", "--workspace", project / "workspace")
    found = longhaul("run", *named)
    assert found.code == 0, found.text
    assert "taxi_utils_native_keras:run_fn" in found.text
    assert list((project / "workspace" / "serving" / "taxi").glob("[0-9]*/saved_model.pb"))
    table = project / "taxi" / "taxi.csv"
    assert longhaul("predict", table, *named, "--output", project / "out.csv").code == 0


def fail(file: Path, after: str, line: str) -> None:
    """Has a function fail at its first line."""
    file.write_text(file.read_text().replace(after, f"{after}\n{line}"))


def test_a_stock_pipeline_runs_on_our_components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner

    monkeypatch.setattr(sys, "argv", sys.argv[:1])  # TFX reads it, and takes pytest's -v for a flag of its own
    create = runpy.run_path(str(EXAMPLES / "stock-pipeline" / "penguins.py"))["create_pipeline"]
    LocalDagRunner().run(create(tmp_path))
    assert list(tmp_path.glob("served/*/saved_model.pb"))
    assert list(tmp_path.glob("artifacts/StatisticsGen/statistics/*/Split-train/FeatureStats.pb"))
