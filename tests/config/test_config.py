"""The configuration: what is read, what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.text import Text

from pipeline.commands.run import first_line
from pipeline.config.evaluation import METRICS
from pipeline.config.loading import REFERENCE, load
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.spans import Spans
from pipeline.config.split import HashSplit, TimeSplit, has_test_split
from pipeline.errors import ConfigError
from pipeline.lineage.provenance import config_digest

SMALLEST = """
name: cats
data: {path: cats.csv, label: purrs, task: binary}
split: {by: hash}
schema: {file: schema/cats.pbtxt}
evaluation: {thresholds: {auc: {at_least: 0.6}}}
"""
TIME = {"by": "time", "column": "day", "eval_from": "2013-11-01"}


def write(folder: Path, **changes: Any) -> Path:
    """SMALLEST with `section__key=value` set (`...` takes it out) in `folder`/cats.yaml."""
    document = yaml.safe_load(SMALLEST)
    for place, value in changes.items():
        *sections, key = place.split("__")
        section = document
        for name in sections:
            section = section.setdefault(name, {})
        section[key] = value
        if value is ...:
            del section[key]
    file = folder / "cats.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def refused(file: Path) -> str:
    """The message without the file's name in front."""
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert caught.value.remedy
    assert caught.value.what.startswith(str(file))
    return caught.value.what.removeprefix(str(file)).removeprefix(": ")


def test_the_smallest_file_gets_every_default(tmp_path: Path) -> None:
    config = load(write(tmp_path))
    assert config.model_dump(include={"workspace", "split", "features", "metadata", "push"}) == {
        "workspace": "workspace",
        "split": {
            "by": "hash",
            "columns": (),
            "weights": {"train": 8, "eval": 2, "test": 0},
            "stratify": None,
            "bounds": None,
        },
        "features": {"exclude": (), "categorical": (), "derive": {}, "max_vocabulary": 1000, "bins": 12},
        "metadata": {"url": None, "namespace": None, "password_env": "LONGHAUL_METADATA_PASSWORD", "wait": "10m"},
        "push": {"approval": "automatic", "approval_within": None, "destination": None, "vertex_model": None},
    }
    assert (config.tuner.mode, config.trainer.quantize, config.trainer.distribute) == ("none", "none", "none")
    assert (config.vertex, config.infra_check.p99_ms_batch_1, config.run.retries) == (None, 50, 2)
    assert (config.data.spans, config.data.builder, config.data.drop) == (Spans(), None, ())
    assert (config.evaluation.splits, config.evaluation.slices) == (("eval",), ())
    threshold = config.evaluation.thresholds["auc"]
    assert (threshold.at_least, threshold.at_most, threshold.may_lose) == (0.6, None, None)
    assert config.evaluation.model_dump(exclude={"splits", "slices", "thresholds"}) == {
        "metrics": {}, "gaps": {}, "min_rows": 100, "confidence": 0.95, "against": "champion",
        "explain": {"permutation_rows": 4_000, "repeats": 3, "rows": 6},
    }  # fmt: skip


def test_the_flights_are_the_reference() -> None:
    config = load()
    assert load(REFERENCE) == config
    assert (config.name, config.data.label, config.data.task) == ("flights", "late", "binary")
    assert isinstance(config.split, TimeSplit)
    assert (config.split.column, config.split.eval) == ("scheduled_departure", "last 2 spans")
    assert config.evaluation.thresholds["auc"].at_least == 0.66
    assert config.evaluation.thresholds["auc"].slices["origin"].at_least == 0.62
    assert config.card.limitations
    assert config.schema_file.is_file()
    assert config.data_pattern == f"{config.root}/data/flights/span-{{SPAN}}/flights.parquet"


def test_paths_are_relative_to_the_file_but_the_workspace_to_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    file = write(tmp_path, data__path="../tables/*.csv")
    config = load(file)
    assert config.schema_file == tmp_path / "schema" / "cats.pbtxt"
    assert config.data_pattern == f"{tmp_path.parent}/tables/*.csv"
    assert config.root == tmp_path / "here" / "workspace"
    assert load(file, workspace="/elsewhere").root == Path("/elsewhere")
    assert load(file, workspace=None).root == config.root
    assert load(write(tmp_path, data__path="gs://bucket/cats.csv")).data_pattern == "gs://bucket/cats.csv"
    assert load(write(tmp_path, data__path="/cats.csv")).data_pattern == "/cats.csv"


