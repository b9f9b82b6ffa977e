"""`longhaul versions` where there is little room: no name of a metric breaks, and no figure is cut."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipeline.serving.versions import Manifest, Version
from pipeline.terminal import versions

METRIC = "expected_calibration_error"


@pytest.mark.parametrize("width", [80, 140])
def test_names_of_metrics_stay_whole(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """At 80 columns each was cut into five lines."""
    out = io.StringIO()
    monkeypatch.setattr(versions, "console_for", lambda _: Console(file=out, width=width, highlight=False))
    manifest = Manifest(
        *("cats", "20260101-000000-000", "2026-01-01T00:00:00+00:00", "root@host", {}, (1,), "", {}, "binary", ()),
        *({"auc": 0.7, METRIC: 0.028}, {}),
        note="the [new] one was bad",
    )
    known = [Version(1796141610, "served", "", manifest, tuple), Version(1, "earlier", "", None, tuple)]
    versions.print_versions(known, ["auc", METRIC], [], as_json=False)
    said = out.getvalue()
    assert f"auc 0.7, {METRIC} 0.028; the [new] one was bad" in said
    assert "no manifest" in said
    assert max(map(len, said.splitlines())) <= width
    assert (len(said.splitlines()) == 3) == (width == 140)
