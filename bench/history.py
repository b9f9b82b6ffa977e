"""What `make bench` found, run after run: a line for each in bench/results/log.jsonl, and all of them as a chart."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.measure import ROOT

FILE = "log.jsonl"


def append(results: Path, size: str, found: dict[str, Any]) -> None:
    """Append the medians of a comparison, with the commit and the command that it was made by."""
    ratios = {
        stage: {key: round(statistics.median(values), 4) for key, values in measures.items()}
        for stage, measures in found["ratios"].items()
    }
    line = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _commit(),
        "command": " ".join(["python -m bench.compare", *sys.argv[1:]]),
        "size": size,
        "pairs": found["pairs"],
        "ratios": ratios,
    }
    with (results / FILE).open("a") as file:
        file.write(json.dumps(line) + "\n")


def draw_history(results: Path, picture: Path, size: str = "1x", stage: str = "whole run") -> None:
    """Draw time and memory of Longhaul over those of stock TFX, commit after commit."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    lines = [json.loads(line) for line in (results / FILE).read_text().splitlines()]
    lines = [line for line in lines if line["size"] == size and stage in line["ratios"]]
    if not lines:
        return
    pyplot.rcParams |= {"svg.hashsalt": "longhaul", "svg.fonttype": "none", "font.size": 9}
    figure, axes = pyplot.subplots(figsize=(7.2, 2.6), layout="constrained")
    places = range(len(lines))
    for key, name, style in (("wall_s", "time", "o-"), ("peak_mib", "peak memory", "s--")):
        axes.plot(places, [line["ratios"][stage].get(key) for line in lines], style, label=name)
    axes.set_xticks(places, [f"{line['date']}\n{line['commit']}" for line in lines])
    axes.set_ylim(bottom=0)
    axes.set_ylabel("ratio to stock TFX")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, metadata={"Date": None}, facecolor="white")
    pyplot.close(figure)


def _commit() -> str:
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=8", "--exclude=*"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
