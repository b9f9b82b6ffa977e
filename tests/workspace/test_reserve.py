"""A disk that is full to the last byte can be collected, and another model served."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands.housekeeping import collect_garbage
from pipeline.commands.rollback import list_versions, roll_back
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import DiskFullError
from pipeline.workspace import reserve
from tests.lineage.weeks import Weeks
from tests.serving.test_rollback import config, push  # noqa: F401 (config is a fixture)

SIZE = 128 << 20


@pytest.fixture
def disk(small_disk: Callable[[Path, str], Path], tmp_path: Path) -> Path:
    return small_disk(tmp_path / "workspace", str(SIZE))


def fill(disk: Path) -> None:
    """To the last byte."""
    descriptor = os.open(disk / "ballast", os.O_WRONLY | os.O_CREAT)
    os.posix_fallocate(descriptor, 0, shutil.disk_usage(disk).free)
    os.close(descriptor)
    assert shutil.disk_usage(disk).free == 0


def test_a_full_disk_can_be_collected(disk: Path) -> None:
    weeks = Weeks(disk)
    for number in (1, 2, 3):
        weeks.week(number, blessed=False)
    reserve.keep(disk)
    (disk / ".lock").touch()
    fill(disk)
    done = collect_garbage(weeks.config, keep=1, keep_served=None, apply=True)
    assert len(done.items) > 10
    assert weeks.state(1, "Model") == "DELETED"
    (disk / "ballast").unlink()
    collect_garbage(weeks.config, keep=1, keep_served=None, apply=True)
    assert (disk / ".reserve").stat().st_blocks * 512 >= 8 << 20  # laid aside again


def test_on_a_full_disk_an_earlier_model_can_be_served(disk: Path, config: PipelineConfig) -> None:  # noqa: F811
    for name in ("good", "bad"):
        push(config, name)
    reserve.keep(disk)
    fill(disk)
    done = roll_back(config, None, "bad", False)
    assert list_versions(config.serving_folder)[0].number == done.new_version


def test_without_room_laid_aside_the_error_says_what_to_do(disk: Path) -> None:
    weeks = Weeks(disk)
    for number in (1, 2, 3):
        weeks.week(number, blessed=False)
    fill(disk)
    with pytest.raises(DiskFullError, match="free some space there"):
        collect_garbage(weeks.config, keep=1, keep_served=None, apply=True)


def test_a_small_disk_is_not_filled(disk: Path) -> None:
    descriptor = os.open(disk / "ballast", os.O_WRONLY | os.O_CREAT)
    os.posix_fallocate(descriptor, 0, SIZE - (40 << 20))
    os.close(descriptor)
    reserve.keep(disk)
    assert (disk / ".reserve").stat().st_size == (40 << 20) // 10


def test_what_is_left_of_the_room_is_laid_aside_again_though_the_disk_stays_full(disk: Path) -> None:
    reserve.keep(disk)
    fill(disk)
    with reserve.spent(disk):
        (disk / "records").write_bytes(bytes(1 << 20))
    assert 5 << 20 < (disk / ".reserve").stat().st_size < 7 << 20
    (disk / "ballast").unlink()
    reserve.keep(disk)
    assert (disk / ".reserve").stat().st_size == 8 << 20
