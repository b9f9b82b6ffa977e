"""What `watch` forgets: hours, labels and promises that are older than `watch.keep`, so that its folder stays small."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.watch.state import State
from pipeline.watch.windows import Window, moment

SLACK = 1.25
"""So many times `watch.keep` is waited for before it is cut back: a cut changes the bounds of what is left a little, so
verdicts are recorded anew."""


def forget(state: State, folder: Path, windows: Sequence[Window], now_hour: int, hours: float, serves: str) -> bool:
    """Forget whole windows that are older than so many hours, once there is a quarter more; return whether it was time.

    How many windows and deliveries of labels each version had stays known: the part of delta that a test may use
    depends on it.

    Args:
        folder: of watching; windows: all, in order; serves: the version that serves.
    """
    if not windows or windows[0].first >= now_hour - SLACK * hours:
        return False
    old = [one for one in windows if one.last <= now_hour - hours]
    if not old:
        return False
    before = old[-1].last
    counts = {version: _counts(state, version, old) for version, _ in state.versions(old[0].first, before)}
    state.forget(before, counts)
    _remove_labels(state, folder, moment(before).timestamp())
    _remove_imported(state, folder / "imported")
    state.drop_files([path for path in state.files() if not Path(path).exists()])
    _remove_promises(folder, {*(version for version, _ in state.versions(before, now_hour + 1)), serves})
    for file in (folder / "windows").glob("*.json"):
        with suppress(ValueError):
            if int(file.stem.rpartition("-")[2]) < before:
                file.unlink(missing_ok=True)
    return True


def _counts(state: State, version: str, old: Sequence[Window]) -> tuple[int, int]:
    """Return in how many windows a version answered, and how many deliveries of labels there were of them."""
    answered = [one for one in old if (version, "stable") in state.versions(*one)]
    return len(answered), sum(len(state.deliveries(*one, version)) for one in answered)


def _remove_labels(state: State, folder: Path, before: float) -> None:
    """Remove labels that came before this time: what they label was asked earlier still."""
    for one in state.labels():
        part, given = Path(one["part"]), Path(one["path"])
        if part.exists() and part.stat().st_mtime < before:
            part.unlink()
            if given.parent == folder / "given":
                given.unlink(missing_ok=True)
        if not part.exists() and not given.exists():
            state.drop_labels(one["path"])


def _remove_imported(state: State, imported: Path) -> None:
    """Remove imported files of the log of which no hour is left; that they were imported stays known."""
    for path in _within(state.files(), imported):
        if not state.hours_of(str(path)):
            path.unlink(missing_ok=True)


def _within(paths: Collection[str], folder: Path) -> Iterator[Path]:
    yield from (path for path in map(Path, paths) if path.parent == folder)


def _remove_promises(folder: Path, used: Collection[str]) -> None:
    for file in folder.glob("reference-*.parquet"):
        if file.stem.removeprefix("reference-") not in {one or "none" for one in used}:
            file.unlink(missing_ok=True)
