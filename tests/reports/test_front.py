"""The front page of a workspace: what it tells, when it is written anew, and what a real browser does with it."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.commands.housekeeping import collect_garbage, pin
from pipeline.commands.open_page import open_in_browser, page_to_open
from pipeline.errors import PipelineError
from pipeline.guard.findings import DataVerdict, Finding
from pipeline.lineage.summary import list_summaries
from pipeline.reports.front import collect, render, write_front
from pipeline.reports.front_charts import chart
from pipeline.reports.front_settings import differing_settings
from pipeline.reports.page_places import front_path
from pipeline.reports.rendering import safe_json
from tests.lineage.weeks import Weeks, cats

HOSTILE = "</script><img src=x onerror=alert(1)>{{ 7*7 }}\u2028"


@pytest.fixture
def weeks(tmp_path: Path) -> Weeks:
    """A good run, one that is not blessed, one that failed, one that changed nothing."""
    found = Weeks(tmp_path / "workspace")
    config = found.config.model_dump(mode="json", by_alias=True)
    other = config | {"split": {"by": "time"}}
    found.week(1, auc=0.7, intervals={"auc": (0.65, 0.75)}, properties={"config": json.dumps(config)})
    found.week(2, auc=0.5, blessed=False, dropout=0.1, properties={"config": json.dumps(other)})
    found.failed(3, f"the disk is full {HOSTILE}")
    return found


class Reader(HTMLParser):
    """The page's links, its data, and its text; complains of elements that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.data: dict[str, Any] = {}
        self._open: list[str] = []
        self.feed(html.replace("<wbr>", ""))
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"] or "")
        if tag not in ("meta", "input"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        if inside == "script" and not self.data:
            self.data = json.loads(data)
        elif inside not in ("script", "style"):
            self.text += f"{data} "


def front(weeks: Weeks) -> Reader:
    return Reader(render(collect(weeks.config, list_summaries(weeks.store, "cats"))))


def test_it_says_what_serves_what_was_good_and_why_the_others_were_not(weeks: Weeks) -> None:
    page = front(weeks)
    said = " ".join(page.text.split())
    assert "Version 1001 serves" in said
    assert "Last run ✗ failed , 20260103-000000-000 , 2026-01-03 00:00 UTC the disk is full </script><img" in said
    assert "Last good run 20260101-000000-000 , 2026-01-01 00:00 UTC" in said
    assert "✗ not blessed auc is 0.5, needs at least 0.6" in said
    assert "auc , needs at least 0.6; last 0.5000" in said
    assert {"20260101-000000-000.html", "20260103-000000-000.html"} <= set(page.links)


def test_all_reasons_of_a_stopped_run_are_there_and_all_but_the_first_are_folded(weeks: Weeks) -> None:
    lines = [f"column_{place}: gone {HOSTILE}" for place in range(4)]
    weeks.failed(4, "\n".join(lines))
    page = front(weeks)
    for line in lines:
        assert page.text.count(line.split(":", 1)[0]) == 2  # on top, and in the line of the run
    assert page.text.count("and 3 more") == page.tags.count("details") == 2


def test_the_remedy_of_a_failed_run_is_not_folded(weeks: Weeks) -> None:
    weeks.failed(4, "the disk is full\n  Remedy: free it, then `longhaul run`")
    page = front(weeks)
    assert page.text.count("Remedy: free it") == 2
    assert "details" not in page.tags


def test_a_page_with_many_reasons_says_that_there_are_more(weeks: Weeks) -> None:
    finding = Finding("empty_span", None, "span 4", "check: empty_span", "rows with a label", "none")
    weeks.failed(4, DataVerdict(tuple(replace(finding, split=f"span {n}") for n in range(25))).reason())
    assert front(weeks).text.count("and 5 more, on the page of the run") == 2


def test_links_lead_to_pages_that_are_there(weeks: Weeks) -> None:
    folder = front_path(weeks.config.root).parent
    (folder / "20260102-000000-000.html").unlink()
    for name in ("20260101-000000-000-card.md", "20260101-000000-000-lineage.html", "production.html"):
        (folder / name).touch()
    page = front(weeks)
    assert all((folder / link).is_file() for link in page.links if not link.startswith("#"))
    assert set(page.links) >= {f"20260101-000000-000{end}" for end in (".html", "-card.md", "-lineage.html")}
    assert "production.html" in page.links


def test_a_run_that_repeats_one_has_the_page_of_that_one(weeks: Weeks) -> None:
    weeks.week(4, properties={"repeats": weeks.run_id(1)})
    (front_path(weeks.config.root).parent / f"{weeks.run_id(4)}.html").unlink()
    page = front(weeks)
    assert "nothing had changed since 20260101-000000-000" in page.text
    (drawn,) = collect(weeks.config, list_summaries(weeks.store, "cats")).charts
    assert [point.run.listed.run.run_id for point in drawn.points] == [weeks.run_id(1), weeks.run_id(2)]


def test_the_chart_has_intervals_and_a_band_where_a_model_is_not_blessed(weeks: Weeks) -> None:
    runs = collect(weeks.config, list_summaries(weeks.store, "cats")).runs
    drawn = chart("auc", runs, weeks.config.evaluation.thresholds["auc"])
    (band,) = drawn.bands
    good, bad = drawn.points
    assert good.y < band.edge < bad.y  # from the top
    assert good.reach is not None
    assert good.reach[0] < good.y < good.reach[1]
    assert bad.reach is None
    assert (band.top, band.top + band.height) == (band.edge, 100)
    assert drawn.scale == (0.5, 0.75)
    empty = chart("auc", [], weeks.config.evaluation.thresholds["auc"])
    assert empty.points == []
    assert empty.scale == pytest.approx((0.1, 1.1))  # a lone bound in the middle


def test_settings_that_differ_are_packed_by_value(weeks: Weeks) -> None:
    found = differing_settings(list_summaries(weeks.store, "cats"))  # the newest first: failed, not blessed, good
    assert found["trainer.dropout"] == {"values": ["0.1", "0.4"], "of": [-1, 0, 1]}
    assert found["split.by"] == {"values": ["time", "hash"], "of": [-1, 0, 1]}
    assert "data.label" not in found


@settings(max_examples=30, deadline=None)
@given(st.recursive(st.none() | st.text() | st.floats(allow_nan=False), lambda kids: st.dictionaries(st.text(), kids)))
def test_data_of_any_kind_stay_data(value: Any) -> None:
    text = safe_json({"it": value, "hostile": HOSTILE})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"it": value, "hostile": HOSTILE}


