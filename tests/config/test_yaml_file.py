"""The text of YAML files that people write: it means what it says, or is refused with its line."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config.editor_schema import SCHEMA
from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.yaml_file import parse_yaml, quoted, read_yaml
from pipeline.errors import ConfigError
from pipeline.guard.policy import Policy
from pipeline.guard.policy_file import read_policy

ROOT = Path(__file__).parents[2]
SMALLEST: dict[str, Any] = {
    "name": "cats",
    "data": {"path": "cats.csv", "label": "purrs", "task": "binary"},
    "split": {"by": "hash"},
    "schema": {"file": "schema/cats.pbtxt"},
    "evaluation": {"thresholds": {"auc": {"at_least": 0.6}}},
}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("on: [on, off, yes, no, y, n, Y, N, NO, On]",
         {"on": ["on", "off", "yes", "no", "y", "n", "Y", "N", "NO", "On"]}),
        ("no: NO\nyes: 1", {"no": "NO", "yes": 1}),
        ("[true, True, TRUE, false, False, FALSE, tRuE]", [True, True, True, False, False, False, "tRuE"]),
        ("[null, Null, NULL, ~, '', nULL]", [None, None, None, None, "", "nULL"]),
        ("a:", {"a": None}),
        ("[1:30, 12:30:45, 190:20:30.15]", ["1:30", "12:30:45", "190:20:30.15"]),
        ("[1_000, 0b11, 0x_1]", ["1_000", "0b11", "0x_1"]),
        ("[2013-11-01, 2013-11-01 06:00:00+01:00]", ["2013-11-01", "2013-11-01 06:00:00+01:00"]),
        ("[0, -0, +7, -12, 0o17, 0x1F, 12e03]", [0, 0, 7, -12, 15, 31, 12000.0]),
        ("[0.5, .5, -1., 1e3, 1E-3, +.5e+1]", [0.5, 0.5, -1.0, 1000.0, 0.001, 5.0]),
        ("['010', \"1e3\", 'null', !!str 010]", ["010", "1e3", "null", "010"]),
        ("=: 1", {"=": 1}),
        ("{1: a, true: b, 2013-11-01: c, 1.5: d}", {"1": "a", "true": "b", "2013-11-01": "c", "1.5": "d"}),
        ("a: &x {p: 1}\nb: *x\nc: {<<: *x, q: 2}\nd: {<<: [*x, {r: 3}], p: 9}",
         {"a": {"p": 1}, "b": {"p": 1}, "c": {"p": 1, "q": 2}, "d": {"r": 3, "p": 9}}),
        ("a: |\n  <<<<<<< not at the line's beginning\n", {"a": "<<<<<<< not at the line's beginning\n"}),
    ],
)  # fmt: skip
def test_text_means_what_it_says(text: str, meant: Any) -> None:
    found = parse_yaml(text)
    assert found == meant
    assert repr(found) == repr(meant)  # True is 1 to ==


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", ", line 3, column 1: 'a' stands on line 1 already"),
        ("s: {p: 1,\n    p: 2}", ", line 2, column 5: 'p' stands on line 1 already"),
        ("{1: a, '1': b}", ", line 1, column 8: '1' stands on line 1 already"),
        ("a: &x {p: 1}\nb: {<<: *x, <<: *x}", "'<<' stands on line 2 already"),
        ("a: 010", ", line 1, column 4: 010 has a leading zero"),
        ("a: [1, -007]", "-007 has a leading zero"),
        ("a: 00.5", "00.5 has a leading zero"),
        ("a: .nan", ".nan is no finite number"),
        ("a: -.inf", "-.inf is no finite number"),
        ("a: 1e999", "1e999 is no finite number"),
        (f"a: {'9' * 5000}", "the number has 5,000 digits"),
        ("'': 1", "a key must be text, not nothing"),
        ("? [a, b]\n: 1", "a key must be text, not a list"),
        ("{a: 1}: 2", "a key must be text, not a mapping"),
        ("a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> theirs\n", ", line 2, column 1: a merge left its conflict"),
        ("a: 1\n>>>>>>> theirs\n", ", line 2, column 1: a merge left its conflict"),
        ("a: &x [1, *x]", ", line 1, column 11: *x stands inside of what it names"),
        ("a: &x {<<: *x}", "*x stands inside of what it names"),
        ("a: *x", "not valid YAML: found undefined alias"),
        ("a:\n\tb: 1", ", line 2, column 1: a tab stands here; write spaces"),
        ("a:\tb", ", line 1, column 3: a tab stands here; write spaces"),
        ("a: !!python/object:os.system {}", "the tag tag:yaml.org,2002:python/object:os.system is not known"),
        ("a: !!timestamp 2013-11-01", "the tag tag:yaml.org,2002:timestamp is not known"),
        ("a: !!set {b}", "is not known"),
        ("a: 1\n---\nb: 2\n", "but found another document"),
        ("a: 1 b: 2", "mapping values are not allowed here"),
        ("a: \0", "special characters are not allowed"),
        ("a: 1\n# said\u2028b: 2\n", ", line 2, column 7: U+2028 stands here, which ends a line for some readers only"),
        ("# \x85a: 1", "U+0085 stands here"),
        ("[" * 5000, "more than 50 deep"),
        ("".join(" " * depth + "a:\n" for depth in range(5000)), "more than 50 deep"),
    ],
)  # fmt: skip
def test_what_could_be_taken_for_two_things_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "cats.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(file)
    assert said in caught.value.what
    assert caught.value.what.startswith(str(file))
    assert "\n" not in caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize("link", ["[*a{0}, *a{0}, *a{0}, *a{0}]", "{{<<: [*a{0}, *a{0}], k: *a{0}}}"])
def test_aliases_of_aliases_are_refused_at_once(link: str) -> None:
    first = "a0: &a0 {p: 1}\n"
    text = first + "".join(f"a{n}: &a{n} {link.format(n - 1)}\n" for n in range(1, 40))
    began = time.monotonic()
    with pytest.raises(yaml.YAMLError, match="stand for more than 10,000 values"):
        parse_yaml(text)
    assert time.monotonic() - began < 5


def test_many_values_without_aliases_are_no_bomb() -> None:
    text = f"exclude: &all [{', '.join(f'column_{n}' for n in range(20_000))}]\n"
    assert len(parse_yaml(text)["exclude"]) == 20_000


@pytest.mark.parametrize(
    "text",
    ["no", "010", "1e3", "null", "", " x ", "# no comment", "a: b", "'", '"', "\\", "two\nlines", "\u200d😀", "\x7f",
     "\x00", "[red]", "{{ x }}", "x" * 300, "<<", "*x", "&x", "!x", "\u2028", "é"],
)  # fmt: skip
def test_what_longhaul_writes_is_read_as_that(text: str) -> None:
    line = quoted(text)
    assert "\n" not in line
    assert parse_yaml(f"a: {line} # a comment") == {"a": text}
    assert parse_yaml(f"a: [{line}, {line}]") == {"a": [text, text]}


def test_a_country_is_no_boolean_and_a_switch_is_one(tmp_path: Path) -> None:
    file = tmp_path / "cats.yaml"
    text = yaml.safe_dump(SMALLEST | {"data": SMALLEST["data"] | {"task": "multiclass"}, "evaluation": None})
    text = text.replace("evaluation: null", "evaluation: {thresholds: {accuracy: {at_least: 0.5}}}")
    file.write_text(
        text.replace("task: multiclass", "task: multiclass\n  classes: [no, se, dk]")
        + "trainer: {refit: no, epochs: 1_000}\nnotify: {on: [failed], webhook: 'https://x.example/h'}\n"
    )
    config = load(file)
    assert config.data.classes == ("no", "se", "dk")
    assert (config.trainer.refit, config.trainer.epochs) == (False, 1000)
    assert config.notify.on == ("failed",)


def test_a_policy_is_read_by_the_same_rules(tmp_path: Path) -> None:
    file = tmp_path / "cats.policy.yaml"
    file.write_text("features:\n  no: {severity: ignore}\n  1: {severity: warn}\n")
    assert set(read_policy(file).features) == {"no", "1"}
    file.write_text("rows: 5\nrows: 6\n")
    with pytest.raises(ConfigError, match="'rows' stands on line 1 already"):
        read_policy(file)


# What the documents tell people to write


def _snippets() -> list[Any]:
    """Every example of YAML in README.md and docs/: what is fenced as such, and what is indented by four spaces and
    begins like a section or a policy."""
    known = "|".join({*PipelineConfig.model_fields, "schema", *Policy.model_fields})
    found = []
    for file in sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")]):
        text = file.read_text()
        fenced = [(one.start(1), one.group(1)) for one in re.finditer(r"^```ya?ml\n(.*?)^```", text, re.M | re.S)]
        indented = [
            (one.start(), re.sub(r"^ {4}", "", one.group(), flags=re.M))
            for one in re.finditer(rf"(?<=\n\n)    (?:{known}):(?:\n|[ ]).*?(?=\n\n|\n\S|\Z)", text, re.S)
        ]
        found += [
            pytest.param(snippet, id=f"{file.name}:{text.count(chr(10), 0, at) + 1}")
            for at, snippet in fenced + indented
        ]
    return found


def test_the_documents_have_examples() -> None:
    assert len(_snippets()) >= 15


@pytest.mark.parametrize("snippet", _snippets())
def test_every_example_in_the_documents_can_be_used(tmp_path: Path, snippet: str) -> None:
    import jsonschema

    document = parse_yaml(snippet)
    file = tmp_path / "cats.yaml"
    file.write_text(snippet)
    if document.keys() <= Policy.model_fields.keys():
        read_policy(file)
        return
    missing = {key: value for key, value in SMALLEST.items() if key not in document}
    data = SMALLEST["data"] | document.get("data", {})
    if "data" in document:
        document["data"] = data
        file.write_text(yaml.safe_dump(document | missing))
    else:
        file.write_text(snippet + "\n" + yaml.safe_dump(missing))
    load(file)
    jsonschema.validate(parse_yaml(file.read_text()), json.loads(SCHEMA.read_text()))  # as an editor does
