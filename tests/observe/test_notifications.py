"""Who is told how a run ended: a real receiver, real commands, and what is never said."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from pydantic import ValidationError

from pipeline.config.loading import load
from pipeline.config.notify import Notify
from pipeline.config.observe import Observe
from pipeline.errors import ConfigError
from pipeline.observe.notifications import News, notify
from tests.lineage.story import settings
from tests.receiver import Receiver, listening
from tests.waiting import eventually

NEWS = News("cats", "not_blessed", run_id="r1", reason="auc 0.5 is less than 0.6", metrics={"auc": 0.5})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as server:
        yield server


# The webhook


def test_a_webhook_gets_the_news(receiver: Receiver) -> None:
    assert list(notify(Notify(webhook=f"{receiver.address}/hook?room=5"), NEWS)) == []
    (taken,) = receiver.taken
    assert (taken.path, taken.headers["Content-Type"]) == ("/hook?room=5", "application/json")
    assert taken.content == {
        "pipeline": "cats", "ending": "not_blessed", "run_id": "r1", "reason": "auc 0.5 is less than 0.6",
        "started": "", "seconds": 0.0, "metrics": {"auc": 0.5}, "pushed_version": "",
        "workspace": "", "report": "", "log": "",
    }  # fmt: skip


def test_only_the_endings_that_are_asked_for_are_told(receiver: Receiver) -> None:
    assert list(notify(Notify(webhook=receiver.address), News("cats", "complete"))) == []
    assert receiver.taken == []
    assert list(notify(Notify(webhook=receiver.address, on=("complete",)), News("cats", "complete"))) == []
    assert [taken.content["ending"] for taken in receiver.taken] == ["complete"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, "notify.webhook: the receiver answered 500 Internal Server Error"),
        (404, "notify.webhook: the receiver answered 404 Not Found"),
        (302, "notify.webhook: the receiver answered 302 Found"),  # a GET without the news would follow
    ],
)
def test_a_receiver_that_refuses_is_a_warning(receiver: Receiver, status: int, said: str) -> None:
    receiver.status = status
    assert list(notify(Notify(webhook=f"{receiver.address}/s3cret"), NEWS)) == [said]
    assert len(receiver.taken) == 1


def test_the_address_in_the_environment_is_used_and_never_said(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Notify(webhook_env="CATS_HOOK", timeout_s=0.2)
    monkeypatch.delenv("CATS_HOOK", raising=False)
    assert list(notify(settings, NEWS)) == ["notify.webhook_env: the environment variable CATS_HOOK is not set"]
    monkeypatch.setenv("CATS_HOOK", f"{receiver.address}/s3cret")
    assert list(notify(settings, NEWS)) == []
    assert receiver.taken[0].path == "/s3cret"

    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes the connection, never answers
        port = mute.getsockname()[1]
        monkeypatch.setenv("CATS_HOOK", f"http://127.0.0.1:{port}/s3cret")
        assert list(notify(settings, NEWS)) == ["notify.webhook_env: no answer (TimeoutError)"]
    assert list(notify(settings, NEWS)) == ["notify.webhook_env: not reached (Connection refused)"]
    for no_address in ("s3cret", "file:///etc/s3cret", "http://host:s3cret/", "http://ho st/s3cret"):
        monkeypatch.setenv("CATS_HOOK", no_address)
        (said,) = notify(settings, NEWS)
        assert said == "notify.webhook_env: no address that a POST could go to, or no answer in HTTP"


# The command


def command(program: str) -> Notify:
    return Notify(command=(sys.executable, "-c", program), timeout_s=10)


def test_a_command_reads_the_news(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    assert list(notify(command(f"import sys; open({str(kept)!r}, 'w').write(sys.stdin.read())"), NEWS)) == []
    assert json.loads(kept.read_text())["reason"] == "auc 0.5 is less than 0.6"


def test_a_command_that_fails_is_a_warning(tmp_path: Path) -> None:
    (said,) = notify(command("import sys; print('x'); sys.exit('no such channel')"), NEWS)
    assert said == f"notify.command: {sys.executable} ended with 1: no such channel"
    missing = tmp_path / "nobody"
    (said,) = notify(Notify(command=(str(missing),)), NEWS)
    assert said == f"notify.command: {missing} cannot be started (No such file or directory)"


def test_a_command_that_takes_too_long_is_stopped_with_what_it_started() -> None:
    for_hours = f"{100_000 + os.getpid()}"

    def sleepers() -> list[psutil.Process]:
        return [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", for_hours]]

    settings = Notify(command=("sh", "-c", f"sleep {for_hours} & sleep {for_hours}; true"), timeout_s=0.3)
    assert list(notify(settings, NEWS)) == ["notify.command: sh was stopped after 0.3 s"]
    eventually(lambda: not sleepers())


def test_webhook_and_command_are_both_told(receiver: Receiver) -> None:
    receiver.status = 500
    settings = Notify(webhook=receiver.address, command=("false",))
    assert list(notify(settings, NEWS)) == [
        "notify.webhook: the receiver answered 500 Internal Server Error",
        "notify.command: false ended with 1",
    ]


# The settings


@pytest.mark.parametrize(
    "address", ["https://ann:pw@host/x", "https://token@host", "host/x", "ftp://host/x", "http://"]
)
def test_addresses_that_hold_secrets_or_are_none_are_refused(address: str) -> None:
    for section, field in ((Notify, "webhook"), (Observe, "openlineage_url")):
        with pytest.raises(ValidationError, match=r"must (not hold a user or a password|look like https://host/path)"):
            section.model_validate({field: address})


def test_one_webhook_is_enough() -> None:
    with pytest.raises(ValidationError, match="give webhook or webhook_env, not both"):
        Notify(webhook="https://host/x", webhook_env="HOOK")


def test_an_address_that_is_refused_is_not_shown(tmp_path: Path) -> None:
    for section, field in (("notify", "webhook"), ("notify", "webhook_env"), ("observe", "openlineage_url")):
        file = tmp_path / "cats.yaml"
        file.write_text(yaml.safe_dump(settings(tmp_path) | {section: {field: "https://ann:s3cret@host/x"}}))
        with pytest.raises(ConfigError) as error:
            load(file)
        assert f"{section}.{field}: " in str(error.value)
        assert "s3cret" not in str(error.value)
