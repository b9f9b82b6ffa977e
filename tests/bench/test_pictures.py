"""README's pictures and its time of `make run` are of this program: what they were made of is compared with today's."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from bench.diagrams import ROOMS, WORDS, draw_chain, draw_rooms, rooms, steps_of
from bench.pictures import MADE_OF, PICTURES, ROOT, asked_of, readme_row
from pipeline.config.loading import load

AGAIN = "they are old: `make run` in an empty workspace, then `make pictures`"


@pytest.fixture(scope="module")
def made_of() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(MADE_OF.read_text())
    return found


@pytest.fixture(scope="module")
def steps() -> dict[str, list[str]]:
    return steps_of(load())


def said(name: str) -> str:
    """The words of an SVG."""
    return html.unescape(re.sub(r"<[^>]+>", " ", (PICTURES / name).read_text())).replace("\N{NO-BREAK SPACE}", " ")


def test_the_chain_is_the_one_that_is_defined(steps: dict[str, list[str]]) -> None:
    assert steps.keys() <= WORDS.keys()
    assert (PICTURES / "chain.svg").read_text() == draw_chain(steps), AGAIN


def test_the_rooms_are_those_of_todays_imports() -> None:
    found = rooms()
    assert found.keys() <= ROOMS.keys()
    assert {"cli", "files", "trainer", "schema"} <= found.keys()
    assert "commands" in found["terminal"]
    assert (PICTURES / "rooms.svg").read_text() == draw_rooms(found), "they are old: `make pictures`, without a run too"


def test_an_arrow_that_is_new_makes_the_rooms_old() -> None:
    found = rooms()
    assert draw_rooms(found | {"schema": ["guard"]}) != draw_rooms(found)


def test_a_step_that_is_new_makes_the_chain_old(steps: dict[str, list[str]]) -> None:
    without = {node: [need for need in needs if need != "InfraCheck"] for node, needs in steps.items()}
    without.pop("InfraCheck")
    assert draw_chain(without) != draw_chain(steps)


def test_the_run_is_one_of_these_steps_judged_by_these_rules(
    made_of: dict[str, Any], steps: dict[str, list[str]]
) -> None:
    look_ups = {"SeenSpans", "Champion", "BaseModel"}
    assert sorted(made_of["steps"]) == sorted(steps.keys() - look_ups), AGAIN
    assert {key: made_of[key] for key in ("thresholds", "gaps", "slices")} == asked_of(load()), AGAIN
    shown = said("run.svg")
    assert [step for step in made_of["steps"] if step not in shown] == []
    for metric, bounds in made_of["thresholds"].items():
        assert f"{made_of['metrics'][metric]:.4f}" in shown
        assert all(f"{bounds[key]:g}" in shown for key in ("at_least", "at_most") if bounds[key] is not None)


def test_the_run_names_no_machine(made_of: dict[str, Any]) -> None:
    assert not re.search(r"(?<![\w.])/(?:home|work|root|tmp|Users)/", said("run.svg"))


def test_readme_says_the_time_of_that_run_and_no_other(made_of: dict[str, Any]) -> None:
    text = (ROOT / "README.md").read_text()
    assert readme_row(made_of) in text, "run `make pictures`"
    assert len(re.findall(r"(?m)^\| the flights, from tables to pushed model \|", text)) == 1


def test_readmes_comparison_with_stock_tfx_is_what_was_measured() -> None:
    ratios = json.loads((ROOT / "bench/results/1x.json").read_text())["ratios"]
    table = dict(re.findall(r"(?m)^\| ([^|]+) \| [^|]+ \| [^|]+ \| ([\d.]+)[^|]*\|$", (ROOT / "README.md").read_text()))
    rows = {"ingestion": "ingestion", "statistics": "statistics", "Transform": "Transform", "Evaluator": "Evaluator"}
    for row, stage in rows.items():
        middle = sorted(ratios[stage]["wall_s"])[len(ratios[stage]["wall_s"]) // 2]
        assert float(table[row]) == pytest.approx(middle, abs=0.006), row
