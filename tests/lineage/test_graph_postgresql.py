"""The same questions to a real PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.reports.lineage.answer import answer, draw, draw_runs
from pipeline.reports.lineage.page import render
from tests.e2e.servers import PASSWORD, postgresql
from tests.lineage.story import MONDAY, TUESDAY, WEDNESDAY, tell

pytestmark = pytest.mark.extra


def test_up_down_and_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGHAUL_METADATA_PASSWORD", PASSWORD)
    with postgresql() as server:
        config = tell(tmp_path, server.url).config
        assert not (tmp_path / "metadata.db").exists()
        served = answer(config, "served")
        assert served.up is not None
        assert {(step.node, step.run_id) for step in served.up.steps.values()} == {
            ("Pusher", TUESDAY), ("Evaluator", TUESDAY), ("Trainer", TUESDAY),
            ("TableExampleGen", MONDAY), ("CuratedSchema", MONDAY),
        }  # fmt: skip
        used = answer(config, "span-02/cats.csv").down
        assert used is not None
        assert [(model.run_id, model.is_served) for model in used.models] == [(TUESDAY, True), (MONDAY, False)]
        assert answer(config, "schema:1").down is not None
        assert TUESDAY in render(draw(config, TUESDAY))
        assert WEDNESDAY in render(draw_runs(config, 9))
