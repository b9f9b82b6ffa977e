"""Every kind of page in a real browser: axe finds nothing serious, and no table is cut without a hint."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.guard.findings import DataVerdict, Distances
from pipeline.lineage.runs import StepState
from pipeline.reports.front import write_front
from pipeline.reports.lineage.answer import draw
from pipeline.reports.lineage.page import write_lineage
from pipeline.reports.model_card import write_card
from pipeline.reports.page import collect, render
from pipeline.reports.replay import render as render_replay
from pipeline.reports.suspects import render as render_suspects
from pipeline.reports.what_now import Around
from tests.lineage.weeks import Weeks
from tests.reports import test_production as production
from tests.reports.odd import odd_runs
from tests.reports.suspects import SUSPECTS, SUSPECTS_FILE
from tests.reports.test_front import HOSTILE
from tests.reports.test_page import CURVES, ODD, complete_run, explain, rewrite, with_gate

pytestmark = pytest.mark.extra
SCHEMES = ("light", "dark")
UNFOLD = "for (const one of document.querySelectorAll('details')) one.open = true"
WIDTHS = (390, 1024, 1440, 1920)
AROUND = Around("17", None, ("20260101-000000-000", "2026-01-01T00:00:00+00:00", "x.html"), ("a line", "another"))


@pytest.fixture(scope="module")
def axe() -> str:
    import axe_playwright_python

    return Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of each kind, long names and wide tables among them."""
    tmp_path = tmp_path_factory.mktemp("pages")
    explained = explain(complete_run(tmp_path))
    moved = {
        f"column_{place}": Distances("l_infinity", 0.1, {str(span): 0.3 for span in range(40)}) for place in range(9)
    }
    gate = with_gate(explained, DataVerdict((ODD,), moved))
    made: dict[str, str] = {"good": render(collect(gate, around=AROUND))}
    stopped = replace(
        gate,
        status="blocked",
        reason="the data gate",
        artifacts={k: v for k, v in gate.artifacts.items() if k != "Evaluator"},
    )
    made["blocked"] = render(collect(stopped, around=AROUND))
    broken = [replace(step, state=StepState.FAILED) if step.node == "Trainer" else step for step in explained.steps]
    made["failed"] = render(
        collect(replace(explained, status="failed", reason="no memory", steps=broken), around=AROUND)
    )
    verdict = json.loads(Path(explained.artifacts["Evaluator"][0].uri, "verdict.json").read_text())
    bad = {"blessed": False, "failures": [f"log_loss is 0.5 {'very_long_name_' * 12}, may be at most 0.4"]}
    rewrite(explained, "ModelEvaluation", "verdict.json", verdict | bad)
    made["not-blessed"] = render(collect(explained, around=AROUND))
    for task in ("multiclass", "regression"):
        rewrite(explained, "ModelEvaluation", "curves.json", {"task": task, "challenger": CURVES[task]})
        made[task] = render(collect(explained))
    made["suspects"] = render_suspects(SUSPECTS, SUSPECTS_FILE)
    files = {kind: tmp_path / f"{kind}.html" for kind in made}
    for kind, html in made.items():
        files[kind].write_text(html)
    for place, (name, odd) in enumerate(odd_runs(tmp_path / "odd").items()):
        files[name] = tmp_path / f"odd-{place}.html"
        files[name].write_text(render(collect(odd)))
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1, auc=0.7, intervals={"auc": (0.65, 0.75)})
    weeks.week(2, auc=0.5, blessed=False)
    weeks.failed(3, "the disk is full")
    files["front"] = write_front(weeks.config)
    files["lineage"] = write_lineage(draw(weeks.config, weeks.run_id(1)), tmp_path / "lineage.html")
    files["card"] = write_card(explained, tmp_path / "card.html")
    name = f"{'a_long_name_' * 12}{HOSTILE}"
    windows = [*(production.verdict(k) for k in range(50)), production.bad(50, name)]
    alarms = [
        production.alarm(evidence=name, key=f"harmful:{name}"),
        production.alarm(key="log_gap", severity="ticket"),
    ]
    times = [production.served("6", windows[0], windows[9]), production.served("7", windows[10], windows[50], "canary")]
    year = render_replay(json.loads(Path("examples/year/replay.json").read_text()), "index.html")
    for kind, html in (("production", production.page(windows, alarms, times)), ("replay", year)):
        files[kind] = tmp_path / f"{kind}.html"
        files[kind].write_text(html)
    return files


