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

from pipeline.errors import WorkspaceError
from pipeline.push.publish import publish
from pipeline.sections.push import Push
from pipeline.served import newest, read_manifest, versions
from tests.push.models import a_manifest, a_model
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
    assert versions(tmp_path / "serving") == [first.version, 9_999_999_999, second.version]
    assert second.version == 10_000_000_000


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
from pipeline.push.publish import publish
from pipeline.sections.push import Push
from pipeline.served import read_manifest
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
