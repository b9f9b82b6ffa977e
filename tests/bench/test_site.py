"""The documentation as a site: every link and anchor leads somewhere, and nothing is loaded from a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from bench import site

ROOT = Path(__file__).parents[2]
WEB = "https://example.org/longhaul"


def _build(config: Path, into: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "-f", str(config), "-d", str(into)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "LONGHAUL_REPOSITORY": WEB, "NO_MKDOCS_2_WARNING": "1"},
    )


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    built = _build(ROOT / "mkdocs.yml", tmp_path)
    assert built.returncode == 0, built.stderr
    pages = {path.relative_to(tmp_path).with_suffix(".md").as_posix() for path in tmp_path.rglob("*.html")}
    sources = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert {name.replace("README", "index") for name in sources} == pages - {"404.md"}
    texts = {path: path.read_text() for path in tmp_path.rglob("*.html")}
    loaded = re.compile(r'<(?:script|img|iframe|link)\b[^>]*?(?:src|href)="?((?:https?:)?//[^"> ]+)')
    assert {str(path): loaded.findall(text) for path, text in texts.items() if loaded.search(text)} == {}
    assert f"{WEB}/blob/HEAD/trainer/teacher.py" in texts[tmp_path / "model.html"]
    assert "What the user's" in texts[tmp_path / "api.html"]  # out of a docstring


def test_a_dead_link_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "README.md").write_text("# A\n[b](gone.md) [c](#gone) [d](../gone.py)\n")
    config = tmp_path / "mkdocs.yml"
    config.write_text(
        f"INHERIT: {ROOT}/mkdocs.yml\ndocs_dir: {tmp_path}/docs\nhooks: [{ROOT}/bench/site.py]\nnav: [README.md]\n"
    )
    built = _build(config, tmp_path / "site")
    assert built.returncode == 1
    assert [link in built.stderr for link in ("'gone.md'", "'#gone'", "'../gone.py'")] == [True] * 3


def test_without_a_repository_on_the_web_a_link_out_of_docs_is_text() -> None:
    def linked(text: str, repository: str) -> str:
        return site._LINK.sub(lambda link: site._link(link, ROOT / "docs", repository), text)

    assert linked("[code](../trainer/model.py)", "") == "code (`trainer/model.py`)"
    assert linked("[code](../trainer)", WEB + "/") == f"[code]({WEB}/tree/HEAD/trainer)"
    assert linked("[a](runs.md) [b](#c) [d](https://e.org)", "") == "[a](runs.md) [b](#c) [d](https://e.org)"


def test_what_github_shows_the_site_shows() -> None:
    page = "1. a\n\n       code\n\n   b\n2. c\n\n```yaml x.yaml\n- a:\n  b\n```\n\n| `a\\|b` |"
    assert "\n".join(site._lines(page)) == (
        '1. a\n\n        code\n\n    b\n\n2. c\n\n```yaml title="x.yaml"\n- a:\n  b\n```\n\n| `a|b` |'
    )