def look_in(kind: str, page: Any) -> None:
    """Open all that can be: of the page of what serves the newest window, of the front page a comparison, too."""
    page.evaluate(UNFOLD)
    if kind == "front":
        for box in page.query_selector_all(".pick input"):
            box.check()
    if kind == "production" and page.locator("#look").is_hidden():
        page.locator("#windows tbody a").first.click()
        page.wait_for_selector("#looked table")


@pytest.fixture
def shown(chromium: Any) -> Iterator[Callable[..., Any]]:
    opened = []

    def show(file: Path, width: int = 1440, **settings: Any) -> Any:
        page = chromium.new_page(viewport={"width": width, "height": 900}, **settings)
        opened.append(page)
        page.goto(file.as_uri())
        return page

    yield show
    for page in opened:
        page.close()


def test_axe_finds_nothing_serious_on_any_page(pages: dict[str, Path], shown: Callable[..., Any], axe: str) -> None:
    for scheme, width in (("light", 1440), ("dark", 390)):
        page = shown(pages["good"], width, color_scheme=scheme)  # one for all: each new one is a process
        for kind, file in pages.items():
            page.goto(file.as_uri())
            look_in(kind, page)
            found = page.evaluate(f"{axe}; axe.run({{resultTypes: ['violations']}}).then(found => found.violations)")
            told = [(one["impact"], one["id"], one["nodes"][0]["html"]) for one in found]
            assert [one for one in told if one[0] in ("serious", "critical")] == [], (kind, scheme, width)


