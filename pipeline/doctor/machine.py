"""The machine: Python, memory, C library."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator

from pipeline.doctor.finding import Finding

_NEEDED_MEMORY_GB = 3


def look() -> Iterator[Finding]:
    """Yield findings about the machine itself: Python, memory, C library."""
    version = platform.python_version()
    wrong = "" if sys.version_info[:2] == (3, 11) else "use Python 3.11: the native wheels of TFX's parts end there"
    yield Finding("Python", version, wrong)
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    small = (
        ""
        if memory_gb >= _NEEDED_MEMORY_GB
        else f"the flights need {_NEEDED_MEMORY_GB} GB; use a smaller table or a larger machine"
    )
    yield Finding("memory", f"{memory_gb:.0f} GB", small)
    libc, libc_version = platform.libc_ver()
    yield Finding(
        "C library",
        f"{libc} {libc_version}",
        "" if libc == "glibc" else "use a Linux with glibc; the wheels need it",
    )
