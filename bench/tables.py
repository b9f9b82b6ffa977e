"""The tables that both sides read: train.csv and eval.csv (or a .parquet a month), made once and kept.

They are such that stock TFX, which guesses the types of a CSV, arrives at Longhaul's: booleans are 0 and 1. Only the
time stays text to it: a date, since a hundred thousand different moments as strings would slow it for no purpose.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.commands.init import write_first_files
from pipeline.flights import collect

TIME, LABEL = "scheduled_departure", "late"
FLIGHTS_SCHEMA = Path(__file__).parent.parent / "schema" / "flights.pbtxt"
Parts = Callable[[], Iterator[tuple[str, pd.DataFrame]]]


def flights(work: Path, years: int, scale: float, kind: str) -> dict[str, Any]:
    """The flights of 2013, repeated for `years` years; the first two thirds of the months train.

    Args:
        scale: share of the rows that is taken.
        kind: "csv" or "parquet".

    Returns:
        `folder`, `rows` per split, `columns`, `eval_from` (a date in TIME) and `schema` (a file).
    """
    months = [f"{2013 + index // 12}-{1 + index % 12:02d}" for index in range(12 * years)]
    bound = len(months) * 2 // 3

    def parts() -> Iterator[tuple[str, pd.DataFrame]]:
        collect.build(work / "flights")
        for index, month in enumerate(months):
            file = work / "flights" / f"span-{month[-2:]}" / "flights.parquet"
            whole = pd.read_parquet(file, dtype_backend="numpy_nullable")
            rows = whole.iloc[np.arange(0, len(whole), 1 / scale).astype(int)]
            days = month + "-" + rows["day"].astype(str).str.zfill(2)
            whole_numbers = {name: "Int64" for name, dtype in rows.dtypes.items() if dtype == "boolean"}
            yield "train" if index < bound else "eval", rows.assign(**{TIME: days}).astype(whole_numbers)

    about = {"eval_from": f"{months[bound]}-01", "schema": str(FLIGHTS_SCHEMA)}
    return _write_once(work / f"flights-{years}x-{scale:g}", kind, parts) | about


def wide(work: Path, rows: int, columns: int) -> dict[str, Any]:
    """A table of many columns: of ten, eight are floats, a tenth of them missing, one integers and one words."""
    bound, name = rows * 2 // 3, f"wide-{rows}x{columns}"

    def parts() -> Iterator[tuple[str, pd.DataFrame]]:
        random = np.random.default_rng(0)
        words = np.array([f"word{i:02d}" for i in range(50)])
        days = np.where(np.arange(rows) < bound, "2000-01-01", "2000-01-02")
        table = {TIME: days, LABEL: random.integers(0, 2, rows)}
        for i in range(columns - len(table)):
            if i % 10 < 8:
                numbers = random.standard_normal(rows).round(3).astype(np.float32)
                table[f"float_{i:04d}"] = np.where(random.random(rows) < 0.1, np.float32("nan"), numbers)
            else:
                codes = random.integers(0, 50, rows)
                table[f"int_{i:04d}" if i % 10 == 8 else f"word_{i:04d}"] = codes if i % 10 == 8 else words[codes]
        whole = pd.DataFrame(table)
        yield "train", whole[:bound]
        yield "eval", whole[bound:]

    about = _write_once(work / name, "csv", parts)
    schema = work / "schema" / f"{name}.pbtxt"
    if not schema.exists():
        with redirect_stdout(io.StringIO()):
            write_first_files(about["folder"], LABEL, name, work, force=True)
    return about | {"eval_from": "2000-01-02", "schema": str(schema)}


def _write_once(folder: Path, kind: str, parts: Parts) -> dict[str, Any]:
    """Writes the (split, table) pairs of `parts()`, unless that was done before."""
    folder, record = folder / kind, folder / f"{kind}.json"
    if not record.exists():
        shutil.rmtree(folder, ignore_errors=True)  # of a call that was cut off
        folder.mkdir(parents=True)
        rows: dict[str, int] = {}
        for index, (split, table) in enumerate(parts()):
            if kind == "csv":
                table.to_csv(folder / f"{split}.csv", mode="a", header=split not in rows, index=False)
            else:
                table.to_parquet(folder / f"{split}.{index:03d}.parquet", index=False)
            rows[split] = rows.get(split, 0) + len(table)
        record.write_text(json.dumps({"rows": rows, "columns": table.shape[1]}))
    return {"folder": str(folder)} | json.loads(record.read_text())
