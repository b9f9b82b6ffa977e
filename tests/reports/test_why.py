"""For whom, since when and why: what the page says of figures that Evaluator left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.reports.by_slice import by_slice
from pipeline.reports.formats import NOTHING
from pipeline.reports.marks import Value, picture
from pipeline.reports.over_time import over_time
from pipeline.reports.page import collect, render
from pipeline.reports.single_rows import row_key
from tests.reports.test_page import EVIL, VERDICT, Reader, assert_accessible, complete_run, rewrite


def standing(rows: int, predicted: float, true: float, reach: float = 0.05) -> dict[str, Any]:
    ends = {"low": true - reach, "high": true + reach}
    return {"rows": rows, "predicted": predicted, "true": true, **ends, "off": abs(predicted - true) > reach}


def period(begins: str, auc: float | None, **of: Any) -> dict[str, Any]:
    metrics = {"example_count": 600.0} | ({} if auc is None else {"auc": auc})
    return {"begins": begins, "metrics": metrics, "intervals": {"auc": [0.6, 0.8]} if auc else {}, "standing": of}


OVER_TIME = {
    "by": EVIL,
    "unit": "month",
    "periods": [
        period("2013-11", 0.7, **standing(600, 0.2, 0.22)),
        period("2013-12", None, **standing(600, 0.2, 0.33)),
    ],
}
OLD = [entry | {"standing": {}} for entry in VERDICT["slices"]]
WITH_MORE: dict[str, Any] = VERDICT | {
    "confidence": 0.95,
    "standing": standing(1200, 0.2, 0.26),
    "over_time": OVER_TIME,
    "slices": [
        OLD[0] | {"standing": standing(12, 0.1, 0.9)},
        OLD[1] | {"standing": standing(700, 0.2, 0.22)},
        OLD[2] | {"standing": standing(488, 0.5, 0.22)},
    ],
}


def page_of(folder: Path, verdict: dict[str, Any]) -> Reader:
    run = complete_run(folder)
    rewrite(run, "ModelEvaluation", "verdict.json", verdict)
    html = render(collect(run))
    assert EVIL not in html
    return Reader(html)


def test_since_when(tmp_path: Path) -> None:
    page = page_of(tmp_path, WITH_MORE)
    assert_accessible(page)
    lines = page.lines("metrics")
    told = lines.index(
        f"By month of {EVIL}, all rows that were evaluated. In 1 of 2 months the mean prediction lies outside the 95% "
        "interval of what was true; chance alone makes that about 5 in 100. Over all rows it lies outside, too."
    )
    rows = [line for line in lines[told:] if line.startswith("2013-1")]
    assert "2013-12: predicted 0.2000, true 0.3300 (0.2800 to 0.3800); 600 rows" in " ".join(
        page.text["metrics"].split()
    )
    at = len(lines) - 1 - lines[::-1].index("2013-12")
    assert rows
    assert lines[at : at + 8] == ["2013-12", "600", NOTHING, NOTHING, "0.2000", "0.3300", "0.2800 to 0.3800", "✗ apart"]
    pictures = [one["aria-label"] for one in page.all("svg") if "aria-label" in one]
    assert "auc by month: from 0.7000 to 0.7000" in pictures
    assert "Mean truth and prediction by month: apart in 1 of 2" in pictures


def test_further_judged_metrics_are_told_over_time(tmp_path: Path) -> None:
    run = complete_run(tmp_path)
    with_cost: Any = [one | {"metrics": {**one["metrics"], "cost": 7.5}} for one in WITH_MORE["over_time"]["periods"]]
    at_threshold = {
        "metric": "recall",
        "kind": "at_least",
        "of": "",
        "on": "",
        "value": 0.5,
        "bound": 0.4,
        "held": True,
    }
    rule = {"metric": "cost", "kind": "at_most", "of": "", "on": "", "value": 7.0, "bound": 9.0, "held": True}
    more = {
        "over_time": OVER_TIME | {"periods": with_cost},
        "rules": [*(at_threshold | {"metric": name} for name in ("accuracy", "f1", "precision", "recall")), rule],
        "metrics": VERDICT["metrics"] | dict.fromkeys(("accuracy", "f1", "precision", "recall"), 0.5) | {"cost": 7.0},
    }
    rewrite(run, "ModelEvaluation", "verdict.json", WITH_MORE | more)
    page = Reader(render(collect(run)))
    assert_accessible(page)
    lines = page.lines("metrics")
    assert "cost by month; the dashed line is all rows" in lines
    at = len(lines) - 1 - lines[::-1].index("2013-12")
    assert "7.5000" in lines[at : at + 12]
    assert not [line for line in lines if line.startswith("recall by month")]  # no period is measured at a threshold


def test_calibration_by_slice(tmp_path: Path) -> None:
    page = page_of(tmp_path, WITH_MORE)
    lines = page.lines("slices")
    assert lines[lines.index("Calibration by slice") + 1] == (
        "In 1 of 2 slices of at least 100 rows the mean prediction lies outside the 95% interval of what was true; "
        "chance alone would make about 0 of them so. Over all rows it lies outside, too: part of what the slices lack "
        "is of all of them."
    )
    first = lines.index(f"{EVIL} = none")
    assert lines[first : first + 6] == [
        *(f"{EVIL} = none", "488", "0.5000", "0.2200", "0.1700 to 0.2700", "✗ predicts too much")
    ]
    assert f"{EVIL} = </script>" not in lines  # of 12 rows


def test_what_an_older_evaluation_did_not_leave_is_not_there(tmp_path: Path) -> None:
    page = page_of(tmp_path, VERDICT)
    assert "Calibration by slice" not in page.lines("slices")
    assert "Since when" not in page.lines("metrics")
    assert by_slice(VERDICT) is by_slice(None) is None
    assert over_time(None, "auc") is None
    assert over_time(WITH_MORE | {"over_time": OVER_TIME | {"periods": OVER_TIME["periods"][:1]}}, "auc") is None


def test_marks_lie_within_their_picture() -> None:
    values = [Value(0, 1.0, "one", (0.5, 1.5), beside=2.0, size=3), Value(1, float("nan"), "two", size=6)]
    drawn = picture("name", "told", values, ("a", "b"), edge=0.0)
    assert drawn is not None
    assert drawn.scale == (0.0, 2.0)
    assert [mark.y is None for mark in drawn.marks] == [False, True]
    assert drawn.marks[0].bar is not None
    assert drawn.marks[1].bar is not None
    assert (drawn.height - drawn.marks[0].bar[2]) * 2 == drawn.height - drawn.marks[1].bar[2]
    assert picture("name", "told", [Value(0, float("nan"), "none")], ("a", "b")) is None


def test_a_single_row_is_named_by_what_the_model_does_not_read() -> None:
    row = {"kind": "false positive", "key": {"left": 1383562800, "flight": 1545, "tail": EVIL, "gone": None}}
    assert row_key(row, {"left": "timestamp"}) == f"left 2013-11-04 11:00, flight 1545, tail {EVIL}"
    assert row_key({"kind": "ordinary"}, {}) == ""  # of an older evaluation


def test_since_which_span_where_no_column_tells_the_time(tmp_path: Path) -> None:
    spans = OVER_TIME["periods"][0] | {"begins": "9"}, OVER_TIME["periods"][1] | {"begins": "10"}
    for unit, plural in (("span", "spans"), ("range of spans", "ranges of spans")):
        page = page_of(tmp_path / unit, WITH_MORE | {"over_time": {"by": None, "unit": unit, "periods": list(spans)}})
        told = " ".join(page.text["metrics"].split())
        assert f"By {unit}, all rows that were evaluated. In 1 of 2 {plural} the mean prediction lies" in told
        assert f"Mean truth and prediction by {unit}: apart in 1 of 2" in str(page.all("svg"))
