"""The page of a served model: what it tells, how large it is, and what a real browser does with it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.reports.front import write_front
from pipeline.reports.production import collect, render
from tests.lineage.weeks import Weeks
from tests.reports.test_front import HOSTILE, Reader

START = datetime(2025, 12, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 29, tzinfo=UTC)
LABELS = [{"rows": 5, "repeated": 1, "strange": 0, "unmatched": 2}]


def verdict(number: int, hours: int = 168, **more: Any) -> dict[str, Any]:
    """Return a verdict as pipeline.watch.judging makes it; with no column that moved, and harmless."""
    begin = START + timedelta(hours=hours * number)
    return {
        "window": number,
        "name": f"{begin:%Y-%m-%d}" if hours >= 24 else f"{begin:%Y-%m-%d %H:%M}",
        "begin": begin.isoformat(),
        "end": (begin + timedelta(hours=hours)).isoformat(),
        "version": "7",
        "run_id": "20260101-000000-000",
        "rows": 4_000,
        "errors": 3,
        "few": False,
        "valid": True,
        "findings": [],
        "notes": [],
        "promise": {"auc": 0.72, "log_loss": 0.5},
        "against": "training",
        "moved": [],
        "moved_count": 0,
        "prediction": {"mean": 0.2, "before": 0.21},
        "realized": realized(0.71 + number % 7 / 500),
        "estimated": {"auc": [0.72, 0.01, 0.7, 0.74], "log_loss": [0.5, 0.01, 0.48, 0.52]},
        "harm": [{"metric": "auc", "by": "labels", "least": 0.25, "most": 0.29, "harmful": False}],
        "harmful": False,
        "slices": [],
        "segments": [],
    } | more


def realized(auc: float) -> dict[str, Any]:
    intervals = {"auc": [auc - 0.02, auc + 0.02], "log_loss": [0.49, 0.51]}
    return {"rows": 3_900, "share": 0.975, "metrics": {"auc": auc, "log_loss": 0.5}, "intervals": intervals}


def moved(column: str) -> dict[str, Any]:
    return {"column": column, "shift": 0.1, "importance": 0.05, "before": 0.01, "after": 0.02}


def bad(number: int, name: str, **more: Any) -> dict[str, Any]:
    """Return one in which a column broke the schema and moved, and a slice is bad."""
    finding = {"kind": "not_finite", "column": name, "severity": "block", "share": 0.1, "sentence": f"{name}: infinite"}
    piece = {
        "slice": f"town={name}",
        "rows": 300,
        "metrics": {"auc": 0.6},
        "intervals": {"auc": [0.55, 0.65]},
        "harm": [],
    }
    part = {"segment": name, "metric": "log_loss", "promised": 0.5, "least": 0.7, "most": 0.6, "harmful": True}
    changed: dict[str, Any] = {"findings": [finding], "moved": [moved(name)], "moved_count": 1, "notes": [name]}
    changed |= {"slices": [piece], "segments": [part]}
    return verdict(number, valid=False, harmful=True, realized=realized(0.6), **changed, **more)


def alarm(**more: Any) -> dict[str, Any]:
    return {
        "key": "harmful:7",
        "kind": "harmful",
        "severity": "page",
        "version": "7",
        "first_seen": "2026-10-05",
        "last_seen": "2026-11-16",
        "evidence": "1 - AUC is above 0.2950",
        "cause": "column 0",
        "serves": "7",
        "owner": "the team",
        "commands": ["longhaul rollback"],
        "opened": "2026-11-20T10:00:00+00:00",
        "closed": "",
        "silenced_until": "",
        "reason": "",
    } | more


def served(version: str, first: dict[str, Any], last: dict[str, Any], route: str = "stable") -> dict[str, Any]:
    return {"version": version, "route": route, "begin": first["begin"], "end": last["end"], "rows": 9}


def page(
    verdicts: list[dict[str, Any]], alarms: list[dict[str, Any]], times: Any = (), options: Sequence[str] = ()
) -> str:
    return render(collect("toys", verdicts, alarms, times, LABELS, "2026-11-20 10:00", NOW, options))


def test_what_calls_a_person_stands_on_top_with_evidence_and_commands() -> None:
    closed = alarm(key="log_gap", severity="ticket", evidence="a hole", closed="2026-11-01T00:00:00+00:00")
    silent = alarm(key="invalid:7", evidence="letters", silenced_until="2026-12-24T00:00:00+00:00", reason="known")
    text = " ".join(Reader(page([verdict(0)], [closed, silent, alarm()], options=("-c", "my.yaml"))).text.split())
    assert "1 alarm calls a person" in text
    order = [
        text.index(words) for words in ("above 0.2950", "longhaul rollback -c my.yaml", "letters", "1 window", "a hole")
    ]
    assert order == sorted(order)
    assert "longhaul watch --silence harmful:7 --for 2d --reason TEXT -c my.yaml" in text
    assert "until 2026-12-24 00:00 UTC: known" in text
    assert "Nothing calls a person" in page([verdict(0)], [closed, silent])


def test_the_command_for_windows_that_are_left_out_works_in_any_folder() -> None:
    command = "longhaul watch --once --all --json -c '/a $b/<c>.yaml'"
    found = Reader(page([*map(verdict, range(500))], [], options=("-c", "/a $b/<c>.yaml")))
    assert f"all by {command}" in " ".join(found.text.split())
    assert found.data["of_all"] == command


def test_pictures_say_in_words_what_they_show() -> None:
    verdicts = [*map(verdict, range(50)), bad(50, "miles"), verdict(51, realized=realized(math.nan), estimated={})]
    html = page(verdicts, [], [served("6", verdicts[0], verdicts[9]), served("7", verdicts[10], verdicts[51])])
    assert "auc in 52 windows from 2025-12-01 to 2026-11-23; promised 0.7200; realized in 51: 0.6000 to 0.7220" in html
    assert "harmful in 1, first 2026-11-16" in html
    assert "invalid: 2026-11-16" in html
    assert "columns that moved: at most 1 in a window, 1 windows with some" in html
    assert 'style="left:0.0%;width:19.231%" title="6, 2025-12-01 to 2026-02-09, 9 rows"' in html
    assert "nan" not in html.lower()
    ticks = re.findall(r"\* ([\d.]+)\);transform:translateX\(-([\d.]+)%\)", html)
    assert len(ticks) > 4
    assert all(math.isclose(100 * float(left), float(shift)) for left, shift in ticks), "a date at an end is clipped"


def test_nothing_of_the_user_stands_there_unescaped() -> None:
    calm, told = verdict(0), alarm()
    evil = bad(1, HOSTILE, version=HOSTILE, run_id=HOSTILE)
    evil_alarm = {name: HOSTILE if isinstance(value, str) and value else value for name, value in told.items()}
    evil_alarm |= {"commands": [HOSTILE], "severity": "page", "opened": told["opened"]}
    times = [served(HOSTILE, calm, evil, route=HOSTILE)]
    tags = [
        [tag for tag in Reader(page([calm, one], [alarms], times)).tags if tag != "span"]  # one for each word
        for one, alarms in ((evil, evil_alarm), (bad(1, "a"), told))
    ]
    assert sorted(tags[0]) == sorted(tags[1])
    assert "{{ 7*7 }}" in page([calm, evil], [evil_alarm])


@pytest.mark.parametrize("hours", [24, 1])
def test_a_year_fits_into_three_megabytes(hours: int) -> None:
    slices = [
        {"slice": f"town={k}", "rows": 300, "metrics": {"auc": 0.7}, "intervals": {"auc": [0.65, 0.75]}, "harm": []}
        for k in range(60)
    ]
    columns = [moved(f"a column with a long name {k}") for k in range(20)]
    year = [
        verdict(k, hours, moved=columns, moved_count=20 + k % 7, slices=slices, harmful=k % 9 == 0)
        for k in range(365 * 24 // hours)
    ]
    html = page(year, [])
    assert len(html.encode()) < 3_000_000
    assert f"{365 * 24 // hours:,} windows" in html


def test_the_front_page_leads_to_it_and_it_to_the_front_page(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1, auc=0.7)
    front = write_front(weeks.config)
    assert "production.html" not in Reader(front.read_text()).links
    (front.parent / "production.html").write_text(page([verdict(0)], []))
    assert "production.html" in Reader(write_front(weeks.config).read_text()).links
    assert "index.html" in Reader((front.parent / "production.html").read_text()).links


def await_title(tab: Any, title: str) -> None:
    """Wait until the page shows what the address names."""
    tab.wait_for_function("text => document.getElementById('look-title').textContent.startsWith(text)", arg=title)


@pytest.mark.extra
def test_a_year_is_looked_into_in_a_browser(chromium: Any, tmp_path: Path) -> None:
    name = f"miles{HOSTILE}"
    verdicts = [*(verdict(k, 24) for k in range(360)), *(bad(k, name) for k in (52,))]
    verdicts[-1] |= {"begin": verdicts[-2]["end"], "end": (START + timedelta(days=380)).isoformat(), "name": "last"}
    verdicts[-1]["unknown"] = "a stranger"
    file = tmp_path / "production.html"
    file.write_text(page(verdicts, [alarm()], [served("7", verdicts[0], verdicts[-1])]))
    said: list[str] = []
    for width, scheme in ((1200, "light"), (390, "dark")):
        tab = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: None if request.url.startswith("file:") else said.append(request.url))
        tab.goto(file.as_uri())
        assert tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") < 2_000
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert not tab.is_visible("#look")
        picture = tab.locator("#year svg").first
        picture.click(position={"x": picture.bounding_box()["width"] - 4, "y": 20})
        await_title(tab, "Window last")
        assert f"{name}: infinite".replace("\u2028", "") in tab.inner_text("#looked").replace("\u2028", "")
        assert "not tested" in tab.inner_text("#looked")
        assert "nobody knows what it promised: a stranger" in tab.inner_text("#looked")
        assert "0.7000" in tab.inner_text("#looked table:has-text('Segments that nobody declared')")
        tab.click("#looked a[href^='#column=']")
        await_title(tab, "Column miles</script>")
        assert "0.1000" in tab.inner_text("#looked")
        tab.go_back()
        await_title(tab, "Window last")
        tab.click("#looked a[href^='#slice=']")
        await_title(tab, "Slice town=miles</script>")
        assert "0.5500 to 0.6500" in tab.inner_text("#looked")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.close()
    assert said == []
