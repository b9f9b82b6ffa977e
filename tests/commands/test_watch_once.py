"""One whole look of `longhaul watch`; what a version promised is stood in for (trained: tests/e2e/test_watch.py)."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.commands import watch
from pipeline.commands.watch import add_labels, has_log, watch_once
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import DataError, DiskFullError
from pipeline.watch.reference import Reference
from pipeline.watch.requests import log_files
from pipeline.watch.state import State
from pipeline.workspace.leftovers import temporary_folders
from tests.serving.test_rollback import config  # noqa: F401
from tests.stand_ins.bigquery import serving
from tests.watch.test_watching import START, World, reference  # noqa: F401


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, reference: Reference) -> list[str]:  # noqa: F811
    """Windows that are put on record, look by look."""
    found: list[str] = []

    def record(_: Any, __: Any, changed: list[dict[str, Any]]) -> str:
        found.append(" ".join(one["name"] for one in changed))
        return ""

    monkeypatch.setattr(watch, "References", lambda *_: lambda _: reference)
    monkeypatch.setattr(watch, "_record", record)
    return found


def with_settings(of: PipelineConfig, **settings: Any) -> PipelineConfig:
    return of.model_copy(update={"watch": of.watch.model_copy(update=settings)})


def at(weeks: float) -> datetime:
    return START + timedelta(weeks=weeks)


def test_a_log_in_bigquery_is_watched(
    config: PipelineConfig,  # noqa: F811
    reference: Reference,  # noqa: F811
    recorded: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(config.root, reference)
    config = with_settings(config, log="bigquery://my-project.served.requests")
    with serving() as service:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", service.url)
        monkeypatch.setenv("BIGQUERY_STORAGE_EMULATOR_HOST", service.storage)
        assert has_log(config, config.watch)
        with pytest.raises(DataError, match="Not found: Table my-project:served"):
            watch_once(config, at(1))
        world.folder.mkdir(parents=True, exist_ok=True)
        for number in (0, 1):
            world.week(number, labels=False, count=300)
        tables = [pa.parquet.read_table(world.folder / "log" / f"{number}.parquet") for number in (0, 1)]
        service.put("my-project.served.requests", tables[0])
        assert [one["rows"] for one in watch_once(config, at(1)).verdicts] == [300]
        service.put("my-project.served.requests", pa.concat_tables(tables))
        assert [one["rows"] for one in watch_once(config, at(2)).verdicts] == [300, 300]
        assert [one["rows"] for one in watch_once(config, at(2)).verdicts] == [300, 300]


def test_a_window_that_is_not_over_is_recorded_once_and_what_is_old_is_forgotten(
    config: PipelineConfig,  # noqa: F811
    reference: Reference,  # noqa: F811
    recorded: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[datetime] = []
    monkeypatch.setattr(watch, "try_to_record", lambda _, put: put(None))
    monkeypatch.setattr(watch, "forget_windows", lambda *given: asked.append(given[2]))
    world = World(config.root, reference)
    world.folder.mkdir(parents=True, exist_ok=True)
    (config.root / "metadata.db").touch()
    config = with_settings(config, log=str(world.folder / "log"), keep="70d")
    world.week(0, labels=False, count=300)
    watch_once(config, at(0.5))
    world.week(0, labels=False, count=400)
    watch_once(config, at(0.9))
    watch_once(config, at(1))
    assert recorded == ["2026-01-05", "", "2026-01-05"]  # more rows are no news of it until it is over
    world.week(12, labels=False, count=300)
    assert [one["name"] for one in watch_once(config, at(12.4)).verdicts] == ["2026-01-05", "2026-03-30"]
    assert [one["name"] for one in watch_once(config, at(13)).verdicts] == ["2026-03-30"]
    assert asked == [at(3)]  # so does ML Metadata


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), "the server is away"])
def test_what_did_not_come_on_record_does_at_the_next_look(
    ending: str | BaseException,
    config: PipelineConfig,  # noqa: F811
    reference: Reference,  # noqa: F811
    recorded: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A look that is killed after its verdicts, or whose server is away, leaves them to the next."""
    world = World(config.root, reference)
    world.folder.mkdir(parents=True, exist_ok=True)
    config = with_settings(config, log=str(world.folder / "log"))
    world.week(0, labels=False, count=300)

    def fails(*_: Any) -> str:
        if isinstance(ending, BaseException):
            raise ending
        return ending

    for _ in range(3):
        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(watch, "_record", fails)
            assert watch_once(config, at(1)).unrecorded == ending
    watch_once(config, at(1))
    watch_once(config, at(1))
    assert recorded == ["2026-01-05", ""]