@pytest.mark.parametrize(
    "spelt",
    ["{0}/ws", "{0}/ws/", "{0}/./ws", "{0}//ws", "{0}/here/../ws", "ws", "./ws/.", "../k/ws", "link", "link/", "~/ws"],
)
def test_a_place_has_one_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelt: str) -> None:
    """The workspace, the table, the schema and the policy, from the folder of the file."""
    folder = tmp_path / "k"
    for name in ("ws", "here"):
        (folder / name).mkdir(parents=True)
    (folder / "link").symlink_to("ws")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    place = spelt.format(folder)
    inside = f"{place.rstrip('/')}/"
    plain, other = load(write(folder), workspace=str(folder / "ws")), load(write(folder), workspace=place)
    assert other.root == plain.root == folder / "ws"
    assert config_digest(other) == config_digest(plain)
    for path in ("cats.csv", "*/cats-{SPAN}.csv", "span-{SPAN}"):
        file = write(
            folder, data__path=inside + path, schema__file=inside + "c.pbtxt", schema__policy=inside + "p.yaml"
        )
        config = load(Path(inside) / ".." / "cats.yaml" if spelt == "ws" else file)
        assert config.data_pattern == f"{folder}/ws/{path}"
        assert (config.schema_file, config.policy_file) == (folder / "ws/c.pbtxt", folder / "ws/p.yaml")
        assert config.file == folder / "cats.yaml"


@pytest.mark.parametrize("spelt", ["~nobody-of-this-name/ws", "loop/ws"])
def test_a_place_that_cannot_be_is_no_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelt: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    assert load(write(tmp_path), workspace=spelt).root == tmp_path / spelt


def test_nothing_can_be_changed_afterwards(tmp_path: Path) -> None:
    config = load(write(tmp_path))
    with pytest.raises(ValueError, match="frozen"):
        config.trainer.epochs = 9  # type: ignore[misc]


