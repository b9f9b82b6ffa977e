"""`longhaul rejudge` where there is little room: no version, no run, no interval and no name of a metric is cut."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from pipeline.terminal import rejudged

METRIC = "expected_calibration_error"


@pytest.mark.parametrize("width", [80, 160])
def test_nothing_is_cut(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """At 80 columns it said 17961416…, 20261201-161014-8… and 0.7141-0.73…."""
    out = io.StringIO()
    monkeypatch.setattr(rejudged, "console_for", lambda _: Console(file=out, width=width, highlight=False))
    verdict = {
        "blessed": True,
        "metrics": {"example_count": 90.0, "auc": 0.723, METRIC: 0.0955},
        "intervals": {"auc": [0.7141, 0.7318], METRIC: [0.0905, 0.1005]},
        "slices": [
            {
                "slice": {"origin": "EWR"},
                "metrics": {"example_count": 40.0, "auc": 0.7141, METRIC: 0.1144},
                "failed": [],
            }
        ],
    }
    models = [
        SimpleNamespace(name=name, run_id="20261201-161014-852", has_seen=(), why_not="", verdict=verdict)
        for name in ("1796141610", "1796141611")
    ]
    for several in (models, models[:1]):
        rejudged.print_rejudged("span 12", several, "1796141610", ["auc", METRIC], "", as_json=False)
    said = out.getvalue()
    for whole in (
        "● 1796141610",
        "20261201-161014-852",
        METRIC,
        "0.7141-0.7318",
        "0.0905-0.1005",
        "origin=EWR",
        "holds",
    ):
        assert whole in said
    assert "…" not in said
    assert max(map(len, said.splitlines())) <= width
    assert ("model" in said) == (width == 160)
