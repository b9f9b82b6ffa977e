"""A table whose columns, label and values are called anything: through every step, page and command."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import yaml

from pipeline.config.loading import load
from pipeline.lineage.runs import Run, find_run
from pipeline.lineage.store import open_store
from pipeline.serving.cpp_session import CppSession
from tests.place import Command
from trainer.artifact_names import SIGNATURES_FILE
from trainer.features import Storage
from trainer.rows import to_examples, to_plain

pytestmark = [pytest.mark.slow, pytest.mark.long]

LABEL = "über <i>alles</i>, ok?\n"
CLASSES = ["no,\nnever", "ja: 'ü'"]
TEXTS = ["class", "<u>a b</u>", "line\nbreak", "größe", "--config", "語" * 300, "Size", "tensors", "label_xf", " x "]
"""Columns of text; the last three tell the label by values with line breaks and the like."""
WORDS = {True: ["first\nline", "a\tb", "é"], False: ["first\rline", "a b", "e\u0301"]}
NUMBERS = [
    *("home.dest", "1stFloor", "0", "self", "None", "examples", "inputs", "prediction", "numeric", "size", "SIZE"),
    *(
        "a b",
        "a-b",
        "a_b",
        "column_1stFloor",
        "column_3",
        "é",
        "e\u0301",
        "السعر",
        "\u202e\u05d0\u05d1",
        "😀",
        "l" * 300,
    ),
    *('quo"te', "it's", "../x", "back\\slash", "100%", "{x}", "[0]", "*", "a:b", "a,b", "a=b", "#", "null", "1e5"),
]
EXCLUDED = "#not: [this]\r\n"


def random_names(count: int) -> list[str]:
    """Draw names of one to eight characters of any script."""
    source = random.Random(17)
    ranges = [(0x20, 0x7E), (0xA1, 0x24F), (0x300, 0x36F), (0x370, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x1FFFF)]
    names: dict[str, None] = {}
    while len(names) < count:
        name = "".join(chr(source.randint(*source.choice(ranges))) for _ in range(source.randint(1, 8)))
        if name.strip():
            names[name] = None
    return list(names)


COLUMNS = [*TEXTS, *NUMBERS, *random_names(10), EXCLUDED]


def write(path: Path, rows: int, seed: int, colors: Sequence[str] = ("red", "blue")) -> None:
    source = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, LABEL])
        for _ in range(rows):
            good = source.random() < 0.5
            texts = [source.choice(WORDS[good]) for _ in TEXTS[-3:]]
            other = [source.choice(colors) for _ in TEXTS[:-3]]
            numbers = [f"{source.gauss(0, 1):.2f}" for _ in COLUMNS[len(TEXTS) :]]
            writer.writerow([*other, *texts, *numbers, CLASSES[good]])


@pytest.fixture(scope="module")
def place(longhaul: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the table and a run of it."""
    folder = tmp_path_factory.mktemp("names")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write(Path("t.csv"), 200, 1)
        write(Path("new.csv"), 50, 2)
        said = longhaul("init", "t.csv", "--label", LABEL)
        assert said.code == 0, said.text
        document = yaml.safe_load(Path("t.yaml").read_text(encoding="utf-8"))
        assert (document["data"]["label"], document["data"]["classes"]) == (LABEL, sorted(CLASSES))
        document["data"] |= {"classes": CLASSES, "path": "t.csv"}
        document["features"]["exclude"] = [EXCLUDED]
        document["trainer"] |= {
            "hidden_units": [16],
            "members": 2,
            "epochs": 15,
            "batch_size": 16,
            "learning_rate": 0.02,
        }
        document["evaluation"] |= {"slices": [["line\nbreak"], ["<u>a b</u>", "größe"]]}
        Path("t.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        said = longhaul("run", "--config", "t.yaml")
    assert said.code == 0, said.text
    return folder


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


def latest() -> Run:
    return find_run(open_store(load(Path("t.yaml"))), "t", "latest")


def test_both_signatures_and_both_loaders_know_every_column(here: Path) -> None:
    run = latest()
    assert run.pushed
    assert run.verdict
    assert run.verdict["metrics"]["auc"] > 0.9  # by what differs in line breaks only
    told = json.loads(Path(run.pushed, SIGNATURES_FILE).read_text(encoding="utf-8"))
    inputs = told["signatures"]["serving_tensors"]["inputs"]
    names = {one["feature"]: tensor for tensor, one in inputs.items()}
    assert set(names) == set(told["features_of_examples"]) == set(COLUMNS) - {EXCLUDED}
    (examples,) = run.artifacts["TableExampleGen"]
    rows = pa.concat_tables(map(pq.read_table, sorted(Path(examples.uri, "Split-eval").glob("*.parquet"))))
    (batch,) = rows.select(list(names)).combine_chunks().to_batches()
    tensors: dict[str, Any] = {
        tensor: to_plain(batch.column(name), Storage.BYTES if name in TEXTS else Storage.FLOAT)
        for name, tensor in names.items()
    }
    serialized = to_examples(batch)
    loaded = tf.saved_model.load(run.pushed).signatures
    answers = [
        loaded["serving_tensors"](**{name: tf.constant(values) for name, values in tensors.items()})["prediction"],
        loaded["serving_default"](examples=tf.constant(serialized))["prediction"],
    ]
    with CppSession(run.pushed) as session:
        answers.append(session.ask("serving_tensors", tensors)["prediction"])
        answers.append(session.ask("serving_default", {"examples": np.array(serialized, object)})["prediction"])
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], rtol=0, atol=1e-6)
    assert len(np.unique(answers[0])) > 20
    (evaluation,) = run.artifacts["Evaluator"][:1]
    explained = json.loads(next(Path(evaluation.uri).parent.parent.rglob("explanation.json")).read_text())
    assert {one["name"] for one in explained["importance"]["features"]} == set(names)