def test_nothing_of_a_user_becomes_markup(weeks: Weeks) -> None:
    plain = front(weeks)
    weeks.week(5, properties={"config": json.dumps({HOSTILE: HOSTILE}), "schema_version": HOSTILE})
    (front_path(weeks.config.root).parent / f"{'<img src=x>'}.html").touch()
    page = front(weeks)
    assert set(page.tags) == set(plain.tags)
    assert page.tags.count("script") == 2
    assert page.data["settings"][HOSTILE]["values"] == [HOSTILE]


def test_the_box_to_find_names_a_metric_of_this_pipeline(tmp_path: Path) -> None:
    """`auc` means nothing where runs are judged by rmse."""
    weeks = Weeks(tmp_path / "workspace", evaluation={"thresholds": {"log_loss": {"at_most": 0.6}}})
    weeks.week(1)
    shown = collect(weeks.config, list_summaries(weeks.store, "cats"))
    assert 'placeholder="words, or log_loss&gt;0.7"' in render(shown)


def test_an_empty_workspace_has_a_page(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "workspace")
    said = front(weeks).text
    assert "No model serves" in said
    assert "longhaul run" in " ".join(said.split())


def test_commands_that_change_something_write_it_anew(weeks: Weeks) -> None:
    page = front_path(weeks.config.root)
    pin(weeks.config, weeks.run_id(1), on=True)
    assert "pinned" in Reader(page.read_text()).text
    page.unlink()
    collect_garbage(weeks.config, 1, None, apply=False)
    assert not page.exists()
    collect_garbage(weeks.config, 1, None, apply=True)
    assert page.exists()


def test_what_cannot_be_written_stops_no_command(weeks: Weeks) -> None:
    front_path(weeks.config.root).mkdir()
    assert weeks.run_id(1) in pin(weeks.config, weeks.run_id(1), on=True)
    with pytest.raises(PipelineError, match="front page"):
        write_front(weeks.config)


