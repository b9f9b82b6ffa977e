"""Which room may import which: the plan of docs/architecture.md, read off the source."""

from __future__ import annotations

import graphlib
import re
import sys
from pathlib import Path

import pytest

from pipeline.lineage.import_closure import Import, closure, module_file, source

ROOT = Path(__file__).parent.parent
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("pipeline", "trainer", "schema")
    for path in sorted((ROOT / package).rglob("*.py"))
}
"""Every module of ours by its dotted name."""

FLOORS = (
    *("cli", "commands", "terminal", "observe", "runners", "definition", "continuous", "components watch"),
    *("reports doctor", "evaluation", "contract", "guard serving patches", "data lineage beam flights"),
    *("workspace", "config", "files", "errors", "trainer", "schema"),
)
"""The rooms from the roof down: each imports from floors below its own only, and none from a room beside it."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms.split()}

CLOUD = ("kfp", "google.cloud")
HEAVY = ("tensorflow", "keras", "apache_beam", "tfx", *CLOUD)
LIGHT = (
    *("cli", "commands", "terminal", "observe", "reports", "doctor", "contract", "guard"),
    *("lineage", "workspace", "config", "files", "errors"),
)
"""Rooms whose modules are imported by commands that answer in a second."""


def imports(module: str) -> tuple[Import, ...]:
    return source(str(SOURCES[module].relative_to(ROOT))).imports


def imported_modules(module: str) -> list[tuple[Import, str]]:
    """What it imports of ours, with the dotted name of the module that each import reads."""
    found = []
    for each in imports(module):
        name = each.name
        while name and name not in SOURCES:
            name = name.rpartition(".")[0]
        if name and name != module:
            found.append((each, name))
    return found


def room_of(module: str) -> str:
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == "pipeline" else package


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


def test_every_room_has_its_floor() -> None:
    assert {room_of(module) for module in SOURCES} - {""} == set(FLOOR)


@pytest.mark.parametrize("name", FLOOR)
def test_imports_go_down_only(name: str) -> None:
    up = [
        f"{module}, line {found.line}: {other}"
        for module in SOURCES
        if room_of(module) == name
        for found, other in imported_modules(module)
        if room_of(other) not in (name, "") and FLOOR[room_of(other)] <= FLOOR[name]
    ]
    assert up == []


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {module: {other for found, other in imported_modules(module) if not found.for_types} for module in SOURCES}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(SOURCES)  # CycleError names the circle


def test_three_files_stand_in_the_hall() -> None:
    hall = {path.name for path in (ROOT / "pipeline").glob("*.py")}
    assert hall == {"__init__.py", "definition.py", "errors.py", "files.py"}


def test_features_and_schema_import_the_standard_library_only() -> None:
    for module in room("trainer.features", "schema"):
        assert {found.name.split(".")[0] for found in imports(module)} <= sys.stdlib_module_names


def test_lineage_and_reports_know_no_tensorflow() -> None:
    assert offenders(room("pipeline.lineage", "pipeline.reports"), *HEAVY) == []


def test_the_public_face_of_tfx_is_never_imported() -> None:
    """`from tfx import v1` costs ten seconds, most of it Google Cloud's clients."""
    assert offenders(list(SOURCES), "tfx.v1") == []


def test_nobody_who_only_collects_tests_waits_for_the_public_face_of_tfx() -> None:
    at_top = re.compile(
        r"^(from tfx import v1|from bench import .*\bstock\b|(from|import) (tfx\.v1|bench\.stock)\b)", re.M
    )
    assert [path.name for path in (ROOT / "tests").rglob("*.py") if at_top.search(path.read_text())] == []


def test_clouds_are_known_to_one_runner_one_source_and_the_destinations_of_a_push() -> None:
    knowing = (
        "pipeline.runners.vertex.service",
        "pipeline.data.sources.bigquery",
        "pipeline.data.sources.bigquery_client",
        "pipeline.serving.gcs",
        "pipeline.serving.registry",
    )
    assert offenders([module for module in SOURCES if module not in knowing], *CLOUD) == []
    # A push to a folder must not pay for them.
    assert offenders(sorted(reached(["pipeline.serving.publish"])), *HEAVY, at_top_only=True) == []


def test_the_probe_imports_nothing_of_ours() -> None:
    assert offenders(["pipeline.serving.probe"], "pipeline", "trainer", "tfx", "apache_beam") == []
    assert offenders(["pipeline.serving.probe"], "tensorflow", at_top_only=True) == []  # its import is timed


@pytest.mark.parametrize("name", LIGHT)
def test_what_must_start_fast_imports_nothing_heavy(name: str) -> None:
    """Nor does any module of ours that it imports at its top."""
    seen = reached(room(f"pipeline.{name}"))
    assert offenders(sorted(seen), *HEAVY, at_top_only=True) == []


def test_a_worker_that_reads_a_table_on_a_cluster_waits_for_no_tensorflow() -> None:
    seen = reached(["pipeline.data.split_shards"])
    assert {"pipeline.data.shards", "pipeline.config.data"} <= seen
    assert offenders(sorted(seen), "tensorflow", "tfx", "tfx_bsl", at_top_only=True) == []


def reached(modules: list[str]) -> set[str]:
    """These and all modules of ours that are imported with them."""
    files = closure(modules, at_top=True)
    return {module for module in SOURCES if module_file(module) in files}
