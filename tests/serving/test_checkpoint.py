"""The hidden folder beside an output: kept when work breaks off, gone when it ends, never shared."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from pipeline.errors import DataError, WorkspaceError
from pipeline.serving.checkpoint import key_of, workplace

KEY, OTHER = key_of("this"), key_of("that")


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".*"))


def test_a_key_is_of_all_that_it_depends_on() -> None:
    assert key_of(1, {"a": 2}) == key_of(1, {"a": 2})
    assert len({key_of(1, 2), key_of(2, 1), key_of([1, 2]), key_of(1)}) == 4


def test_it_goes_when_the_work_is_done(tmp_path: Path) -> None:
    with workplace(tmp_path / "out.csv", KEY) as folder:
        (folder / "000000.json").touch()
        assert hidden(tmp_path) == [f".out.csv.{KEY}"]
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("reason", [RuntimeError, KeyboardInterrupt])
def test_finished_parts_stay_when_it_breaks_off(tmp_path: Path, reason: type[BaseException]) -> None:
    with pytest.raises(reason), workplace(tmp_path / "out.csv", KEY) as folder:  # noqa: PT012
        (folder / "000000.json").write_text("done")
        raise reason
    with workplace(tmp_path / "out.csv", KEY) as folder:
        assert (folder / "000000.json").read_text() == "done"


def test_without_a_finished_part_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), workplace(tmp_path / "out.csv", KEY) as folder:  # noqa: PT012
        (folder / "000000.parquet").touch()
        raise RuntimeError
    assert hidden(tmp_path) == []


def test_there_is_nothing_to_go_on_with_after_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(DataError), workplace(tmp_path / "out.csv", KEY) as folder:  # noqa: PT012
        (folder / "000000.json").touch()
        raise DataError("wrong")
    assert hidden(tmp_path) == []


def test_parts_of_other_work_on_the_same_output_are_removed_but_not_those_at_work(tmp_path: Path) -> None:
    for name in (f".out.csv.{OTHER}", f".out.csv.{'f' * 16}", f".out.parquet.{OTHER}", ".out.csv.precious"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lock").touch()
    lock = os.open(tmp_path / f".out.csv.{'f' * 16}" / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        with workplace(tmp_path / "out.csv", KEY):
            pass
    finally:
        os.close(lock)
    assert hidden(tmp_path) == [".out.csv.ffffffffffffffff", ".out.csv.precious", f".out.parquet.{OTHER}"]


def test_two_cannot_work_on_one_output(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    with workplace(output, KEY) as folder:
        with pytest.raises(WorkspaceError, match="another process is writing"), workplace(output, KEY):
            pass
        assert folder.is_dir()


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    full = r"the disk that holds .* is full; out\.csv was not written"
    with pytest.raises(WorkspaceError, match=full), workplace(tmp_path / "out.csv", KEY):
        raise OSError(28, "No space left on device")


def test_a_ctrl_c_that_beam_made_an_error_of_is_one(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), workplace(tmp_path / "out.csv", KEY):
        raise RuntimeError from KeyboardInterrupt()
