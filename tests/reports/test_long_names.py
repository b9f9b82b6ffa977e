"""Names as long as they come, in a real browser: nothing is wider than the window, and no table is a void."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.reports.feature_effects import effects_of
from pipeline.reports.model_card import write_card
from pipeline.reports.next_steps import NextStep
from pipeline.reports.page import collect, render
from tests.reports.odd import LONG
from tests.reports.test_page import EXPLAINED, VERDICT, complete_run, explain, rewrite

pytestmark = pytest.mark.extra
VALUE = "x" * 300
TIMES = (1_735_689_600, 1_742_248_680)


def cell(**of: Any) -> dict[str, Any]:
    return {"rows": 50, "effect": 0.1, "predicted": 0.4, "true": 0.5, "low": 0.3, "high": 0.7, "off": False} | of


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("long")
    run = explain(complete_run(folder))
    verdict = VERDICT | EXPLAINED
    verdict |= {"metrics": verdict["metrics"] | {"expected_calibration_error": 0.1}}
    rewrite(run, "ModelEvaluation", "verdict.json", verdict)
    of_text = [cell(text=text, begin=None) for text in (VALUE, "b")]
    of_time = [cell(begin=begin, end=begin + 600_000) for begin in TIMES]
    effects = {
        "of": "yes", "scored": 100, "rows": 100, "mean": 0.4,
        "features": [
            {"name": LONG, "kind": "categorical", "missing": None, "cells": of_text},
            {"name": "seen_at", "kind": "timestamp", "missing": None, "cells": of_time},
        ],
    }  # fmt: skip
    steps = [
        NextStep("Few rows judge", "140 rows", "judge on more", "longhaul rejudge latest --table FILE"),
        NextStep("Not needed", f"2 features: speed, {LONG}", "leave them out", f"longhaul drop --exclude {LONG}"),
    ]
    page = collect(run)
    why = replace(page.why, effects=effects_of({"effects": effects}), next_steps=steps)
    found = {"report": folder / "report.html", "card": write_card(run, folder / "card.html")}
    found["report"].write_text(render(replace(page, why=why)))
    return found


def shown(chromium: Any, file: Path, width: int) -> Any:
    page = chromium.new_page(viewport={"width": width, "height": 900})
    page.goto(file.as_uri())
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    return page


def test_the_page_is_as_wide_as_the_window_and_no_row_is_a_void(chromium: Any, files: dict[str, Path]) -> None:
    for width in (390, 1440):
        page = shown(chromium, files["report"], width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        low = page.eval_on_selector_all("#next tbody tr", "rows => rows.map(row => row.offsetHeight)")
        assert max(low) < 700
        captions = "all => all.map(one => one.getBoundingClientRect()).filter(at => at.width).map(at => at.right)"
        assert max(page.eval_on_selector_all("caption", captions)) <= width, (
            "a caption is read without moving its table"
        )
        page.close()


def test_the_ends_of_an_axis_do_not_touch(chromium: Any, files: dict[str, Path]) -> None:
    page = shown(chromium, files["report"], 1440)
    apart = """all => all.map(one => [...one.children].map(end => end.getBoundingClientRect()))
        .map(([left, right]) => right.left - left.right)"""
    assert min(page.eval_on_selector_all("#importance .axes.ends", apart)) >= 8
    page.close()


def test_names_break_after_underscores(chromium: Any, files: dict[str, Path]) -> None:
    """`expected_calibration_err/or` stood on the card."""
    for kind, width in (("card", 1440), ("card", 390), ("report", 390)):
        page = shown(chromium, files[kind], width)
        broken = """all => all.filter(one => one.offsetHeight).flatMap(one => [...one.childNodes])
            .filter(one => one.nodeType === 3 && /^\\w{1,60}$/.test(one.data)).filter(one => {
                const at = document.createRange();
                at.selectNodeContents(one);
                return at.getClientRects().length > 1;
            }).map(one => one.data)"""
        assert page.eval_on_selector_all(".name", broken) == [], (kind, width)
        page.close()