# The file itself


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.yaml") == "no such configuration file"
    assert "cannot be read" in refused(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("name: Zürich".encode("latin1"))
    assert "cannot be read" in refused(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: [cats\n", ", line 2, column 1: not valid YAML while parsing a flow sequence that begins on line 1"),
        ("", "but it is empty"),
        ("- cats\n", "but it is a list"),
        ("cats\n", "but it is plain text"),
        (SMALLEST + "7: lives\n", "7: unknown key"),
    ],
)
def test_what_is_not_a_mapping_in_yaml_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "cats.yaml"
    file.write_text(text)
    assert expected in refused(file)


# Rules, each with its message


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("nme", "nme: unknown key; did you mean 'name'?"),
        ("shema", "shema: unknown key; did you mean 'schema'?"),
        ("base", "base: unknown key"),
        ("data__lable", "data.lable: unknown key; did you mean 'label'?"),
        ("split__wieghts", "split.wieghts: unknown key; did you mean 'weights'?"),
        ("split__weights__evil", "split.weights.evil: unknown key; did you mean 'eval'?"),
        ("schema__files", "schema.files: unknown key; did you mean 'file'?"),
        ("features__bin", "features.bin: unknown key; did you mean 'bins'?"),
        ("trainer__epoch", "trainer.epoch: unknown key; did you mean 'epochs'?"),
        ("evaluation__slice", "evaluation.slice: unknown key; did you mean 'slices'?"),
        ("evaluation__thresholds__auc__atleast",
         "evaluation.thresholds.auc.atleast: unknown key; did you mean 'at_least'?"),
        ("metadata__uri", "metadata.uri: unknown key; did you mean 'url'?"),
        ("trainer__xyzzy", "trainer.xyzzy: unknown key"),
    ],
)  # fmt: skip
def test_an_unknown_key_comes_with_the_nearest_one(tmp_path: Path, place: str, expected: str) -> None:
    assert refused(write(tmp_path, **{place: 1})) == expected


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        ("name", "My Cats", "name: String should match pattern '^[a-z0-9][a-z0-9-]{0,127}$' (received: 'My Cats')"),
        ("name", ..., "name: Field required"),
        ("data", ..., "data: Field required"),
        ("data__label", ..., "data.label: Field required"),
        ("data__task", "guess",
         "data.task: Input should be 'binary', 'multiclass' or 'regression' (received: 'guess')"),
        ("data__spans", [1], "data.spans.use: must be [first, last], `last N`, `from FIRST` or `all` (received: [1])"),
        ("trainer__balance", "rows", "trainer.balance: Input should be 'none' or 'classes' (received: 'rows')"),
        ("trainer", {"balance": "classes", "run_fn": "my.py:run_fn"},
         "trainer: balance is for Longhaul's network; run_fn makes a model of its own: take it out"),
        ("decision__threshold", 1.5,
         "decision.threshold.at: Input should be less than or equal to 1 (received: 1.5)"),
        ("decision__threshold", 0.12345, "decision.threshold: 0.12345 has more than four decimals; write 0.1235"),
        ("decision__threshold", {},
         "decision.threshold: must be a number, or one of cost, precision_at_least and recall_at_least,"
         " as in `threshold: {recall_at_least: 0.9}`"),
        ("decision__threshold", {"recall_at_least": 0.5, "precision_at_least": 0.5},
         "decision.threshold: must be a number, or one of cost, precision_at_least and recall_at_least,"
         " as in `threshold: {recall_at_least: 0.9}`"),
        ("decision__threshold", {"recall_least": 0.5},
         "decision.threshold.recall_least: unknown key; did you mean 'recall_at_least'?"),
        ("decision__threshold", {"cost": {"miss": 0, "false_alarm": 0}},
         "decision.threshold.cost: both errors cost nothing; say what one of them costs"),
        ("data__drop", ["purrs"], "the file: data.drop holds the label 'purrs'"),
        ("features__exclude", ["purrs"],
         "the file: features.exclude holds the label 'purrs', which no model is ever shown; take it out"),
        ("data__drop", "purrs",
         "data.drop: must be a list, in square brackets or with a line `- …` for each item (received: 'purrs')"),
        ("data__missing", ["-", None], "data.missing: nothing stands for no text; if the word is meant, quote it:"
         ' "null" (received: [\'-\', None])'),
        ("data__missing", ["-", -9.9], "data.missing: a number with a fraction may be written in more than one way;"
         " quote it as the table has it (received: ['-', -9.9])"),
        ("data__classes", [["a"], "b"],
         "data.classes: must hold texts, not lists or mappings (received: [['a'], 'b'])"),
        ("data__columns", {"weight": {"missing": [None]}}, "data.columns.weight.missing: nothing stands for no text;"
         ' if the word is meant, quote it: "null" (received: [None])'),
        *((place, "gs://bucket/x", f"{place.replace('__', '.')}: must be a path on this machine, as /mnt/longhaul, "
           "not an address (received: 'gs://bucket/x')")
          for place in ("workspace", "schema__file", "schema__policy", "data__label_decisions")),
        ("split__by", "rows", "split.by: must be 'time', 'hash' or 'group' (received: 'rows')"),
        ("split", "hash",
         "split: must hold settings (`key: value`), not one value (received: 'hash')"),
        ("trainer", None, "trainer: nothing stands under it; take the line out, or write its settings below, indented"),
        ("trainer", [], "trainer: must hold settings (`key: value`), not a list (received: [])"),
        ("evaluation__thresholds", ["auc"],
         "evaluation.thresholds: must hold settings (`key: value`), not a list (received: ['auc'])"),
        ("split", {}, "split.by: must be 'time', 'hash' or 'group' (received: None)"),
        ("split__weights", {"train": 0},
         "split.weights.train: Input should be greater than 0 (received: 0)"),
        ("split__weights", {"test": -1},
         "split.weights.test: Input should be greater than or equal to 0 (received: -1)"),
        ("split__weights", {"eval": "inf"},
         "split.weights.eval: Input should be a finite number (received: 'inf')"),
        ("split", {"by": "group"}, "split.column: Field required"),
        ("split", {**TIME, "eval_from": "soon"},
         "split.eval_from: Invalid isoformat string: 'soon' (received: 'soon')"),
        ("split", {**TIME, "test_from": "2013-11-01"},
         "split: test_from (2013-11-01T00:00:00) must be later than eval_from (2013-11-01T00:00:00)"),
        ("features__bins", 1, "features.bins: Input should be greater than or equal to 2 (received: 1)"),
        ("features__max_vocabulary", 0,
         "features.max_vocabulary: Input should be greater than or equal to 2 (received: 0)"),
        ("trainer__dropout", 1.0, "trainer.dropout: Input should be less than 1 (received: 1.0)"),
        ("trainer__hidden_units", [64, 0],
         "trainer.hidden_units.1: Input should be greater than or equal to 1 (received: 0)"),
        ("trainer__learning_rate", 0, "trainer.learning_rate: Input should be greater than 0 (received: 0)"),
        ("trainer__epochs", 1.5,
         "trainer.epochs: Input should be a valid integer, got a number with a fractional part (received: 1.5)"),
        ("trainer__patience", 0, "trainer.patience: Input should be greater than or equal to 1 (received: 0)"),
        ("trainer__validation_share", 1, "trainer.validation_share: Input should be less than 1 (received: 1)"),
        ("trainer__seed", -1, "trainer.seed: Input should be greater than or equal to 0 (received: -1)"),
        ("evaluation__thresholds", {},
         "evaluation.thresholds: Dictionary should have at least 1 item after validation, not 0"),
        ("evaluation__thresholds", {"auc": {}},
         "evaluation.thresholds.auc: a threshold needs at_least, at_most, may_lose or slices"),
        ("evaluation__thresholds", {"auc": {"may_lose": -0.1}},
         "evaluation.thresholds.auc.may_lose: Input should be greater than or equal to 0 (received: -0.1)"),
        ("evaluation__thresholds", {"auc": {"at_least": "nan"}},
         "evaluation.thresholds.auc.at_least: Input should be a finite number (received: 'nan')"),
        ("evaluation__thresholds", {"rmse": {"at_most": 1}},
         "the file: evaluation.thresholds: 'rmse' is not a metric of a binary task"
         " (known: auc, auc_precision_recall, log_loss, accuracy, calibration, expected_calibration_error, precision,"
         " recall, f1);"
             " evaluation.metrics names those of your own"),
        ("evaluation__gaps", {"rmse": {"paw": 0.1}},
         "evaluation: gaps.rmse: 'paw' is not measured; add [paw] to evaluation.slices"),
        ("evaluation__thresholds", {"auc": {"slices": {"paw=left, fur": {"at_least": 0.5}}}},
         "evaluation: thresholds.auc.slices: 'paw=left, fur' is not measured; add [paw, fur] to evaluation.slices"),
        ("evaluation__thresholds", {"auc": {"slices": {"paw": {"min_rows": 5}}}},
         "evaluation.thresholds.auc.slices.paw: a threshold needs at_least, at_most or may_lose"),
        ("evaluation__splits", ["dev"],
         "evaluation.splits.0: Input should be 'train', 'eval' or 'test' (received: 'dev')"),
        ("evaluation__splits", ["test"],
         "the file: evaluation.splits names 'test', but split defines no test split"),
        ("evaluation__slices", ["paw"], "evaluation.slices.0: must be a list, in square brackets or with a line `- …`"
         " for each item (received: 'paw')"),
        ("evaluation__slices", [["paw", "paw"]],
         "evaluation.slices: [paw, paw] names a column twice (received: [['paw', 'paw']])"),
        ("evaluation__slices", [["paw", "fur"], ["fur", "paw"]],
         "evaluation.slices: [fur, paw] stands twice (received: [['paw', 'fur'], ['fur', 'paw']])"),
        ("evaluation__slices", [[]],
         "evaluation.slices: a slice names no column; all rows are measured anyway (received: [[]])"),
        ("evaluation__thresholds", {"auc": {"at_least": 71}},
         "evaluation: thresholds.auc: no model has 71.0 or more; the most is 1"),
        ("evaluation__thresholds", {"log_loss": {"at_least": 0.9, "at_most": 0.1}},
         "evaluation.thresholds.log_loss: no value is at least 0.9 and at most 0.1"),
        ("trainer__epochs", True, "trainer.epochs: must be a number, not true (received: True)"),
        ("trainer__hidden_units", [64, True],
         "trainer.hidden_units: must be a number, not true (received: [64, True])"),
        ("split__weights", {"train": True}, "split.weights.train: must be a number, not true (received: True)"),
        ("trainer__patience", 10**30,
         f"trainer.patience: must be a number of at most 18 digits (received: {10**30})"),
        ("trainer__seed", 2**31,
         "trainer.seed: Input should be less than or equal to 2147483647 (received: 2147483648)"),
        ("data__path", "",
         "data.path: must not be empty; leave the setting out if it is not meant (received: '')"),
        ("metadata__url", "sqlite:///m.db",
         "metadata.url: must look like postgresql://user@host:port/database or mysql://user@host:port/database"),
    ],
)  # fmt: skip
def test_a_broken_rule_names_field_rule_and_what_was_received(
    tmp_path: Path, place: str, value: Any, expected: str
) -> None:
    assert refused(write(tmp_path, **{place: value})) == expected


