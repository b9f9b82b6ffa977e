"""The notebooks, executed top to bottom on a real run that the gate stopped, and their HTML in a real browser."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from matplotlib import image
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from traitlets.config.loader import PyFileConfigLoader

from pipeline.lineage.schema_versions import list_versions
from pipeline.lineage.store import open_store
from tests.notebooks.conftest import ROOT, Desk

NAMES = ("schema_review", "model_analysis", "lineage")
KEPT = (*NAMES, "label_suspects")
"""That one is executed where a run with suspects is: tests/e2e/test_suspects.py."""
DRAWING = {
    "schema_review": ["distributions", "missing", "correlations", "drift"],
    "model_analysis": ["training", "slices-figures", "curves", "importance-figure"],
    "lineage": ["steps", "graph-figure"],
}
"""The cells of which pictures are expected."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass(frozen=True)
class Executed:
    """A notebook with its outputs, and the page that nbconvert makes of it."""

    notebook: Any
    page: Path

    def words(self, cell: str) -> str:
        """All that a cell shows as text."""
        outputs = next(found for found in self.notebook.cells if found.id == cell).outputs
        shown = [out.get("text") or out["data"].get("text/markdown") or out["data"]["text/plain"] for out in outputs]
        return "\n".join(shown)


def read(name: str) -> Any:
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)


def execute(
    name: str,
    desk: Desk,
    reviewer: str = "Ann Lee",
    accept: str = "carrier",
    without: Collection[str] = (),
    with_examples: bool = False,
) -> Any:
    notebook = read(name)
    if with_examples:  # a reviewer takes the `#` of every example away
        for cell in notebook.cells:
            cell.source = cell.source.replace("\n# edits.", "\nedits.")
    notebook.cells = [cell for cell in notebook.cells if cell.id not in without]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGHAUL_CONFIG", str(desk.file))
        patch.setenv("LONGHAUL_WORKSPACE", str(desk.workspace))
        patch.setenv("LONGHAUL_REVIEWER", reviewer)
        patch.setenv("LONGHAUL_ACCEPT", accept)
        patch.setenv("LONGHAUL_NOTE", "9Z is the new name of 9E")
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT / "notebooks")}}).execute()
    return notebook


@pytest.fixture(scope="module")
def refusal(desk: Desk) -> str:
    """A run that the gate stops, and what the review says if nobody stands behind it."""
    stopped = desk.call("run")
    assert stopped.code == 1, stopped.text
    blocked = desk.latest().run_id
    before, drawn = desk.schema.read_text(), DRAWING["schema_review"][:-1]  # the last one reads the verdict
    with pytest.raises(CellExecutionError) as refused:
        execute("schema_review", desk, reviewer="", without=drawn)
    assert desk.schema.read_text() == before
    all_run = execute("schema_review", desk, accept="", without=drawn)  # with a name
    assert "Nothing was decided, so nothing is approved" in str(all_run)
    assert desk.latest().run_id == blocked, "and nothing runs"
    assert desk.schema.read_text() == before
    return str(refused.value)


@pytest.fixture(scope="module")
def executed(refusal: str, desk: Desk) -> dict[str, Executed]:
    """The review that mends the stopped run, a whole run, and the notebooks that look at that."""
    settings = PyFileConfigLoader("jupyter_config.py", str(ROOT / "notebooks")).load_config()
    result = {}
    for name in NAMES:
        notebook = execute(name, desk, with_examples=True)
        page = desk.folder / f"{name}.html"
        html, _ = HTMLExporter(config=settings).from_notebook_node(notebook)
        page.write_text(html)
        result[name] = Executed(notebook, page)
        if name == "schema_review":
            passed = desk.call("run")
            assert passed.code == 0, passed.text
    return result


@pytest.mark.parametrize("name", KEPT)
def test_notebooks_are_kept_clean(name: str) -> None:
    notebook = read(name)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert set(DRAWING.get(name, ())) <= set(ids)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None), cell.id
            assert not re.search(r"^\s*(def|class|async) |lambda", cell.source, re.MULTILINE), cell.id
            assert "http" not in cell.source


@pytest.mark.slow
@pytest.mark.long
def test_what_the_reviewer_saw(executed: dict[str, Executed], desk: Desk) -> None:
    review = executed["schema_review"]
    assert "blocked" in review.words("load-run")
    assert "values that the schema does not list" in review.words("findings")
    assert "allow 1 more value: '9Z'" in review.words("proposals")
    assert "**The data would pass.**" in review.words("recheck")
    assert "\x1b" not in review.words("run-it")
    assert review.words("run-it").count("loading TensorFlow") == 1
    assert "DataGate" in review.words("run-it")
    assert "complete" in review.words("passed")
    assert "version 2, approved by Ann Lee" in review.words("passed")

    versions = list_versions(open_store(desk.config), "desk")
    assert [(v.number, v.reviewer, v.note) for v in versions] == [
        (2, "Ann Lee", "9Z is the new name of 9E"),
        (1, "", ""),
    ]
    text = desk.schema.read_text()
    assert '"9E", "9Z", "AA"' in text
    assert '"MQ", "OH", "OO"' in text
    assert "int_domain { min: 1 max: 6000 }" in text
    assert "min_fraction: 0.85" in text
    assert "jensen_shannon_divergence { threshold: 0.5 }" in " ".join(text.split())


@pytest.mark.slow
@pytest.mark.long
def test_what_the_others_show(executed: dict[str, Executed]) -> None:
    assert "**blessed**" in executed["model_analysis"].words("load-run")
    assert "needs at least 0.3" in executed["model_analysis"].words("metrics-table")
    assert "false" in executed["model_analysis"].words("examples")
    runs = executed["lineage"].words("runs-table")
    assert runs.count("complete") == 2
    assert runs.count("blocked") == 1
    assert "approved by Ann Lee" in executed["lineage"].words("versions")