def test_a_look_that_was_killed_loses_no_label(
    config: PipelineConfig,  # noqa: F811
    reference: Reference,  # noqa: F811
    recorded: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Between what it took in and what it said of it: the next look says it."""
    world = World(config.root, reference)
    world.folder.mkdir(parents=True, exist_ok=True)
    config = with_settings(config, log=str(world.folder / "log"), labels=str(world.folder / "labels"))
    world.week(0, labels=False, count=300)
    watch_once(config, at(1))
    world.label(0, [f"0-{number}" for number in range(300)], [0] * 300)
    world.week(1, labels=False, count=300)
    shutil.copytree(config.root, before := tmp_path / "before")
    changes = ("put_file", "put_labels", "put_realized", "clear_verdicts", "put_verdict", "settle")
    seen = list[Any]()
    for moment in range(20):
        shutil.rmtree(config.root)
        shutil.copytree(before, config.root)
        left = iter(range(moment))

        def before_call(method: Any, left: Any = left) -> Any:
            def call(*given: Any, **named: Any) -> Any:
                if next(left, None) is None:
                    raise KeyboardInterrupt
                return method(*given, **named)

            return call

        with monkeypatch.context() as patch:
            for name in changes:
                patch.setattr(State, name, before_call(getattr(State, name)))
            with suppress(KeyboardInterrupt):
                watch_once(config, at(2))
            was_killed = next(left, None) is None
        seen.append([(one["rows"], one["realized"]["rows"]) for one in watch_once(config, at(2)).verdicts])
        if not was_killed:
            break
    assert len(seen) > 5
    assert {tuple(one) for one in seen} == {((300, 300), (300, 0))}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,delayed\n1,0\n", "has no column 'request_id'"),
        ("request_id,answers\n1,0\n", "has no column 'label'"),
    ],
)
def test_labels_that_cannot_be_joined_are_not_kept(
    config: PipelineConfig,  # noqa: F811
    tmp_path: Path,
    text: str,
    told: str,
) -> None:
    """Every later look would stop at them."""
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=told):
        add_labels(config.watch_folder, config.watch.keys, config.data.label, file)
    assert not [*config.watch_folder.glob("given/*")]
    file.write_text(f"request_id,{config.data.label}\n1,0\n")
    assert add_labels(config.watch_folder, config.watch.keys, config.data.label, file).exists()


def test_labels_that_are_half_kept_count_for_nothing_and_go(
    config: PipelineConfig,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"request_id,{config.data.label}\n1,0\n")

    def fill(_: Path, to: Path) -> None:
        to.write_text("request_id,")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.commands.watch.shutil.copy2", fill)
        with pytest.raises(DiskFullError):
            add_labels(config.watch_folder, config.watch.keys, config.data.label, file)
    given = config.watch_folder / "given"
    assert not [*given.iterdir()]
    half = given / ".incoming-20260101-000000-000000-labels.csv"  # of a command that was killed
    half.write_text("request_id,")
    page, new = (config.root / "reports" / f".incoming-{name}.1" for name in ("index.html", "a.html"))
    page.parent.mkdir(exist_ok=True)
    for each in (page, new, given / ".incoming-now-labels.csv"):
        each.touch()
    for each in (half, page):  # the others may still be written: without a lock
        os.utime(each, (0, 0))
    assert {*temporary_folders(config.root)} == {half, page}  # which `longhaul gc` removes
    assert log_files(given) == []