def test_all_broken_rules_are_told_at_once(tmp_path: Path) -> None:
    lines = refused(write(tmp_path, trainer__epochs=0, features__bins=0, nme="x")).split("\n  ")
    assert [line.partition(":")[0] for line in lines] == ["features.bins", "trainer.epochs", "nme"]


# Label classes


@pytest.mark.parametrize(
    ("task", "classes", "expected"),
    [
        ("regression", ["a", "b"], "data: classes: a regression has none"),
        ("binary", ["a"], "data: classes: a binary task has two, not 1"),
        ("binary", ["a", "b", "c"], "data: classes: a binary task has two, not 3"),
        ("binary", ["a", "a"], "data: classes: a value stands twice"),
        ("multiclass", [], "data: classes: list the label's values, three or more, in order"),
        ("multiclass", ["a", "b"], "data: classes: list the label's values, three or more, in order"),
        ("multiclass", [1, "1", 2], "data: classes: a value stands twice"),
    ],
)
def test_classes_that_do_not_fit_the_task_are_refused(
    tmp_path: Path, task: str, classes: list[Any], expected: str
) -> None:
    thresholds = {METRICS[task][0]: {"at_least": 0}}
    file = write(tmp_path, data__task=task, data__classes=classes, evaluation__thresholds=thresholds)
    assert refused(file) == expected