@pytest.mark.slow
@pytest.mark.long
def test_without_a_name_nothing_is_approved(refusal: str) -> None:
    assert "PipelineError" in refusal
    assert "--reviewer is empty" in refusal


@pytest.mark.parametrize("name", KEPT)
def test_notebooks_start_light(name: str) -> None:
    start = next(cell.source for cell in read(name).cells if cell.id == "start")
    code = "\n".join(line for line in start.splitlines() if not line.startswith("%"))
    heavy = "import sys; print({'tensorflow', 'tfx', 'apache_beam', 'tensorflow_data_validation'} & sys.modules.keys())"
    imports = code.split("\n\nCONFIG = ")[0]
    done = subprocess.run([sys.executable, "-c", f"{imports}\n{heavy}"], capture_output=True, text=True, timeout=600)
    assert (done.stdout, done.stderr) == ("set()\n", "")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_drawing_cells_draw(name: str, executed: dict[str, Executed]) -> None:
    cells = {cell.id: cell for cell in executed[name].notebook.cells}
    for cell in DRAWING[name]:
        pictures = _pictures(cells[cell])
        assert pictures, cell
        for picture in pictures:
            pixels = image.imread(io.BytesIO(picture), format="png")  # (height, width, channels)
            assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 10, cell


def _pictures(cell: Any) -> list[bytes]:
    data = [output.get("data", {}) for output in cell.outputs]
    shown = [found["image/png"] for found in data if "image/png" in found]
    shown += re.findall(r"data:image/png;base64,([^\"]+)", "".join(found.get("text/html", "") for found in data))
    return [base64.b64decode(picture) for picture in shown]


class _Addresses(HTMLParser):
    """What a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.images = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.images += tag == "img"
        self.found += [value or "" for key, value in attrs if key == "src" or (key == "href" and tag != "a")]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_pages_need_no_network(name: str, executed: dict[str, Executed]) -> None:
    page = executed[name].page.read_text()
    parser = _Addresses()
    parser.feed(page)
    assert parser.images >= len(DRAWING[name])
    assert [address for address in parser.found if address and not address.startswith(("data:", "#"))] == []
    assert '<pre class="mermaid"' not in page  # the only thing that would make nbconvert's script load another
    assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\s]*", page) == []


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.extra
@pytest.mark.parametrize("name", NAMES)
def test_pages_in_a_browser(name: str, executed: dict[str, Executed], tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    page, shot = executed[name].page.as_uri(), tmp_path / f"{name}.png"
    _browse("--window-size=1200,3000", f"--screenshot={shot}", page, profile=tmp_path)
    pixels = image.imread(shot)  # (3000, 1200, channels)
    assert pixels.shape[:2] == (3000, 1200)
    parts = pixels.reshape(6, 500, *pixels.shape[1:])  # from top to bottom
    assert all(part.std() > 0.02 for part in parts[:2]), "the top of the page is blank"

    # In the page as the browser has built it, each drawing cell's pictures have been decoded to a size.
    probed = tmp_path / "probed.html"
    probed.write_text(executed[name].page.read_text().replace("</body>", f"<script>{_PROBE}</script></body>"))
    document = _browse("--dump-dom", probed.as_uri(), profile=tmp_path)
    (sizes,) = re.findall(r'data-sizes="([^"]*)"', document)
    found = json.loads(sizes.replace("&quot;", '"'))
    assert set(DRAWING[name]) <= found.keys()
    for cell in DRAWING[name]:
        assert found[cell], cell
        assert all(width > 100 and height > 50 for width, height in found[cell]), cell


_PROBE = """
const sizes = {};
for (const cell of document.querySelectorAll('[id^="cell-id="]')) {
  const images = [...cell.querySelectorAll('img')];
  if (images.length) sizes[cell.id.slice(8)] = images.map(i => [i.naturalWidth, i.naturalHeight]);
}
document.body.dataset.sizes = JSON.stringify(sizes);
"""


def _browse(*arguments: str, profile: Path) -> str:
    """Headless, without a network; standard output."""
    command = [
        *(CHROMIUM or "", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *(f"--user-data-dir={profile}/profile", "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars"),
        *("--virtual-time-budget=10000", *arguments),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", KEPT)
def test_pictures_have_words_and_no_flights(name: str) -> None:
    """Figures that a cell returns bare have no text alternative in JupyterLab; texts are about any pipeline."""
    cells = read(name).cells
    drawn = [cell.source for cell in cells if cell.cell_type == "code" and re.search(r"figures\.\w+\(", cell.source)]
    assert all("Gallery(" in source for source in drawn)
    told = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert "flights" not in re.sub(r"another pipeline than the flights", "", told)


def test_jupyterlab_asks_nothing() -> None:
    """It asked whether to fetch news over everything else, also with `news_url = None`."""
    settings = PyFileConfigLoader("jupyter_config.py", str(ROOT / "notebooks")).load_config()
    folder = Path(settings.LabApp.app_settings_dir)
    asked = json.loads((folder / "overrides.json").read_text())["@jupyterlab/apputils-extension:notification"]
    assert asked == {"checkForUpdates": False, "fetchNews": "false"}
    import jupyterlab

    schema = Path(jupyterlab.__file__).parent / "schemas/@jupyterlab/apputils-extension/notification.json"
    assert asked.keys() <= json.loads(schema.read_text())["properties"].keys()
