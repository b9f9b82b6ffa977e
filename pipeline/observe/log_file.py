"""Keeps the chatter of TensorFlow and Beam off the terminal.

Much of it is written by C++ straight to file descriptor 2, so the descriptors themselves are turned to the
log file while a run is at work; the terminal stays reachable through a copy.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TextIO

from pipeline.observe.standard_streams import lasting


@contextmanager
def output_to(log_file: Path) -> Iterator[TextIO]:
    """Send standard output and error to `log_file`; yields a stream to where standard output went before."""
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = lasting(os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8"))
    saved = os.dup(1), os.dup(2)
    # Python's own output gets a stream of its own: what a full disk leaves in its buffer shall not come out on the
    # terminal afterwards. It is not closed: libraries may keep it.
    stream = os.fdopen(log, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        root.handlers[:] = [handler]
        root.setLevel(logging.INFO)
        with redirect_stdout(stream), redirect_stderr(stream):
            yield terminal
    finally:
        with suppress(OSError):
            stream.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for descriptor in saved:
            os.close(descriptor)
        root.handlers[:], root.level = before[0], before[1]
        terminal.flush()
        terminal.close()
