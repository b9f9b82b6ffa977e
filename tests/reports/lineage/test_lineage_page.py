"""The lineage page: what it holds, and what a real browser makes of it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench.many_runs import fill
from pipeline.config.loading import load
from pipeline.errors import PipelineError, WorkspaceError
from pipeline.lineage.states import StepState
from pipeline.reports.lineage.answer import draw, draw_runs
from pipeline.reports.lineage.drawing import Drawing
from pipeline.reports.lineage.page import render, write_lineage
from tests.lineage.story import MONDAY, TUESDAY, WEDNESDAY, Story, tell

HOSTILE = "</script><img src=x onerror=\"document.title='mine'\"><!--\u2028{{ 7 * 7 }}"
OPEN_S = 2.0
"""What a page of 200 runs may take to open."""


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return tell(tmp_path)


class Reader(HTMLParser):
    """The texts of a page's scripts, and that of the rest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.text = ""
        self._in = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts[-1] += data
        elif self._in != "style":
            self.text += f"{data} "


def data_of(html: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Reader(html).scripts[0])
    return found


def hostile(drawing: Drawing) -> Drawing:
    """The same, with names that would break a careless page."""
    steps = {n: replace(step, node=HOSTILE) for n, step in drawing.graph.steps.items()}
    artifacts = {
        n: replace(a, uri=f"/{HOSTILE}", properties=a.properties | {HOSTILE: HOSTILE})
        for n, a in drawing.graph.artifacts.items()
    }
    runs = tuple(replace(run, reason=HOSTILE) for run in drawing.runs)
    graph = replace(drawing.graph, steps=steps, artifacts=artifacts)
    return replace(drawing, title=HOSTILE, graph=graph, runs=runs, timeline=None)


def test_every_step_and_artifact_of_a_run_has_a_place_and_properties(story: Story) -> None:
    data = data_of(render(draw(story.config, TUESDAY)))
    (view,) = data["views"]
    trainer, model = f"s{story.ids['tuesday Trainer']}", f"a{story.ids['tuesday Model']}"
    examples = f"a{story.ids['monday Examples']}"
    files = f"f{story.ids['monday Examples']}"
    assert {name for name in view["at"] if name[0] == "s"} == {
        f"s{story.ids[f'tuesday {node}']}"
        for node in ("CuratedSchema", "TableExampleGen", "StatisticsGen", "Trainer", "Evaluator", "Pusher")
    }
    across = {name: x for name, (x, _) in view["at"].items()}
    assert across[files] < across[examples] < across[trainer] < across[model]
    assert [examples, trainer, "examples"] in [link[:3] for link in view["links"]]
    assert {link[2] for link in view["links"] if link[4]} == {"baseline_model"}
    assert data["nodes"][trainer]["look"] == "done"
    assert data["nodes"][f"s{story.ids['tuesday TableExampleGen']}"]["look"] == "cached"
    assert ["made by run", MONDAY] in data["nodes"][examples]["facts"]
    assert data["nodes"][f"a{story.ids['tuesday PushedModel']}"]["served"]
    assert data["nodes"][files]["facts"][0] == ["folder", str(story.config.root / "data")]


@pytest.mark.parametrize(
    ("status", "verdict", "said", "look"),
    [
        ("complete", "blessed", "as before", "cached"),
        ("complete", "", "as before", "cached"),
        ("blocked", "blocked", "blocked, as before", "interrupted"),
        ("complete", "not blessed", "not blessed, as before", "interrupted"),
        ("complete", "unfit to serve", "unfit to serve, as before", "interrupted"),
    ],
)
def test_a_run_that_only_repeated_says_how_the_one_before_ended(
    story: Story, status: str, verdict: str, said: str, look: str
) -> None:
    drawing = draw_runs(story.config, 9)
    cached = {number: replace(step, state=StepState.CACHED) for number, step in drawing.graph.steps.items()}
    runs = tuple(
        replace(run, status=status, properties=run.properties | {"verdict": verdict, "pushed_version": ""})
        for run in drawing.runs
    )
    data = data_of(render(replace(drawing, graph=replace(drawing.graph, steps=cached), runs=runs)))
    shown = [node for node in data["nodes"].values() if node["kind"] == "run"]
    assert {(node["label"].partition("\n")[2], node["repeats"], node["look"]) for node in shown} == {(said, said, look)}


