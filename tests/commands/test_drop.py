"""Left out is left out: `longhaul drop`, and every reader agrees on `data.drop` and `features.exclude`."""

from __future__ import annotations

import json
import random
import shlex
from pathlib import Path

import pytest

from pipeline.commands.drop import Dropped, drop_columns, print_dropped
from pipeline.commands.drop_spans import DroppedSpans, print_dropped_spans
from pipeline.commands.init import write_first_files
from pipeline.commands.plan import make_plan
from pipeline.commands.validate import validate
from pipeline.config.command_texts import forget_given, note_given
from pipeline.config.loading import load
from pipeline.contract.run_inputs import look
from pipeline.contract.schema import feature_table, parse_schema, read_schema
from pipeline.errors import ConfigError

NAMES = ("after", "größe m²", "a: b # c", "-x", "\"q'", "class", "[1]", "no")
"""Of columns that are left out."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A table with columns of such names, and what `init` made of it."""
    seeded = random.Random(3)
    lines = []
    for _ in range(120):
        label = seeded.randrange(2)
        lines.append([seeded.randrange(30), *(f"v{seeded.randrange(3)}" for _ in NAMES), ("n", "y")[label]])
    quote = lambda cell: '"' + str(cell).replace('"', '""') + '"'  # noqa: E731
    table = [["x", *NAMES, "label"], *lines]
    (tmp_path / "t.csv").write_text("".join(",".join(map(quote, row)) + "\n" for row in table))
    write_first_files(str(tmp_path / "t.csv"), "label", None, tmp_path, force=True)
    return tmp_path / "t.yaml"


def without_column(project: Path, *names: str) -> Path:
    import pandas as pd

    table = pd.read_csv(project.parent / "t.csv")
    file = project.parent / "new.csv"
    table.drop(columns=list(names)).to_csv(file, index=False)
    return file


def test_dropping_is_one_edit_and_nothing_asks_for_the_column_any_more(project: Path) -> None:
    """Seen failing: validate and run were blocked by "expected a column, found no such column"."""
    before = project.read_text().splitlines()
    for name in NAMES:
        done = drop_columns(project, [name], exclude=False)
        assert (done.setting, done.columns, done.moves_split) == ("data.drop", (name,), True)
    config = load(project)
    assert config.data.drop == NAMES
    after = project.read_text().splitlines()
    assert [line for line in after if "drop" not in line] == [line for line in before if "drop" not in line]
    inputs = look(config)
    assert [feature.name for feature in inputs.features.features] == ["x"]
    guarding = parse_schema(inputs.guarding_text, config.schema_file)
    assert [feature.name for feature in guarding.feature] == ["x", "label"]
    assert guarding == inputs.schema
    assert inputs.schema_text == config.schema_file.read_text()
    for gone in ((), NAMES):
        found = validate(config, str(without_column(project, *gone)), "TRAINING")
        assert not found.verdict.blocked, found.verdict
        assert found.columns == 2


def test_what_the_model_is_not_shown_is_not_asked_for_in_rows_to_score(project: Path) -> None:
    """Seen failing: blocked by "found no such column"."""
    drop_columns(project, ["after", "class"], exclude=True)
    config = load(project)
    assert config.features.exclude == ("after", "class")
    assert {"after", "class"}.isdisjoint(feature.name for feature in look(config).features.features)
    found = validate(config, str(without_column(project, "label", "after", "class")))
    assert (found.environment, found.verdict.findings) == ("SERVING", ())
    learned = validate(config, str(without_column(project, "after")))  # what is learned from is kept whole
    assert [(finding.feature, finding.kind) for finding in learned.verdict.blocking] == [
        ("after", "schema_missing_column")
    ]
    table = without_column(project, "label")
    table.write_text(table.read_text().replace("v1", "something else"))
    found = validate(config, str(table))
    assert {finding.feature for finding in found.verdict.findings} & {"after", "class"} == set()


def test_what_is_needed_or_unknown_is_not_dropped(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = project.read_text()
    text = text.replace("slices: [", "slices: [[no], [x, class], [x], ").replace("by: hash", "by: hash\n  columns: [x]")
    project.write_text(text)
    for name, why in (("label", "is the label"), ("afer", "nearest names are 'after'"), ("x", "split by 'x'")):
        with pytest.raises(ConfigError, match=why):
            drop_columns(project, [name], exclude=False)
    with pytest.raises(ConfigError, match="no feature is left"):
        drop_columns(project, ["x", *NAMES], exclude=True)
    assert project.read_text() == text
    done = drop_columns(project, ["no", "class"], exclude=False)
    assert load(project).evaluation.slices == (("x",),)
    assert not done.moves_split
    print_dropped(done, as_json=False)
    assert "['x', 'class'] out of evaluation.slices" in capsys.readouterr().out
    print_dropped(drop_columns(project, ["no"], exclude=False), as_json=True)
    assert json.loads(capsys.readouterr().out)["columns"] == []
    project.write_text(project.read_text().replace("[[x]", "[[x], [no]"))
    with pytest.raises(ConfigError, match=r"evaluation\.slices names 'no', which data\.drop leaves out"):
        look(load(project))


def test_other_settings_may_go_on_naming_what_is_dropped(project: Path) -> None:
    drop_columns(project, ["after"], exclude=True)
    drop_columns(project, ["after"], exclude=False)
    config = load(project)
    assert "after" not in {feature.name for feature in feature_table(config, read_schema(config.schema_file)).features}


@pytest.mark.parametrize("exclude", [False, True])
def test_what_was_left_out_comes_back(project: Path, exclude: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Seen failing: `--back` with a column got a line on usage."""
    drop_columns(project, ["after"], exclude=exclude)  # which makes the list
    before = project.read_text()
    drop_columns(project, NAMES, exclude=exclude)
    done = drop_columns(project, [*NAMES[1:], "x"], exclude=exclude, back=True)
    assert (done.columns, project.read_text()) == (NAMES[1:], before)
    print_dropped(done, as_json=False)
    assert f"'class', '[1]', 'no' out of {done.setting} of" in capsys.readouterr().out
    drop_columns(project, ["after"], exclude=exclude, back=True)
    assert {"after", "x"} <= {feature.name for feature in look(load(project)).features.features}
    if not exclude:
        project.write_text(project.read_text().replace("drop: []", "drop: [gone]"))
        with pytest.raises(ConfigError, match="does not describe 'gone'"):
            drop_columns(project, ["gone"], exclude=False, back=True)


@pytest.mark.parametrize(("old", "new"), [("exclude: [", "exclude: [nobody"), ("slices: [", "slices: [[nobody]")])
def test_a_plan_refuses_a_column_that_a_run_would_refuse(project: Path, old: str, new: str) -> None:
    make_plan(load(project))
    project.write_text(project.read_text().replace(f"{old}]", f"{new}]"))
    with pytest.raises(ConfigError, match="has no column 'nobody'"):
        make_plan(load(project))


def test_the_next_command_can_be_copied_whatever_the_folder_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    file = Path("/a folder/it's.yaml")
    note_given("-c", file)
    print_dropped(Dropped(file, "data.drop", ("x",), (), False), as_json=False)
    print_dropped_spans(DroppedSpans(file, ("1",), False), as_json=False)
    forget_given()
    commands = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Next")]
    assert [shlex.split(line)[1:] for line in commands] == [["longhaul", "run", "-c", str(file)]] * 2
