"""The user's own functions: loaded from the wheel in which they travel, called, and blamed by their own lines.

Plain data names a function (pipeline.lineage.own_code): `said`, `module`, `name`, `digest`, and the `wheel` as text; an
installed one has no wheel.
"""

from __future__ import annotations

import atexit
import base64
import importlib
import inspect
import io
import linecache
import logging
import re
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

progress = logging.getLogger("longhaul.progress")

_SLOW_S = 5.0
_ABSENT = -1
"""In place of the CRC of an `__init__.py` that a folder does not have."""


class _Wheel(NamedTuple):
    """A wheel that this process has unpacked: its folder, the module that it was made for, and the CRC of each file."""

    folder: Path
    module: str
    held: Mapping[str, int]

    def is_earlier_state_of(self, other: _Wheel) -> bool:
        """Return whether the two hold different states of a file, so that only one of them can be imported from."""
        same_place = self.module == other.module and self.folder != other.folder
        return same_place or any(self.held[name] != crc for name, crc in other.held.items() if name in self.held)


_wheels: dict[str, _Wheel] = {}
"""By digest."""


class UserCodeError(Exception):
    """The user's code failed, or gave what it must not give.

    Attributes:
        what: where and what, the user's own lines first.
        remedy: what to do about it.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what, self.remedy = what, remedy


class Columns(dict[str, Any]):
    """Raw columns by name, which say what there is when one is not."""

    def __missing__(self, name: str) -> Any:
        near = get_close_matches(str(name), self, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(list(self)[:12])}"
        raise KeyError(f"the schema has no column {name!r}{hint}")


def load(code: Mapping[str, str]) -> Callable[..., Any]:
    """Import a function of the user's.

    Raises:
        UserCodeError: its module cannot be imported, or has no such function.
    """
    began = time.monotonic()
    if code["wheel"]:
        _put_on_path(code)
    with blamed(code):
        function = getattr(importlib.import_module(code["module"]), code["name"], None)
    if not callable(function):
        found = "nothing" if function is None else kind_of(function)
        raise UserCodeError(
            f"{code['said']} is {found}, not a function", f"write `def {code['name']}(…)` in {code['module']}"
        )
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise UserCodeError(f"{code['said']} is `async`, and nothing here awaits it", "take the word `async` out")
    if (seconds := time.monotonic() - began) > _SLOW_S:
        progress.info("importing %s took %.0f s; every step and worker pays that", code["said"], seconds)
    return function


def kind_of(value: Any) -> str:
    """Return what a value is, with its article: `an int`, `a str`, `None`."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeioAEIO' or name == 'ndarray' else 'a'} {name}"


@contextmanager
def blamed(code: Mapping[str, str]) -> Iterator[None]:
    """Tell an error of the user's code by the user's own lines, and without those of TFX and Beam."""
    try:
        yield
    except (UserCodeError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as exc:  # the process is Longhaul's: `sys.exit()` of theirs must not end it as done
        if any(isinstance(cause, MemoryError) or _is_full(cause) for cause in _causes(exc)):
            raise  # no code can help that
        raise explained(exc, code) from exc


def explained(exc: BaseException, code: Mapping[str, str]) -> UserCodeError:
    """Return an error of the user's code as a person should read it."""
    lines = [line for cause in _causes(exc) for line in _own_lines(cause, code)]
    where = "\n  ".join(dict.fromkeys(lines)) if lines else code["said"]
    remedy = next((told for cause in _causes(exc) if (told := _remedy(cause, code))), "")
    if not remedy and lines and _raised_by(exc, code):
        remedy = "if it says no on purpose, correct what it looked at, or what it is told; else correct the code"
    return UserCodeError(f"{where}\n  {_problem(exc)}", remedy or "correct the code; the log has the whole story")


def _remedy(exc: BaseException, code: Mapping[str, str]) -> str:
    """Say what helps against an error that many meet whose code travels; "" for any other."""
    if isinstance(exc, ModuleNotFoundError) and exc.name:
        top = exc.name.partition(".")[0]
        if top == code["module"].partition(".")[0]:
            return f"no such file lies beside the code that travels: add {exc.name.replace('.', '/')}.py"
        return (
            f"install {top} where the steps run: here, and in the image of jobs and workers "
            "(docs/extend/packages.md); code of your own goes beside the file that imports it"
        )
    if isinstance(exc, ImportError) and "relative import" in str(exc):
        return "write the import without the dot: what lies beside the file is imported by its name"
    if isinstance(exc, FileNotFoundError) and isinstance(exc.filename, str) and _is_open_by_place(exc.filename, code):
        return (
            f'open `Path(__file__).with_name("{Path(exc.filename).name}")`, with the name written out: a file that lies'
            " beside the code travels with it (docs/extend/packages.md); of what lies elsewhere give the whole path"
        )
    return ""


def _is_open_by_place(filename: str, code: Mapping[str, str]) -> bool:
    return not Path(filename).is_absolute() or bool(_own_name(filename, code))


def _problem(exc: BaseException) -> str:
    try:
        text = str(exc.args[0]) if isinstance(exc, KeyError) and exc.args else str(exc)
    except Exception as failed:  # by a `__str__` of theirs
        text = f"(its text cannot be told: {type(failed).__name__})"
    if isinstance(exc, SyntaxError):
        text = exc.msg
    if isinstance(exc, BaseExceptionGroup):
        text = f"{text}: {'; '.join(map(_problem, exc.exceptions[:3]))}"
    for folder in _folders():
        text = text.replace(f"{folder}/", "")
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)  # Keras writes in bold
    text = re.sub(r"<function (\S+) at 0x\w+>", r"\1", text)
    # TensorFlow and Keras repeat the whole story in the message.
    told = [line.strip() for line in text.splitlines() if line.strip()]
    kept = [line for line in told if not line.startswith(("File ", "in user code:", "Traceback"))]
    return f"{type(exc).__name__}: {' '.join(kept or told)[:500]}".removesuffix(": ")


