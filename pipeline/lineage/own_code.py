"""The user's own code: which files it is, and the wheel in which it travels.

A setting names a function by its file, relative to the YAML file, or by a dotted path. What lies in the user's folder
travels with the step that uses it, as a wheel of the file and of those beside it that it imports: to other processes,
into jobs on Vertex AI, to workers of Beam. What is installed is taken as it is installed. Either way the digest of the
files is part of what the cache knows the step by.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import importlib.machinery
import importlib.util
import io
import os
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config.model_settings import ModelSettings
from pipeline.errors import ConfigError
from pipeline.lineage.import_closure import PACKAGES
from pipeline.lineage.own_files import closure, parsed, root_of

_STRAYS = frozenset(("tests", "docs", "examples", "benchmarks", "scripts", "tools"))
"""Folders of their own that packages install by mistake, and that nobody imports."""
_GIVEN = {
    "transform.preprocessing_fn": "inputs",
    "trainer.build_model": "features",
    "trainer.run_fn": "fn_args",
    "schema.checks": "data",
    "evaluation.metrics": "labels, predictions, weights",
}
"""What a function is called with, by its setting, without the place or the name in it."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Function:
    """One function of the user's.

    Attributes:
        said: as the configuration names it.
        files: content by name, relative to the folder that it is imported from.
        is_installed: it lies outside the user's folder.
    """

    said: str
    module: str
    name: str
    files: Mapping[str, bytes]
    is_installed: bool

    @property
    def digest(self) -> str:
        """SHA-256 over the names and contents of the files."""
        total = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            total.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\0".encode())
        return total.hexdigest()

    def to_plain(self) -> dict[str, str]:
        """Return what trainer.user_code loads it from, for an execution property."""
        wheel = "" if self.is_installed else base64.b64encode(wheel_of(self.files, self.digest)).decode()
        return {"said": self.said, "module": self.module, "name": self.name, "digest": self.digest, "wheel": wheel}


@dataclass(frozen=True)
class OwnCode:
    """All functions that a configuration names, by setting."""

    functions: Mapping[str, Function] = field(default_factory=dict)

    def plain(self, setting: str) -> dict[str, str] | None:
        """Return a function as plain data; None if the setting names none."""
        return self.functions[setting].to_plain() if setting in self.functions else None

    def all_plain(self, setting: str) -> list[dict[str, str]]:
        """Return the functions of a setting that names several, in order."""
        return [one.to_plain() for name, one in self.functions.items() if name.startswith(f"{setting}[")]

    def by_name(self, setting: str) -> dict[str, dict[str, str]]:
        """Return the functions of a setting that names several, by their names there."""
        own = {name.removeprefix(f"{setting}."): one for name, one in self.functions.items()}
        return {name: one.to_plain() for name, one in own.items() if f"{setting}.{name}" in self.functions}

    @property
    def files(self) -> dict[str, str]:
        """The first eight digits of each file's SHA-256, by name: for telling later which files changed."""
        return {
            name: hashlib.sha256(content).hexdigest()[:8]
            for function in self.functions.values()
            for name, content in function.files.items()
        }

    @property
    def digest(self) -> str:
        """Changes with any of the functions; "" without any."""
        said = [f"{setting} {function.said} {function.digest}" for setting, function in sorted(self.functions.items())]
        return hashlib.sha256("\n".join(said).encode()).hexdigest() if said else ""


def find_own_code(settings: ModelSettings) -> OwnCode:
    """Find the code that a configuration names, and look whether it can be what is asked for, without running it.

    Raises:
        ConfigError: a file or a function is not there, or the file is not Python.
    """
    folder = settings.file.parent if settings.file else Path.cwd()
    return OwnCode({setting: find_function(setting, said, folder) for setting, said in settings.own_functions.items()})


def find_function(setting: str, said: str, folder: Path) -> Function:
    """Find one function.

    Args:
        folder: of the YAML file.
    """
    path, _, name = said.rpartition(":") if ":" in said else said.rpartition(".")
    if found := _in_folder(setting, path, folder):
        module, root, file = found
        function = Function(said, module, name, closure(setting, root, file), is_installed=False)
        _refuse_shadows(setting, function)
    else:
        file = _installed(setting, path, folder)
        beside = {file.name: file.read_bytes(), **closure(setting, file.parent, file, path.rpartition(".")[0])}
        function = Function(said, path, name, beside, is_installed=True)
    tree = parsed(setting, file, file.name)
    bound = _bound_names(tree)
    if name not in bound and "*" not in bound:
        known = ", ".join(sorted(one for one in bound if not one.startswith("_"))[:8]) or "nothing"
        raise ConfigError(f"{setting}: {file.name} has no {name}; it defines {known}", f"write `def {name}(…)` there")
    _refuse_other_arguments(setting, tree, file.name, name)
    return function


