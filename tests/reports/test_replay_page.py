"""The page of a replay: a scale beside its curves, and lists that fold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pipeline.reports.replay import lines, marks, render

YEAR: dict[str, Any] = json.loads(Path("examples/year/replay.json").read_text())


def test_round_values_stand_where_the_curves_have_them() -> None:
    found = marks(YEAR)
    assert [round(value, 6) for value, _ in found] == [-0.02, -0.01, 0.0]
    flat = next(one for one in lines(YEAR) if one.name == "never")
    assert f"{found[-1][1]:.1f}" == flat.points.split()[0].partition(",")[2], "0 is where nothing was trained"
    page = render(YEAR, "")
    for text in ("0.0000", "\N{MINUS SIGN}0.0100", "\N{MINUS SIGN}0.0200"):
        assert re.search(rf'<span style="top: [\d.]+%">{text}</span>', page)


def test_losses_that_are_all_alike_have_a_scale() -> None:
    policies = [one | {"curve": YEAR["never_curve"]} for one in YEAR["policies"]]
    assert [value for value, _ in marks(YEAR | {"policies": policies})] == [0.0]


def test_many_runs_of_a_policy_fold() -> None:
    page = render(YEAR, "")
    assert "38 times, from 2013-04-08 to 2013-12-23</summary>" in page
    assert page.count("</details>") == page.count("<details>") == 3
