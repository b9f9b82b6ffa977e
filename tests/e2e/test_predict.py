"""`longhaul predict`: what is served is what is written, row for row, and what is refused."""

from __future__ import annotations

import csv
import datetime as dt
import fcntl
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from sklearn.metrics import log_loss, roc_auc_score

from pipeline.config.loading import load
from pipeline.data.convert import REMEDY
from pipeline.lineage.runs import Run, find_run
from pipeline.lineage.store import open_store
from tests import small

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LABELS = {"again": "binary", "size": "multiclass", "price": "regression"}
CITIES = ["Paris, France", 'the "Big" Apple', "Köln", "two\nlines"]
COLUMNS = ["order", "city, town", "zip", "member?", "came", "weight (kg)", *LABELS]
ADDED = ["predicted_again", "probability_again_yes", "model_version"]


def orders(rows: int = 600) -> list[dict[str, str]]:
    """The fields as they stand in a CSV file: text with commas, quotes, line breaks; zeros in front; missing values."""
    draw = random.Random(11)
    table = []
    for order in range(rows):
        city, member, weight = draw.choice(CITIES), draw.choice(["true", "false", ""]), draw.random() * 9
        score = 2 * (city in CITIES[:2]) + 2 * (member == "true") + weight / 3 - 3
        table.append(
            {
                "order": str(order),
                "city, town": city,
                "zip": f"{draw.randrange(40):05d}",
                "member?": member,
                "came": (dt.datetime(2024, 1, 1, 5) + dt.timedelta(hours=7 * order)).isoformat(" "),
                "weight (kg)": "" if draw.random() < 0.1 else f"{weight:.2f}",
                "again": "yes" if score + draw.gauss(0, 1) > 0 else "no",
                "size": ("small", "middle", "large")[min(int(weight / 3), 2)],
                "price": f"{10 + weight + order * 7 % 13 / 4:.1f}",  # and not of the weight alone: that were a leak
            }
        )
    return table


ORDERS = orders()