def test_a_step_that_did_nothing_is_not_drawn_as_done(story: Story) -> None:
    drawing = draw(story.config, TUESDAY)
    pushed = drawing.graph.artifacts[story.ids["tuesday PushedModel"]]
    properties = pushed.properties | {"pushed": 0, "skipped": "not blessed"}
    others = drawing.graph.artifacts | {pushed.id: replace(pushed, properties=properties)}
    html = render(replace(drawing, graph=replace(drawing.graph, artifacts=others), timeline=None))
    node = data_of(html)["nodes"][f"s{story.ids['tuesday Pusher']}"]
    assert (node["look"], ["state", "skipped: not blessed"] in node["facts"]) == ("skipped", True)
    assert "skipped: not blessed" in Reader(html).text  # the list, without a script


def test_a_line_over_several_layers_bends_where_there_is_room(story: Story) -> None:
    (view,) = data_of(render(draw(story.config, MONDAY)))["views"]
    for start, end, _, path, _ in view["links"]:
        pieces = [view["lines"][index] for index in path]
        assert (pieces[0][0], pieces[-1][1]) == (start, end)
        assert all(first[1] == then[0] for first, then in pairwise(pieces))
    places = [*map(tuple, view["at"].values()), *map(tuple, view["bends"])]
    assert len(set(places)) == len(places)


def test_the_ancestry_of_a_model_spans_runs_and_shows_the_timeline_of_its_training(story: Story) -> None:
    data = data_of(render(draw(story.config, "served")))
    runs = {node["name"]: name for name, node in data["nodes"].items() if node["kind"] == "run"}
    assert set(runs) == {f"run {MONDAY}", f"run {TUESDAY}"}
    assert data["views"][0]["run"] == runs[f"run {TUESDAY}"]
    timeline = data["timelines"][runs[f"run {TUESDAY}"]]
    assert [(name, state) for _, name, state, *_ in timeline] == [
        ("CuratedSchema", "cached"), ("TableExampleGen", "cached"), ("StatisticsGen", "cached"),
        ("Trainer", "done"), ("Evaluator", "done"), ("Pusher", "done"),
    ]  # fmt: skip
    assert f"s{story.ids['monday TableExampleGen']}" in data["nodes"]


def test_all_runs_stand_in_order_with_what_they_share(story: Story) -> None:
    data = data_of(render(draw_runs(story.config, 200)))
    view, *others = data["views"]
    names = [data["nodes"][run]["name"] for run in view["runs"]]
    assert names == [f"run {run_id}" for run_id in (MONDAY, TUESDAY, WEDNESDAY)]
    shared = {artifact: (origin, users) for artifact, origin, users in view["shared"]}
    assert shared == {
        f"a{story.ids[what]}": ("r0", ["r1"]) for what in ("monday Schema", "monday Examples", "monday Model")
    }
    assert [one["run"] for one in others] == ["r0", "r1", "r2"]
    assert [data["nodes"][run]["look"] for run in view["runs"]] == ["done", "done", "failed"]
    assert len(data_of(render(draw_runs(story.config, 1)))["views"][0]["runs"]) == 1


def test_runs_of_one_shape_are_laid_out_alike(tmp_path: Path) -> None:
    settings = load(workspace=str(tmp_path))
    fill(settings, 4)
    _, *views = data_of(render(draw_runs(settings, 4)))["views"]
    assert {tuple(map(tuple, view["at"].values())) for view in views} == {tuple(map(tuple, views[0]["at"].values()))}
    assert len({name for view in views for name in view["at"] if name[0] == "s"}) == 4 * 13


def test_there_is_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="nothing has run in workspace"):
        draw_runs(load(workspace=str(tmp_path)), 5)
    fill(settings := load(workspace=str(tmp_path)), 0)
    with pytest.raises(PipelineError, match="pipeline 'flights' has no runs yet"):
        draw_runs(settings, 5)


def test_the_list_says_all_without_a_script(story: Story) -> None:
    text = re.sub(r"\s+", " ", Reader(render(draw(story.config, WEDNESDAY))).text)
    assert "The graph needs JavaScript; here is what it draws, as a list." in text
    number = story.ids["wednesday Examples"]
    assert f"Run {WEDNESDAY} failed, began 2026-01-07T08:00:00+00:00, 9.0 s: <b>no</b> memory" in text
    assert f"TableExampleGen done 1.0 Examples {number}" in text
    assert "Trainer failed 1.0" in text


