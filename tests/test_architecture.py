"""Which room may import which: design.md's rules, read off the source."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline.lineage.import_closure import Import, closure, source

ROOT = Path(__file__).parent.parent
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for room in ("pipeline", "trainer", "schema")
    for path in sorted((ROOT / room).rglob("*.py"))
}
"""Every module of ours by its dotted name."""

CLOUD = ("kfp", "google.cloud")
HEAVY = ("tensorflow", "keras", "apache_beam", "tfx", *CLOUD)
LIGHT = (
    *("cli", "config", "errors", "run", "predict", "terminal", "init", "doctor", "provenance", "lineage", "reports"),
    *(
        "lineage_answer",
        "terminal_lineage",
        "screen",
        "events",
        "notify",
        "tell",
        "on_vertex",
        "vertex_lists",
        "runners.emulator",
    ),
    *("schema_review", "schema_terminal", "validate", "rollback", "served", "push", "infra.verdict", "unfinished"),
    *(
        "terminal_runs",
        "terminal_show",
        "terminal_diff",
        "terminal_housekeeping",
        "housekeeping",
        "moved_columns",
        "yaml_file",
    ),
)
"""Modules and packages of `pipeline` that answer in a second."""


def imports(module: str) -> tuple[Import, ...]:
    return source(str(SOURCES[module].relative_to(ROOT))).imports


def is_in(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def offenders(modules: list[str], *forbidden: str, at_top_only: bool = False) -> list[str]:
    return [
        f"{module}, line {found.line}: {found.name}"
        for module in modules
        for found in imports(module)
        if is_in(found.name, *forbidden) and (found.at_top or not at_top_only)
    ]


def room(*names: str) -> list[str]:
    modules = [module for module in SOURCES if is_in(module, *names)]
    assert modules, names
    return modules


def test_the_trainer_never_imports_the_pipeline() -> None:
    assert offenders(room("trainer"), "pipeline") == []


def test_features_and_schema_import_the_standard_library_only() -> None:
    for module in room("trainer.features", "schema"):
        assert {found.name.split(".")[0] for found in imports(module)} <= sys.stdlib_module_names


def test_lineage_and_reports_know_no_tensorflow_and_of_ours_little() -> None:
    assert offenders(room("pipeline.lineage", "pipeline.reports"), *HEAVY) == []
    for module in room("pipeline.lineage"):
        ours = [found.name for found in imports(module) if is_in(found.name, "pipeline", "trainer", "schema")]
        allowed = (
            "pipeline.config.pipeline",
            "pipeline.errors",
            "pipeline.lineage",
            "pipeline.workspace.scratch",
            "pipeline.files",
        )
        allowed += ("trainer.digests",)
        assert all(is_in(name, *allowed) for name in ours), ours


def test_nobody_imports_the_command_line() -> None:
    others = [module for module in SOURCES if not is_in(module, "pipeline.cli")]
    assert offenders(others, "pipeline.cli") == []


def test_only_runners_import_the_definition() -> None:
    others = [module for module in SOURCES if not is_in(module, "pipeline.runners")]
    assert offenders(others, "pipeline.definition") == []


def test_the_public_face_of_tfx_is_never_imported() -> None:
    """`from tfx import v1` costs ten seconds, most of it Google Cloud's clients."""
    assert offenders(list(SOURCES), "tfx.v1") == []


def test_clouds_are_known_to_one_runner_one_source_and_the_destinations_of_a_push() -> None:
    knowing = (
        "pipeline.runners.vertex.service",
        "pipeline.data.sources.bigquery",
        "pipeline.serving.gcs",
        "pipeline.serving.registry",
    )
    assert offenders([module for module in SOURCES if module not in knowing], *CLOUD) == []
    # A push to a folder must not pay for them.
    assert offenders(room("pipeline.serving"), *HEAVY, at_top_only=True) == []


def test_the_probe_imports_nothing_of_ours() -> None:
    assert offenders(["pipeline.serving.probe"], "pipeline", "trainer", "tfx", "apache_beam") == []
    assert offenders(["pipeline.serving.probe"], "tensorflow", at_top_only=True) == []  # its import is timed


@pytest.mark.parametrize("name", LIGHT)
def test_what_must_start_fast_imports_nothing_heavy_at_its_top(name: str) -> None:
    assert offenders(room(f"pipeline.{name}"), *HEAVY, at_top_only=True) == []


def test_nothing_imports_heavily_behind_their_back() -> None:
    """The same through all modules of ours that they import at their top."""
    seen = reached(room(*(f"pipeline.{name}" for name in LIGHT)))
    assert {"pipeline.data.sources.source", "pipeline.observe.log_file", "pipeline.workspace.lock"} <= seen
    assert offenders(sorted(seen), *HEAVY, at_top_only=True) == []


def test_a_worker_that_reads_a_table_on_a_cluster_waits_for_no_tensorflow() -> None:
    seen = reached(["pipeline.data.split_shards"])
    assert {"pipeline.data.shards", "pipeline.config.data"} <= seen
    assert offenders(sorted(seen), "tensorflow", "tfx", "tfx_bsl", at_top_only=True) == []


def reached(modules: list[str]) -> set[str]:
    """These and all modules of ours that are imported with them."""
    return {module for module, path in SOURCES.items() if str(path.relative_to(ROOT)) in closure(modules, at_top=True)}
