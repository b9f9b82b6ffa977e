"""The page of a run: what it says, what it does without artifacts, and that nothing of the user's becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import ConfigError, DataError, WorkspaceError
from pipeline.guard.findings import DataVerdict, Distances, Finding
from pipeline.guard.places import FileRows
from pipeline.guard.policy import Severity
from pipeline.lineage.records import Artifact, Step
from pipeline.lineage.runs import Run, StepState, find_run, list_runs
from pipeline.lineage.states import Outcome
from pipeline.lineage.store import open_existing_store
from pipeline.lineage.trends import Judged, Trend
from pipeline.reports.formats import NOTHING
from pipeline.reports.page import collect, render, write_report
from pipeline.reports.page_places import FRONT, page_path
from pipeline.reports.rendering import templates, words
from tests.probes import probing_by

ROOT = Path(__file__).parents[2]
EVIL = "<script>alert(1)</script>"
VALUES = ("</script>", "\"it's\" & 'that'", "<b>bold</b>", "{{ 7 * 7 }}")
SECTIONS = [
    *("run", "metrics", "slices", "training", "anomalies", "columns", "steps", "provenance", "card"),
]
VOID = {"meta", "wbr", "link", "br", "hr", "img", "input", "path", "use"}


# What a browser would make of it


class Reader(HTMLParser):
    """Elements, attributes and text by section; complains about elements that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: dict[str, str] = {"": ""}
        self._open: list[str] = []
        self._section = ""
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
            self.text[self._section] = ""
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag
        if tag == "section":
            self._section = ""
        if tag in ("td", "th", "p", "dd", "dt", "li", "caption", "h1", "h2"):
            self.text[self._section] += "\n"

    def handle_data(self, data: str) -> None:
        if not {"style", "script", "noscript"}.intersection(self._open):
            self.text[self._section] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for found, attributes in self.elements if found == tag]

    def lines(self, section: str) -> list[str]:
        return [" ".join(line.split()) for line in self.text[section].splitlines() if line.strip()]


def read(run: Run) -> Reader:
    return Reader(render(collect(run)))


def before_words(lines: list[str]) -> list[str]:
    """Leave out what each metric says, which comes last."""
    return lines[: lines.index("What each metric says")]


def assert_self_contained(page: Reader, html: str) -> None:
    """No script but ours, no address but places in the page, a policy that forbids the rest."""
    scripts: list[str] = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    decide, columns, sort, layout = (
        (ROOT / "pipeline/reports/templates/report" / name).read_text().rstrip()
        for name in ("decide.js", "columns.js", "sort.js", "layout.js")
    )
    has_choice = "decide" in page.text
    has_slices = any(table.get("class") == "full sortable" for table in page.all("table"))
    has_columns = page.text.get("columns", "").count("Find")
    assert scripts == [decide] * has_choice + [columns] * has_columns + [sort] * has_slices + [layout]
    assert len(page.all("script")) == len(scripts) + has_choice  # its data
    assert not {tag for tag, _ in page.elements} & {"link", "img", "iframe", "object", "base", "form"}
    addresses = [value for _, attributes in page.elements for name, value in attributes.items() if "href" in name]
    assert addresses
    assert {address for address in addresses if not address.startswith("#")} <= {FRONT}
    assert not any(name in ("src", "srcset", "data") for _, attributes in page.elements for name in attributes)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert [link for link in re.findall(r"url\(([^)]*)\)", html) if not link.startswith("#")] == []
    assert "@import" not in html
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    assert {f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'"} == {
        meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    }