def test_scripts_are_named_by_their_digests_and_nothing_else_is_let_in(story: Story) -> None:
    html = render(draw(story.config, MONDAY))
    digests = [b64encode(sha256(script.encode()).digest()).decode() for script in Reader(html).scripts[1:]]
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    scripts = " ".join(f"'sha256-{digest}'" for digest in digests)
    assert policy == [f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'"]
    assert not re.findall(r'<[^>]*\b(?:src|href)="', html)


def test_what_people_wrote_is_never_markup(story: Story) -> None:
    html = render(hostile(draw(story.config, TUESDAY)))
    assert "<img" not in html
    assert html.count("</script>") == 3
    assert HOSTILE in {node["label"] for node in data_of(html)["nodes"].values()}


def test_a_page_is_written_whole_or_not_at_all(story: Story, tmp_path: Path) -> None:
    drawing = draw(story.config, MONDAY)
    assert write_lineage(drawing, tmp_path / "new" / "page.html").read_text().startswith("<!doctype html>")
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match=r"page\.html cannot be written"):
        write_lineage(drawing, tmp_path / "file" / "page.html")


# A real browser


@pytest.fixture
def opened(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a drawing; afterwards no page may have complained, nor asked for anything but itself."""
    said: list[str] = []
    pages = []

    def open_page(drawing: Drawing, **settings: Any) -> Any:
        file = write_lineage(drawing, tmp_path / f"page{len(pages)}.html")
        page = chromium.new_page(viewport={"width": 1400, "height": 850}, **settings)
        pages.append(page)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if request.url != file.as_uri() else None)
        page.goto(file.as_uri())
        if settings.get("java_script_enabled", True):
            page.wait_for_selector("html[data-drawn]")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert said == []


def panel(page: Any) -> str:
    return re.sub(r"\s+", " ", page.inner_text("#panel"))


def search(page: Any, text: str) -> list[str]:
    page.keyboard.press("/")
    page.keyboard.type(text)
    return list(page.eval_on_selector_all("#found li", "items => items.map((item) => item.firstChild.textContent)"))


@pytest.mark.extra
def test_names_can_be_read_on_a_phone(story: Story, opened: Callable[..., Any]) -> None:
    """The whole graph lay across the window, in letters of 4 pixels."""
    page = opened(draw(story.config, TUESDAY))
    page.evaluate("""() => {
      const move = vis.Network.prototype.moveTo;
      vis.Network.prototype.moveTo = function (to) { window.moved = to; return move.call(this, to); };
    }""")
    page.set_viewport_size({"width": 390, "height": 850})
    page.click("#fit")
    assert 13 * page.evaluate("moved.scale") >= 11
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.evaluate("delete window.moved")
    page.set_viewport_size({"width": 1400, "height": 850})
    page.click("#fit")
    assert page.evaluate("window.moved?.scale ?? 1") != 0.85


@pytest.mark.extra
def test_search_goes_to_a_node_and_the_panel_tells_of_it(story: Story, opened: Callable[..., Any]) -> None:
    page = opened(draw(story.config, TUESDAY))
    trainer, model = story.ids["tuesday Trainer"], story.ids["tuesday Model"]
    assert search(page, "trainer")[0] == f"Trainer (step {trainer})"
    page.keyboard.press("Enter")
    found = panel(page)
    assert f"Trainer (step {trainer}) x.Trainer Read Schema {story.ids['monday Schema']}" in found
    assert f"Made Model {model} state done seconds 20.0 " in found
    page.click(f"#panel button:text-is('Model {model}')")
    assert f"Made by Trainer (step {trainer}) Used by Evaluator" in panel(page)
    page.click("#panel .close")
    assert panel(page) == ""


@pytest.mark.extra
def test_the_arrows_choose_among_what_was_found(story: Story, opened: Callable[..., Any]) -> None:
    page = opened(draw(story.config, TUESDAY))
    found = search(page, "examples")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.inner_text("#panel h2") == found[1]
    assert search(page, "unheard of") == ["nothing by that name"]


@pytest.mark.extra
def test_a_click_on_the_canvas_opens_the_panel(story: Story, opened: Callable[..., Any]) -> None:
    """The middle of the picture of a run is known: the layout is ours."""
    page = opened(draw(story.config, MONDAY))
    page.click("#bars button:text-is('Evaluator')")  # brings the step to the middle
    page.wait_for_timeout(600)
    page.click("#panel .close")
    page.wait_for_timeout(200)
    box = page.locator("#graph canvas").bounding_box()
    canvas = page.evaluate(
        "(() => { const c = document.querySelector('#graph canvas'); return [c.clientWidth, c.clientHeight]; })()"
    )
    assert canvas[0] > 500
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(200)
    assert f"Evaluator (step {story.ids['monday Evaluator']})" in panel(page)


@pytest.mark.extra
def test_hostile_names_stay_text(story: Story, opened: Callable[..., Any]) -> None:
    page = opened(hostile(draw(story.config, TUESDAY)))
    search(page, "onerror")
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    assert HOSTILE.replace("\u2028", " ")[:40] in panel(page)
    assert page.title().startswith("Lineage: </script>")
    assert page.locator("img").count() == 0


@pytest.mark.extra
def test_two_hundred_runs_open_at_once_and_one_of_them_on_demand(tmp_path: Path, opened: Callable[..., Any]) -> None:
    settings = load(workspace=str(tmp_path))
    fill(settings, 200)
    drawing = draw_runs(settings, 200)
    pages = [opened(drawing) for _ in range(3)]  # the best: others may be at work on the machine
    assert min(int(page.get_attribute("html", "data-drawn")) for page in pages) < 1000 * OPEN_S
    page = pages[-1]
    assert search(page, "run 20250124-080000")[0] == "run 20250124-080000-000"
    page.keyboard.press("Enter")
    page.click("#panel button:text-is('Open this run')")
    assert page.inner_text("#where") == "run 20250124-080000-000"
    assert page.locator("#bars button").count() == 13
    page.click("#bars button:text-is('Pusher')")
    assert "pipeline.components.pusher.Pusher Read Model " in panel(page)
    page.click("#back")
    assert "run 20250124-080000-000" in panel(page)
    assert page.locator("#bars button").count() == 0


@pytest.mark.extra
def test_runs_that_only_repeat_stand_as_one_until_they_are_opened(story: Story, opened: Callable[..., Any]) -> None:
    drawing = draw_runs(story.config, 9)
    cached = {
        number: replace(step, state=type(step.state)("cached"), run_id=step.run_id)
        for number, step in drawing.graph.steps.items()
    }
    good = tuple(
        replace(run, status="complete", properties=run.properties | {"verdict": "blessed"}) for run in drawing.runs
    )
    page = opened(replace(drawing, runs=good, graph=replace(drawing.graph, steps=cached)))
    search(page, MONDAY)
    page.keyboard.press("Enter")
    page.click("#panel button:text-is('Show each of these runs')")
    page.wait_for_timeout(200)
    assert page.locator("#panel button:text-is('Show each of these runs')").count() == 1


@pytest.mark.extra
def test_print_and_no_script_show_the_list(story: Story, opened: Callable[..., Any]) -> None:
    page = opened(draw(story.config, MONDAY))
    assert not page.locator("#list").is_visible()
    page.click("#listed")
    assert page.locator("#list").is_visible()
    assert not page.locator("#graph").is_visible()
    page.click("#listed")
    page.emulate_media(media="print")
    assert page.locator("#list").is_visible()
    assert not page.locator("#stage").is_visible()
    bare = opened(draw(story.config, MONDAY), java_script_enabled=False)
    assert bare.locator("#list").is_visible()
    assert "The graph needs JavaScript" in bare.inner_text("body")
    assert not bare.locator("#stage").is_visible()


@pytest.mark.extra
def test_dark_and_light(story: Story, opened: Callable[..., Any]) -> None:
    drawing = draw(story.config, MONDAY)
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = (opened(drawing, color_scheme=scheme) for scheme in ("light", "dark"))
    assert (light.evaluate(paper), dark.evaluate(paper)) == ("rgb(252, 252, 251)", "rgb(20, 24, 27)")
    before = light.locator("#graph").screenshot()
    light.emulate_media(color_scheme="dark")
    light.wait_for_timeout(200)
    assert light.locator("#graph").screenshot() != before
