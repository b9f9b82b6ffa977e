"""Whether the dashboard and the alerting rules ask for metrics that the product exposes."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from pipeline.serving.server import metrics as served
from pipeline.serving.server.refusal import Code
from pipeline.watch.alarms import Alarm
from pipeline.watch.metrics import metrics_text
from tests.reports.test_production import verdict

DEPLOY = Path(__file__).parents[2] / "deploy" / "watch"
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana.json").read_text())
NAME = re.compile(r"(?<![\w:])(?:longhaul_\w+|:tensorflow:\w+:\w+)")


def exposed() -> set[str]:
    """Return the names of all series that `longhaul watch` and `longhaul serve` write."""
    alarm = Alarm("a", "harmful", "page", "7", "", "", "")
    served.record("toys", "Predict", "REST", Code.OK, 0.01, 3)
    served.record_logged("toys", 1, 1)
    served.VERSION.labels("toys").set(7)
    lines = [*metrics_text("toys", [verdict(0)], [alarm]).splitlines(), *served.page().decode().splitlines()]
    return {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}


def asked(expression: str) -> set[str]:
    return set(NAME.findall(re.sub(r'"[^"]*"', "", expression)))


def test_the_dashboard_asks_for_series_that_are_exposed() -> None:
    targets = {target["expr"] for panel in BOARD["panels"] for target in panel["targets"]}
    variables = {one["definition"] for one in BOARD["templating"]["list"] if one["type"] == "query"}
    names = {name for expression in targets | variables for name in asked(expression)}
    assert len(names) > 12
    assert names - exposed() == set()
    assert {one for one in exposed() if one.startswith("longhaul_")} - names == set()  # and shows all of ours


def test_the_rules_ask_for_series_that_are_exposed() -> None:
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())
    names = {name for group in rules["groups"] for rule in group["rules"] for name in asked(rule["expr"])}
    assert names
    assert names - exposed() == set()


def test_the_panels_lie_beside_each_other_and_have_a_source_that_one_chooses() -> None:
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(one["datasource"]["uid"] == "${datasource}" for panel in panels for one in (panel, *panel["targets"]))
    boxes = [tuple(panel["gridPos"][side] for side in ("x", "y", "w", "h")) for panel in panels]
    assert all(x + w <= 24 for x, _, w, _ in boxes)
    for (x, y, w, h), (a, b, c, d) in combinations(boxes, 2):
        assert x + w <= a or a + c <= x or y + h <= b or b + d <= y
