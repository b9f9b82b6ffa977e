"""Which share of the processor time of `longhaul serve` is the log of requests?

    apt-get install wrk
    python -m bench.log_share workspace/serving/flights                         # bench/results/log-share.json

Two servers of one model are asked for the same rows in turns of a few seconds, so that what else the machine does meets
both. One of them logs every request.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from bench.against_mlserver import NAME, free_port, measured, prepared, start
from bench.serve import SERVER_CORE

_RESULT = Path(__file__).parent / "results" / "log-share.json"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints a line a case, and writes the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.log_share")
    parser.add_argument("model", type=Path, help="a folder of versions")
    parser.add_argument("--seconds", type=float, default=4, help="of a turn")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--output", type=Path, default=_RESULT)
    given = parser.parse_args(arguments)
    found: dict[str, Any] = {"seconds": given.seconds, "turns": given.turns}
    with ExitStack() as held:
        scratch, _, row = prepared(held, given.model)
        command = ["taskset", "-c", SERVER_CORE, sys.executable, "-u", "-m", "pipeline.cli", "serve"]
        servers = {}
        for name, its in {"logs": ["--log", str(scratch / "log")], "does not": []}.items():
            rest, grpc = free_port(), free_port()
            ports = ["--port", str(rest), "--grpc-port", str(grpc)]
            process = start(held, [*command, "--model", str(scratch / NAME), *ports, *its], rest)
            servers[name] = process, (rest, grpc)
        found["cases"] = measured(servers, row, given.seconds, given.turns, share_of)
    given.output.write_text(json.dumps(found, indent=1) + "\n")


def share_of(turns: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """What the log takes of what the server takes that keeps one."""
    shares = [1 - without / with_log for with_log, without in zip(*turns.values(), strict=True)]
    return {
        **{f"cpu_us_of_one_that_{server}": round(median(each), 1) for server, each in turns.items()},
        "share": round(median(shares), 3),
        "shares": [round(min(shares), 3), round(max(shares), 3)],
    }


if __name__ == "__main__":
    main()
