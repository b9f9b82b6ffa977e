"""The command line in this process, with all that it shows, because importing it costs time."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import IO

import pytest

from pipeline import cli
from tests.place import Outcome


def called(*arguments: str | Path) -> Outcome:
    """Runs `longhaul` with the arguments."""
    with _captured() as capture, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["longhaul", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        assert isinstance(exit_.value.code, int)
        capture.seek(0)
        return Outcome(exit_.value.code, capture.read())


@contextmanager
def _captured() -> Iterator[IO[str]]:
    """Standard output and error in one file, whether written by Python or to the descriptors."""
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        saved = os.dup(1), os.dup(2)
        try:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            with os.fdopen(os.dup(1), "w", 1, "utf-8") as stream, redirect_stdout(stream), redirect_stderr(stream):
                yield file
        finally:
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            for descriptor in saved:
                os.close(descriptor)
