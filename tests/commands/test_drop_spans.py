"""A span that is left out by a command, and used again: one edit, nothing else in the file changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.commands.drop_spans import drop_spans
from pipeline.config.loading import load
from pipeline.errors import ConfigError

REST = """label: sold   # the label
  task: binary
split: {by: time, eval: last 1 span}
schema: {file: sales.pbtxt}
evaluation: {thresholds: {auc: {at_least: 0.6}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for month in ("2025-01", "2025-02", "2025-03"):
        (tmp_path / month).mkdir()
        (tmp_path / month / "t.csv").write_text("price,sold\n1,1\n")
    return tmp_path


@pytest.mark.parametrize(
    "spans",
    [
        "",
        "spans: last 6  # half a year\n  ",
        "spans: [2025-01, 2025-03]\n  ",
        "spans: {use: last 6, except: [2025-01]}\n  ",
        "spans:\n    use: all\n    except:\n      - 2025-01\n  ",
        "spans: {use: from 2025-01}\n  ",
    ],
    ids=["none", "window", "range", "flow", "block", "without except"],
)
def test_there_and_back(folder: Path, spans: str) -> None:
    file = folder / "sales.yaml"
    text = f'name: sales\ndata:\n  path: "{{YYYY}}-{{MM}}/t.csv"\n  {spans}{REST}'
    file.write_text(text)
    before = load(file).data.spans
    done = drop_spans(file, ["2025-02", "2025-02"], back=False)
    assert done.spans == ("2025-02",)
    after = load(file).data.spans
    assert (after.use, set(after.except_)) == (before.use, {*before.except_, 20250201})
    assert all(line in file.read_text() for line in REST.splitlines())
    assert ("# half a year" in file.read_text()) == ("# half a year" in text)
    assert drop_spans(file, ["2025-02"], back=False).spans == ()
    assert drop_spans(file, ["2025-02-01"], back=True).spans == ("2025-02-01",)
    assert load(file).data.spans == before
    assert drop_spans(file, ["2025-02"], back=True).spans == ()


@pytest.mark.parametrize(
    ("span", "said"),
    [("2025-09", "there is no span 2025-09; there are 2025-01-01 to 2025-03-01"), ("x", "a span is a number, or its")],
)
def test_a_span_that_is_none_is_refused(folder: Path, span: str, said: str) -> None:
    file = folder / "sales.yaml"
    text = f'name: sales\ndata:\n  path: "{{YYYY}}-{{MM}}/t.csv"\n  spans: last 2\n  {REST}'
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        drop_spans(file, [span], back=False)
    assert file.read_text() == text


def test_a_table_without_spans_has_none_to_leave_out(folder: Path) -> None:
    file = folder / "sales.yaml"
    file.write_text(f"name: sales\ndata:\n  path: 2025-01/t.csv\n  {REST}".replace("time, eval: last 1 span", "hash"))
    with pytest.raises(ConfigError, match="the table has no spans"):
        drop_spans(file, ["1"], back=False)