@pytest.mark.parametrize(
    ("task", "written", "classes"),
    [
        ("binary", None, ("0", "1")),
        ("binary", "[no cat, cat]", ("no cat", "cat")),
        ("binary", "[true, false]", ("1", "0")),  # a boolean is stored as 0 or 1
        ("multiclass", "[3, 1, 2]", ("3", "1", "2")),
        ("regression", None, ()),
    ],
)
def test_classes_are_text_in_their_order(
    tmp_path: Path, task: str, written: str | None, classes: tuple[str, ...]
) -> None:
    thresholds = {METRICS[task][0]: {"at_least": 0}}
    changes = {} if written is None else {"data__classes": yaml.safe_load(written)}
    config = load(write(tmp_path, data__task=task, evaluation__thresholds=thresholds, **changes))
    assert config.data.label_classes == classes


# Metrics of their own


OWN = {"function": "my_metrics.py:cost", "better": "lower"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"evaluation__metrics": {"auc": OWN}},
            "metrics.auc: that is the name of a metric of Longhaul's; take another one",
        ),
        (
            {"evaluation__metrics": {"cost": {"function": "cost", "better": "lower"}}},
            "evaluation.metrics.cost.function",
        ),
        ({"evaluation__metrics": {"cost": {"function": "my_metrics.py:cost"}}}, "evaluation.metrics.cost.better"),
        ({"evaluation__thresholds": {"cost": {"at_most": 1}}}, "evaluation.metrics names those of your own"),
    ],
)
def test_a_metric_of_their_own_has_a_name_a_function_and_a_direction(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    assert expected in refused(write(tmp_path, **changes))


def test_a_metric_of_their_own_has_thresholds_and_gaps(tmp_path: Path) -> None:
    rules = {"evaluation__thresholds": {"cost": {"at_most": 1}}, "evaluation__gaps": {"cost": {"a": 0.5}}}
    config = load(write(tmp_path, evaluation__metrics={"cost": OWN}, evaluation__slices=[["a"]], **rules))
    assert "cost" in config.evaluation.lower_is_better


# Splits


def test_a_time_split_takes_a_yaml_date_and_keeps_it_as_text(tmp_path: Path) -> None:
    file = write(tmp_path)
    split = "split: {by: time, column: day, eval_from: 2013-11-01, test_from: 2013-12-01 06:00:00+01:00}"
    file.write_text(SMALLEST.replace("split: {by: hash}", split))
    config = load(file)
    assert isinstance(config.split, TimeSplit)
    assert (config.split.eval_from, config.split.test_from) == ("2013-11-01T00:00:00", "2013-12-01T06:00:00+01:00")


def test_a_test_split_is_one_that_has_rows() -> None:
    assert not has_test_split(HashSplit(by="hash"))
    assert has_test_split(HashSplit.model_validate({"by": "hash", "weights": {"test": 1}}))
    assert not has_test_split(TimeSplit(**TIME))  # type: ignore[arg-type]
    assert has_test_split(TimeSplit(**TIME, test_from="2014-01-01"))  # type: ignore[arg-type]


# Metadata


@pytest.mark.parametrize(
    "url", ["postgresql://ml:s3cret@db/lineage", "mysql://ml:s3cret@db:3306/lineage", "mysql://ml:s3/cret@db/lineage"]
)
def test_a_password_in_the_address_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    message = refused(write(tmp_path, metadata__url=url))
    assert message.startswith("metadata.url: must ")
    assert "cret" not in message


def test_a_password_in_the_address_is_told_where_it_belongs(tmp_path: Path) -> None:
    assert "the environment variable that password_env names" in refused(
        write(tmp_path, metadata__url="postgresql://ml:s3cret@db/lineage")
    )


@pytest.mark.parametrize("url", ["postgresql://ml@db.example.org:5432/lineage", "mysql://ml@db/lineage"])
def test_an_address_without_password_is_taken(tmp_path: Path, url: str) -> None:
    config: PipelineConfig = load(write(tmp_path, metadata__url=url))
    assert config.metadata.url == url


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"transform": {"preprocessing_fn": "my.py:f"}}, "trainer.build_model or trainer.run_fn, and there is neither"),
        ({"trainer": {"build_model": "my.py:f", "run_fn": "my.py:g"}}, "two models"),
        ({"trainer": {"build_model": "my.py:f", "hidden_units": [8]}}, "hidden_units is for Longhaul's network"),
        ({"trainer": {"build_model": "my.py:f"}, "tuner": {"mode": "search"}}, "trainer.build_model makes a model"),
        ({"trainer": {"train_steps": 5}}, "there is none"),
        ({"trainer": {"run_fn": "my.py:f", "litert": True}}, "litert is for Longhaul's network"),
        ({"trainer": {"run_fn": "my.py:f"}, "tuner": {"mode": "search"}}, "tunes Longhaul's network"),
        ({"trainer": {"run_fn": "no function"}}, "trainer.run_fn"),
    ],
)
def test_settings_that_a_function_of_the_users_cannot_have_are_refused(
    sections: dict[str, Any], told: str, tmp_path: Path
) -> None:
    document = yaml.safe_load(REFERENCE.read_text())
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(document | sections))
    with pytest.raises(ConfigError, match=told):
        load(file)


def test_a_run_says_first_that_nobody_named_a_configuration(tmp_path: Path) -> None:
    workspace = tmp_path / "[w]"
    of_the_example, own = load(workspace=str(workspace)), load(write(tmp_path), workspace=str(workspace))
    told = [
        Text.from_markup(first_line(config.file, config.name, config.root)).plain for config in (of_the_example, own)
    ]
    assert told == [
        f"flights (Longhaul's own example; --config FILE runs yours)  workspace {workspace}",
        f"cats  workspace {workspace}",
    ]


def test_of_a_bad_option_the_remedy_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not an address") as refused:
        load(write(tmp_path), workspace="gs://bucket/x")
    assert "correct --workspace;" in (refused.value.remedy or "")
