"""A push to a folder that a server watches: a version is there whole or not at all, whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.config.push import Push
from pipeline.errors import WorkspaceError
from pipeline.lineage.version_folders import versions
from pipeline.serving.publish import already_serves, publish
from pipeline.serving.versions import damage, is_settled, newest, read_manifest, served_as, threshold_of
from tests.serving.models import a_manifest, a_model
from tests.waiting import eventually
from trainer.digests import MANIFEST, file_digests

NOWHERE_ELSE = Push()


def test_the_manifest_says_what_lies_beside_it(tmp_path: Path) -> None:
    model = a_model(tmp_path / "model")
    done = publish(model, tmp_path / "serving", a_manifest(model), NOWHERE_ELSE)
    version = tmp_path / "serving" / str(done.version)
    assert newest(tmp_path / "serving") == str(done.version)
    assert read_manifest(version) == done
    assert file_digests(version) == done.files == file_digests(model)
    assert json.loads((version / MANIFEST).read_text())["digest"] == done.digest
    assert not (model / MANIFEST).exists()


def test_versions_only_rise(tmp_path: Path) -> None:
    model = a_model(tmp_path / "model")
    first = publish(model, tmp_path / "serving", a_manifest(model), NOWHERE_ELSE)
    assert abs(first.version - time.time()) < 60
    (tmp_path / "serving" / "9999999999").mkdir()
    second = publish(model, tmp_path / "serving", a_manifest(model), NOWHERE_ELSE)
    assert versions(tmp_path / "serving") == [first.version, second.version]  # the empty folder is somebody else's
    assert second.version == 10_000_000_000  # and a server may read its number


FOREIGN = (
    "007",
    "123abc",
    "1.5",
    "²",
    "٣",
    "-5",
    "+5",
    "5",
    ".tmp",
    ".incoming-x",
    "notes",
    "1_000",
    " 6",
    "99999999999999999999",
)


def test_what_others_keep_beside_the_versions_is_neither_counted_nor_touched(tmp_path: Path) -> None:
    base, model = tmp_path / "serving", a_model(tmp_path / "model")
    for name in FOREIGN:
        (base / name).mkdir(parents=True)
        if name not in ("5", "99999999999999999999"):
            (base / name / "saved_model.pb").write_text("of theirs")
    (base / "6").write_text("a file")
    assert (versions(base), newest(base)) == ([], None)
    first = publish(model, base, a_manifest(model), NOWHERE_ELSE)
    second = publish(model, base, a_manifest(model), NOWHERE_ELSE)
    assert versions(base) == [first.version, second.version]
    assert newest(base) == str(second.version)
    assert {entry.name for entry in base.iterdir()} == {*FOREIGN, "6", str(first.version), str(second.version)}


def test_damage_is_found_by_digest_and_told_by_file(tmp_path: Path) -> None:
    model, base = a_model(tmp_path / "model"), tmp_path / "serving"
    done = publish(model, base, a_manifest(model), NOWHERE_ELSE)
    version = base / str(done.version)
    (version / "notes.txt").write_text("somebody else's")
    assert damage(version) == []
    assert served_as(base, done.digest) == done
    assert is_settled(version, done.digest)
    (version / "fingerprint.pb").write_bytes(b"x" * (version / "fingerprint.pb").stat().st_size)  # as many bytes
    (version / "assets" / "words").unlink()
    assert damage(version) == ["assets/words is missing", "fingerprint.pb was changed"]
    assert served_as(base, done.digest) is None
    assert not is_settled(version, done.digest)
    told = done.to_json()
    for text in (
        "{", "[1, 2]", "null", json.dumps(told | {"files": []}), json.dumps(told | {"files": {}}),
        json.dumps(told | {"files": told["files"] | {"fingerprint.pb": "0" * 64}}),
    ):  # fmt: skip
        (version / MANIFEST).write_text(text)
        assert damage(version) == [f"{MANIFEST} cannot be read"]
    assert not is_settled(version, done.digest)
    (version / "notes.txt").unlink()
    again = publish(model, base, a_manifest(model), NOWHERE_ELSE)
    assert again.version > done.version
    assert not is_settled(version, "of another model")
    assert is_settled(base / str(again.version), done.digest)
    assert is_settled(version, done.digest)  # the same model serves, under a new number


def test_a_damaged_manifest_is_replaced_by_a_push_and_one_of_an_older_longhaul_is_not_missed(tmp_path: Path) -> None:
    model, base = a_model(tmp_path / "model"), tmp_path / "serving"
    done = publish(model, base, a_manifest(model), NOWHERE_ELSE)
    version = base / str(done.version)
    (version / MANIFEST).write_text("[]")
    assert not is_settled(version, done.digest)
    (version / MANIFEST).unlink()
    assert damage(version) == []
    assert is_settled(version, done.digest)


def test_another_threshold_is_another_version(tmp_path: Path) -> None:
    model, base = a_model(tmp_path / "model"), tmp_path / "serving"
    old = publish(model, base, a_manifest(model), NOWHERE_ELSE)  # an older Longhaul's: without one
    assert threshold_of(old) == 0.5
    even, low = (a_manifest(model, threshold=at) for at in (0.5, 0.2))
    assert already_serves(str(base), even, NOWHERE_ELSE) == old
    assert is_settled(base / str(old.version), old.digest)
    assert already_serves(str(base), low, NOWHERE_ELSE) is None
    new = publish(model, base, low, NOWHERE_ELSE)
    assert read_manifest(base / str(new.version)) == new
    assert already_serves(str(base), low, NOWHERE_ELSE) == new
    assert already_serves(str(base), even, NOWHERE_ELSE) is None
    assert is_settled(base / str(new.version), new.digest, "0.2")
    assert not is_settled(base / str(old.version), old.digest)
    assert not is_settled(base / str(old.version), old.digest, "0.5")


@pytest.mark.parametrize("change", ["content", "one more", "one less"])
def test_a_model_that_is_not_the_one_that_was_checked_stays_out(tmp_path: Path, change: str) -> None:
    model = a_model(tmp_path / "model")
    manifest = a_manifest(model)
    if change == "content":
        (model / "saved_model.pb").write_bytes(b"tampered")
    elif change == "one more":
        (model / "assets" / "more").touch()
    else:
        (model / "assets" / "words").unlink()
    file = {"content": "saved_model.pb", "one more": "assets/more", "one less": "assets/words"}[change]
    with pytest.raises(WorkspaceError, match=f"not the one that was checked: {file} changed since; nothing was pushed"):
        publish(model, tmp_path / "serving", manifest, NOWHERE_ELSE)
    assert list((tmp_path / "serving").iterdir()) == []


PUSH_FOREVER = """
import sys
from pathlib import Path
from pipeline.serving.publish import publish
from pipeline.config.push import Push
from pipeline.serving.versions import read_manifest
model, base = Path(sys.argv[1]), Path(sys.argv[2])
manifest = read_manifest(model)
print("ready", flush=True)
while True:
    publish(model, base, manifest, Push())
