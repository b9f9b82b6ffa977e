"""The JSON schema for editors: fresh, found by the files that name it, and of one mind with what reads a file."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench import reference
from pipeline.commands.init import write_first_files
from pipeline.config.editor_schema import SCHEMA
from pipeline.config.loading import REFERENCE, load
from pipeline.config.yaml_file import parse_yaml
from pipeline.errors import ConfigError
from tests.config.test_yaml_file import SMALLEST

WRITTEN: dict[str, Any] = json.loads(SCHEMA.read_text())


@cache
def validator() -> Any:
    import jsonschema

    jsonschema.Draft7Validator.check_schema(WRITTEN)
    return jsonschema.Draft7Validator(WRITTEN)


def test_the_schema_and_the_document_say_what_the_docstrings_say() -> None:
    made = reference.json_schema()
    assert made == WRITTEN, "run `make reference`"
    assert reference.reference(made) in reference.DOCUMENT.read_text(), "run `make reference`"


def test_every_setting_is_said_in_whole_sentences() -> None:
    parts = [WRITTEN, *WRITTEN["$defs"].values()]
    told = {name: field["description"] for part in parts for name, field in part["properties"].items()}
    assert len(told) > 80
    assert [name for name, text in told.items() if not re.fullmatch(r"[\w`].+[.)]", text)] == []


def named_by(file: Path) -> Path:
    """The schema that the first line names; relative to the file, as the YAML language server takes it."""
    first = file.read_text().partition("\n")[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert found, first
    return (file.parent / found[1]).resolve()


def test_the_reference_names_the_schema_and_obeys_it() -> None:
    assert named_by(REFERENCE) == SCHEMA.resolve()
    validator().validate(parse_yaml(REFERENCE.read_text()))


def test_what_init_writes_names_the_schema_beside_it_and_obeys_it(tmp_path: Path) -> None:
    (tmp_path / "cats.csv").write_text("age,purrs\n" + "3,no\n7,yes\n" * 20)
    (tmp_path / SCHEMA.name).write_text("of an earlier version")
    write_first_files(str(tmp_path / "cats.csv"), "purrs", None, tmp_path, force=False)
    named = named_by(tmp_path / "cats.yaml")
    assert named == tmp_path / SCHEMA.name
    assert json.loads(named.read_text()) == WRITTEN
    validator().validate(parse_yaml((tmp_path / "cats.yaml").read_text()))


def test_a_configuration_that_says_everything_obeys_it(tmp_path: Path) -> None:
    """Every default among them."""
    whole = load(REFERENCE).model_dump(mode="json", by_alias=True)
    validator().validate(whole)
    file = tmp_path / "whole.yaml"
    file.write_text(yaml.safe_dump(whole))
    assert load(file).model_dump() == load(REFERENCE).model_dump()


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {"classes": ["0", "1"]}},
        {"data": {"classes": [0, 1]}},
        {"data": {"task": "multiclass", "classes": ["a", 2, 3.5]},
         "evaluation": {"thresholds": {"accuracy": {"at_least": 0.5}}}},
        {"data": {"spans": [1, 12]}},
        {"split": {"by": "time", "column": "t", "eval_from": "2013-11-01"}},
        {"split": {"by": "group", "column": "t", "weights": {"test": 0}}},
        {"tuner": {"mode": "search", "space": {"dropout": {"from": 0, "to": 0.5}, "hidden_units": [[8], [16, 8]]}}},
        {"vertex": None},
        {"beam": {"steps": {"Transform": {"runner": "direct", "options": {"a_b": [1, "x"], "c": True}}}}},
    ],
)  # fmt: skip
def test_both_take_it(tmp_path: Path, changes: dict[str, Any]) -> None:
    validator().validate(with_changes(changes))
    load(written(tmp_path, changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"trainr": {}},
        {"name": "Cats"},
        {"data": None},
        {"data": {"lable": "purrs"}},
        {"data": {"task": "ranking"}},
        {"data": {"spans": [1, 2, 3]}},
        {"data": {"spans": ["a", "b"]}},
        {"split": {"by": "luck"}},
        {"split": {"by": "time", "column": "t"}},
        {"split": {"by": "group", "weights": {"test": -1}, "column": "t"}},
        {"features": {"exclude": "id"}},
        {"features": {"max_vocabulary": 1}},
        {"trainer": {"epochs": 0}},
        {"trainer": {"epochs": 1.5}},
        {"trainer": {"hidden_units": []}},
        {"trainer": {"dropout": 1}},
        {"tuner": {"space": {"seed": [1, 2]}}},
        {"tuner": {"space": {"dropout": [0.1]}}},
        {"tuner": {"space": {"dropout": [0.1, 1.5]}}},
        {"tuner": {"space": {"hidden_units": {"from": 8, "to": 64}}}},
        {"tuner": {"space": {"dropout": {"from": 0.1, "until": 1}}}},
        {"evaluation": {"thresholds": {}}},
        {"evaluation": {"thresholds": {"auc": {"at_least": "half"}}}},
        {"evaluation": {"against": "best of last 0"}},
        {"evaluation": {"splits": ["dev"]}},
        {"infra_check": {"tolerance": 0}},
        {"notify": {"on": []}},
        {"notify": {"webhook_env": "no name"}},
        {"push": {"destination": "s3://bucket"}},
        {"vertex": {"region": "us-central1"}},
        {"beam": {"runner": "samza"}},
    ],
)
def test_both_refuse_it(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert not validator().is_valid(with_changes(changes))
    with pytest.raises(ConfigError):
        load(written(tmp_path, changes))


def test_a_metric_that_nobody_has_declared_is_refused_where_the_file_is_read(tmp_path: Path) -> None:
    """An editor's schema cannot know metrics of the user's own."""
    with pytest.raises(ConfigError):
        load(written(tmp_path, {"evaluation": {"thresholds": {"AUC": {"at_least": 0.5}}}}))


def with_changes(changes: dict[str, Any]) -> dict[str, Any]:
    """The smallest configuration, with sections changed."""
    document = dict(SMALLEST)
    for name, change in changes.items():
        keeps = isinstance(change, dict) and name != "split"
        document[name] = document.get(name, {}) | change if keeps else change
    return document


def written(folder: Path, changes: dict[str, Any]) -> Path:
    file = folder / "cats.yaml"
    file.write_text(yaml.safe_dump(with_changes(changes)))
    return file
