"""A real case of each exit code, by the program itself; and no code in the source that the table lacks."""

from __future__ import annotations

import ast
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from pipeline.errors import EXIT_CODES
from tests.cli.test_waiting_commands import held
from tests.lineage.weeks import cats_document
from tests.runners.local.test_limits import HANGS

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"^\| (\d+) \| .+ \| .+ \| .+ \|$", re.MULTILINE)
CODES = {int(code) for code in LINE.findall((ROOT / "docs" / "exit-codes.md").read_text())}


def configured(folder: Path, **sections: object) -> Path:
    """A pipeline whose spans 1, 2 and 4 are there, and for which nothing has run."""
    for span in (1, 2, 4):
        (folder / f"span-{span}").mkdir(exist_ok=True)
        (folder / f"span-{span}" / "cats.csv").write_text("age,purrs\n1,0\n2,1\n")
    data = {"path": "span-{SPAN}/*.csv", "label": "purrs", "task": "binary", "arrival": {"missing": "refuse"}}
    file = folder / "cats.yaml"
    file.write_text(yaml.safe_dump(cats_document(folder / "workspace", data=data, **sections)))
    return file


@contextmanager
def longhaul(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", *map(str, arguments)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()  # one that has not ended would be waited for


def ended(*arguments: object) -> int:
    with longhaul(*arguments) as process:
        process.communicate(timeout=60)
        return process.returncode


def server_away(folder: Path) -> int:
    url = {"url": "postgresql://ml@127.0.0.1:1/lineage", "wait": "1s"}
    return ended("runs", "-c", configured(folder, metadata=url))


def locked(folder: Path) -> int:
    file = configured(folder)
    (folder / "workspace").mkdir()
    with held(folder / "workspace", "run"):
        return ended("import", "run.zip", "-c", file)


def stopped_by(number: signal.Signals) -> Callable[[Path], int]:
    def case(folder: Path) -> int:
        file = configured(folder)
        (folder / "workspace").mkdir()
        with held(folder / "workspace", "run"), longhaul("import", "run.zip", "--wait", "-c", file) as process:
            assert process.stderr
            assert process.stderr.readline().endswith("waiting …\n")
            process.send_signal(number)
            process.communicate(timeout=60)
            return process.returncode

    return case


def too_long(folder: Path) -> int:
    (folder / "logs").mkdir()
    return subprocess.run([sys.executable, "-c", HANGS, folder], stderr=subprocess.DEVNULL, cwd=ROOT).returncode


CASES: dict[int, Callable[[Path], int] | str] = {
    0: lambda _: ended("config", "schema"),
    1: "tests/e2e/test_rejudge.py: worse.code == 1",
    2: lambda folder: ended("run", "-c", folder / "none.yaml"),
    66: lambda folder: ended("run", "-c", configured(folder)),
    69: server_away,
    70: "tests/cli/test_cli.py: done.returncode == 70",
    74: "tests/faults/test_disk.py: outcome.code == 74",
    75: locked,
    124: too_long,
    130: stopped_by(signal.SIGINT),
    143: stopped_by(signal.SIGTERM),
}
"""For each code what ends with it, or, where that takes much, the test that has it end so."""


def test_each_documented_code_has_a_case() -> None:
    assert CASES.keys() == CODES


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_real_case_ends_with_it(code: int, tmp_path: Path) -> None:
    case = CASES[code]
    if isinstance(case, str):
        file, words = case.split(": ")
        asserted = [ast.unparse(one.test) for one in ast.walk(_tree(ROOT / file)) if isinstance(one, ast.Assert)]
        assert any(words in one for one in asserted), f"{file} asserts no {words}"
    else:
        assert case(tmp_path) == code


ELSEWHERE = {"code", "done.code", "exc.exit_code", "problem.exit_code"}
"""The code of an error, of `stopped` or of a look, none of which is a number of its own."""
ENDS = ("sys.exit", "os._exit", "typer.Exit", "SystemExit", "exit", "quit")


def test_the_source_ends_with_no_code_that_the_table_lacks() -> None:
    known = {f"EXIT_{name}" for name in _exit_names()}
    found = set()
    for file in [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "trainer").rglob("*.py")]:
        for node in ast.walk(_tree(file)) if re.search("[eE]xit|quit", file.read_text()) else ():
            for code in _ends_with(node):
                words = ast.unparse(code)
                found.add(words)
                number = code.value if isinstance(code, ast.Constant) else None
                assert number in CODES or words in known | ELSEWHERE, f"{file}:{node.lineno}: {words}"
    assert {"EXIT_GATE", "EXIT_BUG", "EXIT_TIMEOUT", "exc.exit_code", "0"} <= found


def _exit_names() -> set[str]:
    from pipeline import errors

    named = {name: value for name, value in vars(errors).items() if re.fullmatch(r"EXIT_(?!CODES)[A-Z_]+", name)}
    assert {*named.values()} | {0} == {one.code for one in EXIT_CODES} == CODES
    return {name.removeprefix("EXIT_") for name in named}


def _ends_with(node: ast.AST) -> list[ast.expr]:
    """Return the codes that a call ends the process with, or that a class of errors has."""
    if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in ENDS:
        return _either(node.args[0])
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(ast.unparse(one) == "exit_code" for one in targets):
            return _either(node.value)
    return []


def _either(code: ast.expr) -> list[ast.expr]:
    return [*_either(code.body), *_either(code.orelse)] if isinstance(code, ast.IfExp) else [code]


def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))
