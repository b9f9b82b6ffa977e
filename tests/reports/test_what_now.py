"""The box on top of a bad page: what broke since when, what serves meanwhile, and commands that exist."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from pipeline.cli import app
from pipeline.config.loading import REFERENCE, load, options_of
from pipeline.guard.findings import DataVerdict, Finding
from pipeline.guard.places import FileRows
from pipeline.guard.policy import Severity
from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import Run
from pipeline.reports.page import collect, render
from pipeline.reports.what_now import Around, Command, look_around, since, what_now
from pipeline.serving.versions import Manifest
from tests.lineage.weeks import Weeks, cats_document

HOSTILE = "<b>-wind $(rm) 'x'"
GONE = Finding(
    *("feature_type_low_fraction_present", "wind", "train", "schema: presence", "at least 0.9", "0.6", 0.4),
    rows=(
        FileRows("/d/span-13/f.parquet", 900, 900, ((1, 900),)),
        FileRows("/d/span-9/f.parquet", 2, 900, ((7, 8),)),
        FileRows("/d/span-14/f.parquet", 890, 900, ((1, 890),)),
    ),
    files=3,
)
LEAK = Finding("label_leak", "-after", None, "leak", "less than 0.98", "1.0", None)
SERVED = Manifest(
    *("flights", "20260101-000000-000", "2026-01-01T00:00:00+00:00", "ann", {}, (1,), "c0ffee", {"wind": "float"}),
    *("binary", (), {"auc": 0.7}, {}),
)
GOOD = ("20260101-000000-000", "2026-01-01T00:00:00+00:00", "a.html")
AROUND = Around(
    "17", SERVED, ("20260101-000000-000", "2026-01-01T00:00:00+00:00", "a.html"), ("<oops>",), ("-c", "my file.yaml")
)


def run(status: str, **artifacts: list[Artifact]) -> Run:
    return Run("20260102-000000-000", "flights", status, "2026-01-02T00:00:00+00:00", 1.0, "why", {}, [], artifacts)


@pytest.fixture
def bad() -> dict[str, tuple[Run, DataVerdict | None]]:
    waits = Artifact("PushedModel", "/x", {"pushed": 0, "not_pushed": "waits for approval", "approval": "waiting"})
    return {
        "blocked": (run("blocked"), DataVerdict((GONE, LEAK, replace(GONE, feature=HOSTILE)))),
        "failed": (run("failed"), None),
        "interrupted": (run("interrupted"), None),
        "died": (run("died"), None),
        "waits": (run("complete", Pusher=[waits]), None),
    }


def commands(bad: dict[str, tuple[Run, DataVerdict | None]]) -> list[Command]:
    found = [what_now(*one, AROUND) for one in bad.values()]
    found += [what_now(run("complete"), None, AROUND, **said) for said in ({"blessed": False}, {"fit": False})]
    assert all(found)
    return [command for now in found if now for command in now.commands]


def test_every_command_exists_and_takes_these_options(bad: dict[str, tuple[Run, DataVerdict | None]]) -> None:
    """Each is parsed by the command line itself; nothing of a column's name reaches a shell."""
    for command in commands(bad):
        name, *words = shlex.split(command.text)
        assert name == "longhaul"
        group = get_command(app)
        context = typer.Context(group)
        while isinstance(group, typer.core.TyperGroup):
            _, found, words = group.resolve_command(context, words)
            assert found is not None, command.text
            group = found  # type: ignore[assignment]
        context = group.make_context("longhaul", words)
        assert str(context.params.get("config")) == "my file.yaml", command.text


def test_the_first_file_that_is_full_of_it(bad: dict[str, tuple[Run, DataVerdict | None]]) -> None:
    assert since(GONE) == "span-13/f.parquet"  # not span-9, where two rows were always missing
    now = what_now(*bad["blocked"], AROUND)
    assert now is not None
    assert now.broken[0].since == "span-13/f.parquet"
    assert now.broken[0].places[0] == "span-13/f.parquet: 900 of 900 rows"
    assert "longhaul drop --span 13 -c 'my file.yaml'" in [command.text for command in now.commands]
    words = shlex.join([f"--feature={name}" for name in ("wind", HOSTILE)])  # not of the leak, which no schema allows
    told = f"longhaul schema approve --reviewer NAME --note WHY {words} -c 'my file.yaml'"
    assert told in [command.text for command in now.commands]
    assert "longhaul drop --exclude -c 'my file.yaml' -- -after" in [command.text for command in now.commands]