"""


def test_a_push_that_is_killed_leaves_the_old_version_serving(tmp_path: Path) -> None:
    """A real process, killed with signal 9 at many moments while it copies, flushes and renames."""
    model = a_model(tmp_path / "model")
    for number in range(40):
        (model / "assets" / f"words-{number}").write_bytes(os.urandom(50_000))
    manifest = a_manifest(model)
    base = tmp_path / "serving"
    first = publish(model, base, manifest, NOWHERE_ELSE)
    (model / MANIFEST).parent.mkdir()
    (model / MANIFEST).write_text(json.dumps(manifest.to_json()))
    half_written = 0
    for attempt in range(12):
        before = versions(base)
        pushing = subprocess.Popen(
            [sys.executable, "-c", PUSH_FOREVER, str(model), str(base)], stdout=subprocess.PIPE, cwd=Path.cwd()
        )
        assert pushing.stdout
        assert pushing.stdout.readline() == b"ready\n"
        if attempt % 2:
            eventually(lambda: any(base.glob(".incoming-*")))
        time.sleep(0.004 * (attempt + 1))
        pushing.send_signal(signal.SIGKILL)
        pushing.wait()
        pushing.stdout.close()
        half_written += len(list(base.glob(".incoming-*")))
        found = versions(base)
        assert found[: len(before)] == before
        for number in found:  # what a server sees is whole
            assert file_digests(base / str(number)) == manifest.files
            written = read_manifest(base / str(number))
            assert written
            assert (written.version, written.files) == (number, manifest.files)
        for number in found[1:]:
            shutil.rmtree(base / str(number))
    assert half_written >= 3, "the process was never killed in the midst of a push"
    last = publish(model, base, manifest, NOWHERE_ELSE)
    assert versions(base) == [first.version, last.version]
    assert list(base.glob(".*")) == []


def test_a_push_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    model = a_model(tmp_path / "model")
    manifest = a_manifest(model)
    (model / "assets" / "unreadable").symlink_to(tmp_path / "nowhere")  # fails in the midst of the copy
    with pytest.raises(shutil.Error):
        publish(model, tmp_path / "serving", manifest, NOWHERE_ELSE)
    assert list((tmp_path / "serving").iterdir()) == []
