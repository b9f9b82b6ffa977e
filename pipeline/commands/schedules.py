"""Schedules on Vertex AI Pipelines as tables on the terminal."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.table import Table

from pipeline.commands.vertex import compile_quietly, put_on_record, vertex_of
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.place import Place
from pipeline.errors import JobError
from pipeline.terminal.console import console_for


def create_schedule(config: PipelineConfig, cron: str, at_most: int | None) -> None:
    """Have the pipeline run on Vertex AI by the clock."""
    console = console_for(sys.stdout)
    vertex = vertex_of(config)
    if len(cron.split()[cron.startswith(("TZ=", "CRON_TZ=")) :]) != 5:
        raise JobError(
            f"--cron: {cron!r} is no schedule", "give five fields, such as '0 3 * * 1' or 'TZ=Asia/Tokyo 0 3 * * *'"
        )
    from pipeline.runners.vertex.service import Service

    service = Service(vertex)
    compiled = compile_quietly(config, console)
    service.look_for_bucket()
    put_on_record(compiled, console)
    made = service.create_schedule(compiled.job, config.name, cron, at_most)
    console.print(f"Created   {made.name}, next at {_time(made.next_run_time)}", soft_wrap=True)


def print_schedules(place: Place, as_json: bool) -> None:
    """Print the schedules of a pipeline, the newest first."""
    vertex = vertex_of(place)
    from pipeline.runners.vertex.service import Service

    _print(
        [
            {
                "schedule": schedule.name.rpartition("/")[2],
                "state": schedule.state.name.lower(),
                "cron": schedule.cron,
                "next": _time(schedule.next_run_time) if schedule.state.name == "ACTIVE" else "",
                "runs": int(schedule.started_run_count),
            }
            for schedule in Service(vertex).list_schedules(place.name)
        ],
        as_json,
    )


def change_schedule(place: Place, what: str, schedule_id: str) -> None:
    """Pause, resume or delete a schedule."""
    vertex = vertex_of(place)
    from pipeline.runners.vertex.service import Service

    Service(vertex).change_schedule(what, schedule_id)
    console_for(sys.stdout).print(f"{what}d {schedule_id}", soft_wrap=True)


def _time(moment: Any) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else ""


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    console = console_for(sys.stdout)
    if as_json:
        console.print_json(json.dumps(rows))
        return
    if not rows:
        console.print("none yet")
        return
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(
            *(
                "" if value is None else f"{value:.0f}" if isinstance(value, float) else str(value)
                for value in row.values()
            )
        )
    console.print(table)
