"""The card says what people wrote and what the run recorded; nothing in it becomes a mark."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError, WorkspaceError
from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import Run
from pipeline.reports.formats import settings_text
from pipeline.reports.metric_words import what_it_says
from pipeline.reports.model_card import as_html, as_markdown, model_card, write_card

EVIL = "<script>alert(1)</script>"
CARD: dict[str, Any] = {
    "overview": f"Says who purrs {EVIL} *loudly*",
    "owners": ["Ann Lee", "the cat_house"],
    "intended_uses": ["petting"],
    "limitations": ["knows | no dogs", "_old_ cats only"],
}
CONFIG = {
    "data": {"label": "purrs", "task": "binary"},
    "split": {"by": "time", "column": "born", "eval_from": "2020-01-01T00:00:00", "test_from": None},
    "features": {"exclude": ["name"]},
    "trainer": {"hidden_units": [64, 32], "seed": 13},
    "evaluation": {"splits": ["eval"]},
    "card": CARD,
}
VERDICT: dict[str, Any] = {
    "blessed": False,
    "confidence": 0.9,
    "metrics": {"auc": 0.71, "example_count": 1200.0},
    "champion": None,
    "intervals": {"auc": [0.69, 0.73]},
    "undefined": {"log_loss": "it is not a number"},
    "slices": [{"slice": {"fur": "a|b"}, "metrics": {"example_count": 12.0}, "undefined": {"auc": "one class only"}}],
    "failures": ["auc is 0.7100, needs at least 0.8"],
    "notes": [
        "no champion yet: judged by absolute thresholds only",
        "auc on fur=c is not judged: there are no such rows",
    ],
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "verdict.json").write_text(json.dumps(VERDICT))
    (tmp_path / "eval_config.json").write_text("{}")
    ingestion = {
        "rows": {"train": 9000, "eval": 1200},
        "spans": [3, 4],
        "split_spans": {"train": [3], "eval": [4]},
        "columns": {"name": "s", "fur": "s", "purrs": "i"},
    }
    (tmp_path / "ingestion.json").write_text(json.dumps(ingestion))
    artifacts = {
        "TableExampleGen": [Artifact("Examples", str(tmp_path), {})],
        "Evaluator": [Artifact("ModelEvaluation", str(tmp_path), {})],
        "Trainer": [Artifact("Model", "/models/7", {})],
    }
    properties = {
        "config": json.dumps(CONFIG),
        "config_digest": "c0ffee",
        "schema_version": "2",
        "schema_review": "approved",
    }
    return Run("7", "cats", "complete", "2026-11-21T04:16:41+00:00", 40.0, "", properties, artifacts=artifacts)


def test_settings_are_told_in_words() -> None:
    split = {"weights": {"train": 8.0, "eval": 2.5, "test": 0.0}, "refit": True, "units": [64, 32], "rate": 1e-05}
    assert settings_text(split) == "weights train 8 eval 2.5, refit yes, units 64-32, rate 1e-05"


def test_what_the_card_says(run: Run) -> None:
    card = model_card(run)
    assert [section.title for section in card.sections] == [
        *("Model details", "Considerations", "Model parameters", "Quantitative analysis", "Lineage")
    ]
    said = {term: texts for section in card.sections for term, texts in section.entries}
    not_stated = ["not stated: the configuration has a section card for it"]
    assert said == {
        "Name": ["cats"],
        "Overview": [CARD["overview"]],
        "Not for": not_stated,
        "Version": ["run 7, 2026-11-21 04:16 UTC"],
        "Status": ["not blessed; not pushed"],
        "Owners": CARD["owners"],
        "License": not_stated,
        "References": ["none"],
        "Intended use": ["petting"],
        "Limitations and caveats": CARD["limitations"],
        "Ethical considerations": not_stated,
        "Data": not_stated,
        "Predicts": ["purrs (binary)"],
        "Split": ["by time: column born, eval_from 2020-01-01T00:00:00"],
        "Rows": ["train 9,000 (span 3), eval 1,200 (span 4)"],
        "Features": ["1: fur"],
        "Settings": ["hidden_units 64-32, seed 13"],
        "Measured on": ["eval, 1,200 rows"],
        "Why it is not blessed": VERDICT["failures"],
        "Champion": ["no champion yet: judged by absolute thresholds only"],
        "What the metrics say": [f"{name}: {what_it_says(name)}" for name in ("auc", "log_loss")],
        "Not judged": ["auc on fur=c is not judged: there are no such rows"],
        "Run": ["7"],
        "Data spans": ["3 to 4"],
        "Schema": ["version 2, approved"],
        "Configuration": ["c0ffee"],
        "Code": ["not recorded"],
        "Model": ["/models/7"],
        "More, where the workspace is": ["longhaul show 7", "longhaul report 7"],
    }
    metrics, slices = card.sections[3].tables
    assert metrics.caption == "Metrics, with intervals of 90% confidence"
    assert [row[:3] for row in metrics.rows] == [
        ["auc", "0.7100", "0.6900 to 0.7300"],
        ["log_loss", "it is not a number", "–"],  # noqa: RUF001
    ]
    assert slices.rows == [["a|b", "12", "one class only", "–"]]  # noqa: RUF001


def test_a_table_without_spans_has_none(run: Run) -> None:
    file = run.artifacts["TableExampleGen"][0].folder / "ingestion.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"spans": [0]}))
    assert ("Data spans", ["none"]) in model_card(run).sections[-1].entries


def test_markdown(run: Run) -> None:
    lines = as_markdown(model_card(run)).splitlines()
    assert lines[0] == "# Model card: cats"
    assert "- **Overview:** Says who purrs &lt;script&gt;alert(1)&lt;/script&gt; \\*loudly\\*" in lines
    assert "  - the cat_house" in lines
    assert "  - knows \\| no dogs" in lines
    assert "  - \\_old\\_ cats only" in lines
    table = lines.index("| fur | Rows | auc | Interval |")
    assert lines[table + 1] == "| --- | ---: | ---: | ---: |"
    assert lines[table + 2].startswith("| a\\|b | 12 | one class only |")


def test_html(run: Run) -> None:
    class Reader(HTMLParser):
        tags: list[str] = []  # noqa: RUF012
        open: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            self.tags.append(tag)
            if tag not in ("meta", "wbr"):
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    html = as_html(model_card(run))
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    assert {"script", "link", "img"}.isdisjoint(reader.tags)
    assert EVIL not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; *loudly*" in html
    assert html.index("<!doctype html>") == 0


def test_a_card_has_pictures(run: Run, tmp_path: Path) -> None:
    bins = {"predicted": [0.2, 0.8], "came_true": [0.1, 0.9], "low": [0.0, 0.8], "high": [0.2, 1.0], "rows": [90, 40]}
    curves = {"calibration": bins, "distribution": {"edges": [0, 0.5, 1], "negative": [9, 1], "positive": [1, 2]}}
    (tmp_path / "curves.json").write_text(json.dumps({"task": "binary", "challenger": curves}))
    slices = [{"slice": {"fur": "red"}, "metrics": {"auc": 0.6, "example_count": 300.0}}]
    (tmp_path / "verdict.json").write_text(json.dumps(VERDICT | {"slices": slices}))
    html = write_card(run, tmp_path / "card.html").read_text()
    for name in ("Calibration", "Predictions", "auc by fur"):
        assert f'aria-label="{name}"><svg' in html
    assert html.index("Not for") < html.index("Considerations")


def test_a_run_of_which_nothing_is_known() -> None:
    card = model_card(Run("1", "cats", "failed", "", 0.0, "", {"config": "{broken"}))
    said = {term: texts for section in card.sections for term, texts in section.entries}
    assert said["Status"] == ["not judged; not pushed"]
    assert said["Metrics"] == ["not computed in this run"]
    assert "# Model card: cats" in as_markdown(card)
    assert "Model card: cats" in as_html(card)


def test_where_it_is_written(run: Run, tmp_path: Path) -> None:
    for name in ("card.md", "card.html"):
        path = tmp_path / "new" / name
        assert write_card(run, path) == path
        assert "Says who purrs" in path.read_text()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["card.html", "card.md"]
    with pytest.raises(ConfigError, match=r"a card is written as \.md or \.html"):
        write_card(run, tmp_path / "card.pdf")
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="cannot be written"):
        write_card(run, tmp_path / "file" / "card.md")