def write_csv(path: Path, rows: list[dict[str, str]], without: tuple[str, ...] = ()) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(
            file, [name for name in COLUMNS if name not in without], lineterminator="\n", extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(rows)
    return path


def as_parquet(rows: list[dict[str, str]]) -> pa.Table:
    """The same rows in types that Longhaul does not use itself."""

    def column(name: str, data_type: pa.DataType, of: Callable[[str], Any]) -> pa.Array:
        return pa.array([of(row[name]) if row[name] else None for row in rows], data_type)

    return pa.table(
        {
            "order": column("order", pa.int32(), int),
            "city, town": column("city, town", pa.string(), str).dictionary_encode(),
            "zip": column("zip", pa.large_string(), str),
            "member?": column("member?", pa.bool_(), lambda text: text == "true"),
            "came": column("came", pa.timestamp("us"), dt.datetime.fromisoformat),
            "weight (kg)": column("weight (kg)", pa.float64(), float),
            "again": column("again", pa.string(), str),
        }
    )


@dataclass(frozen=True)
class Model:
    """A trained model with its configuration; `folder` is the SavedModel."""

    config: Path
    folder: Path
    run: Run

    def asked(self, rows: list[dict[str, str]]) -> dict[str, Any]:
        """The served model's own answer to plain tensors: NaN and "" are missing."""
        import tensorflow as tf

        def numbers(name: str, of: Callable[[str], float]) -> Any:
            return tf.constant([of(row[name]) if row[name] else np.nan for row in rows], tf.float64)

        def seconds(text: str) -> float:
            return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()

        answer = tf.saved_model.load(str(self.folder)).signatures["serving_tensors"](
            order=numbers("order", float),
            city__town=tf.constant([row["city, town"] for row in rows]),
            zip=tf.constant([row["zip"] for row in rows]),
            member_=numbers("member?", lambda text: float(text == "true")),
            came=numbers("came", seconds),
            weight__kg_=numbers("weight (kg)", float),
        )
        return {name: tensor.numpy() for name, tensor in answer.items()}


@pytest.fixture(scope="module")
def trained(longhaul: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Model]:
    """`trained(label)` is a model of the orders, made once; that of `again` is evaluated and pushed."""
    made: dict[str, Model] = {}

    def train(label: str) -> Model:
        if label not in made:
            with pytest.MonkeyPatch.context() as patch:
                folder = tmp_path_factory.mktemp(label)
                patch.chdir(folder)
                write_csv(Path("orders.csv"), ORDERS)
                said = longhaul("init", "orders.csv", "--label", label, "--name", label)
                assert said.code == 0, said.text
                config = folder / f"{label}.yaml"
                document = yaml.safe_load(config.read_text())
                document["workspace"] = str(folder / "workspace")
                document["features"]["exclude"] = [other for other in LABELS if other != label]
                document["trainer"] |= small.TRAINER | {"hidden_units": [16], "epochs": 20}
                document["infra_check"] = small.INFRA_CHECK
                metric = next(iter(document["evaluation"]["thresholds"]))
                document["evaluation"]["thresholds"] = {metric: {"at_least": 0}}
                config.write_text(yaml.safe_dump(document, allow_unicode=True))
                flags = () if label == "again" else ("--to", "Trainer")
                outcome = longhaul("run", "--config", config, *flags)
                assert outcome.code == 0, outcome.text
            settings = load(config)
            run = find_run(open_store(settings), settings.name, "latest")
            (model,) = [artifact for artifact in run.artifacts["Trainer"] if artifact.type == "Model"]
            made[label] = Model(config, Path(run.pushed or f"{model.uri}/Format-Serving"), run)
        return made[label]

    return train


@pytest.fixture
def model(trained: Callable[[str], Model]) -> Model:
    return trained("again")


@pytest.fixture
def predict(longhaul: Callable[..., Any], model: Model) -> Callable[..., Any]:
    """`predict(table, output, *flags)` must succeed; returns what was said."""

    def call(table: Path, output: Path, *flags: str | Path) -> str:
        outcome = longhaul("predict", table, "--output", output, "--config", model.config, *flags)
        assert outcome.code == 0, outcome.text
        assert sorted(output.parent.glob(".*")) == []  # nothing half-written
        return outcome.text

    return call


# What is written


def test_predictions_are_what_the_served_model_says(predict: Callable[..., str], model: Model, tmp_path: Path) -> None:
    said = predict(write_csv(tmp_path / "new.csv", ORDERS), tmp_path / "scored.parquet")
    scored = pq.read_table(tmp_path / "scored.parquet")
    expected = model.asked(ORDERS)["prediction"][:, 0]
    assert scored.column_names == [*COLUMNS, *ADDED]
    np.testing.assert_allclose(scored["probability_again_yes"].to_numpy(), expected, atol=1e-6)
    assert scored["predicted_again"].to_pylist() == ["yes" if p > 0.5 else "no" for p in expected]
    assert 0.2 < (expected > 0.5).mean() < 0.8
    assert scored["order"].to_pylist() == list(range(600))
    yes = (expected > 0.5).mean()
    assert re.search(r"Rows      600 in [\d.]+ s, [\d.]+ of them to load TensorFlow and Beam\n", said)
    assert f"Predicted again: no {1 - yes:.1%}, yes {yes:.1%}\n" in said
    assert f"Columns   predicted_again, probability_again_yes, model_version\nModel     {model.folder}\n" in said
    assert set(scored["model_version"].to_pylist()) == {model.folder.name}
    assert said.endswith(f"Output    {tmp_path}/scored.parquet\n")


def test_predictions_are_what_evaluator_measured(predict: Callable[..., str], model: Model, tmp_path: Path) -> None:
    (examples,) = model.run.artifacts["TableExampleGen"]
    predict(Path(examples.uri, "Split-eval"), tmp_path / "scored.parquet")
    scored = pq.read_table(tmp_path / "scored.parquet")
    truth = [value == "yes" for value in scored["again"].to_pylist()]
    probability = scored["probability_again_yes"].to_numpy()
    assert model.run.verdict
    measured = model.run.verdict["metrics"]
    assert len(truth) == measured["example_count"]
    right = [a == b for a, b in zip(scored["predicted_again"].to_pylist(), scored["again"].to_pylist(), strict=True)]
    assert np.mean(right) == pytest.approx(measured["accuracy"], abs=1e-6)
    assert log_loss(truth, probability.astype(float)) == pytest.approx(measured["log_loss"], abs=1e-5)
    assert roc_auc_score(truth, probability) == pytest.approx(measured["auc"], abs=1e-3)  # TFMA's has 10,000 bins


def test_of_a_csv_every_character_is_passed_on(predict: Callable[..., str], model: Model, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "new.csv", ORDERS)
    predict(table, tmp_path / "scored.csv")
    with (tmp_path / "scored.csv").open(newline="") as file:
        scored = list(csv.DictReader(file))
    assert [{name: row[name] for name in COLUMNS} for row in scored] == ORDERS
    given = np.array([float(row["probability_again_yes"]) for row in scored])
    np.testing.assert_allclose(given, model.asked(ORDERS)["prediction"][:, 0], atol=1e-6)
    text = (tmp_path / "scored.csv").read_text()
    for row, line in zip(scored, re.split("\n(?=[0-9])", text)[1:], strict=True):
        added = f",{row['predicted_again']},{row['probability_again_yes']},{model.folder.name}"
        assert line.rstrip("\n").endswith(added)
    stripped = re.sub(r",(predicted_again|yes|no),(probability_again_yes|[\d.e-]+),(model_version|\d+)\n", "\n", text)
    assert stripped == table.read_text()  # quotes too stand only where they must


@pytest.mark.long
def test_parquet_keeps_its_types_and_the_order_of_its_row_groups(
    predict: Callable[..., str], model: Model, tmp_path: Path
) -> None:
    rows = [row | {"order": str(order)} for order, row in enumerate(ORDERS * 46)]
    table = as_parquet(rows)
    pq.write_table(table, tmp_path / "new.parquet", row_group_size=9200)  # three fragments
    predict(tmp_path / "new.parquet", tmp_path / "scored.parquet")
    scored = pq.ParquetFile(tmp_path / "scored.parquet")
    assert scored.num_row_groups == 3
    passed = scored.read().drop_columns(ADDED)
    assert passed.schema == table.schema
    assert passed.to_pylist() == table.to_pylist()
    expected = model.asked(rows)["prediction"][:, 0]
    np.testing.assert_allclose(scored.read()["probability_again_yes"].to_numpy(), expected, atol=1e-6)


def test_formats_may_be_mixed_and_a_folder_is_one_table(
    predict: Callable[..., str], model: Model, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    write_csv(tmp_path / "new" / "a.csv", ORDERS[:100], without=("size", "price"))
    pq.write_table(as_parquet(ORDERS[100:]), tmp_path / "new" / "b.parquet")
    predict(tmp_path / "new", tmp_path / "scored.parquet")
    scored = pq.read_table(tmp_path / "scored.parquet")
    assert scored["order"].to_pylist() == list(range(600))
    assert scored.schema.field("came").type == pa.timestamp("ms", "UTC")  # Parquet knows no seconds
    assert scored.schema.field("member?").type == pa.bool_()
    first = dt.datetime(2024, 1, 1, 5, tzinfo=dt.UTC)
    assert scored["came"].to_pylist() == [first + dt.timedelta(hours=7 * order) for order in range(600)]
    expected = model.asked(ORDERS)["prediction"][:, 0]
    np.testing.assert_allclose(scored["probability_again_yes"].to_numpy(), expected, atol=1e-6)


def test_rows_need_no_label_and_the_model_never_sees_it(
    predict: Callable[..., str], model: Model, tmp_path: Path
) -> None:
    expected = model.asked(ORDERS)["prediction"][:, 0]
    turned = [row | {"again": ("", "no", "yes", "perhaps")[number % 4]} for number, row in enumerate(ORDERS)]
    predict(write_csv(tmp_path / "some.csv", turned), tmp_path / "some.parquet")
    predict(write_csv(tmp_path / "none.csv", ORDERS, without=tuple(LABELS)), tmp_path / "none.parquet")
    some, none = pq.read_table(tmp_path / "some.parquet"), pq.read_table(tmp_path / "none.parquet")
    assert some["again"].to_pylist() == [row["again"] or None for row in turned]
    assert none.column_names == [name for name in COLUMNS if name not in LABELS] + ADDED
    for scored in (some, none):
        np.testing.assert_allclose(scored["probability_again_yes"].to_numpy(), expected, atol=1e-6)


def test_values_that_plain_tensors_cannot_tell_go_to_the_model_unbent(
    predict: Callable[..., str], model: Model, tmp_path: Path
) -> None:
    """An empty text is not a missing one, and some integers are no float64: as Evaluator sees them."""
    import tensorflow as tf

    from trainer.rows import to_examples

    table = as_parquet(ORDERS[:40]).set_column(1, "city, town", pa.array(["", None] * 20, pa.string()))
    table = table.set_column(0, "order", pa.array([2**53 + 1] * 40, pa.int64()))
    pq.write_table(table, tmp_path / "new.parquet")
    predict(tmp_path / "new.parquet", tmp_path / "scored.parquet")
    stored = table.set_column(4, "came", table["came"].cast(pa.timestamp("s")).cast(pa.int64()))
    (batch,) = stored.drop_columns(["again"]).to_batches()
    serve = tf.saved_model.load(str(model.folder)).signatures["serving_default"]
    expected = serve(examples=tf.constant(to_examples(batch)))["prediction"].numpy()[:, 0]
    scored = pq.read_table(tmp_path / "scored.parquet")
    np.testing.assert_allclose(scored["probability_again_yes"].to_numpy(), expected, atol=1e-6)


def test_a_script_gets_json(predict: Callable[..., str], model: Model, tmp_path: Path) -> None:
    version = model.folder.name
    said = predict(write_csv(tmp_path / "new.csv", ORDERS[:50]), tmp_path / "scored.csv", "--json", "--model", version)
    found = json.loads(said)
    assert found.pop("seconds") > found.pop("loading_s") >= 0
    assert found.pop("judging") > 0  # rows that the model was judged by
    assert sum(found["classes"].values()) == 50
    assert list(found["classes"]) == ["no", "yes"]
    assert {(met["column"], met["kind"], met["expected"]) for met in found.pop("met")} == {
        ("member?", "missing", True),
        ("weight (kg)", "missing", True),
    }
    assert found | {"classes": None} == {
        "output": f"{tmp_path}/scored.csv",
        "model": str(model.folder),
        "version": version,
        "rows": 50,
        "resumed_rows": 0,
        "columns": ADDED,
        "classes": None,
        "values": {},
        "too_much": [],
        "unrecorded": "",
    }


def test_what_the_model_was_not_made_for_is_counted_and_may_stop_it(
    predict: Callable[..., str], longhaul: Callable[..., Any], model: Model, tmp_path: Path
) -> None:
    """By the model alone: a copy of its folder, far from the workspace, tells the same."""
    odd = [dict(row) for row in ORDERS[:200]]
    odd[3]["city, town"] = odd[7]["city, town"] = "Atlantis"
    odd[150]["city, town"] = "El Dorado"
    odd[9]["zip"] = ""
    odd[4]["weight (kg)"] = "9.2"  # a little beyond what it was trained on
    odd[5]["weight (kg)"] = "4200"  # grams
    table, output = write_csv(tmp_path / "odd.csv", odd), tmp_path / "scored.parquet"
    shutil.copytree(model.folder, copy := tmp_path / "deployed" / "model")
    said = predict(table, output, "--model", copy)
    assert re.search(r"city, town +unknown to the model +3 +1.5% +'Atlantis' in row 4, 'El Dorado' in row 151", said)
    assert re.search(r"zip +missing, filled in +1 +0.5% +row 10 *\n", said)
    assert re.search(r"weight \(kg\) +out of range +1 +0.5% +'4200' in row 6 *\n", said)
    assert set(pq.read_table(output)["model_version"].to_pylist()) == {model.folder.name}
    before = output.read_bytes()
    outcome = longhaul("predict", table, "-o", output, "-c", model.config, "--force", "--strict")
    assert outcome.code == 1, outcome.text
    assert "Too much  'city, town': 3 of 200 rows are unknown to the model; none may be\n" in outcome.text
    assert "none was written: predict.max_unknown, predict.max_out_of_range and predict.max_missing in" in outcome.text
    assert output.read_bytes() == before
    assert sorted(tmp_path.glob(".*")) == []
    policy = yaml.safe_load(model.config.read_text()) | {"predict": {"max_unknown": 0.015, "max_missing": 0.001}}
    (lenient := model.config.with_name("lenient.yaml")).write_text(yaml.safe_dump(policy, allow_unicode=True))
    outcome = longhaul("predict", table, "-o", output, "-c", lenient, "--force", "--json")
    assert outcome.code == 1, outcome.text
    found = json.loads(outcome.text)
    assert found["output"] is None
    assert found["too_much"] == [{"column": "zip", "kind": "missing", "share": 0.005, "limit": 0.001}]


@pytest.mark.long
def test_several_classes(trained: Callable[[str], Model], predict: Callable[..., str], tmp_path: Path) -> None:
    sizes = trained("size")
    table = write_csv(tmp_path / "new.csv", ORDERS)
    said = predict(table, tmp_path / "scored.parquet", "--config", sizes.config, "--model", sizes.folder)
    scored, answer = pq.read_table(tmp_path / "scored.parquet"), sizes.asked(ORDERS)
    classes = ["small", "middle", "large"]
    assert scored.column_names == [
        *(*COLUMNS, "predicted_size", "probability_size"),
        *(f"probability_size_{name}" for name in classes),
        "model_version",
    ]
    given = np.stack([scored[f"probability_size_{name}"].to_numpy() for name in classes], axis=1)
    np.testing.assert_allclose(given, answer["prediction"], atol=1e-6)
    np.testing.assert_array_equal(scored["probability_size"].to_numpy(), given.max(axis=1))
    assert scored["predicted_size"].to_pylist() == [value.decode() for value in answer["predicted_class"]]
    assert len(set(scored["predicted_size"].to_pylist())) == 3
    line = re.search(r"Predicted size: (.+)\n", said)
    assert line is not None
    shares = dict(part.rsplit(" ", 1) for part in line[1].split(", "))
    answers = scored["predicted_size"].to_pylist()
    assert [*shares.items()] == [(name, f"{answers.count(name) / len(answers):.1%}") for name in classes]


@pytest.mark.long
def test_a_number(trained: Callable[[str], Model], predict: Callable[..., str], tmp_path: Path) -> None:
    prices = trained("price")
    table = write_csv(tmp_path / "new.csv", ORDERS)
    said = predict(table, tmp_path / "scored.parquet", "--config", prices.config, "--model", prices.folder)
    scored, expected = pq.read_table(tmp_path / "scored.parquet"), prices.asked(ORDERS)["prediction"][:, 0]
    assert scored.column_names == [*COLUMNS, "predicted_price", "model_version"]
    np.testing.assert_allclose(scored["predicted_price"].to_numpy(), expected, rtol=1e-6)
    least, mean, greatest = expected.min(), expected.mean(), expected.max()
    assert f"Predicted price: least {least:.4g}, mean {mean:.4g}, greatest {greatest:.4g}\n" in said


@pytest.mark.long
def test_tfrecord(predict: Callable[..., str], model: Model, tmp_path: Path) -> None:
    import tensorflow as tf

    from trainer.rows import to_examples

    table = as_parquet(ORDERS)
    stored = table.set_column(4, "came", table["came"].cast(pa.timestamp("s")).cast(pa.int64()))
    with tf.io.TFRecordWriter(str(tmp_path / "new.tfrecord")) as writer:
        for example in to_examples(stored.to_batches()[0]):
            writer.write(example)
    predict(tmp_path / "new.tfrecord", tmp_path / "scored.parquet")
    scored = pq.read_table(tmp_path / "scored.parquet")
    assert scored["order"].to_pylist() == list(range(600))
    expected = model.asked(ORDERS)["prediction"][:, 0]
    np.testing.assert_allclose(scored["probability_again_yes"].to_numpy(), expected, atol=1e-6)


# What is interrupted


def parts(output: Path) -> list[Path]:
    """What finished parts of an output say of themselves."""
    return sorted(output.parent.glob(f".{output.name}.*/*.json"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """600 rows in six files, each of which is one part of the work."""
    (tmp_path / "new").mkdir()
    write_parts(tmp_path / "new", ORDERS)
    return tmp_path / "new"


def write_parts(folder: Path, rows: list[dict[str, str]]) -> None:
    for number in range(6):
        pq.write_table(as_parquet(rows[100 * number : 100 * (number + 1)]), folder / f"{number}.parquet")


@pytest.fixture
def interrupted(
    longhaul: Callable[..., Any], model: Model, table: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path], None]:
    """`interrupted(output)` scores the table until it breaks down in the fifth of six parts."""
    from pipeline.serving.scoring import _ScoreFragment

    write = _ScoreFragment._write

    begun: list[str] = []

    def break_down(self: Any, stem: str, fragment: Any) -> Any:
        begun.append(stem)
        if len(begun) >= 5:
            raise RuntimeError("the power went")
        return write(self, stem, fragment)

    def call(output: Path) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(_ScoreFragment, "_write", break_down)
            outcome = longhaul("predict", table, "--output", output, "--config", model.config)
        assert outcome.code == 70, outcome.text
        assert len(parts(output)) == 4
        assert not output.exists()

    return call


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_an_interrupted_prediction_goes_on_after_its_finished_parts(
    predict: Callable[..., str], interrupted: Callable[[Path], None], table: Path, tmp_path: Path, suffix: str
) -> None:
    output = tmp_path / f"scored.{suffix}"
    interrupted(output)
    finished = {part: part.stat().st_mtime_ns for part in parts(output)}
    rows = 100 * len(finished)
    assert f"; {rows} were finished before\n" in predict(table, output)
    predict(table, tmp_path / f"whole.{suffix}")
    assert output.read_bytes() == (tmp_path / f"whole.{suffix}").read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("change", ["the table", "the model", "the columns"])
def test_parts_of_something_else_are_never_used(
    predict: Callable[..., str], interrupted: Callable[[Path], None], model: Model, table: Path, tmp_path: Path,
    change: str,
) -> None:  # fmt: skip
    output = tmp_path / "scored.parquet"
    interrupted(output)
    flags: list[str | Path] = []
    if change == "the table":
        write_parts(table, ORDERS[::-1])
    elif change == "the model":
        other = shutil.copytree(model.folder, tmp_path / "other")
        (other / "fingerprint.pb").unlink()
        flags = ["--model", other]
    else:
        flags = ["--key", "order"]
    assert "finished before" not in predict(table, output, *flags)  # which also sees that nothing is left
    assert len(pq.read_table(output)) == 600


@pytest.mark.long
def test_a_killed_prediction_goes_on(predict: Callable[..., str], model: Model, tmp_path: Path) -> None:
    for number in range(150):
        write_csv(tmp_path / f"new-{number:03d}.csv", ORDERS[:200])
    output = tmp_path / "scored.parquet"
    command = ["predict", str(tmp_path / "new-*.csv"), "--output", str(output), "--config", str(model.config)]
    working = subprocess.Popen([sys.executable, "-m", "pipeline.cli", *command], cwd=ROOT, stdout=subprocess.DEVNULL)
    while len(parts(output)) < 3:
        assert working.poll() is None
        time.sleep(0.01)
    working.kill()
    working.wait()
    finished = len(parts(output))
    assert 3 <= finished < 150
    assert not output.exists()
    assert f"; {200 * finished:,} were finished before\n" in predict(tmp_path / "new-*.csv", output)
    scored = pq.read_table(output)
    assert scored["order"].to_pylist() == list(range(200)) * 150
    expected = np.tile(model.asked(ORDERS[:200])["prediction"][:, 0], 150)
    np.testing.assert_allclose(scored["probability_again_yes"].to_numpy(), expected, atol=1e-6)


def test_two_who_write_one_output_do_not_meet(
    longhaul: Callable[..., Any], model: Model, interrupted: Callable[[Path], None], table: Path, tmp_path: Path
) -> None:
    output = tmp_path / "scored.csv"
    interrupted(output)
    (folder,) = output.parent.glob(f".{output.name}.*")
    lock = os.open(folder / "lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcome = longhaul("predict", table, "--output", output, "--config", model.config)
    finally:
        os.close(lock)
    assert outcome.code == 75
    assert f"another process is writing {output}" in outcome.text
    assert parts(output)


# What is refused


@pytest.fixture
def refused(longhaul: Callable[..., Any], model: Model, tmp_path: Path) -> Callable[..., str]:
    """`refused(table, output, *flags)` is the one message; nothing is left beside the table, nothing overwritten."""

    def call(table: Path, output: Path, *flags: str | Path) -> str:
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        outcome = longhaul("predict", table, "--output", output, "--config", model.config, *flags)
        assert outcome.code == 2, outcome.text
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
        assert sorted(tmp_path.glob(".*")) == []
        _, message = outcome.text.split("longhaul: ")
        return message.removesuffix("\n")

    return call


def test_a_missing_column_is_named(refused: Callable[..., str], tmp_path: Path) -> None:
    table = write_csv(tmp_path / "new.csv", ORDERS, without=("zip",))
    message = refused(table, tmp_path / "scored.csv")
    assert message.startswith(f"{table} has no column 'zip'; the ")
    assert "add the column to the file" in message


def test_a_wrong_value_is_shown_with_its_line_wherever_it_stands(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    plain = [row | {"city, town": "Köln"} for row in ORDERS[:20]]
    write_csv(tmp_path / "new" / "a.csv", plain)
    plain[7] = plain[7] | {"weight (kg)": "heavy"}
    write_csv(tmp_path / "new" / "b.csv", plain)
    for output in ("scored.csv", "scored.parquet"):
        assert refused(tmp_path / "new", tmp_path / output) == (
            f"{tmp_path}/new/b.csv, line 9: column 'weight (kg)' holds 'heavy' where a number (float32) is expected\n"
            f"  Remedy: {REMEDY}"
        )


def test_a_table_that_is_not_there_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    message = refused(tmp_path / "new.csv", tmp_path / "scored.csv")
    assert message == f"{tmp_path}/new.csv does not exist\n  Remedy: correct the path"


def test_a_key_that_is_no_column_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    table = write_csv(tmp_path / "new.csv", ORDERS[:5])
    assert refused(table, tmp_path / "scored.csv", "--key", "ordr") == (
        "--key ordr: the table has no such column; the nearest names are 'order'\n  Remedy: name a column of the table"
    )


def test_an_output_is_overwritten_by_force_only(
    refused: Callable[..., str], predict: Callable[..., str], tmp_path: Path
) -> None:
    table = write_csv(tmp_path / "new.csv", ORDERS[:5])
    (tmp_path / "scored.csv").write_text("precious")
    assert refused(table, tmp_path / "scored.csv") == (
        f"--output {tmp_path}/scored.csv is there already\n  Remedy: name another file, or --force to overwrite it"
    )
    predict(table, tmp_path / "scored.csv", "--force")
    assert (tmp_path / "scored.csv").read_text().startswith('order,"city, town",zip,')


@pytest.mark.parametrize(
    ("output", "what"),
    [
        ("scored.xlsx", "predictions are written as .parquet or .csv"),
        ("no/scored.csv", "there is no folder {folder}/no"),
        ("folder.csv", "{folder}/folder.csv is a folder"),
    ],
)
def test_an_output_that_cannot_be_is_refused(
    refused: Callable[..., str], tmp_path: Path, output: str, what: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    table = write_csv(tmp_path / "new.csv", ORDERS[:5])
    assert refused(table, tmp_path / output).startswith(
        f"--output {tmp_path}/{output}: {what.format(folder=tmp_path)}\n"
    )


def test_predictions_hide_no_column_of_the_table(refused: Callable[..., str], tmp_path: Path) -> None:
    table = as_parquet(ORDERS[:5]).append_column("predicted_again", pa.array(["no"] * 5))
    pq.write_table(table, tmp_path / "new.parquet")
    assert refused(tmp_path / "new.parquet", tmp_path / "scored.parquet") == (
        f"{tmp_path}/new.parquet has a column 'predicted_again', which is the name of a prediction\n"
        "  Remedy: rename it in the table, or list 'predicted_again' in data.drop to leave it out"
    )


def test_without_a_pushed_model_there_is_nothing_to_ask(
    refused: Callable[..., str], model: Model, tmp_path: Path
) -> None:
    table = write_csv(tmp_path / "new.csv", ORDERS[:5])
    assert refused(table, tmp_path / "scored.csv", "--workspace", tmp_path / "empty") == (
        f"no model was pushed yet: {tmp_path}/empty/serving/again holds none\n"
        f"  Remedy: `longhaul run -c {model.config} -w {tmp_path}/empty` pushes a model that holds its thresholds; or "
        "name one with --model"
    )


def test_a_model_that_is_not_there_is_refused(refused: Callable[..., str], model: Model, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "new.csv", ORDERS[:5])
    assert refused(table, tmp_path / "scored.csv", "--model", "7") == (
        f"--model 7: neither a version nor a folder; the versions pushed are {model.folder.name}\n"
        "  Remedy: name a version or a SavedModel's folder"
    )
    assert refused(table, tmp_path / "scored.csv", "--model", tmp_path) == (
        f"{tmp_path}/saved_model.pb is not a model that Longhaul exported\n  Remedy: name another --model"
    )


@pytest.mark.long
def test_a_model_of_another_configuration_is_refused(
    refused: Callable[..., str], model: Model, trained: Callable[[str], Model], tmp_path: Path
) -> None:
    table = write_csv(tmp_path / "new.csv", ORDERS[:5])
    remedy = "\n  Remedy: name the configuration that it was trained with, or another --model"
    document = yaml.safe_load(model.config.read_text())
    document["features"]["exclude"] += ["zip"]
    document["schema"]["file"] = str(model.config.parent / document["schema"]["file"])
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(document))
    assert refused(table, tmp_path / "scored.csv", "--config", tmp_path / "other.yaml") == (
        f"the model {model.folder} has other features than the configuration: it takes 'zip' besides" + remedy
    )
    sizes = trained("size").folder
    assert refused(table, tmp_path / "scored.csv", "--model", sizes) == (
        f"the model {sizes} gives 3 numbers a row, which does not fit data.task binary and data.classes" + remedy
    )


@pytest.mark.long
def test_classes_in_another_order_than_the_model_s_are_refused(
    refused: Callable[..., str], trained: Callable[[str], Model], tmp_path: Path
) -> None:
    sizes = trained("size")
    document = yaml.safe_load(sizes.config.read_text())
    document["data"]["classes"] = ["small", "large", "middle"]
    document["schema"]["file"] = str(sizes.config.parent / document["schema"]["file"])
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(document))
    table = write_csv(tmp_path / "new.csv", ORDERS[:5])
    flags = ("--config", tmp_path / "other.yaml", "--model", sizes.folder)
    assert refused(table, tmp_path / "scored.csv", *flags) == (
        f"the model {sizes.folder} was taught other classes than ['small', 'large', 'middle'], or in another order\n"
        "  Remedy: give data.classes as they were when it was trained"
    )


def test_a_crash_leaves_what_was_there_and_says_where_the_story_is(
    longhaul: Callable[..., Any], model: Model, tmp_path: Path
) -> None:
    broken = shutil.copytree(model.folder, tmp_path / "broken")
    (broken / "variables" / "variables.index").write_bytes(b"nonsense")
    table = write_csv(tmp_path / "new.csv", ORDERS[:5])
    (tmp_path / "scored.csv").write_text("precious")
    flags = ("--force", "--model", broken, "--config", model.config)
    outcome = longhaul("predict", table, "--output", tmp_path / "scored.csv", *flags)
    assert outcome.code == 70
    (log,) = re.findall(r"the whole story is in\s+(\S+)", outcome.text)
    assert "file is too short to be an sstable" in Path(log).read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "new.csv", "scored.csv"]
    assert (tmp_path / "scored.csv").read_text() == "precious"
