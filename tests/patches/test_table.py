"""docs/patches.md says what the patches say of themselves. `python -m tests.patches.test_table` writes it anew."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.lineage.import_closure import PACKAGES, all_files
from pipeline.patches.install import CONTAINER, LAUNCHER, STOCK

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "patches.md"
MODULES = [*sorted((ROOT / "pipeline" / "patches").glob("[!_]*.py")), ROOT / "trainer" / "patches.py"]
PATCHES = [module for module in MODULES if module.name != "install.py"]
FIELDS = ["Replaces", "Why", "Upstream", "Until", "Test"]
OPENING = f"""# What Longhaul changes inside the packages it stands on

Each change is one module, installed by `pipeline.patches.install.install_patches` where a process begins: the launcher
of a local run, the container of a step on Vertex AI. A worker of Beam that counts rows installs TFDV's histograms as it
starts, `longhaul validate` before it counts, and the trainer changes the one model that it fits. No module changes
anything as it is imported. One line does: `from pipeline.components import Transform`, or another of the classes for
[a pipeline of anybody's](extend/stock-pipeline.md), installs {", ".join(STOCK)}: Beam
and TFDV do the same in less time there. The test named last fails when a package no longer needs the change, or has
another form than it relies on.

This page is written from the modules' docstrings: `python -m tests.patches.test_table`.
"""

INHERITED = """## Private names that our subclasses rely on

A subclass can rely on a private name of the class that it extends. These do; the test of this page fails when one of
the names is gone, or another comes to be used.

| class | private names |
|---|---|"""
KNOWN = {*PACKAGES, *sys.stdlib_module_names, "pydantic"}
"""Ours, and those whose classes we are meant to extend so."""


def said(module: Path) -> tuple[str, dict[str, str]]:
    """What a patch does, and its fields."""
    what, _, rest = (ast.get_docstring(ast.parse(module.read_text())) or "").partition("\n\n")
    fields = [field.partition(": ") for field in rest.replace("\n  ", " ").splitlines()]
    assert [name for name, *_ in fields] == FIELDS, f"{module}: a patch tells {FIELDS}"
    return what, {name: text for name, _, text in fields}


def page() -> str:
    parts = [OPENING]
    for module in PATCHES:
        what, fields = said(module)
        upstream = f"[{fields['Upstream'].rpartition('/')[2]}]({fields['Upstream']})"
        lines = (
            f"## `{module.relative_to(ROOT)}`\n\n{what}\n",
            f"- Replaces: {fields['Replaces']} ({upstream})",
            f"- Why: {fields['Why']}",
            f"- Until: {fields['Until']}",
            f"- Test: `{fields['Test']}`",
        )
        parts.append("\n".join(lines) + "\n")
    parts.append(INHERITED)
    rows = [f"| `{ours}` | {', '.join(f'`{name}`' for name in names)} |" for ours, names in inherited_names()]
    return "\n".join([*parts, *rows]) + "\n"


def inherited_names() -> Iterator[tuple[str, list[str]]]:
    """Each class of ours, with the private names of classes of other packages that it overrides or uses."""
    for file in all_files():
        if not re.search(r"^ *class \w+\(", (ROOT / file).read_text(), re.MULTILINE):
            continue
        module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
        for _, made in sorted(inspect.getmembers(module, inspect.isclass)):
            if made.__module__ != module.__name__:
                continue
            ours = [base for base in made.__mro__ if base.__module__.split(".")[0] in PACKAGES]
            theirs = [base for base in made.__mro__ if base.__module__.split(".")[0] not in KNOWN]
            said = re.findall(
                r"(?:self|super\(\))\.(_[A-Za-z]\w*)|def (_[A-Za-z]\w*)\(self", "".join(map(text_of, ours))
            )
            used = sorted({name for pair in said for name in pair if name})
            owned = [(name, base) for name in used for base in [owner(name, theirs)] if base]
            if owned:
                names = [f"{base.__module__}.{base.__qualname__}.{name}" for name, base in owned]
                yield f"{module.__name__}.{made.__qualname__}", names


def owner(name: str, bases: list[Any]) -> Any:
    """The class that has the private name first; None if it is our own."""
    has = [base for base in bases if name in vars(base) or re.search(rf"self\.{name}\b", text_of(base))]
    return has[-1] if has else None


@functools.cache
def text_of(made: Any) -> str:
    try:
        return inspect.getsource(made)
    except (OSError, TypeError):  # written in C++
        return ""


def test_the_page_says_what_the_patches_say() -> None:
    assert PAGE.read_text() == page()


def test_the_test_that_each_patch_names_is_there() -> None:
    for module in PATCHES:
        file, _, name = said(module)[1]["Test"].partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(), module


def test_every_patch_is_installed_somewhere() -> None:
    assert {*LAUNCHER, *CONTAINER} == {
        module.stem for module in PATCHES if module.parent.name == "patches" and module.parents[1].name == "pipeline"
    }


if __name__ == "__main__":
    PAGE.write_text(page())