def _in_folder(setting: str, path: str, folder: Path) -> tuple[str, Path, Path] | None:
    """Return the module, the folder that it is imported from, and its file; None if it does not lie in the user's."""
    if path.endswith(".py"):
        file = folder / path
        if not file.is_file():
            raise ConfigError(f"{setting}: there is no file {file}", "name a file relative to the configuration's")
        file = Path(os.path.abspath(file))  # noqa: PTH100 (`resolve` would follow links to where nothing lies beside)
        root = root_of(setting, file)
        parts = file.relative_to(root).with_suffix("").parts
        if dotted := [part for part in parts if "." in part]:
            raise ConfigError(
                f"{setting}: Python cannot import {file.name} with the name {dotted[0]!r}: a dot parts packages",
                f"rename it, for example to {dotted[0].replace('.', '_')}",
            )
        return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts), root, file
    place = folder.joinpath(*path.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.is_file():
            return path, folder, file
    return None


def wheel_of(files: Mapping[str, bytes], digest: str) -> bytes:
    """Build a wheel: the same files give the same bytes."""
    version = f"0+{digest[:12]}"
    info = f"longhaul_user_code-{version}.dist-info"
    inside = dict(files) | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: longhaul-user-code\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: longhaul\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={_record_hash(content)},{len(content)}\n" for name, content in sorted(inside.items())
    )
    inside[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(inside.items()):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return whole.getvalue()


def _record_hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def _installed(setting: str, module: str, folder: Path) -> Path:
    """Find the file of an installed module without importing the packages that it lies in."""
    top, *parts = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    places = [] if spec is None else [Path(place) for place in spec.submodule_search_locations or ()]
    candidates = [place.joinpath(*parts).with_suffix(".py") for place in places if parts]
    candidates += [place.joinpath(*parts, "__init__.py") for place in places]
    if spec and spec.origin and not parts:
        candidates.append(Path(spec.origin))
    found = next((file for file in candidates if file.is_file()), None)
    if found is None:
        raise ConfigError(
            f"{setting}: there is no module {module!r}, neither installed nor in {folder}",
            "name a file relative to the configuration (`my_code.py:function`), or install the package",
        )
    return found


def _bound_names(tree: ast.Module) -> set[str]:
    """List what a module binds at its top; `*` if it imports names that are not told."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def _refuse_other_arguments(setting: str, tree: ast.Module, file: str, name: str) -> None:
    """Refuse a function that cannot be called with what its setting gives, as far as its `def` tells."""
    given = next((words for beginning, words in _GIVEN.items() if setting.startswith(beginning)), None)
    found = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == name]
    if given is None or not found or found[-1].decorator_list:
        return
    taken, count = found[-1].args, given.count(",") + 1
    places = [*taken.posonlyargs, *taken.args]
    needed = len(places) - len(taken.defaults)
    must_be_named = [one.arg for one, value in zip(taken.kwonlyargs, taken.kw_defaults, strict=True) if value is None]
    if needed <= count and (count <= len(places) or taken.vararg) and not must_be_named:
        return
    raise ConfigError(
        f"{setting}: {file}:{found[-1].lineno}: {name}({ast.unparse(taken)}) cannot be called with {given}",
        f"write `def {name}({given}):`",
    )


def _refuse_shadows(setting: str, function: Function) -> None:
    """Refuse a file with the name of an installed package: one of the two would be imported for the other."""
    code = (Path(name) for name in function.files if name.endswith(".py"))
    for top in sorted({name.parts[0] for name in code}):
        name = top.removesuffix(".py")
        if name in PACKAGES or name in sys.stdlib_module_names or _is_installed(name):
            raise ConfigError(
                f"{setting}: the name of {top} is that of a package that Longhaul and Python import",
                f"rename it, for example to my_{top}",
            )


def _is_installed(name: str) -> bool:
    """Return whether a package of that name is installed, other than as a link to a folder of the user's."""
    if name in _STRAYS:
        return False
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    spec = importlib.machinery.PathFinder.find_spec(name, sorted(places))
    return spec is not None and spec.origin is not None  # a folder without `__init__.py` has no origin, and gives way
