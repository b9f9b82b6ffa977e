"""docs/patches.md says what the patches say of themselves. `python -m tests.patches.test_table` writes it anew."""

from __future__ import annotations

import ast
from pathlib import Path

from pipeline.patches.install import CONTAINER, LAUNCHER

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "patches.md"
MODULES = [*sorted((ROOT / "pipeline" / "patches").glob("[!_]*.py")), ROOT / "trainer" / "patches.py"]
PATCHES = [module for module in MODULES if module.name != "install.py"]
FIELDS = ["Replaces", "Why", "Upstream", "Until", "Test"]
OPENING = """# What Longhaul changes inside the packages it stands on

Each change is one module, installed by `pipeline.patches.install.install_patches` where a process begins: the launcher
of a local run, the container of a step on Vertex AI. A worker of Beam that counts rows installs TFDV's histograms as it
starts, `longhaul validate` before it counts, and the trainer changes the one model that it fits. Nothing is changed by
an import. The test named last fails when a package no longer needs the change, or has another form than it relies on.

This page is written from the modules' docstrings: `python -m tests.patches.test_table`.
"""


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
    return "\n".join(parts)


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
