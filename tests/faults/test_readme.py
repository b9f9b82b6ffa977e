"""The table of faults names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent


def test_every_fault_has_a_test_that_is_there() -> None:
    rows = re.findall(r"^\| ([FPS]\d+) \| .+ \| (.+) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    wanted = [f"F{n}" for n in range(1, 38) if n not in (17, 22, 31, 35)]
    wanted += [f"P{n}" for n in (*range(1, 11), 17, 19, 20, 33)] + [f"S{n}" for n in range(1, 5)]
    assert [number for number, _ in rows] == wanted
    for number, named in rows:
        for one in re.findall(r"`([^`]+)`", named):
            file, _, test = one.partition("::")
            assert f"def {test}" in (FOLDER.parent / file).read_text(), (number, one)
