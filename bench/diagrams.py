"""Diagrams as SVG, from the code itself: the rooms by their imports, the chain by its definition."""

from __future__ import annotations

from itertools import pairwise
from xml.sax.saxutils import escape

from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.import_closure import all_files, modules_in, source
from pipeline.reports.lineage.layout import arrange

WORDS = {
    "TableExampleGen": "typed, split columns",
    "StatisticsGen": "TFDV on Arrow",
    "InferredSchema": "kept beside",
    "CuratedSchema": "written by people",
    "ExampleValidator": "data against contract",
    "DataGate": "may the run go on?",
    "SeenSpans": "known of old spans",
    "Transform": "quantiles, vocabularies",
    "BaseModel": "where training starts",
    "Tuner": "better settings",
    "Trainer": "trees teach a network",
    "Champion": "what serves now",
    "Evaluator": "slices, thresholds",
    "InfraCheck": "served = evaluated?",
    "Pusher": "only if both bless",
}
"""What each step is for; one that is not here stops the script."""
ROOMS = {
    "cli": "parse, call, print",
    "commands": "what a command does",
    "terminal": "what is printed",
    "observe": "who else is told",
    "runners": "local; Vertex AI",
    "definition": "which step follows",
    "continuous": "when to train anew",
    "components": "one TFX step a file",
    "watch": "is what serves valid?",
    "reports": "pages and figures",
    "doctor": "what is wrong here?",
    "evaluation": "metrics, judgement",
    "contract": "the reviewed schema",
    "guard": "may a run learn?",
    "serving": "what is pushed",
    "patches": "changes inside TFX",
    "data": "tables to columns",
    "lineage": "who made what",
    "beam": "Beam's runners",
    "flights": "the reference table",
    "workspace": "lock, leftovers",
    "config": "the YAML file",
    "files": "whole or not at all",
    "errors": "what users see",
    "trainer": "becomes the model",
    "schema": "written by people",
}
"""What each room is for; one that is not here stops the script."""
_WIDTH, _HEIGHT, _ACROSS, _DOWN = 156, 54, 1.36, 1.5
"""Of a box in pixels, and how the layout's distances are stretched for boxes of that size."""


def steps_of(config: PipelineConfig) -> dict[str, list[str]]:
    """The pipeline's steps, look-ups too, each with those that it waits for, in the order in which they run."""
    from tfx.dsl.compiler import compiler

    from pipeline.contract.run_inputs import look
    from pipeline.definition import create_pipeline

    chain = create_pipeline(config, look(config, elsewhere=True))
    nodes = [node.pipeline_node for node in compiler.Compiler().compile(chain).nodes]
    return {node.node_info.id: sorted(node.upstream_nodes) for node in nodes}


def rooms() -> dict[str, list[str]]:
    """The folders of pipeline/, its loose files, trainer/ and schema/, each with those that import it."""
    importers: dict[str, set[str]] = {}
    for file in all_files():
        room = _room(file.removesuffix(".py").replace("/", "."))
        importers.setdefault(room, set())
        for found in source(file).imports:
            for module in modules_in(found.name):
                importers.setdefault(_room(module), set()).add(room)
    return {room: sorted(importers[room] - {room}) for room in sorted(importers.keys() - {"__init__"})}


def _room(module: str) -> str:
    package, *below = module.split(".")
    return below[0] if package == "pipeline" else package


def draw_rooms(importers: dict[str, list[str]]) -> str:
    """An SVG of the rooms: an arrow from each to those that it imports."""
    return draw(importers, ROOMS, "The rooms")


def draw_chain(steps: dict[str, list[str]]) -> str:
    """An SVG of the steps: an arrow from each to those that wait for it."""
    return draw(steps, WORDS, "The chain")


def draw(steps: dict[str, list[str]], words: dict[str, str], title: str) -> str:
    """An SVG of boxes from left to right, from those before each; equal boxes and arrows give equal text.

    An arrow that others imply is left out.

    Args:
        words: what stands below the name in each box.
    """
    edges = [(before, node) for node, needs in steps.items() for before in needs if not _implied(steps, before, node)]
    layout = arrange(list(steps), edges)
    places = {node: (x * _ACROSS, y * _DOWN) for node, (x, y) in layout.nodes.items()}
    bends = [(x * _ACROSS, y * _DOWN) for x, y in layout.bends]
    left = min(x for x, _ in places.values()) - _WIDTH / 2 - 12
    top = min(y for _, y in [*places.values(), *bends]) - _HEIGHT / 2 - 12
    width = max(x for x, _ in places.values()) + _WIDTH / 2 + 12 - left
    height = max(y for _, y in [*places.values(), *bends]) + _HEIGHT / 2 + 12 - top
    lines = []
    for path in layout.paths:
        ends = [end for piece in path for end in layout.lines[piece]]
        points = [places[end] if isinstance(end, str) else bends[end] for end in [ends[0], *ends[1::2]]]
        points[0] = points[0][0] + _WIDTH / 2, points[0][1]
        points[-1] = points[-1][0] - _WIDTH / 2 - 2, points[-1][1]
        lines.append(f'<path class="e" d="{_curve(points)}"/>')
    boxes = [
        f'<rect class="b" x="{x - _WIDTH / 2:.0f}" y="{y - _HEIGHT / 2:.0f}" width="{_WIDTH}" height="{_HEIGHT}" '
        'rx="8"/>'
        f'<text class="n" x="{x:.0f}" y="{y - 3:.0f}" text-anchor="middle">{escape(node)}</text>'
        f'<text class="s" x="{x:.0f}" y="{y + 15:.0f}" text-anchor="middle">{escape(words[node])}</text>'
        for node, (x, y) in places.items()
    ]
    told = escape("; ".join(f"{node}: {words[node]}" for node in steps))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:.0f} {top:.0f} {width:.0f} {height:.0f}"'
            ' role="img" aria-labelledby="t d" font-family="Helvetica, Arial, sans-serif">',
            f'<title id="t">{title}</title><desc id="d">{told}</desc>',
            "<style>.b{fill:#f6f8fa;stroke:#57606a}.e{fill:none;stroke:#57606a;stroke-width:1.4;marker-end:url(#a)}"
            ".n{font-size:15px;font-weight:600;fill:#1f2328}.s{font-size:12px;fill:#57606a}"
            "@media(prefers-color-scheme:dark){.b{fill:#161b22;stroke:#8b949e}.n{fill:#e6edf3}.s{fill:#9ba5ad}"
            ".e{stroke:#8b949e}}</style>",
            '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0L8 4L0 8z" fill="#6e7781"/></marker></defs>',
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


def _implied(steps: dict[str, list[str]], before: str, node: str) -> bool:
    """Whether `node` waits for `before` by way of another step, too."""
    waiting = [other for other in steps[node] if other != before]
    while waiting:
        one = waiting.pop()
        if one == before:
            return True
        waiting += steps[one]
    return False


def _curve(points: list[tuple[float, float]]) -> str:
    parts = [f"M{points[0][0]:.0f} {points[0][1]:.0f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        parts.append(f"C{middle:.0f} {y0:.0f} {middle:.0f} {y1:.0f} {x1:.0f} {y1:.0f}")
    return "".join(parts)
