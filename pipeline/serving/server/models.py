"""The models that answer, by name; new versions are found, loaded beside the old one, and take its place in one step.

As TensorFlow Serving has it, the highest version in a model's folder answers. The one before stays loaded. A version
that is damaged, or does not answer as it was trained to, is refused; whatever answered before goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.lineage.version_folders import version_number, versions
from pipeline.serving.rollout import under_way
from pipeline.serving.server.calls import current
from pipeline.serving.server.model import LoadedModel, UnfitError
from pipeline.serving.server.paths import Target
from pipeline.serving.server.refusal import Code, Refusal, invalid
from pipeline.serving.server.routing import Routing
from trainer.digests import SAVED_MODEL

POLL_S = 0.25
STABLE, PREVIOUS, CANARY = "stable", "previous", "canary"
"""Labels: the version that answers, the one before, and the one that is tried."""


@dataclass(frozen=True)
class State:
    """Of a version: LOADING, AVAILABLE or END, and what was wrong."""

    state: str
    problem: str = ""


class ServedName:
    """One name, and the versions behind it.

    Args:
        folder: holds versions; or is one itself, which then always answers.
        say: tells a person what happened.
    """

    def __init__(self, name: str, folder: Path, say: Callable[[str], None]) -> None:
        self.name, self.folder, self._say = name, folder, say
        self.loaded: tuple[LoadedModel | None, LoadedModel | None] = (None, None)
        """The version that answers and the one before; exchanged together, so that a request always finds both."""
        self.states: dict[int, State] = {}
        self.routing: Routing | None = None
        """The rollout under way."""
        self._refused: dict[int, object] = {}
        self.looked = False
        """Whether all that was there at the start has been tried."""

    @property
    def current(self) -> LoadedModel | None:
        """The version that answers."""
        return self.loaded[0]

    def look(self) -> None:
        """Load the highest version that is fit, if another answers."""
        if not self._follow():
            self._look()
        self.looked = True

    def _follow(self) -> bool:
        """Have both versions of a rollout loaded, and requests routed; return whether one is under way."""
        rollout = None if (self.folder / SAVED_MODEL).is_file() else under_way(self.folder)
        if rollout is None:
            if self.routing:
                self._say(f"{self.name}: the rollout of version {self.routing.candidate.version} is over")
            self.routing = None
            return False
        if self.routing and self.routing.rollout == rollout:
            return True
        known = {model.version: model for model in self.loaded if model}
        stable, candidate = (known.get(number) or self._made(number) for number in (rollout.stable, rollout.version))
        if stable is None or candidate is None:
            self.routing = None
            return False
        self.routing = Routing(rollout, stable, candidate)
        self.loaded = (stable, candidate)
        self._tell_states(candidate)
        self._say(f"{self.name}: {rollout.words}")
        return True

    def _made(self, number: int) -> LoadedModel | None:
        """Load a version; None if it is refused, which is tried again when it has changed."""
        folder = self.folder / str(number)
        seen = _look_of(folder)
        if self._refused.get(number) == seen:
            return None
        try:
            return LoadedModel(self.name, number, folder)
        except UnfitError as exc:
            self.states[number] = State("END", str(exc))
            self._refused[number] = seen
            self._say(f"{self.name}: version {number} is refused, and not tried: {exc}")
            return None

    def _look(self) -> None:
        current, previous = self.loaded
        for number, folder in self._candidates():
            if current and current.version == number:
                return
            if previous and previous.version == number and folder.is_dir():
                self._switch(previous)  # the one after it is gone
                return
            seen = _look_of(folder)
            if self._refused.get(number) == seen:
                continue
            if self._load(number, folder):
                self._refused.pop(number, None)
                return
            self._refused[number] = seen

    def _candidates(self) -> list[tuple[int, Path]]:
        if (self.folder / SAVED_MODEL).is_file():
            return [(version_number(self.folder.name) or 1, self.folder)]
        return [(number, self.folder / str(number)) for number in versions(self.folder)[::-1]]

    def _load(self, number: int, folder: Path) -> bool:
        self.states[number] = State("LOADING")
        try:
            model = LoadedModel(self.name, number, folder)
        except UnfitError as exc:
            self.states[number] = State("END", str(exc))
            going_on = f"; version {self.current.version} goes on" if self.current else ""
            self._say(f"{self.name}: version {number} is refused: {exc}{going_on}")
            return False
        self._switch(model)
        return True

    def _switch(self, model: LoadedModel) -> None:
        before = self.current
        self.loaded = (model, before)
        self._tell_states(model)
        after = f" instead of {before.version}" if before else ""
        self._say(f"{self.name}: version {model.version} answers{after} (loaded in {model.warm_up_s:.1f} s)")

    def _tell_states(self, model: LoadedModel) -> None:
        kept = {each.version for each in self.loaded if each}
        self.states = {
            number: State("AVAILABLE") if number in kept else state
            for number, state in {**self.states, model.version: State("AVAILABLE")}.items()
            if number in kept or state.state != "AVAILABLE"
        }


def _look_of(folder: Path) -> object:
    """Return what changes when a file of the folder does."""
    try:
        stats = {path: path.stat() for path in sorted(folder.rglob("*"))}
    except OSError:
        return None
    return tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats.items())


class Models:
    """All names of a server.

    Args:
        folders: by name; see `ServedName`.
    """

    def __init__(self, folders: Mapping[str, Path], say: Callable[[str], None]) -> None:
        self.names = {name: ServedName(name, folder, say) for name, folder in folders.items()}
        self._say = say
        self._ended = threading.Event()

    @property
    def ready(self) -> bool:
        """Whether each name has a version that answers."""
        return all(served.current for served in self.names.values())

    def look(self) -> None:
        """Look at all folders once."""
        for served in self.names.values():
            try:
                served.look()
            except OSError as exc:
                self._say(f"{served.name}: {served.folder} cannot be read: {exc.strerror}")

    def watch(self) -> None:
        """Look again and again, in a thread of its own, until `close`."""

        def go_on() -> None:
            while not self._ended.wait(POLL_S):
                self.look()

        threading.Thread(target=go_on, name="versions", daemon=True).start()

    def close(self) -> None:
        """End watching."""
        self._ended.set()

    def versions(self) -> dict[str, int]:
        """Return the version that answers, by name; 0 where none does."""
        return {name: served.current.version if served.current else 0 for name, served in self.names.items()}

    def find(self, target: Target) -> LoadedModel:
        """Return the model that a request means.

        Raises:
            Refusal: no such model, version or label is loaded.
        """
        served = self.names.get(target.name)
        version = target.version
        if call := current():
            call.pinned = version is not None or target.label is not None
        if target.label is not None:
            named = dict(zip((STABLE, PREVIOUS), served.loaded, strict=True)) if served else {}
            if served and served.routing:
                named[CANARY] = served.routing.candidate
            if (labelled := named.get(target.label)) is None:
                raise invalid(f"Unrecognized servable version label: {target.label}")
            return labelled
        for model in served.loaded if served else ():
            if model and version in (None, model.version):
                return model
        if served and served.current is None and not served.looked:
            raise Refusal(Code.UNAVAILABLE, f"{target.name} is being loaded")
        asked = f"Latest({target.name})" if version is None else f"Specific({target.name}, {version})"
        raise Refusal(Code.NOT_FOUND, f"Servable not found for request: {asked}")

    def states(self, target: Target) -> dict[int, State]:
        """Return the state of each version that a request for the status means, the newest first.

        Raises:
            Refusal: there is none.
        """
        served = self.names.get(target.name)
        version = self.find(target).version if target.label is not None else target.version
        known = dict(sorted(served.states.items(), reverse=True)) if served else {}
        if version is not None:
            if version not in known:
                raise Refusal(Code.NOT_FOUND, f"Could not find version {version} of model {target.name}")
            return {version: known[version]}
        if not known:
            raise Refusal(Code.NOT_FOUND, f"Could not find any versions of model {target.name}")
        return known