def test_a_table_that_is_cut_says_so_and_the_page_is_as_wide_as_the_window(
    pages: dict[str, Path], shown: Callable[..., Any]
) -> None:
    cut, page = 0, shown(pages["good"])
    for kind, file in pages.items():
        page.goto(file.as_uri())
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            look_in(kind, page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (kind, width)
            for table in page.query_selector_all(".wide"):
                if table.evaluate("table => table.clientHeight && table.scrollWidth > table.clientWidth + 8"):
                    cut += 1
                    assert darker_at_the_edge(table.screenshot()) > 0.9, (
                        kind,
                        width,
                        table.get_attribute("aria-label"),
                    )
    assert cut


def test_names_of_rows_are_read_as_words(pages: dict[str, Path], shown: Callable[..., Any]) -> None:
    """A short name of a wide table was a letter a line."""
    narrow = "one.offsetWidth < 90"
    lines = "new Set([...at.getClientRects()].map(line => line.top)).size"
    broken = (
        f"(at => (at.selectNodeContents(one), {lines}))(document.createRange()) > one.innerText.split(/\\s+/).length"
    )
    for kind, width, names, wrong in (
        ("good", 1024, "tbody th .name", narrow),
        ("replay", 390, "tbody th:first-child", broken),
    ):
        page = shown(pages[kind], width)
        page.evaluate(UNFOLD)
        found = f"all => all.filter(one => one.offsetHeight && {wrong}).map(one => one.outerHTML)"
        assert page.eval_on_selector_all(names, found) == [], kind
    assert "weekly \N{MINUS SIGN}0.0283" in page.inner_text("#curves")


def test_no_line_ends_within_a_date_an_id_or_an_option(pages: dict[str, Path], shown: Callable[..., Any]) -> None:
    """Spans stood in the table of runs as 2025- / 01-01 / to / 2025- / 07-01, commands as -- / html."""
    seen = 0
    for kind in ("good", "failed", "front", "production"):
        for width in (390, 1024):
            page = shown(pages[kind], width)
            page.evaluate(UNFOLD)
            lines = """all => all.filter(one => one.offsetHeight).map(one => [one.innerText, one.offsetHeight,
                parseFloat(getComputedStyle(one).lineHeight)])"""
            words = page.eval_on_selector_all(".word", lines)
            seen += len(words)
            assert [text for text, height, line in words if height > 1.5 * line and len(text) < 30] == [], kind
            spans = page.eval_on_selector_all(
                "td[data-label='Spans'] > span", lines
            )  # a card had 1 / to / 5 below each other
            assert [text for text, height, line in spans if height > 2 * line] == [], (kind, width)
            page.close()
    assert seen


def test_a_long_name_in_a_headline_breaks_after_its_underscores(
    pages: dict[str, Path], shown: Callable[..., Any]
) -> None:
    """It broke anywhere: very_long_name_ver / y_long_name."""
    last_of_each_line = """() => {
        const walk = document.createTreeWalker(document.querySelector(".reason"), NodeFilter.SHOW_TEXT), ends = [];
        for (let top, before; walk.nextNode(); ) for (let at = 0; at < walk.currentNode.length; at++) {
            const one = document.createRange();
            one.setStart(walk.currentNode, at), one.setEnd(walk.currentNode, at + 1);
            const box = one.getClientRects()[0];
            if (box && top !== undefined && box.top > top + 4) ends.push(before);
            if (box) top = box.top;
            before = walk.currentNode.data[at];
        }
        return ends;
    }"""
    ends = shown(pages["not-blessed"], 390).evaluate(last_of_each_line)
    assert len(ends) > 3
    assert set(ends) <= {" ", "_"}


def test_names_of_values_do_not_run_into_them_on_a_phone(pages: dict[str, Path], shown: Callable[..., Any]) -> None:
    wraps = """all => all.filter(one => one.offsetHeight).map(one => getComputedStyle(one, "::before"))
        .map(style => `${style.whiteSpace} ${style.overflowWrap}`)"""
    for kind in ("good", "front", "production"):
        page = shown(pages[kind], 390)
        page.evaluate(UNFOLD)
        assert set(page.eval_on_selector_all("td[data-label]:not([data-label=''])", wraps)) == {"normal anywhere"}, kind


def darker_at_the_edge(picture: bytes) -> float:
    """The share of the pixels just inside the right edge that are not paper."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("L")
    edge = [image.getpixel((image.width - 3, row)) for row in range(2, image.height - 2)]
    return sum(pixel < 240 for pixel in edge) / len(edge)


def test_wide_tables_take_the_window(pages: dict[str, Path], shown: Callable[..., Any]) -> None:
    page = shown(pages["good"], 1920)
    assert page.evaluate("document.querySelector('main').clientWidth") > 1500


def test_the_menu_stays_and_unfolds_what_it_leads_to(pages: dict[str, Path], shown: Callable[..., Any]) -> None:
    page = shown(pages["good"], 390)
    folded = "one => !one.querySelector('.fold').open"
    assert page.locator("#provenance").evaluate(folded)
    page.evaluate("scrollTo(0, 1500)")
    assert page.locator("nav").bounding_box()["y"] == 0
    page.click("nav a[href='#provenance']")
    assert not page.locator("#provenance").evaluate(folded)
    assert page.locator("nav a[href='#columns'] small").inner_text() == "4"


def test_on_a_phone_rows_are_cards_and_first_columns_stay(pages: dict[str, Path], shown: Callable[..., Any]) -> None:
    page = shown(pages["blocked"], 390)
    detail = page.locator("#anomalies td[data-label='In detail']").first.bounding_box()
    assert detail["x"] + detail["width"] <= 390
    assert page.locator(".now dd").first.bounding_box()["width"] > 250
    page = shown(pages["good"], 390)
    page.click("nav a[href='#drift']")
    name = page.locator("#drift tbody th").first
    before = name.bounding_box()["x"]
    page.locator("#drift .wide").evaluate("table => table.scrollTo(300, 0)")
    assert name.bounding_box()["x"] == before


def test_what_is_folded_is_printed(pages: dict[str, Path], shown: Callable[..., Any]) -> None:
    page = shown(pages["good"], 390)
    page.emulate_media(media="print")
    assert page.locator("#provenance dl").is_visible()
    assert not page.locator("nav").is_visible()
