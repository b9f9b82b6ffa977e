"""Runs that were refused before they began: `longhaul runs` says when and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from pipeline.config.loading import load
from pipeline.config.notify import Notify
from pipeline.observe.after_run import told
from pipeline.workspace import whom_to_tell
from tests.captured import called
from tests.lineage.weeks import Weeks
from tests.receiver import listening


@pytest.fixture
def file(tmp_path: Path) -> Path:
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    document = weeks.config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    (tmp_path / "cats.yaml").write_text(yaml.safe_dump(document | {"workspace": str(tmp_path / "workspace")}))
    return tmp_path / "cats.yaml"


def reasons(file: Path, *arguments: str) -> list[tuple[int, str]]:
    workspace = str(file.parent / "workspace")
    done = called("runs", "--refused", "--json", "--config", file, "--workspace", workspace, *arguments)
    assert done.code == 0, done.text
    return [(one["exit_code"], one["reason"]) for one in json.loads(done.text)]


def test_a_run_without_data_is_remembered_with_its_reason(file: Path) -> None:
    refused = called("run", "--config", file)
    assert refused.code == 2
    ((code, reason),) = reasons(file)
    assert code == 2
    assert reason in refused.text
    listed = called("runs", "--config", file)
    assert f"Refused   {json_time(file)} UTC, exit code 2: {reason}" in listed.text
    assert "Refused" not in called("runs", "--config", file, "--filter", "status=complete").text
    assert len(json.loads(called("runs", "--config", file, "--json").text)) == 1  # scripts get runs, and nothing else


def json_time(file: Path) -> str:
    line = json.loads((file.parent / "workspace" / "refused.jsonl").read_text().splitlines()[-1])
    return str(line["time"])[:16].replace("T", " ")


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("nonsense: 1\n", [], "nonsense: unknown key"),  # the file still says where the workspace is
        ("name: [\n", ["--workspace", "{workspace}"], "cats.yaml"),  # no YAML, but the command line does
    ],
)
def test_a_broken_configuration_is_remembered_where_the_workspace_is_known(
    file: Path, text: str, arguments: list[str], said: str
) -> None:
    right = file.read_text()
    file.write_text(right + text)
    given = [one.replace("{workspace}", str(file.parent / "workspace")) for one in arguments]
    assert called("run", "--config", file, *given).code == 2
    file.write_text(right)
    ((code, reason),) = reasons(file)
    assert code == 2
    assert said in reason


SETTINGS = "name: cats\nworkspace: {workspace}\nnotify:\n  # whom to call\n\n  webhook: {address}/hook\n"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(SETTINGS + "data: [\n", id="no YAML"),
        pytest.param(SETTINGS + "data: {{path: a.csv}}\nnonsense: 1\n", id="a rule is broken"),
        pytest.param("data: [\n" + SETTINGS, id="no YAML before"),
        pytest.param("<<<<<<< ours\n" + SETTINGS + "  timeout_s: 3", id="a merge"),
        pytest.param("name: cats\nworkspace: {workspace}\nnotify:\n  webhok: x\n", id="notify itself"),
        pytest.param("name: cats\nworkspace: {workspace}\nnotify: {{[}}\n", id="notify is no YAML"),
        pytest.param("\tname: cats", id="all of it"),
        pytest.param("", id="empty"),
        pytest.param(None, id="gone"),
    ],
)
def test_a_configuration_that_nobody_can_read_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    file, workspace = tmp_path / "cats.yaml", tmp_path / "workspace"
    with listening() as receiver:
        workspace.mkdir()
        before = Notify(webhook=f"{receiver.address}/hook", heartbeat=receiver.address)
        whom_to_tell.remember(workspace, file, "cats", before)
        whom_to_tell.remember(workspace, tmp_path / "dogs.yaml", "dogs", Notify())
        assert (workspace / ".notify.json").stat().st_mode & 0o77 == 0
        if broken is not None:
            file.write_text(broken.format(workspace=workspace, address=receiver.address))
        done = called("run", "--config", "cats.yaml")
        assert done.code == 2
        (sent,) = [one for one in receiver.taken if one.path == "/hook"]
        heard = [one.path.partition("?")[0] for one in receiver.taken if one.path != "/hook"]
    it = sent.content
    assert (it["pipeline"], it["ending"], it["workspace"]) == ("cats", "failed", str(workspace))
    assert it["reason"].splitlines()[0] in done.text
    assert heard == (["/fail"] if "address" not in (broken or "") else [])


def test_a_run_that_begins_remembers_whom_it_would_tell(file: Path) -> None:
    document = yaml.safe_load(file.read_text()) | {"notify": {"webhook_env": "WHOM"}}
    file.write_text(yaml.safe_dump(document))
    config = load(file)
    with told(config, Console(quiet=True)) as about:
        about.begins("a run")
    last = whom_to_tell.last(config.root, file)
    assert (last["name"], last["notify"]["webhook_env"]) == ("cats", "WHOM")


def test_nobody_is_told_where_nobody_wanted_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cats.yaml").write_text("name: [")
    assert called("run", "--config", "cats.yaml").code == 2
    assert [one.name for one in tmp_path.iterdir()] == ["cats.yaml"]


def test_no_workspace_is_made_to_remember_and_no_more_than_a_hundred_are(file: Path) -> None:
    other = file.parent / "typo"
    assert called("run", "--config", file, "--workspace", str(other)).code == 2
    assert not (other / "refused.jsonl").exists() or len(reasons(file)) == 0
    remembered = file.parent / "workspace" / "refused.jsonl"
    line = {"time": "2026-01-01T00:00:00+00:00", "exit_code": 2, "reason": "old", "command": "longhaul run"}
    remembered.write_text("".join(json.dumps(line) + "\n" for _ in range(100)))
    assert called("run", "--config", file).code == 2
    assert len(reasons(file)) == 100
    assert reasons(file)[0][1] != "old"
    remembered.write_text("damaged")
    assert reasons(file) == []
