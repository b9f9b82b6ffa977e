"""Which files of ours a piece of code uses: its own, those that it imports, and those that it names in text.

Read off the source by its syntax, so that nobody keeps a list of them. An import counts wherever it stands, inside a
function too. One for the type checker does not: it never runs. Text counts if it is the dotted name of a module of ours
(a program that is started with `-m`, a function that TFX looks up) or the name of a file that lies beside the module;
in a module that uses `__file__` also such a name without its `.py`. Docstrings do not count.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The folder of our packages."""
PACKAGES = ("pipeline", "trainer", "schema")

_DOTTED = re.compile(rf"\b(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
_MOST_TEXT = 200
"""Longer text names no file."""
_LEAVES = (ast.Name, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
"""Nodes with nothing below them that counts: half of all."""


@dataclass(frozen=True)
class Import:
    """One name that a module imports.

    Attributes:
        name: dotted; of `from a import b` it is a.b.
        at_top: runs when the module is imported, so neither inside a function nor for a type checker only.
        for_types: never runs.
    """

    name: str
    line: int
    at_top: bool
    for_types: bool


@dataclass(frozen=True)
class Source:
    """What one file says.

    Attributes:
        imports: what it imports, in order.
        texts: its text constants that may name a module or a file.
        knows_its_place: whether it uses `__file__`.
    """

    imports: tuple[Import, ...]
    texts: tuple[str, ...]
    knows_its_place: bool


def module_file(name: str) -> str | None:
    """Return where the module or package `name` lies, relative to ROOT; None if there is no such module of ours."""
    if name.partition(".")[0] not in PACKAGES:
        return None
    path = name.replace(".", "/")
    return next((file for file in (f"{path}.py", f"{path}/__init__.py") if (ROOT / file).is_file()), None)


def modules_in(text: str) -> Iterator[str]:
    """Yield the modules of ours whose dotted names stand in a text; of `trainer.train.run_fn` it is `trainer.train`."""
    for name in _DOTTED.findall(text):
        found = [part for part in _prefixes(name) if "." in part and module_file(part)]
        yield from found[-1:]


def closure(modules: Iterable[str], *, at_top: bool = False) -> frozenset[str]:
    """Return the files that these modules of ours use, their own among them, relative to ROOT.

    Args:
        at_top: count only imports that run when a module is imported, and no text.

    Raises:
        KeyError: there is no such module.
    """
    waiting, seen = set[str](), set[str]()
    for module in modules:
        if module_file(module) is None:
            raise KeyError(module)
        waiting |= set(_files_of(module))
    while waiting:
        file = waiting.pop()
        seen.add(file)
        waiting |= _used_by(str(ROOT), file, at_top, *_state(ROOT / file)) - seen
    return frozenset(seen)


def digest(files: Iterable[str]) -> str:
    """Return SHA-256 over the names and contents of these files of ours."""
    return digest_of({file: file_digest(file) for file in files})


def digest_of(digests: Mapping[str, str]) -> str:
    """Return SHA-256 over the names of files and the digests of their contents."""
    total = hashlib.sha256()
    for file in sorted(digests):
        total.update(f"{file}\0{digests[file]}\0".encode())
    return total.hexdigest()


def all_files() -> list[str]:
    """Return all Python files of ours, relative to ROOT."""
    above = len(f"{ROOT}/")
    folders = (found for package in PACKAGES for found in os.walk(ROOT / package))
    return sorted(f"{folder}/{name}"[above:] for folder, _, names in folders for name in names if name.endswith(".py"))


def file_digest(file: str) -> str:
    """Return SHA-256 of a file of ours; it is read once, and again if its size or time of change differs."""
    path = ROOT / file
    return _digest(str(path), *_state(path))


def source(file: str) -> Source:
    """Return what a Python file of ours says; it is parsed once, and again if its size or time of change differs."""
    path = ROOT / file
    return _parse(str(path), file, *_state(path))


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@functools.cache
def _digest(path: str, size: int, changed_ns: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@functools.cache
def _parse(path: str, file: str, size: int, changed_ns: int) -> Source:
    package = ".".join(Path(file).parent.parts)
    imports: list[Import] = []
    texts: list[str] = []
    content = Path(path).read_bytes()
    tree = ast.parse(content, path)
    _walk(tree, package, imports, texts, at_top=True, for_types=False)
    knows_its_place = b"__file__" in content and any(
        isinstance(node, ast.Name) and node.id == "__file__" for node in ast.walk(tree)
    )
    return Source(tuple(imports), tuple(dict.fromkeys(texts)), knows_its_place)


def _walk(
    node: ast.AST, package: str, imports: list[Import], texts: list[str], *, at_top: bool, for_types: bool
) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            imports += [Import(name, child.lineno, at_top, for_types) for name in _names(child, package)]
        elif isinstance(child, ast.Constant):
            if isinstance(child.value, str) and not for_types and 0 < len(child.value) <= _MOST_TEXT:
                texts.append(child.value)
        elif isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            pass  # a docstring
        elif isinstance(child, _LEAVES):
            pass
        elif isinstance(child, ast.If) and _is_for_types(child.test):
            _walk(ast.Module(child.body, []), package, imports, texts, at_top=False, for_types=True)
            _walk(ast.Module(child.orelse, []), package, imports, texts, at_top=at_top, for_types=for_types)
        else:
            if isinstance(child, ast.BinOp) and isinstance(child.op, ast.Div):
                texts += _path_in(child)
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            _walk(child, package, imports, texts, at_top=at_top and not is_function, for_types=for_types)


def _is_for_types(test: ast.expr) -> bool:
    """Return whether a condition is `TYPE_CHECKING` of typing, however that is named."""
    return any(getattr(node, "id", getattr(node, "attr", "")) == "TYPE_CHECKING" for node in ast.walk(test))


def _names(node: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    beginning = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        beginning = ".".join([*above, *([node.module] if node.module else [])])
    return [f"{beginning}.{alias.name}" for alias in node.names]


def _path_in(node: ast.BinOp) -> list[str]:
    """Return `a/b.txt` of `folder / "a" / "b.txt"`."""
    parts: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Div):
        if not (isinstance(inner.right, ast.Constant) and isinstance(inner.right.value, str)):
            return []
        parts.insert(0, inner.right.value)
        inner = inner.left
    return ["/".join(parts)]


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _files_of(module: str) -> Iterator[str]:
    """Yield the module's file, and those of the packages that it lies in, which run before it."""
    for name in _prefixes(module):
        if file := module_file(name):
            yield file


@functools.cache
def _used_by(root: str, file: str, at_top: bool, size: int, changed_ns: int) -> frozenset[str]:
    """Return what a file of ours uses itself; as long as it is the same, so is the answer."""
    if not file.endswith(".py"):
        return frozenset()
    said = source(file)
    names = {found.name for found in said.imports if (found.at_top if at_top else not found.for_types)}
    used = {used for name in names for used in _files_of(name)}
    if not at_top:
        for text in said.texts:
            used |= {used for module in modules_in(text) for used in _files_of(module)}
            spellings = (text, f"{text}.py") if said.knows_its_place else (text,)
            used.update(beside for name in spellings if (beside := _beside(file, name)))
    return frozenset(used)


def _beside(file: str, text: str) -> str | None:
    """Return the file that lies beside `file` and that the text names; None if it names none."""
    name = text.strip("/")
    if "." not in name or "\n" in name or "\0" in name or ".." in name:
        return None
    beside = Path(file).parent / name
    return beside.as_posix() if (ROOT / beside).is_file() else None
