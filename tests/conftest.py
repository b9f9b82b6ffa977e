"""What all tests share: in which order they run, the flights of a year, made once, and a browser."""

from __future__ import annotations

import fcntl
import gc
import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.flights import collect
from tests.probes import probe_server

if TYPE_CHECKING:
    from tests.zygote import Zygote

SECONDS = {
    "test_year.py": 200,
    "test_examples.py": 155,
    "test_moves.py": 135,
    "test_clock.py": 115,
    "test_notebooks.py": 95,
    "test_any_table.py": 90,
    "test_equal_metrics.py": 85,
    "test_kills.py": 85,
    "test_layout.py": 85,
    "test_shipping.py": 80,
    "test_equal_data.py": 65,
    "test_tutorial.py": 62,
    "test_renewal.py": 56,
    "test_champion_runs.py": 55,
    "test_suspects.py": 55,
    "test_two_loops.py": 55,
    "test_rollback_meanwhile.py": 40,
    "test_on_call.py": 35,
    "test_watch_once.py": 30,
}
"""Of files that take longer than the number of their tests tells, on two cores: begun last, one process would wait."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run files, and the tests of each, in random order")
    parser.addoption("--begin-before", type=float, metavar="TIME", help="skip long tests from that Unix time on")


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.getoption("shuffle")
    return "" if seed is None else f"shuffled: --shuffle {seed}"


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Every other process begins at the end: each file is compiled by one process, and read by those beside it."""
    odd = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 2
    return _FromTheEnd.from_parent(parent, path=path) if odd and not (path / "__init__.py").exists() else None


class _FromTheEnd(pytest.Dir):
    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        return reversed(list(super().collect()))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import only files with a test that is wanted: `make test` skips those whose tests are all long, `make test-all`
    those without a long test. Imports take half the time of collecting."""
    wanted = config.option.markexpr
    if wanted not in ("not long", "long") or not collection_path.match("test_*.py"):
        return None
    text = collection_path.read_text()
    of_all = re.search(r"^pytestmark = (\[[^]]*]|.*)", text, re.MULTILINE)
    if wanted == "not long":
        return bool(of_all and re.search(r"mark\.(long|extra)\b", of_all[0])) or None
    beside_others = collection_path.parent.name == "bench" and "slow" in text
    return not (re.search(r"\b(long|extra)\b", text) or beside_others) or None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Long is also what needs a program that is not everywhere, and what runs stock TFX or other models beside ours."""
    beside_others = item.get_closest_marker("slow") and item.path.parent.name == "bench"
    if item.get_closest_marker("extra") or beside_others:
        item.add_marker(pytest.mark.long)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave tests and modules out of collections of garbage: going through them was a tenth of the whole runs' time,
    and a fifth of the time that it takes to import them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """File by file: those that take long first, so that processes beside each other end together; or at random."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in sorted(items, key=lambda item: item.path):  # in each process the same
        files.setdefault(item.path, []).append(item)
    in_turn = sorted(files.values(), key=_heaviness, reverse=True)
    seed = config.getoption("shuffle")
    if seed is not None:
        draw = random.Random(seed)
        draw.shuffle(in_turn)
        for tests in in_turn:
            if not tests[0].get_closest_marker("in_order"):
                draw.shuffle(tests)
    items[:] = [item for tests in in_turn for item in tests]


def _heaviness(tests: list[pytest.Item]) -> tuple[float, int]:
    """The seconds that the tests of a file take together, as far as they are known, and how many of them are slow."""
    limits = [marker.args[0] for test in tests for marker in test.iter_markers("timeout")]
    return SECONDS.get(tests[0].path.name, max(limits, default=0) / 10), sum(
        test.get_closest_marker("slow") is not None for test in tests
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, rather than let whoever waits for the suite end it in the middle and hear nothing."""
    until = item.config.getoption("begin_before")
    if until is not None and time.time() > until and item.get_closest_marker("long"):
        pytest.skip(f"no time is left for {item.nodeid} on this machine")


@pytest.fixture(scope="session")
def probes() -> Iterator[str]:
    """The address of tests/probes.py, for `probing_by`."""
    with probe_server() as address:
        yield address


@pytest.fixture(scope="session")
def zygote(probes: str) -> Iterator[Zygote]:
    """Processes of the command line, each forked from one that has imported TensorFlow."""
    from tests.zygote import Zygote

    zygote = Zygote(probes=probes)
    yield zygote
    zygote.close()


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All flights of 2013, span-01/flights.parquet to span-12: to be read only, since all worker processes share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "year"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever comes second finds it complete
        collect.build(folder)
    return folder


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path, str], Path]]:
    """`small_disk(folder, "4m")` makes the folder, an empty file system of that size, which is gone with the test."""
    mounted: list[Path] = []

    def mount(folder: Path, size: str) -> Path:
        if os.geteuid() != 0:
            pytest.skip("only root may mount a small file system")
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A real browser without a window."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