def _is_full(exc: BaseException) -> bool:
    return any(words in _problem(exc) for words in ("No space left on device", "Disk quota exceeded"))


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    while exc:
        yield exc
        exc = exc.__cause__


def _own_lines(exc: BaseException, code: Mapping[str, str]) -> Iterator[str]:
    """Yield the innermost of the user's lines that an error went through, and the one of a syntax error."""
    if isinstance(exc, SyntaxError) and (place := _own_name(exc.filename or "", code)):
        yield f"{place}:{exc.lineno}: {(exc.text or '').strip()}"
        return
    frames = [frame for frame in traceback.extract_tb(exc.__traceback__) if _own_name(frame.filename, code)]
    for frame in frames[-1:]:
        line = frame.line or linecache.getline(frame.filename, frame.lineno or 0).strip()
        yield f"{_own_name(frame.filename, code)}:{frame.lineno}, in {frame.name}: {line}"


def _raised_by(exc: BaseException, code: Mapping[str, str]) -> bool:
    """Return whether the user's code raised the error by a line of its own."""
    frames = traceback.extract_tb(exc.__traceback__)
    line = (frames[-1].line or linecache.getline(frames[-1].filename, frames[-1].lineno or 0)).strip() if frames else ""
    return line.startswith(("raise ", "assert ")) and bool(_own_name(frames[-1].filename, code))


def _own_name(filename: str, code: Mapping[str, str]) -> str:
    """Return a file's name as the user knows it; "" if it is not the user's."""
    if code["wheel"]:
        found = next((f"{folder}/" for folder in _folders() if filename.startswith(f"{folder}/")), "")
        return filename.removeprefix(found) if found else ""
    module = sys.modules.get(code["module"])
    folder = Path(getattr(module, "__file__", None) or "").parent
    return Path(filename).name if folder.name and Path(filename).parent == folder else ""


def _put_on_path(code: Mapping[str, str]) -> None:
    """Have Python import the user's modules from their wheel, and forget those of an earlier state of the same files.

    Wheels of other files stay: a step that is at work at the same time may import from them. A package that lies in
    several of them is imported from all.
    """
    digest = code["digest"]
    if digest not in _wheels or not _wheels[digest].folder.is_dir():  # a run before took its temporary files along
        folder = Path(tempfile.mkdtemp(prefix="longhaul-code-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(code["wheel"]))) as wheel:
            wheel.extractall(folder)  # so that code can open the files of data beside it
            held = {one.filename: one.CRC for one in wheel.infolist() if ".dist-info/" not in one.filename}
        for name in list(held):
            for place in PurePosixPath(name).parents[:-1]:
                held.setdefault(f"{place}/__init__.py", _ABSENT)
        _wheels[digest] = _Wheel(folder, code["module"], held)
    ours = _wheels[digest]
    earlier = {str(other.folder) for other in _wheels.values() if other.is_earlier_state_of(ours)}
    kept = (place for place in sys.path if place not in earlier and place != str(ours.folder))
    sys.path[:] = [str(ours.folder), *kept]
    origins = {name: _origin(module) for name, module in list(sys.modules.items())}
    gone = {name for name, origin in origins.items() if _is_below(origin, earlier)}
    for name, origin in origins.items():
        init = f"{name.replace('.', '/')}/__init__.py"
        if init in ours.held and origin.endswith(f"/{init}") and _is_below(origin, _folders()) and name not in gone:
            places = sys.modules[name].__path__
            if (folder_of_ours := str((ours.folder / init).parent)) not in places:
                places.append(folder_of_ours)
    for name in origins:
        if any(name == one or name.startswith(f"{one}.") for one in gone):
            del sys.modules[name]
    importlib.invalidate_caches()


def _folders() -> list[str]:
    return [str(wheel.folder) for wheel in _wheels.values()]


def _origin(module: Any) -> str:
    """Return the file that a module was imported from; of a package without one, a folder."""
    file = getattr(module, "__file__", None)
    return str(file or next(iter(getattr(module, "__path__", None) or ()), ""))


def _is_below(file: str, folders: Iterable[str]) -> bool:
    return any(file.startswith(f"{folder}/") for folder in folders)