def assert_accessible(page: Reader) -> None:
    """What can be told without a browser."""
    tags = [tag for tag, _ in page.elements]
    assert page.all("html") == [{"lang": "en"}]
    assert tags.count("h1") == tags.count("main") == 1
    assert tags.count("title") == 1 + len([path for path in page.all("path") if path.get("class") == "hit"])
    assert tags.count("caption") == tags.count("table")
    assert [cell for cell in page.all("th") if "scope" not in cell and cell.get("aria-hidden") != "true"] == []
    assert all(region["aria-label"] for region in page.all("div") if region.get("role") in ("region", "img"))
    assert all("viewbox" in picture for picture in page.all("svg"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {link["href"][1:] for tag, link in page.elements if link.get("href", "").startswith("#")}
    assert targets <= set(ids)


# A run and its artifacts, written by hand

STATISTICS = {
    "train": """
        datasets { num_examples: 8
          features { path { step: "speed" } type: FLOAT num_stats {
            common_stats { num_non_missing: 6 num_missing: 2 }
            mean: 2.5 std_dev: 3.25 median: 2 min: 0 max: 10 num_zeros: 3
            histograms { type: QUANTILES buckets { low_value: 0 high_value: 10 sample_count: 6 } }
            histograms { type: STANDARD
              buckets { low_value: 0 high_value: 5 sample_count: 3 }
              buckets { low_value: 5 high_value: 10 sample_count: 3 } } } }
          features { path { step: "left" } type: INT num_stats {
            common_stats { num_non_missing: 8 }
            mean: 1357041600 std_dev: 43200 median: 1357041600 min: 1357041600 max: 1357045200 } }
          features { path { step: "NAME" } type: STRING string_stats {
            common_stats { num_non_missing: 4 num_missing: 4 } unique: 2
            rank_histogram {
              buckets { label: "VALUE0" sample_count: 3 }
              buckets { label: "VALUE1" sample_count: 1 } } } }
          features { path { step: "empty" } type: FLOAT num_stats { common_stats { num_missing: 8 } } }
        }""",
    "eval": """
        datasets { num_examples: 2
          features { path { step: "speed" } type: FLOAT num_stats {
            common_stats { num_non_missing: 2 } mean: 12345.6 median: 12345.6 min: 5 max: 20000
            histograms { type: STANDARD buckets { low_value: 5 high_value: 10 sample_count: 2 } } } }
          features { path { step: "NAME" } type: STRING string_stats {
            common_stats { num_non_missing: 2 } unique: 1
            rank_histogram { buckets { label: "VALUE1" sample_count: 2 } } } }
        }""",
}
ANOMALIES = {
    "train": "",
    "eval": """anomaly_info { key: "NAME" value { path { step: "NAME" } short_description: "Unexpected string values"
        reason { type: ENUM_TYPE_UNEXPECTED_STRING_VALUES }
        description: "Examples contain values missing from the schema: VALUE2 (~50%)." } }""",
}
INGESTION = {
    "rows": {"train": 8, "eval": 2},
    "labels": {"unlabelled": 1234, "classes": {"train": {VALUES[0]: 6, "no": 2}, "eval": {"no": 2}}, "span": {}},
    "files": ["a.csv", "b.csv"],
    "spans": [3, 4, 5],
    "columns": {"speed": "float", "left": "timestamp", EVIL: "string"},
}
VERDICT: dict[str, Any] = {
    "blessed": True,
    "metrics": {"log_loss": 0.5, "example_count": 1200.0, "auc": 0.687},
    "champion": None,
    "slices": [
        {"slice": {EVIL: VALUES[0]}, "metrics": {"log_loss": 0.4, "auc": 0.9, "example_count": 12.0}},
        {"slice": {EVIL: VALUES[1]}, "metrics": {"log_loss": 0.6, "auc": 0.6, "example_count": 700.0}},
        {"slice": {EVIL: "none"}, "metrics": {"log_loss": 0.6, "auc": math.nan, "example_count": 488.0}},
    ],
    "failures": [],
}
CHAMPION = {"log_loss": 0.49, "example_count": 1200.0, "auc": 0.7}


def eval_config(auc: dict[str, Any], log_loss: dict[str, Any] | None = None) -> dict[str, Any]:
    def metric(name: str, threshold: dict[str, Any] | None) -> dict[str, Any]:
        rules = {"perSliceThresholds": [{"slicingSpecs": [{}], "threshold": threshold}]} if threshold else {}
        return {"className": name.upper(), "config": json.dumps({"name": name})} | rules

    return {"evalConfig": {"metricsSpecs": [{"metrics": [metric("log_loss", log_loss), metric("auc", auc)]}]}}


AT_LEAST = {"valueThreshold": {"lowerBound": 0.64}}
MAY_LOSE = {"changeThreshold": {"absolute": -0.02, "direction": "HIGHER_IS_BETTER"}}
FILES = {
    "Examples": ("TableExampleGen", "ingestion.json"),
    "ExampleStatistics": ("StatisticsGen", "FeatureStats.pb"),
    "ExampleAnomalies": ("ExampleValidator", "SchemaDiff.pb"),
    "ModelRun": ("Trainer", "history.json"),
    "ModelEvaluation": ("Evaluator", "verdict.json"),
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return complete_run(tmp_path)


def complete_run(tmp_path: Path) -> Run:
    """A complete, blessed run with every artifact on disk."""

    def proto(kind: Any, text: str) -> bytes:
        for number, value in enumerate(VALUES):
            text = text.replace(f"VALUE{number}", value.replace("\\", "\\\\").replace('"', '\\"'))
        return text_format.Parse(text.replace("NAME", EVIL), kind()).SerializeToString()

    def write(path: Path, content: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())

    for split, text in STATISTICS.items():
        statistics = proto(statistics_pb2.DatasetFeatureStatisticsList, text)
        write(tmp_path / "ExampleStatistics" / f"Split-{split}" / "FeatureStats.pb", statistics)
        anomalies = proto(anomalies_pb2.Anomalies, ANOMALIES[split])
        write(tmp_path / "ExampleAnomalies" / f"Split-{split}" / "SchemaDiff.pb", anomalies)
    write(tmp_path / "Examples" / "ingestion.json", INGESTION)
    history = {"kept_epoch": 2, "rows": 7, "loss": [0.9, 0.7, 0.65], "val_loss": [0.8, 0.75, 0.77]}
    write(tmp_path / "ModelRun" / "history.json", history)
    write(tmp_path / "ModelEvaluation" / "verdict.json", VERDICT)
    write(tmp_path / "ModelEvaluation" / "eval_config.json", eval_config(AT_LEAST))
    artifacts = {node: [Artifact(kind, str(tmp_path / kind), {})] for kind, (node, _) in FILES.items()}
    pushed = Artifact("PushedModel", "/x", {"pushed": 1, "pushed_destination": "/serving/flights/17"})
    return Run(
        run_id="20261121-041631-031",
        pipeline="flights",
        status="complete",
        started="2026-11-21T04:16:41+00:00",
        seconds=40.0,
        reason="",
        properties={"config_digest": "c0ffee", "code_digest": "decade", "package_versions": '{"tfx": "1.2.3"}'},
        steps=[
            Step("TableExampleGen", StepState.CACHED, 0.0, 1),
            Step("Trainer", StepState.DONE, 30.0, 2),
            Step("Evaluator", StepState.DONE, 10.0, 3),
        ],
        artifacts=artifacts | {"Pusher": [pushed]},
    )


def rewrite(run: Run, kind: str, file: str, content: Any) -> None:
    (artifact,) = (found for artifacts in run.artifacts.values() for found in artifacts if found.type == kind)
    Path(artifact.uri, file).write_text(json.dumps(content))


# What it says


def test_every_section_in_order(run: Run) -> None:
    page = read(run)
    assert page.lines("") == [
        "Blessed: flights, run 20261121-041631-031",  # the title
        "Skip to the report",
        "flights · run 20261121-041631-031 · 2026-11-21 04:16 UTC",
        "Blessed",
        "auc 0.6870, needs at least 0.64; no champion yet: judged by absolute thresholds only",
        *(
            "Run and data",
            "Metrics",
            "Slices 3",
            "Training",
            "Anomalies 1",
            "Columns 4",
            "Steps 3",
            "Provenance",
            "Model card",
        ),
        "Not computed in this run: Curves, What the model looks at, Serving, Drift.",
    ]
    assert list(page.text) == ["", *SECTIONS]
    assert page.lines("run") == [
        "Run and data",
        *("Status", "complete, 40 s", "Files", "2 (a.csv, b.csv)", "Spans", "3 to 5"),
        *("Rows without a label", "1,234, dropped", "Model", "/serving/flights/17"),
        "Rows by split, and the label's values in each",
        *("Split", "Rows", "Share", "label </script>", "label no"),
        *("train", "8", "80.0%", "75.0%", "25.0%"),
        *("eval", "2", "20.0%", "0.0%", "100.0%"),
    ]
    assert before_words(page.lines("metrics")) == [
        *("Metrics", "All rows that were evaluated; no champion yet: judged by absolute thresholds only"),
        *("Metric", "This model", "Threshold"),
        *("auc", "0.6870", "✓ held: needs at least 0.64"),
        *("log_loss", "0.5000"),
    ]
    assert page.lines("slices")[2:] == [
        f"By {EVIL}, those of most rows first",
        *(EVIL, "Rows", "auc", "0.60000.6870", "log_loss"),
        *("\"it's\" & 'that'", "700", "0.6000", "0.6000"),
        *("none", "488", NOTHING, "0.6000"),
        *("</script>", "12", "0.9000", "0.4000"),
    ]
    dots = [mark["style"] for mark in page.all("i") if mark["class"] == "dot"]
    assert dots == ["left:0.0%", "left:100.0%"]  # the small slice lies beyond the scale
    assert page.lines("training")[:2] == [
        "Training",
        "Fitted on 7 rows. Of 3 epochs, number 2 has the least validation loss: 0.7500.",
    ]
    assert page.lines("training")[-9:] == [
        "1",
        "0.9000",
        "0.8000",
        "2 (least)",
        "0.7000",
        "0.7500",
        "3",
        "0.6500",
        "0.7700",
    ]
    assert page.lines("anomalies") == [
        *("Anomalies", "Anomalies in train", "none", "Anomalies in eval", "1", "Where the data depart from the schema"),
        *("Column", "Split", "What", "In detail"),
        *(EVIL, "eval", "Values that the schema does not list"),
        f"Examples contain values missing from the schema: {VALUES[2]} (~50%).",
    ]
    columns = page.lines("columns")
    assert columns[columns.index("Columns of numbers, dates and booleans") :] == [
        "Columns of numbers, dates and booleans",
        *("Column", "Distribution", "Split", "Values", "Missing"),
        *("Mean", "Std. dev.", "Zeros", "Least", "Median", "Greatest"),
        *("speedfloat", "train", "6", "25.0%", "2.5", "3.25", "50.0%", "0", "2", "10"),
        *("eval", "2", "0.0%", "12,346", "0", "0.0%", "5", "12,346", "20,000"),
        *("lefttimestamp", "train", "8", "0.0%", "2013-01-01", "12:00", "0.5 days", "0.0%", "2013-01-01", "12:00"),
        *("2013-01-01", "12:00", "2013-01-01", "13:00", "eval", "not in this split"),
        *("emptyfloat", "train", "0", "100.0%", *[NOTHING] * 6, "eval", "not in this split"),
        "Previous Next",  # hidden
        "Columns of text",
        *("Column", "Distribution", "Split", "Values", "Missing", "Distinct", "Commonest values"),
        *(f"{EVIL}stringValues that the schema does not list", "train", "4", "50.0%", "2"),
        f"{VALUES[0]} 75.0% {VALUES[1]} 25.0%",
        *("eval", "2", "0.0%", "1", f"{VALUES[1]} 100.0%"),
    ]
    assert page.lines("steps") == [
        *("Steps", "One after the other; together 40 s", "Step", "State", "Seconds"),
        *("TableExampleGen", "≡ cached", "0.0", "Trainer", "✓ done", "30.0", "Evaluator", "✓ done", "10.0"),
    ]
    times = [mark["style"] for mark in page.all("i") if mark["class"] in ("cached", "done")]
    assert times == ["left:0.00%;width:0.00%", "left:0.00%;width:75.00%", "left:75.00%;width:25.00%"]
    provenance = ["Run", run.run_id, "Configuration", "c0ffee", "Code", "decade", "Packages", "tfx 1.2.3"]
    assert page.lines("provenance")[1:9] == provenance
    assert page.lines("provenance")[9:11] == [
        "Lineage",
        f"longhaul lineage {run.run_id} --html {run.run_id}-lineage.html draws it; "
        "beside this page it is linked here when the report is written again",
    ]


def test_distributions_are_drawn_to_one_scale(run: Run) -> None:
    """Train: 0 to 5 and 5 to 10, half each; eval: all of it in 5 to 10, so twice as dense."""
    page = read(run)
    assert [path["d"] for path in page.all("path") if path["d"].endswith("V36.0")] == [
        "M0.0 36.0L0.0 18.0H80.0L80.0 18.0H160.0V36.0",
        "M0.0 36.0L0.0 36.0H80.0L80.0 0.0H160.0V36.0",
        # two values in slots of a quarter: 3/4 and 1/4 in train, nothing and all in eval
        "M1.0 36.0L1.0 9.0H39.0V36.0M41.0 36.0L41.0 27.0H79.0V36.0",
        "M1.0 36.0L1.0 36.0H39.0V36.0M41.0 36.0L41.0 0.0H79.0V36.0",
    ]


@pytest.mark.parametrize(
    ("low", "high", "bars"),
    [  # TFDV's ten bars, of which those without a whole number between their bounds hold next to nothing
        (0.0, 6.0, [(-0.5, 0.5), (0.5, 1.5), (1.5, 2.5), (2.5, 3.5), (3.5, 4.5), (4.5, 5.5), (5.5, 6.5)]),
        (0.0, 1.0, [(-0.5, 0.5), (0.5, 1.5)]),
        (1.0, 31.0, [(0.5, 4.5), *((day + 1.5, day + 4.5) for day in range(3, 30, 3))]),
    ],
)
def test_bars_of_whole_numbers(run: Run, low: float, high: float, bars: list[tuple[float, float]]) -> None:
    width = (high - low) / 10
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    feature = statistics.datasets.add().features.add(name="n", type=statistics_pb2.FeatureNameStatistics.INT)
    feature.num_stats.common_stats.num_non_missing = 10
    histogram = feature.num_stats.histograms.add(type=statistics_pb2.Histogram.STANDARD)
    for i in range(10):
        histogram.buckets.add(low_value=low + i * width, high_value=low + (i + 1) * width, sample_count=1)
    folder = Path(run.artifacts["StatisticsGen"][0].uri)
    (folder / "Split-train" / "FeatureStats.pb").write_bytes(statistics.SerializeToString())
    shutil.rmtree(folder / "Split-eval")
    (column,) = collect(run).columns or []
    assert [bar[:2] for bar in column.splits["train"].bars] == bars


@pytest.mark.parametrize(
    ("change", "thresholds", "title", "reasons", "held"),
    [
        ({}, {}, "Blessed", ["every threshold held; no champion yet: judged by absolute thresholds only"], {}),
        (
            {"champion": CHAMPION},
            {"auc": AT_LEAST | MAY_LOSE},
            "Blessed",
            ["auc 0.6870, needs at least 0.64 and may lose 0.02 to the champion's 0.7000; compared with the champion"],
            {"auc": True},
        ),
        (
            {"champion": CHAMPION, "blessed": False, "failures": ["log_loss is 0.0100 above the champion's"]},
            {"auc": AT_LEAST, "log_loss": {"changeThreshold": {"absolute": 0.001, "direction": "LOWER_IS_BETTER"}}},
            "Not blessed",
            ["log_loss is 0.0100 above the champion's"],
            {"auc": True, "log_loss": False},
        ),
        (
            {"metrics": {"auc": math.nan, "log_loss": 900.0}, "blessed": False, "failures": ["auc is <nan>", "worse"]},
            {"auc": AT_LEAST, "log_loss": {"valueThreshold": {"upperBound": 1.0, "lowerBound": "-Infinity"}}},
            "Not blessed",
            ["auc is <nan>", "worse"],
            {"auc": False, "log_loss": False},
        ),
    ],
)
def test_verdicts(
    run: Run, change: dict[str, Any], thresholds: dict[str, Any], title: str, reasons: list[str], held: dict[str, bool]
) -> None:
    rewrite(run, "ModelEvaluation", "verdict.json", VERDICT | change)
    rewrite(run, "ModelEvaluation", "eval_config.json", eval_config(**({"auc": {}} | thresholds)))
    page = collect(run)
    assert (page.verdict.title, page.verdict.reasons) == (title, reasons)
    assert page.judgement is not None
    assert {metric.name: metric.held for metric in page.judgement.metrics if metric.held is not None} == held
    lines = Reader(render(page)).lines("")
    assert lines[lines.index(title) + 1 :][: len(reasons)] == reasons


@pytest.mark.parametrize(
    ("status", "state", "reason", "shown"),
    [
        (
            "failed",
            StepState.FAILED,
            f"row {EVIL} of t.csv is broken\n  Remedy: mend it",
            ["Failed in Evaluator", f"row {EVIL} of t.csv is broken", "Remedy: mend it"],
        ),
        ("interrupted", StepState.INTERRUPTED, "", ["Interrupted in Evaluator", "somebody stopped it"]),
        (
            "running",
            StepState.RUNNING,
            "",
            ["Not finished in Evaluator", "it is still at work, or its process died"],
        ),
        (
            "complete",
            StepState.DONE,
            "",
            ["No verdict", "the run ended with Evaluator, before a model was judged"],
        ),
    ],
)
def test_a_run_that_stopped_early(run: Run, status: str, state: StepState, reason: str, shown: list[str]) -> None:
    steps = [*run.steps[:2], Step("Evaluator", state, 10.0, 3)]
    artifacts = {node: made for node, made in run.artifacts.items() if node not in ("Evaluator", "Pusher")}
    page = read(replace(run, status=status, reason=reason, steps=steps, artifacts=artifacts))
    lines = page.lines("")
    assert lines[3 : 3 + len(shown)] == shown
    assert "nothing was pushed" in page.lines("run")
    assert {"metrics", "slices"}.isdisjoint(page.text)
    assert page.lines("")[-1].startswith("Not computed in this run: Metrics, Slices, ")


def test_a_run_of_which_nothing_is_known(run: Run) -> None:
    page = read(Run("1", "flights", "failed", "", 0.0, "", {}))
    assert page.lines("")[3:5] == ["Failed", "the log says why"]
    assert set(page.text) == {"", "run", "steps", "provenance", "card"}
    missing = "Metrics, Slices, Curves, What the model looks at, Serving, Training, Anomalies, Drift, Columns"
    assert page.lines("")[-1] == f"Not computed in this run: {missing}."
    assert page.lines("steps")[1:] == ["No step began."]
    assert "not judged; not pushed" in page.lines("card")


SECTIONS_OF = {
    "Examples": {"run"},
    "ExampleStatistics": {"columns"},
    "ExampleAnomalies": {"anomalies"},
    "ModelRun": {"training"},
    "ModelEvaluation": {"metrics", "slices", "curves", "importance"},
}


def no_artifact(run: Run, kind: str) -> list[str]:
    del run.artifacts[FILES[kind][0]]
    return []


def no_folder(run: Run, kind: str) -> list[str]:
    folder = Path(run.artifacts[FILES[kind][0]][0].uri)
    shutil.rmtree(folder)
    return [str(folder)]


def no_file(run: Run, kind: str) -> list[str]:
    paths = list(Path(run.artifacts[FILES[kind][0]][0].uri).rglob(FILES[kind][1]))
    for path in paths:
        path.unlink()
    return [f"{path} is on record, but the file is gone" for path in paths]


def damaged_file(run: Run, kind: str) -> list[str]:
    paths = list(Path(run.artifacts[FILES[kind][0]][0].uri).rglob(FILES[kind][1]))
    for path in paths:
        path.write_bytes(b"\x0f\xff{]")
    return [f"{path} cannot be read: " for path in paths]


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("lose", [no_artifact, no_folder, no_file, damaged_file])
def test_a_missing_artifact_costs_its_own_section_only(run: Run, lose: Callable[..., list[str]], kind: str) -> None:
    whole = read(run)
    told = lose(run, kind)
    page = read(run)
    for section in whole.text:
        if section in SECTIONS_OF[kind]:
            assert section not in page.text or page.lines(section)[-1] == "Not computed in this run."
        # Types of columns come from the Examples; the card tells of everything.
        elif section not in ("", "columns", "provenance", "card"):
            assert page.lines(section) == whole.lines(section)
    notes = [line for line in page.lines("") if "on record" in line or "cannot be read" in line]
    assert bool(told) == bool(notes) == (lose is not no_artifact)
    assert all(any(text in note for note in notes) for text in told)
    assert all(any(text in note for text in told) for note in notes)


# What must never happen


def test_nothing_of_the_users_becomes_markup(run: Run) -> None:
    run.artifacts["Pusher"][0].properties["pushed_destination"] = f"/serving/{EVIL}"
    run.properties["package_versions"] = json.dumps({EVIL: "1"})
    html = render(collect(replace(run, pipeline=EVIL)))
    page = Reader(html)
    assert_self_contained(page, html)
    assert EVIL not in html
    assert html.count("</script") == 3  # the ends of our own
    assert "<b>bold" not in html
    for section in ("run", "slices", "anomalies", "columns", "provenance"):
        assert EVIL in page.text[section]
    labels = [picture["aria-label"] for picture in page.all("svg") if "aria-label" in picture]
    assert any(EVIL in label for label in labels)


def test_it_is_whole_and_accessible(run: Run) -> None:
    page = read(run)
    assert_accessible(page)
    assert any("training loss and validation loss" in picture.get("aria-label", "") for picture in page.all("div"))


def test_templates_are_not_made_of_data(run: Run) -> None:
    text = STATISTICS["train"].replace("VALUE0", VALUES[3]).replace("NAME", "{% raw %}").replace("VALUE1", "{#")
    statistics = text_format.Parse(text, statistics_pb2.DatasetFeatureStatisticsList())
    folder = Path(run.artifacts["StatisticsGen"][0].uri)
    (folder / "Split-train" / "FeatureStats.pb").write_bytes(statistics.SerializeToString())
    lines = read(run).lines("columns")
    assert "{% raw %}string" in lines
    assert "{{ 7 * 7 }} 75.0% {# 25.0%" in lines


def widen(run: Run, columns: int, of: str = "speed") -> None:
    """Gives the table copies of one of its columns instead of those that it has."""
    folder = Path(run.artifacts["StatisticsGen"][0].uri)
    for path in folder.glob("*/FeatureStats.pb"):
        statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
        (model,) = (found for found in statistics.datasets[0].features if found.path.step == [of])
        del statistics.datasets[0].features[:]
        for number in range(columns):
            statistics.datasets[0].features.add().CopyFrom(model)
            statistics.datasets[0].features[-1].path.step[:] = [f"a_column_with_a_name_{number}"]
        path.write_bytes(statistics.SerializeToString())


@pytest.mark.parametrize(
    ("columns", "waiting", "bound"), [(200, 0, 600_000), (201, 1, 600_000), (5000, 4800, 15_000_000)]
)
def test_wide_tables(run: Run, columns: int, waiting: int, bound: int) -> None:
    """Every column has its figures and its picture in the page; those beyond 200 wait where they cost no browser."""
    widen(run, columns)
    html = render(collect(run))
    shown, _, rest = html.partition("<template>")
    assert html.count('aria-label="Histogram of') == html.count('<tbody class="group"') == columns
    assert rest.count('<tbody class="group"') == waiting
    assert ("Without JavaScript, only the 200" in shown) == (waiting > 0)
    assert len(html.encode()) < bound


def test_the_widest_texts_fit_too(run: Run) -> None:
    """5,000 columns of long values in letters of three bytes."""
    folder = Path(run.artifacts["StatisticsGen"][0].uri)
    for path in folder.glob("*/FeatureStats.pb"):
        statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
        (text,) = (found for found in statistics.datasets[0].features if found.path.step == [EVIL])
        del text.string_stats.rank_histogram.buckets[:]
        for number in range(20):
            text.string_stats.rank_histogram.buckets.add(label=f"{number}\u754c" + "\u754c" * 200, sample_count=0.1)
        path.write_bytes(statistics.SerializeToString())
    widen(run, 5000, of=EVIL)
    assert len(render(collect(run)).encode()) < 15_000_000


def test_the_most_notable_columns_of_a_wide_table_need_no_script(run: Run) -> None:
    widen(run, 300)
    folder = Path(run.artifacts["StatisticsGen"][0].uri)
    path = folder / "Split-train" / "FeatureStats.pb"
    statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
    statistics.datasets[0].features[299].num_stats.common_stats.num_missing = 600
    statistics.datasets[0].features[298].path.step[:] = [EVIL]  # the one with an anomaly, and not in eval
    path.write_bytes(statistics.SerializeToString())
    moved = {"a_column_with_a_name_297": Distances("jensen_shannon", 0.2, {"2": 0.1})}
    page = read(with_gate(run, DataVerdict((ODD,), moved)))
    rows = [body for body in page.all("tbody") if "data-place" in body]
    order = [body["data-place"] for body in rows]
    assert order[:4] == ["298", "297", "300", "299"]  # the 300th of eval is a column that train lacks
    assert order[4:] == sorted(order[4:], key=int)
    keys = [(body["data-anomalies"], body["data-drift"], body["data-missing"]) for body in rows]
    assert keys[:4] == [("1", "-1", "1"), ("0", "0.1", "0.25"), ("0", "-1", "1"), ("0", "-1", "0.9901")]


# What the data gate said

ODD = Finding(
    "enum_type_unexpected_string_values",
    EVIL,
    "eval",
    "schema: domain",
    f"one of {VALUES[0]}",
    VALUES[2],
    0.5,
    rows=(FileRows("/data/a.csv", 1, 2, ((7, 7),), (VALUES[1],)),),
    count=1,
    of=2,
    files=3,
)
MOVED = Finding(
    "comparator_l_infty_high", "speed", "span 3", "policy: drift", "at most 0.2", "0.25", None, Severity.WARN
)


def with_gate(run: Run, verdict: DataVerdict | dict[str, Any]) -> Run:
    folder = Path(run.artifacts["Trainer"][0].uri).parent / "gate"
    folder.mkdir()
    document = verdict if isinstance(verdict, dict) else verdict.to_json()
    (folder / "verdict.json").write_text(json.dumps(document))
    (folder / "schema.pbtxt").write_text('feature { name: "speed" }')
    artifacts = {
        "DataGate": [Artifact("longhaul.DataVerdict", str(folder), {})],
        "CuratedSchema": [Artifact("Schema", str(folder), {})],
    }
    return replace(run, artifacts=run.artifacts | artifacts)


def test_the_gates_verdict(run: Run) -> None:
    distances = {"speed": Distances("jensen_shannon", 0.2, {"2": 0.1, "10": 0.0, "3": 0.25})}
    skew = {EVIL: Distances("l_infinity", 0.5, {"serving": 0.5})}
    verdict = DataVerdict((MOVED, ODD), distances, skew, ("the rows of test are gone",))
    page = read(with_gate(run, verdict))
    digest = hashlib.sha256(b'feature { name: "speed" }').hexdigest()
    assert page.lines("anomalies") == [
        *("Anomalies", "Schema", digest[:12]),
        *("Data gate", "✗ stopped the run: 1 to fix, 1 warning", "Not looked at", "the rows of test are gone"),
        *("Anomalies in train", "none", "Anomalies in eval", "1", "Anomalies in span 3", "1"),
        "Where the data depart from the schema and the policy",
        *("Column", "Split", "Severity", "What", "In detail"),
        *(EVIL, "eval", "✗ blocks", "Values that the schema does not list"),
        f"expected one of {VALUES[0]}, found {VALUES[2]} (1 of 2 rows, 50.0%, rule: domain in the schema)"
        f"data/a.csv: 1 of 2 rows, row 7 ({VALUES[1]})and 2 more files",
        *("speed", "span 3", "warns", "The values are spread differently"),
        "expected at most 0.2, found 0.25 (rule: drift in the policy)",
    ]
    assert page.lines("drift")[-15:] == [
        *("Column", "2", "3", "10", "serving"),
        *(EVIL, NOTHING, NOTHING, NOTHING, "0.50"),
        *("speed", "0.10", "0.25 beyond the threshold", "0.00", NOTHING),
    ]
    assert "speedfloatThe values are spread differentlydrift 0.25 in span 3" in page.lines("columns")
    assert f"{EVIL}stringValues that the schema does not listskew 0.50 in serving" in page.lines("columns")
    assert_accessible(page)


def test_a_run_that_the_gate_stopped(run: Run) -> None:
    stopped = replace(run, status="blocked", reason="as recorded")
    assert read(stopped).lines("")[3:5] == ["Stopped by the data gate", "as recorded"]
    page = read(with_gate(stopped, DataVerdict((ODD,) * 7)))
    said = f"{EVIL}, eval: values that the schema does not list: expected one of {VALUES[0]}, found {VALUES[2]} "
    said += "(1 of 2 rows, 50.0%, rule: domain in the schema)"
    assert page.lines("")[3:10] == ["Stopped by the data gate", *[said] * 5, "and 2 more, below"]


def test_a_gate_that_found_nothing(run: Run) -> None:
    page = read(with_gate(replace(run, properties=run.properties | VERSION), DataVerdict()))
    assert page.lines("anomalies") == [
        *("Anomalies", "Schema", "version 3, reviewed by Ann: wider c0ffee000000", "Data gate", "✓ let the data pass"),
        *("Anomalies in train", "none", "Anomalies in eval", "none"),
    ]
    assert page.lines("drift")[1].startswith("There is nothing to compare with")


VERSION = {"schema_version": "3", "schema_review": "reviewed by Ann: wider", "schema_digest": "c0ffee000000dead"}


@pytest.mark.parametrize("document", [{}, {"findings": 1, "drift": [], "skew": None, "notes": 2}, {"findings": [{}]}])
def test_a_verdict_of_another_form_is_told_and_left(run: Run, document: dict[str, Any]) -> None:
    page = read(with_gate(run, document))
    assert any("verdict.json cannot be read: " in line for line in page.lines(""))
    assert "Values that the schema does not list" in page.lines("anomalies")  # as ExampleValidator says
    assert "Drift" in page.lines("")[-1]


@pytest.mark.parametrize(
    ("kind", "file"),
    [("ModelRun", "hyperparameters.json"), ("ModelEvaluation", "verdict.json"), ("Examples", "ingestion.json")],
)
def test_a_document_of_another_form_is_told_and_left(run: Run, kind: str, file: str) -> None:
    rewrite(run, kind, file, [1, 2])
    assert any(f"{file} cannot be read: TypeError list in place of dict" in line for line in read(run).lines(""))


def test_only_the_largest_slices_are_shown(run: Run) -> None:
    slices = [{"slice": {"tail": str(i)}, "metrics": {"auc": 0.5, "example_count": float(i)}} for i in range(150)]
    crossed = [{"slice": {"a": 1, "b": "x"}, "metrics": {"auc": 0.5}}]
    rewrite(run, "ModelEvaluation", "verdict.json", VERDICT | {"slices": slices + crossed})
    lines = read(run).lines("slices")
    assert "By a and b, those of most rows first" in lines
    assert lines[lines.index("1, x") + 1] == NOTHING  # rows unknown
    assert "By tail, those of most rows first; 50 of fewer rows are left out" in lines
    assert "50" in lines
    assert "49" not in lines


@pytest.mark.parametrize(
    ("rows", "places"),
    [((100, 100, 99), ["0.0%", "75.0%", "100.0%"]), ((1, 2, 99), ["0.0%", "60.0%", "100.0%"])],
)
def test_the_scale_is_that_of_the_larger_slices(run: Run, rows: tuple[int, ...], places: list[str]) -> None:
    slices = [
        {"slice": {"a": str(auc)}, "metrics": {"auc": auc, "example_count": float(count)}}
        for auc, count in zip((0.4, 0.7, 0.9), rows, strict=True)
    ]
    metrics = {"metrics": {"auc": 0.8}, "slices": slices}
    rewrite(run, "ModelEvaluation", "verdict.json", VERDICT | metrics)
    dots = [mark["style"] for mark in read(run).all("i") if mark["class"] == "dot"]
    assert sorted(dots, key=len) == [f"left:{place}" for place in places]


MINUS = "\N{MINUS SIGN}"
EXPLAINED: dict[str, Any] = {
    "confidence": 0.9,
    "champion": CHAMPION,
    "champion_name": "champion run 7",
    "metrics": {"log_loss": 0.5, "example_count": 1200.0},
    "intervals": {"log_loss": [0.45, 0.55]},
    "differences": {"log_loss": [-0.01, 0.02]},
    "undefined": {"auc": "one class only"},
    "notes": [f"auc on {EVIL} is not judged: there are no such rows"],
    "slices": [
        {
            "slice": {EVIL: VALUES[0]},
            "metrics": {"log_loss": 0.4, "example_count": 700.0},
            "champion": {"log_loss": 0.3},
            "intervals": {"log_loss": [0.3, 0.6]},
            "differences": {"log_loss": [0.05, 0.15]},
            "undefined": {"auc": "one class only"},
            "failed": ["log_loss"],
        },
        {"slice": {EVIL: VALUES[1]}, "metrics": {"log_loss": 0.2, "auc": 0.7, "example_count": 900.0}},
    ],
}
BINS = {"predicted": [0.1, 0.9], "came_true": [0.2, 1.0], "low": [0.1, 0.8], "high": [0.3, 1.0], "rows": [900, 300]}
CURVES: dict[str, dict[str, Any]] = {
    "binary": {
        "roc": {"false_positive_rate": [0, 0.5, 1], "true_positive_rate": [0, 0.8, 1]},
        "precision_recall": {"recall": [0.5, 1], "precision": [0.9, 0.5]},
        "thresholds": {"threshold": [0.9, 0.1], "precision": [1, 0.5], "recall": [0.5, 1], "flagged": [0.2, 1]},
        "calibration": BINS,
        "distribution": {"edges": [0, 0.5, 1], "negative": [5, 1], "positive": [1, 5]},
    },
    "multiclass": {
        "confusion": {"classes": [EVIL, "b", "c"], "rows": [[3, 1, 0], [0, 4, 0], [1, 1, 2]]},
        "calibration": BINS,
    },
    "regression": {"points": {"true": [1.0, 2.0, 3.0], "predicted": [1.5, 2.0, 2.5]}},
}
EXPLANATION: dict[str, Any] = {
    "problems": [],
    "importance": {
        "metric": "auc",
        "value": 0.7,
        "rows": 4000,
        "repeats": 3,
        "features": [{"name": EVIL, "drop": 0.05, "spread": 0.01}, {"name": "speed", "drop": -0.001, "spread": 0.002}],
        "left_out": 0,
    },
    "examples": {
        "rows": [
            {
                "kind": "most wrong",
                "truth": VALUES[0],
                "output": VALUES[1],
                "prediction": 0.93,
                "typical": 0.2,
                "parts": [
                    {"feature": EVIL, "kind": "categorical", "value": VALUES[2], "part": 0.5},
                    {"feature": "left", "kind": "timestamp", "value": 1357041600, "part": 0.3},
                    {"feature": "speed", "kind": "numeric", "value": None, "part": -0.1},
                ],
                "others": 0.02,
                "gap": 0.01,
            }
        ]
    },
}


@pytest.fixture
def explained(run: Run) -> Run:
    return explain(run)


def explain(run: Run) -> Run:
    """With all that an evaluation leaves today."""
    rewrite(run, "ModelEvaluation", "verdict.json", VERDICT | EXPLAINED)
    rewrite(run, "ModelEvaluation", "eval_config.json", eval_config({}, {"valueThreshold": {"upperBound": 0.6}}))
    both = {"task": "binary", "challenger": CURVES["binary"], "champion": CURVES["binary"]}
    rewrite(run, "ModelEvaluation", "curves.json", both)
    rewrite(run, "ModelEvaluation", "explanation.json", EXPLANATION)
    return run


def test_intervals_and_the_champion(explained: Run) -> None:
    page = read(explained)
    assert_accessible(page)
    assert [line for line in before_words(page.lines("metrics"))[1:] if not line.startswith("Intervals are ")] == [
        "All rows that were evaluated; compared with champion run 7",
        *("Metric", "This model", "90% interval", "Champion", "Difference", "90% interval", "Threshold"),
        *("log_loss", "0.5000", "0.4500 to 0.5500", "0.4900", "+0.0100", f"{MINUS}0.0100 to +0.0200"),
        "✓ held: may be at most 0.6",
        *("auc", "cannot be computed: one class only", NOTHING, "0.7000", NOTHING, NOTHING),
        "Not judged",
        f"auc on {EVIL} is not judged: there are no such rows",
    ]
    lines = page.lines("slices")
    assert lines[lines.index(VALUES[1]) + 1 :] == [
        *("900", "0.2000", NOTHING, NOTHING, "0.7000"),
        *("</script>", "700", "✗ 0.4000", "+0.1000", "+0.0500 to +0.1500", "one class only"),
    ]
    (reach,) = [mark["style"] for mark in page.all("i") if mark["class"] == "reach"]
    assert reach == "left:25.0%;width:75.0%"
    (ring,) = [mark["style"] for mark in page.all("i") if mark["class"] == "ring"]
    assert ring == "left:25.0%"


@pytest.mark.parametrize(("task", "pictures"), [("binary", 5), ("multiclass", 2), ("regression", 3)])
def test_curves_of_every_task(explained: Run, task: str, pictures: int) -> None:
    rewrite(explained, "ModelEvaluation", "curves.json", {"task": task, "challenger": CURVES[task]})
    html = render(collect(explained))
    page = Reader(html)
    assert_self_contained(page, html)
    assert EVIL not in html
    before = len(re.findall('aria-label="[^"]*"><svg', html.split('id="curves"')[0]))
    shown = len(re.findall('aria-label="[^"]*"><svg', html.split('id="importance"')[0])) - before
    assert shown == pictures


def test_a_single_number_has_the_interval_of_all_new_rows_around_it(explained: Run) -> None:
    points = {"true": [float(n) for n in range(1, 20)], "predicted": [0.0] * 19}
    rewrite(explained, "ModelEvaluation", "curves.json", {"task": "regression", "challenger": {"points": points}})
    row = EXPLANATION["examples"]["rows"][0] | {"output": None, "prediction": 100.0, "typical": 90.0, "truth": 101.0}
    rewrite(explained, "ModelEvaluation", "explanation.json", EXPLANATION | {"examples": {"rows": [row]}})
    said = "of all new rows 90 in 100 lie within 18 of their prediction: here from 82 to 118; in truth 101"
    assert any(said in line for line in read(explained).lines("importance"))


def test_classes_in_order_are_told_how_far_off_predictions_are(explained: Run) -> None:
    own, other = ({"order": {"places_off": off, "weighted_kappa": kappa}} for off, kappa in ((0.25, 0.8), (0.5, None)))
    both = {"challenger": CURVES["multiclass"] | own, "champion": CURVES["multiclass"] | other}
    rewrite(explained, "ModelEvaluation", "curves.json", {"task": "multiclass", **both})
    lines = read(explained).lines("curves")
    assert (
        "The classes are in order. On average a prediction is 0.2500 places off (the champion's: 0.5000). Cohen's "
        f"kappa with quadratic weights is 0.8000 ({NOTHING}): 1 is no error, 0 is chance."
    ) in lines
    assert "By class, in their order, with 90% intervals" in lines


def test_what_the_model_looks_at(explained: Run) -> None:
    lines = read(explained).lines("importance")
    start = lines.index("Permutation importance, the greatest first")
    assert lines[start + 1 : start + 9] == [
        *("Feature", "auc gets worse by", "Standard deviation", "Noise"),
        *(EVIL, "+0.0500", "0.0100", "speed"),
    ]
    start = lines.index("Feature", start + 2)
    assert lines[start - 1 :] == [
        f"Most wrong: 93.0% for {VALUES[1]}, where a typical row has 20.0%; in truth </script>",
        *("Feature", "Value", "Adds"),
        *(EVIL, VALUES[2], "+0.5000", "left", "2013-01-01 12:00", "+0.3000", "speed", "missing"),
        *(f"{MINUS}0.1000", "all others", "+0.0300"),
    ]


@pytest.mark.parametrize("file", ["curves.json", "explanation.json"])
def test_a_lost_picture_is_told(explained: Run, file: str) -> None:
    Path(explained.artifacts["Evaluator"][0].uri, file).unlink()
    page = read(explained)
    section = {"curves.json": "curves", "explanation.json": "importance"}[file]
    assert section not in page.text
    assert any(line.endswith(f"{file} is on record, but the file is gone") for line in page.lines(""))


def test_a_page_says_where_files_lie_in_the_workspace_and_not_on_this_machine(tmp_path: Path) -> None:
    run = explain(complete_run(tmp_path / "artifacts"))
    for kind, file in (("Evaluator", "explanation.json"), ("Trainer", "history.json")):
        (folder,) = [one.folder for one in run.artifacts[kind] if (one.folder / file).exists()]
        (folder / file).unlink()
        if kind == "Trainer":
            (folder / file).mkdir()  # cannot be read
    for split in Path(run.artifacts["StatisticsGen"][0].uri).iterdir():
        shutil.rmtree(split)
    (pushed,) = run.artifacts["Pusher"]
    served = {"pushed": 1, "pushed_destination": str(tmp_path / "serving/toys/7")}
    run.artifacts["Pusher"] = [replace(pushed, properties=served, uri=str(tmp_path / "artifacts/Pusher/5"))]
    html = render(collect(run))
    assert str(tmp_path) not in html
    assert ">serving/toys/7<" in html
    assert len(re.findall(r'class="path">artifacts/[^<]*(?:gone|cannot be read)', html)) == 3
    assert Artifact("Model", "gs://bucket/artifacts/Trainer/model/5", {}).place.startswith("gs://bucket/")


def test_an_explanation_that_failed_or_is_off_is_told(explained: Run) -> None:
    rewrite(explained, "ModelEvaluation", "explanation.json", {"problems": ["no memory"], "importance": None})
    assert read(explained).lines("importance")[1:] == ["no memory"]
    rewrite(explained, "ModelEvaluation", "explanation.json", {"problems": [], "importance": None, "examples": None})
    assert read(explained).lines("importance")[1:] == ["Switched off: evaluation.explain in the configuration."]


def test_labels_of_other_kinds(run: Run) -> None:
    span = {"unlabelled": 0, "classes": {}, "span": {"train": [25.0, 346.0], "eval": [0.5, 4e6]}}
    rewrite(run, "Examples", "ingestion.json", INGESTION | {"labels": span, "spans": [1, 4], "files": ["a"] * 3})
    lines = read(run).lines("run")
    assert lines[lines.index("Files") + 1 :][:5] == ["3 (a)", "Spans", "1, 4", "Rows without a label", "none"]
    assert lines[-15:] == [
        *("Split", "Rows", "Share", "Least label", "Greatest label"),
        *("train", "8", "80.0%", "25", "346"),
        *("eval", "2", "20.0%", "0.5", "4,000,000"),
    ]
    many = {"unlabelled": 0, "classes": {"train": dict.fromkeys(map(str, range(9)), 1), "eval": {"1": 2}}, "span": {}}
    rewrite(run, "Examples", "ingestion.json", INGESTION | {"labels": many})
    assert read(run).lines("run")[-8:] == ["train", "8", "80.0%", "9", "eval", "2", "20.0%", "1"]


def test_what_stands_between_backticks_is_code() -> None:
    assert words("longhaul run -c a.yaml").count("word") == 3, "an option stands in a line with its value"
    ticked = templates().from_string("{{ text | ticked }}").render
    assert ticked(text="set `a.b` or <b>`x`</b>") == "set <code>a.b</code> or &lt;b&gt;<code>x</code>&lt;/b&gt;"


def test_a_step_that_did_nothing_has_no_tick(run: Run) -> None:
    skipped = Outcome(StepState.SKIPPED, "not blessed")
    properties = run.properties | {"planned": '["TableExampleGen", "Trainer", "Pusher", "Later"]'}
    steps = [*run.steps, Step("Pusher", StepState.DONE, 0.1, 4, told=skipped)]
    page = read(replace(run, properties=properties, steps=steps))
    assert page.lines("steps")[-6:] == [
        "Pusher",
        f"{NOTHING} skipped: not blessed",
        "0.1",
        "Later",
        "· not reached",
        NOTHING,
    ]
    assert not [bar for bar in page.all("i") if bar.get("class") == "not-reached"]  # its least width looks like a time


def test_what_is_said_of_colors_holds_in_both_themes() -> None:
    texts = [path.read_text() for path in (ROOT / "pipeline/templates").rglob("*.j2")]
    said = [re.sub(r"<style.*?</style>|{[{%#].*?[}%#]}|<[^>]*>", " ", text, flags=re.DOTALL) for text in texts]
    words = re.findall(r"(?i)\b(?:dark|light|pale|bright)(?:er|est|ly)?\b", " ".join(said))
    assert words == []  # what is darker in one theme is lighter in the other


FIGURE = re.compile(r"(?<![\w.])\d+\.\d{3,}(?![\w.])")


def test_a_judged_metric_has_one_value_on_the_whole_page(explained: Run) -> None:
    """The headline, the table, the rules, the pictures, the slices' line and the card: one value, rounded once."""
    auc = 0.71178
    rules = [{"metric": "auc", "kind": "at_least", "of": "", "on": "", "value": auc, "bound": 0.66, "held": True}]
    verdict = VERDICT | EXPLAINED | {"metrics": {"auc": auc, "example_count": 1200.0}, "undefined": {}, "rules": rules}
    verdict |= {"slices": [], "champion": None, "champion_name": None, "intervals": {}, "differences": {}}
    rewrite(explained, "ModelEvaluation", "verdict.json", verdict)
    rewrite(explained, "ModelEvaluation", "eval_config.json", eval_config(AT_LEAST))
    html = render(collect(explained))
    page = Reader(html)
    shown = {
        section: [value for value in FIGURE.findall(text) if abs(float(value) - auc) < 0.01]
        for section, text in page.text.items()
    }
    assert {value for values in shown.values() for value in values} == {"0.7118"}
    assert all(shown[section] for section in ("", "metrics", "card"))
    curves = html.split('id="curves"')[1].split("</section>")[0]
    assert "auc 0.7118" in curves or "auc 0.7118" in "".join(re.findall(r"<!-- (.*?) -->", curves))


def test_rows_that_are_right_are_not_called_wrong(explained: Run) -> None:
    right = dict(EXPLANATION["examples"]["rows"][0], truth=VALUES[1])
    document = EXPLANATION | {"examples": {"rows": [right], "all_right": True}}
    rewrite(explained, "ModelEvaluation", "explanation.json", document)
    text = " ".join(read(explained).lines("importance"))
    assert "Least sure: 93.0% for" in text
    assert "Most wrong" not in text
    assert "No row that was evaluated is predicted wrongly" in text


def test_few_rows_are_not_as_sure_as_many(explained: Run) -> None:
    few = {"accuracy": 0.9697, "log_loss": 0.1, "example_count": 33.0}
    verdict = VERDICT | {"metrics": few, "intervals": {"accuracy": [0.8468, 0.9946]}, "interval_method": "wilson"}
    rewrite(explained, "ModelEvaluation", "verdict.json", verdict | {"confidence": 0.95})
    lines = read(explained).lines("metrics")
    assert "33 rows were evaluated: one row is 3.0 points of accuracy." in lines
    assert lines[lines.index("accuracy") + 2] == "0.8468 to 0.9946"
    assert lines[lines.index("log_loss") + 2] == "too few rows"
    assert any(
        line.startswith("Accuracy and areas have intervals by formula; the other metrics have none") for line in lines
    )


def test_rules_that_held_are_on_the_page(explained: Run) -> None:
    rule = {"metric": "auc", "kind": "at_least", "of": "origin", "on": "origin=JFK", "bound": 0.62}
    rules = [rule | {"value": 0.6412, "held": True}, rule | {"on": "origin=LGA", "value": 0.6, "held": False}]
    rewrite(explained, "ModelEvaluation", "verdict.json", VERDICT | EXPLAINED | {"rules": rules})
    lines = read(explained).lines("metrics")
    start = lines.index("Every rule that was judged, broken ones first, then the nearest")
    assert lines[start + 1 : start + 13] == [
        *("Rule", "On", "Value", "Room"),
        *("✗ auc at least 0.62", "origin=LGA", "0.6000", "0.0200 too far"),
        *("✓ auc at least 0.62", "origin=JFK", "0.6412", "0.0212 to spare"),
    ]


def test_trees_and_a_guess_stand_beside_the_network(run: Run) -> None:
    found = {
        "metrics": {"trees": {"auc": 0.7158, "log_loss": 0.51}, "guess": {"auc": 0.5, "log_loss": 0.55}},
        "telling": ["auc", "log_loss"],
        "differences": {"auc": [-0.04, -0.01]},
        "trees_ahead": ["auc"],
    }
    rewrite(run, "ModelEvaluation", "verdict.json", VERDICT | {"baselines": found})
    lines = read(run).lines("metrics")
    start = lines.index("The network beside the trees that taught it and a constant guess, on the same rows")
    assert lines[start + 1 : start + 13] == [
        *("Metric", "trees", "network", "guess"),
        *("auc", "0.7158", "0.6870", "0.5000"),
        *("log_loss", "0.5100", "0.5000", "0.5500"),
    ]
    assert "the trees that taught the network are better on these rows, auc 0.7158 against 0.6870" in lines[start + 13]
    rewrite(run, "ModelEvaluation", "verdict.json", VERDICT)
    assert not any("constant guess" in line for line in read(run).lines("metrics"))


def test_who_taught_the_network(run: Run) -> None:
    trees = {"leaves": 15, "rounds": 95, "validation_loss": 0.76}
    rewrite(run, "ModelRun", "history.json", {"kept_epoch": 1, "loss": [0.4], "val_loss": [0.75], "trees": trees})
    page = read(run)
    assert page.lines("training")[1] == (
        "Of 1 epoch, number 1 has the least validation loss: 0.7500. Taught by 95 rounds of boosted trees of 15 "
        "leaves, whose validation loss is 0.7600; the training loss is measured against their predictions, the "
        "validation loss against the labels."
    )


def test_a_loss_that_is_not_a_number(run: Run) -> None:
    rewrite(run, "ModelRun", "history.json", {"loss": [math.nan, math.inf], "val_loss": [math.nan]})
    assert read(run).lines("training")[-5:] == [NOTHING, NOTHING, "2", NOTHING, NOTHING]


# The file


def test_written_whole_or_not_at_all(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    assert write_report(run, path) == path
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]
    first = path.read_text()
    assert Reader(first).lines("")[3] == "Blessed"
    write_report(run, path)
    assert path.read_text() == first  # nothing in it depends on when it was written
    lineage = path.with_name(f"{run.run_id}-lineage.html")
    lineage.touch()
    linked = Reader(write_report(run, path).read_text())
    assert [link["href"] for link in linked.all("a") if not link["href"].startswith("#")] == [lineage.name]
    assert linked.lines("provenance")[9:11] == ["Lineage", "What was made of what"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(WorkspaceError, match="folder cannot be written: Is a directory"):
        write_report(run, tmp_path / "folder")
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_without_tensorflow() -> None:
    heavy = {"tensorflow", "matplotlib", "jinja2"}
    code = f"import sys, pipeline.reports.page; print([*{heavy}.intersection(sys.modules)])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# A real run


def table_row(i: int) -> str:
    said, size = VALUES[i % 4].replace('"', '""'), i * 37 % 101
    return f'"{said}",{size / 7},{i % 13},{int(size > 40 + i % 3)}'


TABLE = "\n".join([f'"{EVIL}",size,sold,answer', *map(table_row, range(600)), ""])
CONFIG = f"""
name: toy
data: {{ path: table.csv, label: answer, task: binary }}
split: {{ by: hash }}
schema: {{ file: toy.pbtxt }}
features: {{ exclude: ["{EVIL}"], bins: 4 }}
trainer: {{ hidden_units: [8], batch_size: 32, epochs: 3, teacher: none }}
infra_check: {{ p99_ms_batch_1: null, measure_s: 0 }}
evaluation: {{ slices: [["{EVIL}"]], thresholds: {{ auc: {{ at_least: 0.6 }} }} }}
"""
SCHEMA = f"""
feature {{ name: "{EVIL}" type: BYTES presence {{ min_count: 1 }} domain: "said" }}
feature {{ name: "size" type: FLOAT presence {{ min_fraction: 1 min_count: 1 }} }}
feature {{ name: "sold" type: INT presence {{ min_fraction: 1 min_count: 1 }} }}
feature {{ name: "answer" type: INT bool_domain {{}} presence {{ min_fraction: 1 min_count: 1 }} }}
string_domain {{ name: "said" value: "</script>" }}
"""
POLICY = "severity: { enum_type_unexpected_string_values: warn }\n"


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory, probes: str) -> PipelineConfig:
    """The configuration of a small pipeline that ran once from end to end."""
    from pipeline.commands.run import run_pipeline

    folder = tmp_path_factory.mktemp("toy")
    (folder / "table.csv").write_text(TABLE)
    (folder / "toy.pbtxt").write_text(SCHEMA)
    (folder / "toy.policy.yaml").write_text(POLICY)
    (folder / "toy.yaml").write_text(CONFIG)
    config = load(folder / "toy.yaml", workspace=str(folder / "workspace"))
    with probing_by(probes):
        assert run_pipeline(config, from_node=None, to_node=None, use_cache=True)
    return config


def latest(config: PipelineConfig) -> Run:
    return find_run(open_existing_store(config), config.name, "latest")


@pytest.mark.slow
def test_the_page_of_a_real_run(toy: PipelineConfig) -> None:
    run = list_runs(open_existing_store(toy), toy.name)[-1]
    html = page_path(toy.root, run.run_id).read_text()
    page = Reader(html)
    assert_self_contained(page, html)
    assert_accessible(page)
    assert EVIL not in html
    assert re.fullmatch(
        r"auc [\d.]+, needs at least 0.6; no champion yet: judged by absolute thresholds only", page.lines("")[4]
    )
    assert "Not computed" not in html
    assert {*VALUES} <= {*page.lines("slices")}
    assert "Values that the schema does not list" in page.lines("anomalies")
    assert f"{EVIL}stringValues that the schema does not list" in page.lines("columns")
    assert [name for name in page.lines("steps") if name in ("Trainer", "Champion", "Pusher")] != []
    assert len(html) < 3_000_000


@pytest.mark.slow
def test_the_command(
    toy: PipelineConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline import cli

    where = ("--config", str(toy.schema_file.with_name("toy.yaml")), "--workspace", toy.workspace)

    def report(*arguments: str) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["longhaul", "report", *arguments, *where])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return exit_.value.code, *capfd.readouterr()

    assert report() == (0, f"{page_path(toy.root, latest(toy).run_id)}\n", "")
    run = list_runs(open_existing_store(toy), toy.name)[-1]  # a page for elsewhere says of a bad run less than ours
    assert report(run.run_id) == (0, f"{page_path(toy.root, run.run_id)}\n", "")
    assert report(run.run_id, "--output", str(tmp_path / "a.html")) == (0, f"{tmp_path / 'a.html'}\n", "")
    beside_the_front_page = page_path(toy.root, run.run_id).read_text()
    link = f'<a href="{FRONT}">{toy.name}: all runs</a>'
    assert link in beside_the_front_page
    assert (tmp_path / "a.html").read_text() == beside_the_front_page.replace(link, toy.name)
    code, out, error = report("19990101")
    assert (code, out) == (2, "")
    assert error.startswith("longhaul: there is no run '19990101'\n  Remedy: ")


@pytest.mark.slow
def test_a_failed_run_gets_a_page_and_keeps_its_error(toy: PipelineConfig, capfd: pytest.CaptureFixture[str]) -> None:
    from pipeline.commands.run import run_pipeline

    table = Path(toy.data_pattern)
    good = table.read_text()
    table.write_text(good.replace(",1\n", ",0\n"))
    try:
        with pytest.raises(DataError, match="is constant"):
            run_pipeline(toy, from_node=None, to_node=None, use_cache=True)
    finally:
        table.write_text(good)
    run = latest(toy)
    page = page_path(toy.root, run.run_id)
    assert Reader(page.read_text()).lines("")[3:5] == ["Failed in TableExampleGen", run.reason.splitlines()[0]]
    assert f"Report    {page}\n" in capfd.readouterr().out


@pytest.fixture
def no_room_for_reports(toy: PipelineConfig) -> Iterator[None]:
    """`reports` is a folder in which nobody can make a file, root included."""
    reports = toy.root / "reports"
    reports.rename(toy.root / "kept")
    reports.symlink_to("/proc/self")
    yield
    reports.unlink()
    (toy.root / "kept").rename(reports)


@pytest.mark.slow
@pytest.mark.usefixtures("no_room_for_reports")
def test_a_report_that_cannot_be_written_hides_nothing(toy: PipelineConfig, capfd: pytest.CaptureFixture[str]) -> None:
    from pipeline.commands.run import run_pipeline

    assert run_pipeline(toy, from_node=None, to_node="TableExampleGen", use_cache=True)
    assert "Report    could not be written; the log says why\n" in capfd.readouterr().out
    log = toy.root / "logs" / f"{latest(toy).run_id}.log"
    assert "WorkspaceError: the report" in log.read_text()
    with pytest.raises(ConfigError, match="there is no step 'Nowhere'"):
        run_pipeline(toy, from_node=None, to_node="Nowhere", use_cache=True)
    assert "Report" not in capfd.readouterr().out


# A real browser


def chromium(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no chromium on this machine")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=2000")
    return subprocess.run([program, *flags, *arguments], capture_output=True, text=True, timeout=600, check=True)


@pytest.mark.extra
def test_a_browser_has_nothing_to_complain_of(run: Run, tmp_path: Path) -> None:
    page = write_report(run, tmp_path / "page.html")
    shown = chromium("--dump-dom", page.as_uri())
    assert "CONSOLE" not in shown.stderr
    assert Reader(shown.stdout).lines("") == read(run).lines("")
    # The page's policy at work, and the proof that a complaint would be seen.
    bad = tmp_path / "bad.html"
    bad.write_text(page.read_text().replace("<main>", "<main><script>document.title = 'mine'</script>"))
    shown = chromium("--dump-dom", bad.as_uri())
    assert "CONSOLE" in shown.stderr
    assert "Blessed: flights" in shown.stdout


@pytest.mark.extra
@pytest.mark.parametrize("width", [500, 1200])  # a headless window is never narrower
def test_nothing_is_wider_than_the_window(run: Run, tmp_path: Path, width: int) -> None:
    """Measured inside the page, by a script that the policy of this copy lets in."""
    name = "long" * 100
    run.artifacts["Pusher"][0].properties["pushed_destination"] = f"/{name}"
    rewrite(run, "ModelEvaluation", "verdict.json", VERDICT | {"blessed": False, "failures": [name, name]})
    moved = {name: Distances("l_infinity", 0.1, {str(span): 0.5 for span in range(40)})}
    html = render(collect(with_gate(replace(run, pipeline=name), DataVerdict((ODD,), moved))))
    script = "document.title = `${document.documentElement.scrollWidth} of ${innerWidth}`"
    copy = tmp_path / "page.html"
    copy.write_text(scripted(html, script))
    shown = chromium("--dump-dom", "--hide-scrollbars", f"--window-size={width},900", copy.as_uri())
    assert Reader(shown.stdout).lines("")[0] == f"{width} of {width}"


def scripted(html: str, script: str) -> str:
    """A copy whose policy lets a script in that runs after the page's own."""
    html = re.sub(r"script-src [^;]*", "script-src 'unsafe-inline'", html)
    return html.replace("</body>", f"<script>{script}</script></body>")


DRIVE = """
const $ = (selector) => document.querySelector(selector);
const shown = () => [...document.querySelectorAll('#columns tbody .name')].map((name) => name.textContent);
const told = [];
const pages = (pager) => pager.hidden ? 'whole' : pager.innerText.replace(/\\s+/g, ' ');
const tell = (what) =>
  told.push(`${what}: ${shown().length} from ${shown()[0]}; ${$('#said').textContent}; ${pages($('.pager'))}`);
const press = (value) => { $(`button[value=${value}]`).click(); tell(value); };
const search = (text) => { $('#find').value = text; $('#find').dispatchEvent(new Event('input')); tell(`'${text}'`); };
"""


def driven(html: str, script: str, path: Path) -> list[str]:
    """What the script's calls of `tell` saw."""
    path.write_text(scripted(html, f"{{ {DRIVE} {script} document.title = told.join('|'); }}"))
    return Reader(chromium("--dump-dom", path.as_uri()).stdout).lines("")[0].split("|")


@pytest.mark.extra
def test_search_order_and_pages_of_a_wide_table(run: Run, tmp_path: Path) -> None:
    widen(run, 450)
    moved = {"a_column_with_a_name_7": Distances("jensen_shannon", 0.2, {"2": 0.1})}
    html = render(collect(with_gate(run, DataVerdict(drift=moved))))
    script = """
        tell('first'); press('place'); $('.pager button:last-child').click(); tell('next');
        $('.pager button:last-child').click(); tell('last'); press('name'); press('drift');
        search('NAME_44'); search('<b>'); search('');
        $('a[data-column]').click(); tell('link');"""
    name = "a_column_with_a_name"
    assert driven(html, script, tmp_path / "page.html") == [
        f"first: 200 from {name}_7; 450 columns; Previous 1 to 200 of 450 Next",
        f"place: 200 from {name}_0; 450 columns; Previous 1 to 200 of 450 Next",
        f"next: 200 from {name}_200; 450 columns; Previous 201 to 400 of 450 Next",
        f"last: 50 from {name}_400; 450 columns; Previous 401 to 450 of 450 Next",
        f"name: 200 from {name}_0; 450 columns; Previous 1 to 200 of 450 Next",
        f"drift: 200 from {name}_7; 450 columns; Previous 1 to 200 of 450 Next",
        f"'NAME_44': 11 from {name}_44; 11 of 450 columns; whole",
        "'<b>': 0 from undefined; 0 of 450 columns; whole",
        f"'': 200 from {name}_7; 450 columns; Previous 1 to 200 of 450 Next",
        f"link: 11 from {name}_7; 11 of 450 columns; whole",
    ]


@pytest.mark.extra
def test_slices_are_sorted_by_their_headings(explained: Run, tmp_path: Path) -> None:
    script = """
        const rows = () => [...document.querySelectorAll('#slices tbody tr')].map((row) => row.cells[1].textContent);
        const headings = [...document.querySelectorAll('#slices .sort')];
        told.push(headings.map((button) => button.textContent).join());
        for (const place of [1, 1, 2, 4, 0]) {
          headings[place].click();
          told.push(`${headings[place].textContent} ${headings[place].parentElement.ariaSort}: ${rows()}`);
        }"""
    assert driven(render(collect(explained)), script, tmp_path / "page.html") == [
        f"{EVIL},Rows,log_loss,less champion,auc",
        "Rows descending: 900,700",
        "Rows ascending: 700,900",
        "log_loss descending: 700,900",
        "auc descending: 900,700",
        f"{EVIL} ascending: 900,700",
    ]


@pytest.mark.extra
def test_the_tools_are_reached_in_order_and_seen_when_they_are(run: Run, tmp_path: Path) -> None:
    script = """
        for (const tool of document.querySelectorAll('#columns input, #columns button, #columns [tabindex]')) {
          if (tool.checkVisibility() && !tool.disabled) {
            tool.focus({ focusVisible: true });
            const name = tool.ariaLabel || tool.textContent || $(`label[for=${tool.id}]`).textContent;
            const ring = getComputedStyle(tool).outlineStyle;
            told.push(`${document.activeElement === tool} ${tool.tabIndex} ${name} ${ring}`);
          }
        }"""
    assert driven(render(collect(run)), script, tmp_path / "page.html") == [
        f"true 0 {name} solid"
        for name in ("Find", "as in the table", "name", "missing", "anomalies", "Columns of numbers", "Columns of text")
    ]


def test_models_over_time_on_the_same_rows(run: Run, tmp_path: Path) -> None:
    models = [Judged("20261021-041631-031", {"auc": 0.8123}, True), Judged(EVIL, {"auc": 0.4}, False)]
    html = write_report(run, tmp_path / "page.html", trends=[Trend(f"span {EVIL}", models)]).read_text()
    assert EVIL not in html
    text = Reader(html).text["metrics"]
    assert "Models on the same rows, the oldest first: span" in text
    assert "20261021-041631-031" in text
    assert "0.8123" in text
