"""The user's own functions: loaded from the wheel in which they travel, called, and blamed by their own lines.

Plain data names a function (pipeline.lineage.own_code): `said`, `module`, `name`, `digest`, and the `wheel` as text; an
installed one has no wheel.
"""

from __future__ import annotations

import atexit
import base64
import importlib
import linecache
import logging
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

progress = logging.getLogger("longhaul.progress")

_SLOW_S = 5.0


class _Wheel(NamedTuple):
    """A wheel that this process has unpacked: its file, the module that it was made for, and the CRC of each file."""

    file: Path
    module: str
    held: Mapping[str, int]

    def is_earlier_state_of(self, other: _Wheel) -> bool:
        """Return whether the two hold different states of a file, so that only one of them can be imported from."""
        same_place = self.module == other.module and self.file != other.file
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
        found = "nothing" if function is None else f"a {type(function).__name__}"
        raise UserCodeError(
            f"{code['said']} is {found}, not a function", f"write `def {code['name']}(…)` in {code['module']}"
        )
    if (seconds := time.monotonic() - began) > _SLOW_S:
        progress.info("importing %s took %.0f s; every step and worker pays that", code["said"], seconds)
    return function


@contextmanager
def blamed(code: Mapping[str, str]) -> Iterator[None]:
    """Tell an error of the user's code by the user's own lines, and without those of TFX and Beam."""
    try:
        yield
    except UserCodeError:
        raise
    except (Exception, SystemExit) as exc:  # the process is Longhaul's: `sys.exit()` of theirs must not end it as done
        raise explained(exc, code) from exc


def explained(exc: BaseException, code: Mapping[str, str]) -> UserCodeError:
    """Return an error of the user's code as a person should read it."""
    lines = [line for cause in _causes(exc) for line in _own_lines(cause, code)]
    problem = _problem(exc)
    where = "\n  ".join(dict.fromkeys(lines)) if lines else code["said"]
    remedy = "correct the code; the log has the whole story"
    if lines and _raised_by(exc, code):
        remedy = "if it says no on purpose, correct what it looked at, or what it is told; else correct the code"
    missing = next((one for one in _causes(exc) if isinstance(one, ModuleNotFoundError)), None)
    if missing is not None and missing.name:
        remedy = (
            f"install {missing.name.partition('.')[0]} where the steps run: here, and in the image of jobs and workers "
            "(docs/extend/packages.md); code of your own goes beside the file that imports it"
        )
    return UserCodeError(f"{where}\n  {problem}", remedy)


def _problem(exc: BaseException) -> str:
    text = str(exc.args[0]) if isinstance(exc, KeyError) and exc.args else str(exc)
    if isinstance(exc, SyntaxError):
        text = exc.msg
    # TensorFlow and Keras repeat the whole story in the message.
    told = [line.strip() for line in text.splitlines() if line.strip()]
    kept = [line for line in told if not line.startswith(("File ", "in user code:", "Traceback"))]
    return f"{type(exc).__name__}: {' '.join(kept or told)[:500]}"


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
        found = next((f"{one.file}/" for one in _wheels.values() if filename.startswith(f"{one.file}/")), "")
        return filename.removeprefix(found) if found else ""
    module = sys.modules.get(code["module"])
    folder = Path(getattr(module, "__file__", None) or "").parent
    return Path(filename).name if folder.name and Path(filename).parent == folder else ""


def _put_on_path(code: Mapping[str, str]) -> None:
    """Have Python import the user's modules from their wheel, and forget those of an earlier state of the same files.

    Wheels of other files stay: a step that is at work at the same time may import from them.
    """
    digest = code["digest"]
    if digest not in _wheels or not _wheels[digest].file.is_file():  # a run before took its temporary files along
        folder = tempfile.mkdtemp(prefix="longhaul-code-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        file = Path(folder, f"longhaul_user_code-0+{digest[:12]}-py3-none-any.whl")
        file.write_bytes(base64.b64decode(code["wheel"]))
        with zipfile.ZipFile(file) as wheel:
            held = {one.filename: one.CRC for one in wheel.infolist() if ".dist-info/" not in one.filename}
        _wheels[digest] = _Wheel(file, code["module"], held)
    ours = _wheels[digest]
    earlier = {str(other.file) for other in _wheels.values() if other.is_earlier_state_of(ours)}
    kept = (place for place in sys.path if place not in earlier and place != str(ours.file))
    sys.path[:] = [str(ours.file), *kept]
    for name, module in list(sys.modules.items()):
        origin = getattr(module, "__file__", None) or ""
        if any(origin.startswith(f"{wheel}/") for wheel in earlier):
            del sys.modules[name]
    importlib.invalidate_caches()
