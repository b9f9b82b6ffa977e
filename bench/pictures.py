"""The pictures and the time in README.md, from a real run of the flights: `make pictures`, after `make run`.

    python -m bench.pictures --workspace workspace

rooms.svg is drawn from the imports between our folders, chain.svg from the steps of the pipeline's definition: both
also without a run. run.svg is what the terminal says of the run that served last, lineage.png is its lineage page in
Chromium (`--no-lineage` where there is none). made_of.json beside them says what they were made of;
tests/bench/test_pictures.py compares all this with the imports, the definition and the configuration of today.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from rich.console import Console

from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.import_closure import all_files, modules_in, source
from pipeline.lineage.runs import Run, find_run, list_runs
from pipeline.lineage.store import open_existing_store
from pipeline.reports.lineage.layout import arrange
from pipeline.terminal.results import print_summary
from pipeline.terminal.screen import Screen

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
MADE_OF = PICTURES / "made_of.json"
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
_ROW = re.compile(r"(?m)^\| the flights, from tables to pushed model.*$")


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


class _Paper(Console):
    """A terminal that breaks what is too long for it, as a real one does."""

    def print(self, *objects: Any, **looks: Any) -> None:
        super().print(*objects, **{**looks, "soft_wrap": False})


def draw_run(run: Run, config: PipelineConfig) -> str:
    """An SVG of what the terminal says of a run, from its record."""
    paper = _Paper(file=io.StringIO(), record=True, width=118, force_terminal=True, highlight=False)
    paper.print(f"[bold]{config.name}[/]  workspace {config.root.name}")
    screen = Screen(paper)
    visible = [step for step in run.steps if not step.is_resolver]
    screen.planned([step.node for step in visible])
    for step in visible:
        screen.finished(step)
    reports = config.root / "reports"
    print_summary(paper, run, config, config.root / "logs" / f"{run.run_id}.log", reports / f"{run.run_id}.html")
    text = paper.export_svg(title="make run", unique_id="longhaul")
    text = text.replace(config.root.name, "workspace")  # as `make run` calls it
    text = re.sub(r"@font-face \{.*?\}", "", text, flags=re.DOTALL)  # they would be asked of a network
    return text.replace("Fira Code, monospace", 'Menlo, Consolas, "DejaVu Sans Mono", monospace')


def photograph_lineage(config: PipelineConfig, picture: Path) -> None:
    """Opens the lineage page of what serves in Chromium, and keeps what it shows."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    from pipeline.reports.lineage.answer import draw
    from pipeline.reports.lineage.page import write_lineage

    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        raise SystemExit("there is no Chromium: apt-get install --no-install-recommends chromium, or --no-lineage")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = write_lineage(draw(config, "served"), Path(folder, "lineage.html"))
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 850})
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-drawn]")
        page.wait_for_timeout(500)
        page.screenshot(path=str(Path(folder, "lineage.png")))
        browser.close()
        with Image.open(Path(folder, "lineage.png")) as whole:  # a palette that keeps small patches of the legend
            few = whole.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            few.save(picture, optimize=True)


def asked_of(config: PipelineConfig) -> dict[str, Any]:
    """Which metrics are judged, and by what."""
    rules = config.evaluation.model_dump(mode="json")
    return {"thresholds": rules["thresholds"], "gaps": rules["gaps"], "slices": rules["slices"]}


def minutes(seconds: float) -> str:
    """`2 min 55 s`."""
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def readme_row(made_of: dict[str, Any]) -> str:
    """The line of README's table about `make run`."""
    trainer = made_of["seconds_by_step"]["Trainer"]
    return (
        f"| the flights, from tables to pushed model | {minutes(made_of['seconds'])}, {trainer:.0f} s of it the Trainer"
        f"{made_of['note']} | `make run` |"
    )


def main() -> None:
    """Draws, and writes README's line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", default="workspace", help="of a finished `make run`")
    parser.add_argument("--no-lineage", action="store_true", help="leave lineage.png as it is")
    parser.add_argument("--note", default="", help="what must be said of the time, such as: on a machine that was busy")
    arguments = parser.parse_args()
    workspace = Path(arguments.workspace).absolute()
    config = load(workspace=str(workspace))
    (PICTURES / "rooms.svg").write_text(draw_rooms(rooms()))
    (PICTURES / "chain.svg").write_text(draw_chain(steps_of(config)))
    if not workspace.is_dir():
        raise SystemExit(f"drew rooms and chain only, for there is no {workspace}: `make run`, then again for the rest")
    store = open_existing_store(config)
    # Of a run from the cache the times would say nothing.
    runs = (find_run(store, config.name, one.run_id) for one in list_runs(store, config.name))
    run = next(
        (run for run in runs if run.pushed and any(s.node == "Trainer" and s.seconds > 5 for s in run.steps)), None
    )
    if run is None:
        raise SystemExit(f"no run in {workspace} has trained and pushed a model: `make run` with an empty workspace")
    os.chdir(workspace.parent)  # the terminal names files from where it is
    (PICTURES / "run.svg").write_text(draw_run(run, config))
    if not arguments.no_lineage:
        photograph_lineage(config, PICTURES / "lineage.png")
    made_of = {
        "steps": [step.node for step in run.steps if not step.is_resolver],
        **asked_of(config),
        "metrics": (run.verdict or {})["metrics"],
        "seconds": round(run.seconds),
        "seconds_by_step": {step.node: round(step.seconds, 1) for step in run.steps if not step.is_resolver},
        "note": f", {arguments.note}" if arguments.note else "",
    }
    MADE_OF.write_text(json.dumps(made_of, indent=1) + "\n")
    readme = ROOT / "README.md"
    readme.write_text(_ROW.sub(lambda _: readme_row(made_of), readme.read_text()))


if __name__ == "__main__":
    main()