def test_a_table_is_scored_by_its_columns_names(longhaul: Command, here: Path) -> None:
    said = longhaul("predict", "new.csv", "--config", "t.yaml", "--output", "scored.csv", "--force")
    assert said.code == 0, said.text
    with Path("scored.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    added = [f"predicted_{LABEL}", f"probability_{LABEL}_{CLASSES[1]}"]
    assert list(rows[0])[: len(COLUMNS) + 3] == [*COLUMNS, LABEL, *added]
    assert sum(row[LABEL] == row[f"predicted_{LABEL}"] for row in rows) > 40


def test_pages_and_commands_show_the_names(longhaul: Command, here: Path) -> None:
    commands = (["report"], ["card"], ["show"], ["lineage", "served"], ["diff", "latest", "latest"], ["schema", "show"])
    for command in commands:
        said = longhaul(*command, "--config", "t.yaml")
        assert said.code == 0, said.text
    page, front = sorted(Path("workspace/reports").glob("*.html"))
    assert front.name == "index.html"
    assert "&lt;u&gt;a b&lt;/u&gt;" in page.read_text(encoding="utf-8")
    assert "<u>a b</u>" not in page.read_text(encoding="utf-8") + front.read_text(encoding="utf-8")
    (card,) = Path("workspace/reports").glob("*-card.md")
    assert "<u>" not in card.read_text(encoding="utf-8")


def test_the_schema_is_changed_by_a_columns_name(longhaul: Command, here: Path) -> None:
    write(Path("green.csv"), 50, 2, ["green"])
    said = longhaul("validate", "green.csv", "--config", "t.yaml")
    assert said.code == 1
    assert "Blocked   'line\\nbreak'" in said.text
    document = yaml.safe_load(Path("t.yaml").read_text(encoding="utf-8"))
    document["data"]["path"] = "green.csv"
    Path("green.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    said = longhaul("run", "--config", "green.yaml", "--to", "DataGate")
    assert said.code == 1
    for name in TEXTS[:7]:
        who = ["--reviewer", "Ann", "--note", "new", "--feature", name, "--config", "green.yaml"]
        said = longhaul("schema", "approve", *who)
        assert said.code == 0, said.text
    said = longhaul("validate", "green.csv", "--config", "t.yaml")
    assert said.code == 0, said.text
