"""Which model is the champion: what serves, also after a rollback; without anything that serves, the last fit one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tfx.components.evaluator import constants
from tfx.types import standard_artifacts

from pipeline.components.base_model import BaseModelStrategy
from pipeline.components.champion import ChampionStrategy
from pipeline.lineage.artifact_names import MODEL_DIGEST, TRAINED_ON
from pipeline.serving.versions import Manifest
from trainer.digests import MANIFEST


def manifest(name: str, **others: Any) -> Manifest:
    """That of the model of that name: its digest follows from the name."""
    return Manifest(
        pipeline="toy", run_id=f"run-{name}", pushed="", pushed_by="", artifacts={}, spans=(), schema_digest="",
        inputs={}, task="binary", classes=("0", "1"), metrics={}, files={"saved_model.pb": name}, **others,
    )  # fmt: skip


class Shelf:
    """Models, blessings and pushed versions, made one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.base = folder, folder / "serving"
        self.models: dict[str, Any] = {}
        self.blessings: list[Any] = []
        self._versions = 0

    def train(self, name: str, against: str | None = None, examples: int = 1, blessed: bool = True) -> None:
        model = standard_artifacts.Model()
        model.id, model.uri = len(self.models) + 1, str(self.folder / name)
        Path(model.uri).mkdir()
        model.set_string_custom_property(MODEL_DIGEST, manifest(name).digest)
        model.set_int_custom_property(TRAINED_ON, examples)
        self.models[name] = model
        self.bless(name, against, blessed)

    def bless(self, name: str, against: str | None = None, blessed: bool = True) -> None:
        blessing = standard_artifacts.ModelBlessing()
        blessing.id = 100 + len(self.blessings)
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, self.models[name].id)
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(blessed))
        if against:
            before = self.models[against].id
            blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, before)
        self.blessings.append(blessing)

    def push(self, name: str, withdrawn: tuple[str, ...] = ()) -> None:
        self._versions += 1
        folder = self.base / str(self._versions)
        (folder / MANIFEST).parent.mkdir(parents=True)
        pushed = manifest(name, withdrawn=tuple(manifest(one).digest for one in withdrawn))
        (folder / MANIFEST).write_text(json.dumps(pushed.at(self._versions).to_json()))

    def champion(self, challenger: str) -> str | None:
        inputs = {"challenger": [self.models[challenger]], "examples": []}
        return self._resolve(ChampionStrategy(str(self.base)), inputs)

    def base_model(self, examples: int) -> str | None:
        at_hand = standard_artifacts.Examples()
        at_hand.id = examples
        return self._resolve(BaseModelStrategy(str(self.base)), {"examples": [at_hand]})

    def _resolve(self, strategy: Any, inputs: dict[str, list[Any]]) -> str | None:
        given = {"model": list(self.models.values()), "model_blessing": self.blessings, "infra_blessing": []}
        found = strategy.resolve_artifacts(None, given | inputs)["model"]
        return next((name for name, model in self.models.items() if model in found), None)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def after_a_push(shelf: Shelf) -> None:
    shelf.train("A")
    shelf.push("A")
    shelf.train("B", against="A", examples=2)
    shelf.push("B")


def after_a_rollback(shelf: Shelf) -> None:
    after_a_push(shelf)
    shelf.push("A", withdrawn=("B",))


def after_a_model_that_was_not_pushed(shelf: Shelf) -> None:
    after_a_push(shelf)
    shelf.train("unpushed", against="B", examples=3)


def nothing_pushed(shelf: Shelf) -> None:
    shelf.train("A")
    shelf.train("B", against="A", examples=2)
    shelf.train("bad", against="B", blessed=False)


def served_by_another(shelf: Shelf) -> None:
    after_a_push(shelf)
    shelf.push("foreign")


@pytest.mark.parametrize(
    ("story", "champion"),
    [
        (after_a_push, "B"),
        (after_a_rollback, "A"),  # B is the newest blessed one, and withdrawn
        (after_a_model_that_was_not_pushed, "B"),
        (nothing_pushed, "B"),
        (served_by_another, None),  # said, instead of judging against a model that does not serve
    ],
)
def test_the_champion_is_what_serves(shelf: Shelf, story: Callable[[Shelf], None], champion: str | None) -> None:
    story(shelf)
    shelf.train("new", blessed=False, examples=9)
    assert shelf.champion("new") == champion


def test_what_serves_is_judged_against_what_it_was_judged_against(shelf: Shelf) -> None:
    """So that an unchanged run is cached, whatever was blessed in between."""
    after_a_push(shelf)
    assert (shelf.champion("B"), shelf.champion("A")) == ("A", "B")
    shelf.push("A", withdrawn=("B",))
    assert (shelf.champion("A"), shelf.champion("B")) == (None, "A")


def test_weights_are_taken_of_what_serves(shelf: Shelf) -> None:
    after_a_push(shelf)
    assert shelf.base_model(3) == "B"
    assert shelf.base_model(2) == "A"  # B began there, and begins there again
    assert shelf.base_model(1) == "B"
    shelf.push("A", withdrawn=("B",))
    assert shelf.base_model(3) == "A"
    assert shelf.base_model(2) == "A"
    assert shelf.base_model(1) is None  # not with the withdrawn one
