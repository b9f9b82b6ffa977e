"""The documentation as a site can be read by everybody: axe finds nothing serious on a page of each kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.extra, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
KINDS = ("index", "tutorial", "configuration", "api", "architecture", "evaluation", "operate/index")
"""A list of pages, a text, a long table, what is made of code, pictures, wide tables, a folder's first page."""


def test_axe_finds_nothing_serious_on_the_site(chromium: Any, tmp_path: Path) -> None:
    import axe_playwright_python

    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "-q", "-f", str(ROOT / "mkdocs.yml"), "-d", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert built.returncode == 0, built.stderr
    axe = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
    found = {}
    for scheme, width in (("light", 1440), ("dark", 390)):
        page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        for kind in KINDS:
            page.goto((tmp_path / f"{kind}.html").as_uri())
            for one in page.evaluate(f"{axe}; axe.run().then(found => found.violations)"):
                if one["impact"] in ("serious", "critical"):
                    found[kind, scheme, one["id"]] = [node["html"][:200] for node in one["nodes"][:3]]
        page.close()
    assert found == {}