def test_open_writes_what_is_missing_and_needs_a_terminal(weeks: Weeks, monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_to_open(weeks.config, None)
    assert page == front_path(weeks.config.root)
    assert page.is_file()
    report = front_path(weeks.config.root).with_name(f"{weeks.run_id(3)}.html")
    report.unlink()
    assert page_to_open(weeks.config, "latest") == report
    assert report.is_file()
    monkeypatch.setenv("BROWSER", "false")
    assert not open_in_browser(page)  # standard output is no terminal here
    with pytest.raises(PipelineError, match="no run"):
        page_to_open(weeks.config, "20300101-000000-000")
    with pytest.raises(PipelineError, match="nothing has run"):
        page_to_open(cats(weeks.config.root / "elsewhere"), None)


# A real browser


@pytest.mark.extra
def test_runs_are_found_and_compared_in_a_browser(weeks: Weeks, chromium: Any) -> None:
    weeks.week(4, auc=0.9, intervals={"auc": (0.89, 0.91)})
    page = chromium.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(write_front(weeks.config).as_uri())

    def shown() -> list[str]:
        links = page.query_selector_all(".runs th[scope=row] a")
        return [link.inner_text() for link in links if link.is_visible()]

    page.fill("#find", "disk full")
    assert shown() == [weeks.run_id(3)]
    page.fill("#find", "auc>=0.7")
    assert shown() == [weeks.run_id(4), weeks.run_id(1)]
    page.fill("#find", "")
    page.click("#outcomes button:has-text('not blessed')")
    assert shown() == [weeks.run_id(2)]
    page.click("#outcomes button:has-text('not blessed')")
    assert not page.is_visible("#compare")
    page.check(f"input[aria-label='Compare run {weeks.run_id(1)}']")
    page.check(f"input[aria-label='Compare run {weeks.run_id(4)}']")
    found = page.query_selector_all("#compared tbody tr")
    rows = {row.query_selector("th").inner_text(): row.inner_text() for row in found}
    # Of independent intervals: 0.2 and the root of 0.05² and 0.01².
    assert "+0.2000 (+0.1490 to +0.2510)" in rows["auc"]
    assert "beyond chance" in rows["auc"]
    page.check(f"input[aria-label='Compare run {weeks.run_id(2)}']")
    assert page.locator("#compared thead th").count() == 4
    assert "time" in page.inner_text("#compared tr:has-text('split.by')")
    page.click("#clear")
    assert not page.is_visible("#compare")
    assert said == []
    page.close()


@pytest.mark.extra
def test_a_difference_is_that_on_the_same_rows_and_judged_metrics_come_first(weeks: Weeks, chromium: Any) -> None:
    """It was that of two figures on other rows, beside an interval that did not hold it."""
    weeks.week(4, auc=0.9, intervals={"auc": (0.89, 0.91)})
    file = write_front(weeks.config)
    html = file.read_text()
    known = Reader(html).data
    newest = known["runs"][0]
    newest |= {"champion": weeks.run_id(1), "differences": {"auc": [-0.01, 0.03]}, "rows": 99}
    file.write_text(html.replace(safe_json(Reader(html).data), safe_json(known)))
    page = chromium.new_page(viewport={"width": 390, "height": 900})
    page.goto(file.as_uri())
    for number in (1, 4):
        page.check(f"input[aria-label='Compare run {weeks.run_id(number)}']")
    names = page.locator("#compared tbody th").all_inner_texts()
    assert (names[0], "example_count" in names) == ("auc", False)
    cell = page.locator("#compared td").nth(1)
    assert "+0.0100 (\N{MINUS SIGN}0.0100 to +0.0300)" in " ".join(cell.inner_text().split())
    assert "on the rows of the run that was compared" in page.inner_text("#compare-note")
    assert cell.bounding_box()["x"] + cell.bounding_box()["width"] <= 390
    assert cell.get_attribute("data-label") == weeks.run_id(4)
    newest["rows"] = next(one["rows"] for one in known["runs"] if one["id"] == weeks.run_id(1))
    file.write_text(html.replace(safe_json(Reader(html).data), safe_json(known)))
    page.goto(file.as_uri())
    for number in (1, 4):
        page.check(f"input[aria-label='Compare run {weeks.run_id(number)}']")
    figures = "on the same rows the difference is that of the figures"
    assert "+0.2000 (\N{MINUS SIGN}0.0100 to +0.0300)" in page.inner_text("#compared"), figures
    page.close()
