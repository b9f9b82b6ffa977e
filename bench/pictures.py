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
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.diagrams import draw_chain, draw_rooms, rooms, steps_of
from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.runs import Run, find_run, list_runs
from pipeline.lineage.store import open_existing_store
from pipeline.terminal.results import print_summary
from pipeline.terminal.screen import Screen

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
MADE_OF = PICTURES / "made_of.json"
_ROW = re.compile(r"(?m)^\| the flights, from tables to pushed model.*$")


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
