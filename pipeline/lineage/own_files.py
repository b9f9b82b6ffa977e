"""Which files of the user's a function needs: its own, those that it imports, and those of data that it names.

Read off the source by its syntax, without running it. A file counts as data if the code asks where it lies itself
(`__file__`, importlib.resources) and names it in text.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import ConfigError

_MOST_BYTES = 480_000
"""Of all files together: they travel as an argument of a step, as text."""
_PLACE_WORDS = frozenset({"__file__", "resources", "pkgutil", "get_data"})
_IMPORT_WORDS = frozenset({"import_module", "__import__"})


def parsed(setting: str, file: Path, name: str) -> ast.Module:
    """Read a file of Python.

    Raises:
        ConfigError: it cannot be read, or is none; with the line.
    """
    try:
        return ast.parse(file.read_bytes(), str(file))
    except SyntaxError as exc:
        place = f"{name}:{exc.lineno}: {(exc.text or '').strip()}"[:200] if exc.lineno else name
        raise ConfigError(f"{setting}: {place}\n  {exc.msg}", "correct the line") from exc
    except (RecursionError, MemoryError) as exc:
        raise ConfigError(f"{setting}: {name} nests expressions too deeply for Python", "write it simpler") from exc
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{setting}: {name} cannot be read: {exc}", "name a file of Python code") from exc


def root_of(setting: str, file: Path) -> Path:
    """Return the folder that a file is imported from.

    That is the one that it lies in, unless it imports as a part of a package does: by `from .layers import x`, or by
    the name of its own folder.
    """
    tree = parsed(setting, file, file.name)
    levels = max((node.level for node in _unless_tried(tree) if isinstance(node, ast.ImportFrom)), default=0)
    for module in imports(tree, ""):
        top, *parts = module.split(".")
        for number, folder in enumerate(file.parents):
            inside = folder.name == top and any(_module_files(folder, *parts[:length]) for length in (1, 2))
            levels = max(levels, number + 1 if parts and inside else 0)
    levels = min(levels, len(file.parents) - 1)
    while levels and (file.parents[levels] / "__init__.py").is_file():
        levels += 1
    return file.parents[levels]


def _unless_tried(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield all nodes but those of a `try` with an `except`, which goes on without them."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        tried = node.body if isinstance(node, ast.Try) and node.handlers else []
        waiting += [inner for inner in ast.iter_child_nodes(node) if inner not in tried]


def closure(setting: str, root: Path, first: Path, package: str = "") -> dict[str, bytes]:
    """Read the file and those below `root` that it needs, by name.

    Args:
        package: dotted name of `root` itself, where that is one that is installed: all its files are there already.

    Raises:
        ConfigError: one is not Python, or they are too much to travel.
    """
    waiting, files = [first], dict[str, bytes]()
    data: list[Path] = []
    while waiting:
        file = waiting.pop()
        name = file.relative_to(root).as_posix()
        if name in files:
            continue
        tree = parsed(setting, file, name)
        files[name] = file.read_bytes()
        waiting += [place / "__init__.py" for place in file.parents if _is_package_below(place, root)]
        for module in (*imports(tree, ".".join(Path(name).parent.parts)), *_imported_by_text(tree)):
            if package:
                if not module.startswith(f"{package}."):
                    continue
                module = module.removeprefix(f"{package}.")
            parts = module.split(".")
            for length in range(1, len(parts) + 1):
                waiting += _module_files(root, *parts[:length])
        data += [] if package else _data_files(tree, file)
    total = sum(map(len, files.values()))
    if not package and total > _MOST_BYTES:
        counted = f"{len(files)} {'file' if len(files) == 1 else 'files'} of code"
        raise ConfigError(
            f"{setting}: {counted}, {total:,} bytes, are too much to travel with a step",
            "install them as a package, and name the function by its dotted path",
        )
    return files | _as_far_as_they_fit(data, root, _MOST_BYTES - total)


def imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the dotted names that a module imports; of `from a import b` it is a.b.

    Args:
        package: the one that the module lies in; "" for none.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level and package else []
            beginning = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{beginning}.{alias.name}" if beginning else alias.name for alias in node.names)


def _is_package_below(place: Path, root: Path) -> bool:
    return place != root and place.is_relative_to(root) and (place / "__init__.py").is_file()


def _module_files(root: Path, *parts: str) -> list[Path]:
    place = root.joinpath(*parts)
    return [one for one in (place.with_name(f"{place.name}.py"), place / "__init__.py") if one.is_file()]


def _words(tree: ast.Module) -> set[str]:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def _texts(tree: ast.Module) -> list[str]:
    found = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [text for text in found if isinstance(text, str) and 0 < len(text) <= 200 and text.isprintable()]


def _imported_by_text(tree: ast.Module) -> list[str]:
    if not _words(tree) & _IMPORT_WORDS:
        return []
    return [text for text in _texts(tree) if all(part.isidentifier() for part in text.split("."))]


def _data_files(tree: ast.Module, file: Path) -> Iterable[Path]:
    """Return the files beside a module that it names, also in a folder that it names."""
    if not _words(tree) & _PLACE_WORDS:
        return []
    texts = [text for text in _texts(tree) if not text.startswith(("/", ".")) and ".." not in text]
    folders = [file.parent, *(file.parent / text for text in texts if (file.parent / text).is_dir())]
    found = [folder / text for folder in folders for text in texts if Path(text).suffix]
    return [one for one in dict.fromkeys(found) if one.is_file()]


def _as_far_as_they_fit(data: Iterable[Path], root: Path, room: int) -> dict[str, bytes]:
    """Read the smallest first: what does not fit is told when the code opens it."""
    files = dict[str, bytes]()
    for file in sorted(data, key=lambda one: (one.stat().st_size, one)):
        room -= file.stat().st_size
        if room < 0:
            break
        files[file.relative_to(root).as_posix()] = file.read_bytes()
    return files
