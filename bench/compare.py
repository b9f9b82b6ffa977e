"""Runs stock TFX and Longhaul on the same tables, in turn, each in a fresh process, and tells the ratios.

Both sides read the same files, make the same splits, compute the same statistics, metrics and slices, and train a
network with the same dense layers for as many steps; each derives its features in its own way. A ratio compares two
runs that followed each other, so that a machine that slows down slows both.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from bench import tables
from bench.chart import draw
from bench.equal import differences_between_runs
from bench.history import append, draw_history
from bench.measure import BOTH, ROOT, WHOLE, machine, measure

TRAINING = {"hidden_units": [128, 64], "batch_size": 512, "epochs": 5, "validation_share": 0.1}

FLIGHTS_GOALS = {
    WHOLE: {"wall_s": 0.25, "peak_mib": 0.7}, "ingestion": {"wall_s": 0.1}, "statistics": {"wall_s": 0.15},
    "Transform": {"wall_s": 0.25}, "Evaluator": {"wall_s": 0.25},
}  # fmt: skip

Side = Callable[[Path], list[str]]
"""A folder to run in -> the command."""
console = Console(highlight=False, soft_wrap=True, width=max(120, shutil.get_terminal_size().columns))


def main() -> None:
    """Parses, runs size after size, prints, stores, draws."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--sizes", default="1x,10x,wide,cached,start", help=f"of {', '.join(SIZES)}")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the tables, for a trial")
    parser.add_argument("--stock-10x", action="store_true", help="stock TFX at 10x too, for the better part of an hour")
    parser.add_argument("--work", type=Path, default=ROOT / "workspace" / "bench", help="where tables and runs go")
    args = parser.parse_args()
    if unknown := set(args.sizes.split(",")) - SIZES.keys():
        parser.error(f"unknown size {', '.join(unknown)}; known are {', '.join(SIZES)}")
    work = args.work.absolute()
    # A trial does not overwrite what the README shows.
    results, pictures = (
        (ROOT / "bench" / "results", ROOT / "docs" / "pictures") if args.scale == 1 else (work / "results",) * 2
    )
    results.mkdir(parents=True, exist_ok=True)
    for size in args.sizes.split(","):
        found = SIZES[size](work, args) | {"pairs": args.pairs, "scale": args.scale, "machine": machine()}
        show(found)
        (results / f"{size}.json").write_text(json.dumps(found, indent=1) + "\n")
        draw(results, pictures / "bench.svg")
        if "ratios" in found:
            append(results, size, found)
            draw_history(results, pictures / "bench-log.svg")
    console.print(f"\nStored in {results}, drawn in {pictures / 'bench.svg'}")


def one_x(work: Path, args: argparse.Namespace, kind: str = "csv", years: int = 1) -> dict[str, Any]:
    """The whole pipeline from the same files."""
    table = tables.flights(work, years, args.scale, kind)
    title = f"{years}x flights from {kind}: stock TFX and Longhaul"
    # https://github.com/tensorflow/tfx/blob/master/tfx/components/example_gen/utils.py: `if not pyval`
    title += " (stock reads every 0 as missing there, so its statistics differ)" * (kind == "parquet")
    return compare(title, work, args.pairs, table, {"stock": stock(table), "longhaul": longhaul(table)}, FLIGHTS_GOALS)


