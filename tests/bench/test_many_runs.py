"""The filled store answers as one of real runs does, and its size does not count in questions to ML Metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ml_metadata import MetadataStore

from bench.many_runs import TABLE, fill
from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.reports.lineage.answer import answer

THINGS = (TABLE, "schema:1", "served")


def filled(folder: Path, runs: int) -> PipelineConfig:
    folder.mkdir()
    config = load(workspace=str(folder))
    fill(config, runs)
    return config


def test_every_model_came_of_the_one_file_and_the_one_schema(tmp_path: Path) -> None:
    config = filled(tmp_path / "a", 11)  # the tenth repeats the ninth
    for thing, kind in ((TABLE, "file"), ("schema:1", "schema")):
        found = answer(config, thing)
        assert found.subject.kind == kind
        assert found.down
        assert len(found.down.models) == 10
        assert [push.state for push in found.down.models[0].pushes] == ["served"]
    served = answer(config, "served")
    assert served.subject.title == "model version 1795000010, served now"
    assert served.up
    assert {step.run_id for step in served.up.steps.values()} == {"20250104-080000-000"}
    assert served.recipe
    names = [ingredient.what for ingredient in served.recipe.ingredients if ingredient.is_same]
    assert names == ["config", "schema"]


def test_the_last_run_may_be_a_repetition(tmp_path: Path) -> None:
    assert answer(filled(tmp_path / "a", 10), "served").subject.title == "model version 1795000008, served now"


def test_more_runs_are_no_more_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = filled(tmp_path / "few", 2), filled(tmp_path / "many", 8)
    asked: list[str] = []
    real = MetadataStore._call

    def counting(self: MetadataStore, method: str, *arguments: Any) -> Any:
        asked.append(method)
        return real(self, method, *arguments)

    monkeypatch.setattr(MetadataStore, "_call", counting)

    def questions(config: PipelineConfig, thing: str) -> list[str]:
        asked.clear()
        answer(config, thing)
        return list(asked)

    for thing in THINGS:
        assert questions(many, thing) == questions(few, thing)
        assert "GetContextsByType" not in asked  # which would read every run
