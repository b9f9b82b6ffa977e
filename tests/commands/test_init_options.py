"""`longhaul init` and what a person may say: every remedy that a message names is followed here, and works."""

from __future__ import annotations

import json
import random
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.loading import load
from pipeline.contract.run_inputs import look
from pipeline.data.sources.source import infer_columns, plan_fragments, read_fragment
from pipeline.data.sources.table_files import find_files
from pipeline.data.values.readings import readings_of
from pipeline.errors import PipelineError
from pipeline.guard.policy import Severity
from pipeline.guard.policy_file import read_policy


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def init(*arguments: str) -> str:
    """Run the command in this process; what it says."""
    done = CliRunner().invoke(app, ["init", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def write(lines: list[str], name: str = "t.csv") -> str:
    Path(name).write_text("\n".join(lines) + "\n")
    return name


def rows(**columns: Any) -> list[str]:
    """A CSV table of sixty rows, the columns given by their values or a function of the row's number."""
    names = list(columns)
    values = [[one(i) if callable(one) else one[i % len(one)] for one in columns.values()] for i in range(60)]
    return [",".join(names), *(",".join(map(str, row)) for row in values)]


def check() -> None:
    """What was written can be run with: the table is read by it."""
    config = load(Path("t.yaml"))
    inputs = look(config)
    files = find_files(config.data_pattern, form=config.data.format, readings=readings_of(config.data))
    types = infer_columns(files, config.data.drop)
    assert {feature.name for feature in inputs.schema.feature} == set(types)
    assert sum(batch.num_rows for one in plan_fragments(files) for batch in read_fragment(one, types)) > 0


DRAW = random.Random(4)
REFUSED: dict[str, tuple[list[str], list[str], str]] = {
    # the table, what was asked, a part of the message
    "infinite label": (
        rows(x=lambda i: i % 7, y=lambda i: "inf" if i == 3 else 1.5 + i), [],
        "infinite number, inf, in row 4",
    ),
    "classes of fractions": (rows(x=lambda i: i % 7, y=[0.5, 1.5]), ["--task", "binary"], "fractional numbers"),
    "NA is most of the label": (rows(x=lambda i: i % 7, y=["NA", "NA", "a"]), [], "40 say 'NA'"),
    "NA is a class of two": (rows(x=lambda i: i % 7, y=["NA", "EU", "EU"]), [], "for missing: 'NA' (20 rows)"),
    "ragged rows": ([*rows(x=lambda i: i % 7, y=["a", "b"]), "1"], [], "1 field"),
    "a kind that does not fit": (
        rows(x=lambda i: "odd" if i % 20 == 3 else i, z=lambda i: i % 7, y=["a", "b"]), ["--type", "x=number"],
        "3 of its values are no numbers (row 4: 'odd'",
    ),
    "files in the way": (rows(x=lambda i: i % 7, y=["a", "b"]), [], "is there already"),
    "no label": (rows(x=lambda i: i % 7, y=["a", "b"]), ["--label", ""], "which column"),
    "wrong label": (rows(x=lambda i: i % 7, label=["a", "b"]), [], "has no column 'y'"),
}  # fmt: skip


def remedies(message: str) -> list[list[str]]:
    """Every option that a message names, with its values."""
    found = re.findall(r"`(--[^`]*)`", message)
    found += [f"--format {option}" for option in re.findall(r"--format ('[^']+')", message)]
    found += re.findall(r"^ *(--label \S+) ", message, re.MULTILINE)
    found += re.findall(r"(?<![`\w])(--(?:again|force))\b", message)
    found += ["--name other"] if "--name" in message else []
    if "is 'label'" in message or "are 'x', 'label'" in message:
        found.append("--label label")
    return [shlex.split(one) for one in found]


@pytest.mark.parametrize("case", REFUSED)
def test_every_remedy_of_a_refusal_works(case: str) -> None:
    lines, asked, message = REFUSED[case]
    table = write(lines)
    if case == "files in the way":
        init(table, "--label", "y")
    named = [] if "--label" in asked else ["--label", "y"]
    asked = [] if "--label" in asked else asked
    with pytest.raises(PipelineError) as refused:
        init(table, *named, *asked)
    assert message in str(refused.value)
    ways = remedies(str(refused.value))
    assert ways, str(refused.value)
    for way in ways:
        if case != "files in the way":
            for written in Path().glob("t.yaml"):
                written.unlink()
            Path("schema/t.pbtxt").unlink(missing_ok=True)
        kept = [] if way[0] == "--label" else named
        without_task = [] if way[0] in ("--task", "--type") else asked
        init(table, *kept, *without_task, *way)
        if "--name" not in way:
            check()


def test_what_a_person_says_wins() -> None:
    table = write(
        rows(
            code=lambda i: 10 + i % 5, size=lambda i: "big" if i % 9 == 0 else i % 5, key=lambda i: f"k{i}",
            mark=lambda i: "-9" if i % 10 == 0 else 3 + i % 8, note=["x", "y"], grade=["NA", "TA", "GA"], y=["a", "b"],
        )
    )  # fmt: skip
    options = ["--drop", "note", "--keep", "key", "--type", "code=category", "--type", "mark=text"]
    options += ["--missing", "big", "--na-is-value", "grade"]
    said = json.loads(init(table, "--label", "y", *options, "--json"))
    config = load(Path("t.yaml"))
    assert config.data.drop == ("note",)
    assert config.features.exclude == ()
    assert config.features.categorical == ("code",)
    assert config.data.missing == ("big",)
    columns = {column["name"]: column for column in said["columns"]}
    assert columns["key"]["role"] == "feature"
    assert (columns["mark"]["kind"], columns["size"]["kind"]) == ("text", "whole number")
    assert columns["grade"]["missing"] == 0
    assert columns["note"]["setting"] == "data.drop"
    check()


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        ([line.replace(",", ";") for line in rows(x=lambda i: i % 7, y=["a", "b"])], ["--delimiter", ";"]),
        ([line.replace(",", "\t") for line in rows(x=lambda i: i % 7, y=["a", "b"])], ["--delimiter", "tab"]),
        (["# remark", *rows(x=lambda i: i % 7, y=["a", "b"])], ["--format", "skip=1"]),
        (["# remark", *rows(x=lambda i: i % 7, y=["a", "b"])], ["--format", "comment=#"]),
    ],
)
def test_the_format_can_be_said(lines: list[str], options: list[str]) -> None:
    init(write(lines), "--label", "y", *options)
    check()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--drop", "y"], "it is the label"),
        (["--drop", "X"], "--drop X: t.csv has no such column; the columns are 'x', 'y'"),
        (["--keep", "z"], r"has no such column; the columns are 'x', 'y'"),
        (["--type", "z=text"], r"--type z: "),
        (["--encoding", "klingon"], r"--format encoding: must be an encoding"),
        (["--format", "colour=red"], r"--format colour: Extra inputs"),
        (["--again"], r"--again: there is no .*t\.yaml"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_written(options: list[str], expected: str) -> None:
    table = write(rows(x=lambda i: i % 7, y=["a", "b"]))
    with pytest.raises(PipelineError, match=expected):
        init(table, "--label", "y", *options)
    assert [path.name for path in Path().iterdir()] == ["t.csv"]


def test_again_keeps_what_a_person_wrote() -> None:
    lines = rows(x=lambda i: i % 7, color=["red", "blue"], y=["a", "b"])
    table = write(lines)
    init(table, "--label", "y")
    config, schema = Path("t.yaml"), Path("schema/t.pbtxt")
    config.write_text(config.read_text().replace("epochs: 60", "epochs: 7 # quick"))
    schema.write_text("# reviewed by Ann\n" + schema.read_text())
    before = config.read_text(), schema.read_text()
    assert "Unchanged" in init(table, "--label", "y", "--again")
    assert (config.read_text(), schema.read_text()) == before
    write([f"{line},{'fax' if i == 0 else 'z'}" for i, line in enumerate(lines)])
    said = init(table, "--again")
    assert '+    - "fax" # ' in said or '+  drop: ["fax"]' in said
    assert load(config).data.drop == ("fax",)
    assert "epochs: 7 # quick" in config.read_text()
    assert schema.read_text().startswith("# reviewed by Ann\n")
    check()


def test_what_texts_mean_is_written_down_and_read_back() -> None:
    rows = [f'"{1000 + 37 * n:,}",{n % 28 + 1}.{n % 12 + 1}.2016,${n},{("?", "x")[n % 2]},{n % 2}' for n in range(200)]
    rows[50] = rows[50].replace("$50", "12 apples")
    write(["big,day,price,c,label", *rows])
    init("t.csv", "--label", "label")
    config = load(Path("t.yaml"))
    assert {name: one.model_dump(exclude_defaults=True) for name, one in config.data.columns.items()} == {
        "big": {"kind": "number", "thousands": ","},
        "day": {"kind": "date", "format": "%d.%m.%Y"},
        "price": {"kind": "number", "unit": ("$",)},
    }
    assert (config.data.missing, config.data.bad_rows) == (("?",), "set_aside")
    files = find_files("t.csv", readings=readings_of(config.data))
    types = infer_columns(files)
    found = [row for part in plan_fragments(files) for batch in read_fragment(part, types) for row in batch.to_pylist()]
    assert len(found) == 199
    assert found[1] == {"big": 1037, "day": 1454371200, "price": 1, "c": "x", "label": 1}
    assert found[2]["c"] is None


def test_it_is_said_which_text_means_missing_in_which_column_and_how_to_keep_it() -> None:
    """In every column and by its count, the same for a reader of JSON; what is named keeps the text as a value."""
    columns = {
        "age": ["-", "31", "45", "52"],
        "pay": ["$5", "n/a", "$7", "unknown", "$9"],
        "city": ["Rome", "?", "Oslo"],
    }
    table = write(rows(**columns, grade=["NA", "TA", "Gd"], label=["yes", "no"]))
    said = init(table, "--label", "label")
    for sentence in (
        "'-' was taken for a missing value in 'age' (15 rows)",
        "'n/a' was taken for a missing value in 'pay' (12 rows)",
        "'unknown' was taken for a missing value in 'pay' (12 rows)",
        "'?' was taken for a missing value in 'city' (20 rows)",
        "'NA' was taken for a missing value in 'grade' (20 rows)",
        "`--na-is-value COLUMN` takes them for values",
    ):
        assert sentence in said
    found = json.loads(init(table, "--label", "label", "--force", "--json"))["columns"]
    marked = {column["name"]: column["markers"] for column in found if column["markers"]}
    assert marked == {
        "age": {"-": 15}, "pay": {"n/a": 12, "unknown": 12}, "city": {"?": 20}, "grade": {"NA": 20},
    }  # fmt: skip
    said = init(table, "--label", "label", "--force", "--na-is-value", "grade", "--na-is-value", "city")
    assert "'grade' (" not in said
    assert "'city' (" not in said
    check()


def test_of_many_texts_that_mean_missing_the_commonest_are_named() -> None:
    marks = ["-", "--", "?", ".", "n/a", "unknown", "missing"]
    numbers = {f"c{k}": [mark, *map(str, range(9))] for k, mark in enumerate(marks)}
    said = init(write(rows(**numbers, label=["yes", "no"])), "--label", "label")
    assert said.count("was taken for a missing value") == 5
    assert "2 more texts; --json has all" in said


@pytest.mark.parametrize(("count", "is_few"), [(20, True), (99, True), (100, False)])
def test_a_small_table_gets_an_answer_and_a_warning(count: int, is_few: bool) -> None:
    lines = rows(x=lambda i: i * 7 % 31, label=["yes", "no"])
    said = init(write([lines[0], *(lines[1:] * 2)[:count]]), "--label", "label")
    assert (f"{count} rows tell little" in said) == is_few


@pytest.mark.parametrize(
    ("name", "instead"), [("my_table", "my-table"), ("Über", "ber"), ("a/b", "a-b"), ("x" * 129, "x" * 128)]
)
def test_a_name_that_no_configuration_may_have_is_refused_before_anything_is_written(name: str, instead: str) -> None:
    table = write(rows(x=lambda i: i * 7 % 31, label=["yes", "no"]))
    done = CliRunner().invoke(app, ["init", table, "--label", "label", "--name", name])
    assert isinstance(done.exception, PipelineError)
    assert done.exception.remedy == f"--name {instead}"
    assert [file.name for file in Path().iterdir()] == ["t.csv"]
    init(table, "--label", "label", "--name", instead)
    load(Path(f"{instead}.yaml"))


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_column_without_any_value_is_said_to_be_empty(ending: str) -> None:
    import pandas as pd

    frame = pd.DataFrame({"x": range(60), "none": pd.Series([None] * 60, dtype=object), "label": ["a", "b"] * 30})
    table = f"t.{ending}"
    if ending == "csv":
        frame.to_csv(table, index=False)
    elif ending == "parquet":
        frame.astype({"none": "string"}).to_parquet(table, index=False)
    else:
        frame.to_json(table, orient="records", lines=True)
    assert "no value in any row" in init(table, "--label", "label")
    assert load(Path("t.yaml")).data.drop == ("none",)


@pytest.mark.parametrize(
    ("columns", "asked", "let_through"),
    [
        pytest.param({"x": lambda i: i, "y": lambda i: 2.5 * i + 1}, [], ["x"], id="nothing else is left"),
        pytest.param({"x": ["p", "q"], "y": ["a", "b"]}, [], ["x"], id="nothing else is left of classes"),
        pytest.param({"x": ["p", "q"], "z": lambda i: i % 7, "y": ["a", "b"]}, ["--keep", "x"], ["x"], id="kept"),
        pytest.param({"x: é": ["p", "q"], "z": [1, 2, 3], "y": ["a", "b"]}, ["--keep", "x: é"], ["x: é"], id="odd"),
        pytest.param({"x": ["p", "q"], "z": lambda i: i % 7, "y": ["a", "b"]}, [], [], id="left out"),
        pytest.param({"z": lambda i: i % 7, "y": ["a", "b"]}, ["--keep", "z"], [], id="tells nothing"),
    ],
)
def test_a_run_is_not_stopped_by_a_column_that_is_to_be_shown(
    columns: dict[str, Any], asked: list[str], let_through: list[str]
) -> None:
    """`init` would otherwise write what `run` refuses."""
    init(write(rows(**columns)), "--label", "y", *asked)
    config = load(Path("t.yaml"))
    assert set(let_through).isdisjoint(config.features.exclude)
    policy = read_policy(config.policy_file)
    assert {name for name in columns if policy.severity_of("label_leak", name) is not Severity.BLOCK} == {*let_through}
    assert (config.policy_file is None) == (not let_through)


def test_a_policy_that_is_there_stays() -> None:
    table = write(rows(x=["p", "q"], y=["a", "b"]))
    init(table, "--label", "y")
    assert load(Path("t.yaml")).policy_file
    Path("schema/t.policy.yaml").write_text("label_leak: 1\n")
    init(table, "--label", "y", "--again")
    assert Path("schema/t.policy.yaml").read_text() == "label_leak: 1\n"


def test_what_comes_only_in_rows_without_a_label_is_not_asked_for() -> None:
    """A run leaves such rows out, and would find none."""
    init(
        write(rows(x=lambda i: i % 7, beat=lambda i: i * 1.5 if i % 4 == 0 else "", y=["", "a", "b", "a"])),
        "--label",
        "y",
    )
    config = load(Path("t.yaml"))
    assert config.data.drop == ("beat",)
    assert "beat" not in {feature.name for feature in look(config).schema.feature}
