"""What `longhaul explain` says of a column and of a derived feature, from what a run left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError, WorkspaceError
from pipeline.lineage.artifact_names import EXPLANATION_FILE, VERDICT_FILE
from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import Run
from pipeline.reports.one_feature import Explained, Importance, Learned, Vocabulary, explain_feature
from pipeline.terminal.explain import print_explained
from trainer import folds, statistics_file, words_file

SCHEMA = """
feature { name: "age" type: FLOAT presence { min_fraction: 0.5 } }
feature { name: "city" type: BYTES presence { min_fraction: 1 } }
feature { name: "seen" type: INT presence { min_fraction: 1 } }
feature { name: "late" type: BYTES presence { min_fraction: 1 } }
"""
CONFIG = {
    "data": {"label": "late", "task": "binary", "classes": ["no", "yes"], "drop": ["id"], "path": "city"},
    "split": {"by": "time", "column": "seen"},
    "features": {
        "exclude": ["seen"],
        "derive": {"old": "age * seen", "before": "rate_by(late, city)", "often": "count_by(city) + old"},
        "max_vocabulary": 100,
    },
    "evaluation": {"slices": [["city"]], "against": "champion"},
}
DRIFT = {"city": {"measure": "l_infinity", "threshold": 0.1, "by": {"2": 0.01, "10": 0.25}}}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that left all that is read, but for the statistics of columns."""

    def artifact(node: str, kind: str, **files: str | bytes | dict[str, Any]) -> Artifact:
        for name, content in files.items():
            path = tmp_path / node / NAMES[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(content) if isinstance(content, dict) else content
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Artifact(kind, str(tmp_path / node), {})

    statistics = [("rate_by", 20.0), ("count_by", 0.0)]
    rows = {folds.NO_FOLD + 1: (30.0, 12.0)}
    lines = [
        *statistics_file.lines(0, *statistics[0], None, rows, rows),
        *statistics_file.lines(0, *statistics[0], b"Bern", rows, rows),
        *statistics_file.lines(1, *statistics[1], None, rows, rows),
    ]
    importance = {
        "metric": "log_loss",
        "features": [
            {"name": "before", "drop": 0.2, "spread": 0.01, "noise": 0.02},
            {"name": "city", "drop": 0.01, "spread": 0.01, "noise": 0.02},
        ],
    }
    finding = {"kind": "late", "feature": "city", "split": "train", "rule": "", "expected": "few", "found": "many"}
    words = words_file.write([[b"Bern", "Zürich".encode()]], ["city"])
    made = {
        "CuratedSchema": artifact("CuratedSchema", "Schema", schema=SCHEMA),
        "Transform": artifact(
            "Transform", "TransformGraph", words=words, statistics=statistics_file.write(lines, statistics)
        ),
        "DataGate": artifact(
            "DataGate",
            "longhaul.DataVerdict",
            verdict={"findings": [finding], "drift": DRIFT, "skew": {}, "notes": []},
        ),
        "Evaluator": artifact("Evaluator", "ModelEvaluation", explanation={"importance": importance}),
    }
    return Run(
        *("20260101-000000-000", "cats", "complete", "", 1.0, ""),
        properties={"config": json.dumps(CONFIG)},
        artifacts={node: [one] for node, one in made.items()},
    )


NAMES = {
    "schema": "schema.pbtxt",
    "words": f"transform_fn/assets/{words_file.FILE}",
    "statistics": f"transform_fn/assets/{statistics_file.FILE}",
    "verdict": VERDICT_FILE,
    "explanation": EXPLANATION_FILE,
}


def test_a_column_has_its_vocabulary_importance_drift_and_who_reads_it(run: Run) -> None:
    city = explain_feature(run, "city")
    assert (city.role, city.kind, city.storage, city.optional) == ("feature", "categorical", "bytes", False)
    assert city.vocabulary == Vocabulary(2, 100, ["Bern", "Zürich"])
    assert city.importance == Importance("log_loss", 0.01, 0.01, 2, 2, is_within_noise=True)
    assert city.drift["city"].by == {"2": 0.01, "10": 0.25}
    assert city.used_by == ["before", "often"]
    assert city.settings == ["evaluation.slices"]  # and not data.path, which is a path
    assert [one.found for one in city.findings] == ["many"]


def test_a_derived_feature_has_its_expression_and_what_it_learned(run: Run) -> None:
    before = explain_feature(run, "before")
    assert (before.expression, before.inputs, before.kind) == ("rate_by(late, city)", ["city"], "numeric")
    assert before.learned == [Learned("rate_by", 1, 0.4, [("Bern", 0.4, 30)])]
    assert before.importance is not None
    assert before.importance.rank == 1
    assert list(before.drift) == ["city"]
    often = explain_feature(run, "often")
    assert often.inputs == ["city", "old"]
    assert often.learned == [Learned("count_by", 0, 0.0, [])]
    assert often.notes == ["the evaluation did not measure its importance"]
    assert list(often.drift) == ["city"]


def test_no_value_of_a_redacted_column_or_of_what_reads_it_is_told(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.properties["config"] = json.dumps(CONFIG | {"serving": {"redact": ["city"]}})
    for name in ("city", "before", "often"):
        print_explained(explain_feature(run, name), as_json=True)
        print_explained(explain_feature(run, name), as_json=False)
    told = capsys.readouterr().out
    assert [value for value in ("Bern", "Zürich", "many") if value in told] == []
    assert "2 values of 100 at most" in told
    assert "rate_by of 1 key; any other key 0.4" in told
    assert "its values are not shown" in told
    assert "its values are not shown" not in str(explain_feature(run, "old").notes)


@pytest.mark.parametrize(("name", "role"), [("late", "label"), ("seen", "excluded"), ("id", "dropped")])
def test_what_the_model_is_not_shown_is_told_too(run: Run, name: str, role: str) -> None:
    found = explain_feature(run, name)
    assert (found.role, found.kind, found.vocabulary, found.importance) == (role, "", None, None)


def test_a_setting_that_names_the_column_is_told_wherever_it_stands(run: Run) -> None:
    seen = explain_feature(run, "seen")
    assert (seen.settings, seen.used_by) == (["split.column", "features.exclude"], ["old"])


def test_an_unknown_name_is_told_the_nearest(run: Run) -> None:
    with pytest.raises(ConfigError, match="knows no column and no derived feature 'citty'") as told:
        explain_feature(run, "citty")
    assert told.value.remedy == "did you mean 'city'?"


def test_a_run_without_records_is_one_message(run: Run) -> None:
    run.properties.clear()
    with pytest.raises(WorkspaceError, match="has no configuration on record"):
        explain_feature(run, "city")


def test_a_run_that_ended_early_says_what_is_not_known(run: Run) -> None:
    for node in ("Transform", "DataGate", "Evaluator"):
        del run.artifacts[node]
    before = explain_feature(run, "before")
    assert before.expression == "rate_by(late, city)"
    assert before.notes == [
        "the run has no transform graph: what was learned of it is not known",
        "the evaluation did not measure its importance",
    ]


@pytest.mark.parametrize(("column", "file"), [("city", "words"), ("before", "statistics")])
def test_a_damaged_file_is_a_note(run: Run, column: str, file: str) -> None:
    (run.artifacts["Transform"][0].folder / NAMES[file]).write_bytes(b"0 -1\t\xff\t1")  # cut off, and no UTF-8
    found = explain_feature(run, column)
    assert (found.vocabulary, found.learned) == (None, [])
    assert "what was learned of it cannot be read in" in found.notes[0]


def test_it_is_printed_for_people_and_for_programs(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    city = explain_feature(run, "city")
    print_explained(city, as_json=False)
    said = capsys.readouterr().out
    assert "Vocabulary  2 values of 100 at most: Bern, Zürich" in said
    assert "city: l_infinity 0.2500 of 0.1 allowed, span 10, too far" in said
    assert "Importance  2 of 2: log_loss gets worse by 0.01 without it (± 0.01, within noise)" in said
    print_explained(explain_feature(run, "before"), as_json=False)
    said = capsys.readouterr().out
    assert "Learned     rate_by of 1 key: Bern 0.4 (30 rows); any other key 0.4" in said
    print_explained(city, as_json=True)
    plain = json.loads(capsys.readouterr().out)
    assert set(plain) == set(Explained.__dataclass_fields__)
    assert plain["vocabulary"] == {"words": 2, "at_most": 100, "first": ["Bern", "Zürich"]}


def test_tensorflow_is_not_waited_for() -> None:
    code = "import sys, pipeline.reports.one_feature, pipeline.terminal.explain; print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
