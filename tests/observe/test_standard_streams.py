"""Standard output and error while a command is at work: nothing that happens to them ends it."""

from __future__ import annotations

import errno
import io
import logging
import os
import subprocess
import sys
import warnings

import pytest
from rich.markup import escape
from rich.table import Table

from pipeline.observe.standard_streams import for_standard_output, lasting, standard_streams, visible
from pipeline.terminal.console import console_for
from pipeline.terminal.screen import Screen


def test_a_pipe_that_nobody_reads_swallows_what_is_said() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as stream:
        lasted = lasting(stream)
        for _ in range(3):
            assert lasted.write("word\n") == 5
            lasted.flush()
    # closing the stream, which flushes, raised nothing


def test_a_full_disk_behind_standard_output_is_no_error() -> None:
    with open("/dev/full", "w") as stream:  # noqa: PTH123 (a device)
        print("word" * 10_000, file=lasting(stream), flush=True)


def test_other_errors_are_told() -> None:
    with pytest.raises(TypeError):
        lasting(io.StringIO()).write(7)  # type: ignore[arg-type]


def test_text_that_a_terminal_cannot_show_is_written_by_its_number() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    lasting(stream).write("✓ Zürich \udc80\n")
    stream.flush()
    assert stream.buffer.getvalue() == rb"\u2713 Z\xfcrich \udc80" + b"\n"  # type: ignore[attr-defined]


def test_what_cpp_writes_reaches_nobody_and_what_is_ours_does() -> None:
    """In a process of its own, whose standard error is a file descriptor."""
    program = """
import os, sys
from pipeline.observe.standard_streams import standard_streams
with standard_streams():
    os.write(2, b"I0000 cpu_feature_guard.cc: AVX2\\n")
    print("ours", file=sys.stderr)
    os.write(2, b"E0000 cuInit\\n")
print("after", file=sys.stderr)
os.write(2, b"the end\\n")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stderr == "ours\nafter\nthe end\n"


def test_libraries_write_nothing_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    kept = root.handlers[:]
    root.handlers.clear()  # as in a process of its own
    try:
        with standard_streams():
            logging.basicConfig()
            logging.getLogger("some.library").error("mlmd client InternalError")
            warnings.warn("deprecated", stacklevel=1)
            print("ours", file=sys.stderr)
        assert root.handlers == []
    finally:
        root.handlers[:] = kept
    assert capfd.readouterr() == ("", "ours\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\rb\x08\x07", r"a\rb\x08\x07"),
        ("\x9b31m \x7f", r"\x9b31m \x7f"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
        ("tab\tand line\nZürich 😀 \u200d", "tab\tand line\nZürich 😀 \u200d"),
    ],
)
def test_what_a_terminal_would_act_on_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_errors_that_are_swallowed_are_those_of_the_stream() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))  # of a terminal that is closed

    assert lasting(Gone()).write("word") == 4


def test_a_script_gets_a_path_as_it_is_and_a_terminal_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert for_standard_output("a\x1bb") == "a\x1bb"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert for_standard_output("a\x1bb") == r"a\x1bb"


NASTY = [
    "[red]",
    "[/]",
    "[/red] [bold",
    "\x1b[31m",
    "\x9b31m",
    "😀",
    "x" * 300,
    "\u202e",
    "a\x00b",
    "[link=x]y[/link]",
    "\\[x]",
    "\r",
]


@pytest.mark.parametrize("text", NASTY)
def test_what_is_printed_shows_every_letter_and_commands_nothing(text: str) -> None:
    """Through the console that everything of ours is printed by, as text, in a table, and on a live line."""
    out = io.StringIO()
    console = console_for(out)
    table = Table(box=None)
    table.add_column("name", no_wrap=True, overflow="ignore")
    table.add_row(escape(text))
    console.print(f"[bold]before[/] {escape(text)} after", soft_wrap=True)
    console.print(table, soft_wrap=True)
    screen = Screen(console)
    screen.planned(["Trainer"])
    screen.started("Trainer")
    screen.retrying("Trainer", text, 1)
    shown = out.getvalue()
    assert not set(shown) & set("\x1b\x9b\u202e\x00\r")
    letters = visible(text.replace("\r", ""))  # rich itself takes carriage returns out
    assert f"before {letters} after" in shown
    assert shown.count(letters) >= 2  # a table cuts what is too long
