"""Whatever is written while a run is at work goes to the log, even past Python; the terminal comes back whole."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from pathlib import Path

import pytest

from pipeline.observe.log_file import output_to


def speak_everywhere(word: str) -> None:
    print(f"{word} print")
    print(f"{word} print to standard error", file=sys.stderr)
    os.write(1, f"{word} descriptor 1\n".encode())
    os.write(2, f"{word} descriptor 2\n".encode())
    libc = ctypes.CDLL(None)  # as C++ does it
    libc.puts(f"{word} libc".encode())
    libc.fflush(None)
    os.system(f"echo {word} child")
    logging.getLogger("some.library").info("%s logging", word)


def test_all_output_goes_to_the_log_but_what_is_meant_for_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "run.log"
    with output_to(log) as terminal:
        speak_everywhere("inside")
        terminal.write("✓ step 1\n")
    speak_everywhere("after")
    written = log.read_text()
    for way in ("print", "print to standard error", "descriptor 1", "descriptor 2", "libc", "child"):
        assert f"inside {way}\n" in written
    assert "INFO some.library: inside logging\n" in written
    assert "after" not in written
    out, err = capfd.readouterr()
    assert "✓ step 1\n" in out
    assert "inside" not in out + err
    for way in ("print", "descriptor 1", "libc", "child"):
        assert f"after {way}\n" in out
    assert err.splitlines() == ["after print to standard error", "after descriptor 2"]


def test_an_exception_leaves_everything_as_it_was(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.stdout, sys.stderr

    def fail() -> None:
        with output_to(tmp_path / "run.log"):
            os.write(2, b"chatter\n")
            root.addHandler(logging.NullHandler())  # as libraries do
            root.setLevel(logging.DEBUG)
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (root.handlers, root.level, sys.stdout, sys.stderr) == before
    os.write(1, b"out again\n")
    os.write(2, b"err again\n")
    assert capfd.readouterr() == ("out again\n", "err again\n")
    assert (tmp_path / "run.log").read_text() == "chatter\n"


def test_a_second_run_appends_to_the_log(tmp_path: Path) -> None:
    for word in ("first", "second"):
        with output_to(tmp_path / "run.log"):
            print(word)
    assert (tmp_path / "run.log").read_text() == "first\nsecond\n"


def test_a_log_that_cannot_be_written_leaves_the_terminal_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FileNotFoundError), output_to(tmp_path / "none" / "run.log"):
        pytest.fail("there is no log to write to")
    os.write(1, b"still here\n")
    assert capfd.readouterr().out == "still here\n"