def test_what_serves_and_whether_the_fault_reaches_it(bad: dict[str, tuple[Run, DataVerdict | None]]) -> None:
    stopped, _ = bad["blocked"]

    def affected(*findings: Finding) -> str:
        now = what_now(stopped, DataVerdict(findings), AROUND)
        assert now is not None
        assert now.serves == "version 17 of run 20260101-000000-000 serves on, since 2026-01-01 00:00 UTC"
        return now.affected

    assert "reads wind: requests with the same fault" in affected(GONE)
    assert affected(replace(GONE, feature="dest")) == "it does not read dest, so the fault does not reach it"
    assert affected(replace(GONE, feature=None)) == "it was not touched by this run"


def test_a_good_run_has_no_box_and_a_far_one_no_guesses(bad: dict[str, tuple[Run, DataVerdict | None]]) -> None:
    assert what_now(run("complete"), None, AROUND) is None
    assert what_now(run("running"), None, AROUND) is None
    now = what_now(*bad["failed"], None)
    assert now is not None
    assert (now.serves, now.commands, now.log) == ("", [], ())
    assert "What now" not in render(collect(bad["failed"][0]))  # an empty box


def test_the_box_comes_first_and_escapes(bad: dict[str, tuple[Run, DataVerdict | None]]) -> None:
    html = render(collect(bad["failed"][0], around=AROUND))
    assert html.index("What now") < html.index("<nav")
    assert "&lt;oops&gt;" in html
    assert "<oops>" not in html
    assert 'href="index.html"' in html


def test_it_is_looked_up_in_the_workspace(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    weeks.week(2, blessed=False)
    failed = weeks.failed(3)
    around = look_around(weeks.config, weeks.store, replace(run("failed"), run_id=failed))
    assert around.version == "1001"
    assert around.last_good == (weeks.run_id(1), "2026-01-01T00:00:00+00:00", f"{weeks.run_id(1)}.html")
    assert around.log[-1] == "line 30"
    assert len(around.log) == 15
    assert REFERENCE.absolute() != weeks.config.file


def test_rows_of_two_splits_are_told_apart() -> None:
    """They stood one above the other as "Rows of wind", with other counts of the same file."""
    places = (FileRows("span-4/t.csv", 2, 9, ((1, 2),)),)
    findings = tuple(
        Finding("new_values", "wind", split, "rule", "few", "many", None, Severity.BLOCK, places)
        for split in ("train", "eval")
    )
    now = what_now(run("blocked"), DataVerdict(findings), None)
    assert now is not None
    assert [one.what.split(":")[0] for one in now.broken] == ["wind, train", "wind, eval"]


def test_commands_of_a_page_work_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a workspace of its own, a file's is that of the folder where one is."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "cats.yaml"
    for said in ("workspace", str(tmp_path / "elsewhere"), None):
        document = cats_document(tmp_path) | {"workspace": said}
        file.write_text(json.dumps({name: value for name, value in document.items() if value}))
        config = load(file)
        at = [] if said and said.startswith("/") else ["-w", str(tmp_path / "workspace")]
        assert [*options_of(config.root, config.file)] == ["-c", str(file), *at]
        other = load(file, workspace="other")
        assert [*options_of(other.root, other.file)] == ["-c", str(file), "-w", str(tmp_path / "other")]
    file.write_text("no: [configuration")
    assert [*options_of(config.root, config.file)] == ["-c", str(file), "-w", str(config.root)]


@pytest.mark.parametrize(
    ("kind", "split", "name", "bound"),
    [("short_span", "span 5", "5", "least"), ("long_span", "span 20250401", "2025-04-01", "most")],
)
def test_a_span_of_odd_size_can_be_left_out_or_allowed(
    bad: dict[str, tuple[Run, DataVerdict | None]], kind: str, split: str, name: str, bound: str
) -> None:
    """Screen and page said only that the data must be fixed, or the schema."""
    finding = Finding(kind, None, split, f"check: {kind}", "at least 0.5 of the rows of a usual span", "60 rows")
    assert f"`longhaul drop --span {name}`" in finding.remedy
    assert f"`volume: {{{bound}: …}}`" in finding.remedy
    now = what_now(bad["blocked"][0], DataVerdict((finding,), {}), AROUND)
    assert now is not None
    assert f"longhaul drop --span {name} -c 'my file.yaml'" in [command.text for command in now.commands]