def ten_x(work: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Ten years: against stock if asked for, else against Longhaul's own single year."""
    if args.stock_10x:
        return one_x(work, args, years=10)
    table, base = tables.flights(work, 10, args.scale, "csv"), tables.flights(work, 1, args.scale, "csv")
    title = "10x the rows and training steps: Longhaul against itself at 1x (stock TFX only with --stock-10x)"
    goals = {WHOLE: {"wall_s": 10.0, "peak_mib": 1.5}}
    return compare(title, work, args.pairs, table, {"1x": longhaul(base, "small"), "10x": longhaul(table)}, goals)


def wide(work: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Many columns, as far as validation."""
    table = tables.wide(work, 10_000, max(20, round(5000 * args.scale)))
    last = "ExampleValidator"
    sides = {"stock": stock(table, last), "longhaul": longhaul(table, "longhaul", "--to", last)}
    title = "wide table: stock TFX and Longhaul, both only as far as ExampleValidator"
    return compare(title, work, args.pairs, table, sides, {BOTH: {"wall_s": 0.3}})


def cached(work: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Longhaul twice in one workspace."""
    table = tables.flights(work, 1, args.scale, "csv")
    title = "an unchanged second run: Longhaul against its own first (stock TFX is not run)"
    sides = {"first": longhaul(table), "second": longhaul(table)}
    return compare(title, work, args.pairs, table, sides, {WHOLE: {"wall_s": 0.1}})


def start(work: Path, args: argparse.Namespace) -> dict[str, Any]:
    """What a person waits for before anything happens."""
    console.print("\n[bold]start-up: fresh processes[/]")
    table, folder = tables.flights(work, 1, args.scale, "csv"), fresh(work / "run")
    measure(longhaul(table, "longhaul", "--to", "TableExampleGen")(folder), folder / "output.log")  # a run to list
    python, command = [sys.executable, "-c"], [sys.executable, "-m", "pipeline.cli"]
    commands = {
        "longhaul --help": [*command, "--help"],
        "longhaul runs": [*command, "runs", "--config", str(folder / "longhaul.yaml")],
        "import pipeline.definition": [*python, "import pipeline.definition"],
        "from tfx import v1 (stock)": [*python, "from tfx import v1"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(args.pairs):
        for name, arguments in commands.items():
            seconds[name].append(measure(arguments, folder / "output.log")[WHOLE]["wall_s"])
    return {"seconds": seconds, "goals": {"longhaul --help": 0.7, "longhaul runs": 2.0}}


SIZES: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "1x": one_x,
    "parquet": lambda work, args: one_x(work, args, "parquet"),
    "10x": ten_x,
    "wide": wide,
    "cached": cached,
    "start": start,
}


def stock(table: dict[str, Any], *more: str) -> Side:
    """bench/stock.py with as many steps as Longhaul will take."""
    held_out = round(table["rows"]["train"] * TRAINING["validation_share"])
    steps = math.ceil((table["rows"]["train"] - held_out) / TRAINING["batch_size"]) * TRAINING["epochs"]
    training = TRAINING | {"steps": steps, "eval_steps": math.ceil(held_out / TRAINING["batch_size"])}
    command = [sys.executable, "-m", "bench.stock", table["folder"]]
    return lambda folder: [*command, str(folder / "stock"), json.dumps(training), *more]


def longhaul(table: dict[str, Any], name: str = "longhaul", *more: str) -> Side:
    """`longhaul run` with the flights' configuration, but for table, split and training."""
    config = yaml.safe_load((ROOT / "pipeline" / "flights" / "config.yaml").read_text())
    config["data"] = {"path": table["folder"], "label": tables.LABEL, "task": "binary"}
    config["split"] = {"by": "time", "column": tables.TIME, "eval_from": table["eval_from"]}
    config["schema"] = {"file": table["schema"]}
    # One network, fitted once to the labels, which never stops early: as many steps as stock's.
    config["trainer"] = TRAINING | {
        "teacher": "none",
        "members": 1,
        "dropout": 0.5,
        "learning_rate": 0.001,
        "patience": TRAINING["epochs"],
        "refit": False,
    }
    config["evaluation"]["thresholds"] = {"auc": {"at_least": 0.0}}
    if table["schema"] != str(tables.FLIGHTS_SCHEMA):
        config |= {"features": {}, "evaluation": {"thresholds": {"auc": {"at_least": 0.0}}}}

    def command(folder: Path) -> list[str]:
        file = folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(config | {"workspace": str(folder / name)}))
        return [sys.executable, "-m", "pipeline.cli", "run", "--config", str(file), *more]

    return command


def compare(
    title: str,
    work: Path,
    pairs: int,
    table: dict[str, Any],
    sides: dict[str, Side],
    goals: dict[str, dict[str, float]],
) -> dict[str, Any]:
    """Runs the two sides in turn; the ratios are the second's to the first's, pair by pair."""
    rows = ", ".join(f"{count:,} {split}" for split, count in table["rows"].items())
    console.print(f"\n[bold]{title}[/]\n{rows} rows of {table['columns']:,} columns")
    runs: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in sides}
    base, other = sides
    equal = {}
    for pair in range(pairs):
        folder = fresh(work / "run")
        for name, side in sides.items():
            console.print(f"pair {pair + 1} of {pairs}: {name} …", end=" ")
            runs[name].append(measure(side(folder), folder / "output.log"))
            console.print(f"{runs[name][-1][WHOLE]['wall_s']:.1f} s")
        if base == "stock":
            artifacts = [folder / name / "artifacts" for name in sides]
            equal = {"statistics_that_differ": differences_between_runs(*artifacts, skip=[tables.TIME])}
    # Longhaul's lines tell tenths of a second, the kernel hundredths: below that there is no ratio.
    long = [stage for stage in runs[base][0] if all(run.get(stage, {}).get("wall_s", 0) >= 0.1 for run in runs[base])]
    ratios = {
        stage: {
            key: sorted(b[stage][key] / max(a[stage][key], 0.01) for a, b in zip(*runs.values(), strict=True))
            for key in runs[base][0][stage]
        }
        for stage in long
        if stage in runs[other][0]
    }
    about = {"title": title, "rows": table["rows"], "columns": table["columns"]}
    return about | {"runs": runs, "ratios": ratios, "goals": goals} | equal


def show(found: dict[str, Any]) -> None:
    """One size as a person reads it."""
    if "seconds" in found:
        table = Table("", "least s", "median s", "greatest s", "goal", box=None, pad_edge=False)
        for name, values in found["seconds"].items():
            middle = statistics.median(values)
            cells = (f"{value:.2f}" for value in (min(values), middle, max(values)))
            table.add_row(name, *cells, _verdict(middle, found["goals"].get(name)))
        console.print(table)
        return
    table = Table(box=None, pad_edge=False)
    for column in ("", "wall s", "ratio (spread)", "CPU s", "ratio", "peak MiB", "ratio", "goals"):
        table.add_column(column, justify="left" if column in ("", "goals") else "right", no_wrap=True)
    for stage, ratios in found["ratios"].items():
        cells, verdicts = [], []
        for key, values in ratios.items():
            sides = [statistics.median(run[stage][key] for run in runs) for runs in found["runs"].values()]
            cells.append(" → ".join(f"{value:,.{0 if key == 'peak_mib' else 1}f}" for value in sides))
            middle = statistics.median(values)
            cells.append(f"{middle:.2f}" + f" ({values[0]:.2f}-{values[-1]:.2f})" * (key == "wall_s"))
            verdicts.append(_verdict(middle, found["goals"].get(stage, {}).get(key)))
        table.add_row(stage, *cells, *[""] * (6 - len(cells)), "  ".join(filter(None, verdicts)))
    console.print(f"{' → '.join(found['runs'])}: medians")
    console.print(table)
    if "statistics_that_differ" in found:
        different = found["statistics_that_differ"]
        said = f"[red]{len(different)} differences[/], first {different[:3]}" if different else "[green]equal[/]"
        console.print(f"Statistics of both sides, both splits, but for the date and the quantile sketches: {said}")


def _verdict(value: float, goal: float | None) -> str:
    if goal is None:
        return ""
    return f"[green]≤ {goal:g} ✓[/]" if value <= goal else f"[red]≤ {goal:g} ✗[/]"


def fresh(folder: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    main()
