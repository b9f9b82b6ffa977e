"""Figures that others compare with their own have every digit."""

from __future__ import annotations

from pipeline.guard.policy import Policy
from pipeline.watch.metrics import metrics_text
from pipeline.watch.profiles import HIGH, LOW, ColumnSpec, Profile, Spec
from pipeline.watch.validity import findings
from tests.reports.test_production import verdict


def test_a_bound_that_was_broken_is_told_as_the_schema_has_it() -> None:
    """It said at most 1.04858e+06 of 1,048,575: a value that was told as broken seemed allowed."""
    spec = Spec("binary", ("0", "1"), (), (ColumnSpec("paid", True, (1.0,), least=-0.1234567, greatest=1_048_575),))
    counted = Profile.empty(1)
    counted.rows = 100
    counted.broken[0, [LOW, HIGH]] = 5
    told = {one.expected for one in findings(spec, counted, Policy())}
    assert {"at least -0.1234567", "at most 1,048,575"} <= told


def test_a_scrape_counts_every_row() -> None:
    lines = metrics_text("toys", [verdict(0, rows=1_234_567)], []).splitlines()
    assert 'longhaul_watch_rows{pipeline="toys",version="7"} 1234567' in lines
    assert 'longhaul_watch_promised{pipeline="toys",version="7",metric="auc"} 0.72' in lines
