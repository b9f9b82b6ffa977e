"""The lineage page: a graph to zoom, search and click, in one HTML file that asks nothing of any network."""

from __future__ import annotations

import importlib.util
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from pipeline.files import write_whole
from pipeline.lineage.runs import StepState
from pipeline.reports.lineage.drawing import FAMILIES, Drawing, PageData, by_begin
from pipeline.reports.rendering import environment, safe_json


def write_lineage(drawing: Drawing, path: Path) -> Path:
    """Write the page to `path`, whole or not at all.

    Raises:
        WorkspaceError: it cannot be written there.
    """
    return write_whole(render(drawing), path, "page", "name another file")


def render(drawing: Drawing) -> str:
    """Return the page as HTML: what comes from the user is escaped in the list, and data in the graph."""
    from markupsafe import Markup

    templates = environment("lineage")
    scripts = [_vis_network(), templates.get_template("graph.js").render()]
    return templates.get_template("page.html.j2").render(
        drawing=drawing,
        data=Markup(safe_json(PageData(drawing).data())),
        scripts=[Markup(script) for script in scripts],
        digests=[b64encode(sha256(script.encode()).digest()).decode() for script in scripts],
        states=[state.value for state in StepState if state is not StepState.NOT_REACHED],  # they left nothing
        families=[*FAMILIES, "verdict"],
        steps_of=lambda run: by_begin(step for step in drawing.graph.steps.values() if step.run_id == run.run_id),
    )


def _vis_network() -> str:
    """Return the graph library's script, out of the pyvis package; importing that would take a second."""
    spec = importlib.util.find_spec("pyvis")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0], "templates", "lib")
    newest = max(folder.glob("vis-*"), key=lambda path: [int(part) for part in path.name.split("-")[1].split(".")])
    text = (newest / "vis-network.min.js").read_text(encoding="utf-8")
    return text.partition("//# sourceMappingURL")[0]
