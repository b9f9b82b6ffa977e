"""A stock TFX pipeline before and after the one changed line of docs/extend/stock-pipeline.md, on the same files.

    python -m bench.stock_pipeline FOLDER WORK '{"steps": 200, "eval_steps": 10, ...}' [LAST COMPONENT]

The pipeline, FOLDER and the settings are those of `bench/stock.py`. It runs twice in this process: as it stands, then
with the classes of `pipeline.components` in the place of TFX's. Prints a line of JSON for each component and side, with
seconds of the clock and of the processor, and one with the sums.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path

import absl.logging
from tfx import v1 as tfx

import pipeline.components as ours
from bench import stock


class _Steps(logging.Handler):
    """Hears from TFX's log when LocalDagRunner begins and ends a component."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.side = ""
        self.spent: dict[str, dict[str, tuple[float, float]]] = {}
        self._began = (0.0, 0.0)

    def emit(self, record: logging.LogRecord) -> None:
        now = (time.monotonic(), time.process_time())
        if record.msg == "Component %s is running.":
            self._began = now
        elif record.msg == "Component %s is finished.":
            wall, cpu = (after - before for after, before in zip(now, self._began, strict=True))
            self.spent.setdefault(self.side, {})[str(record.args[0])] = (wall, cpu)  # type: ignore[index]
            told = {"side": self.side, "component": record.args[0], "wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}  # type: ignore[index]
            print(json.dumps(told), flush=True)


def main(folder: Path, work: Path, training: dict[str, object], last: str | None) -> None:
    """Run both, and print what each component took."""
    steps = _Steps()
    absl.logging.set_verbosity(absl.logging.INFO)
    absl.logging.get_absl_logger().addHandler(steps)
    for side in ("stock", "ours"):
        if side == "ours":
            for name in ours.__all__:
                setattr(tfx.components, name, getattr(ours, name))
        steps.side = side
        (work / side).mkdir(parents=True, exist_ok=True)
        tfx.orchestration.LocalDagRunner().run(stock.create_pipeline(folder, work / side, training, last))
    sums = {side: round(sum(cpu for _, cpu in of.values()), 1) for side, of in steps.spent.items()}
    print(json.dumps({"cpu_s": sums, "ratio": round(sums["ours"] / sums["stock"], 2)}))


if __name__ == "__main__":
    folder, work, training, *last = sys.argv[1:]
    main(Path(folder), Path(work), json.loads(training), *(last or [None]))
