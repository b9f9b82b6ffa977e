"""Pusher asks both blessings itself: no condition of a runner stands between it and the serving folder here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tfx.types import standard_artifacts

from pipeline.components.pusher import Executor
from pipeline.config.push import Push
from pipeline.config.serving import RolloutSettings
from pipeline.lineage.artifact_names import INFRA_FILE, SUMMARY_FILE, VERDICT_FILE
from pipeline.lineage.skipped import SKIPPED_BECAUSE
from pipeline.serving.rollout import under_way
from pipeline.serving.verdict import ServingVerdict
from tests.serving.models import a_model
from trainer.digests import file_digests

FEATURES = {
    "label": {"name": "late", "task": "binary", "storage": "int", "classes": ["0", "1"]},
    "features": [{"name": "carrier", "kind": "categorical", "storage": "bytes", "optional": True}],
    "max_vocabulary": 10,
}


@pytest.mark.parametrize(
    ("judged", "checked", "reason"), [(1, 1, None), (0, 1, "not blessed"), (1, 0, "not fit to serve")]
)
def test_a_model_is_pushed_if_it_was_blessed_twice(
    tmp_path: Path, judged: int, checked: int, reason: str | None
) -> None:
    pushed = push(tmp_path, tmp_path / "serving", judged, checked)
    versions = [*tmp_path.glob("serving/[0-9]*")]
    assert (len(versions), pushed.get_int_custom_property("pushed")) == ((1, 1) if reason is None else (0, 0))
    assert (pushed.get_string_custom_property(SKIPPED_BECAUSE) or None) == reason


def test_a_pushed_version_is_tried_beside_the_one_that_answers(tmp_path: Path) -> None:
    base = tmp_path / "serving"
    rollout = RolloutSettings(canary=10, key="carrier").model_dump_json()

    def pushed(name: str) -> int:
        return int(
            push(tmp_path / name, base, content=name.encode(), rollout=rollout).get_string_custom_property(
                "pushed_version"
            )
        )

    first = pushed("first")
    assert under_way(base) is None  # there is none beside which it could be tried
    second = pushed("second")
    trying = under_way(base)
    assert trying
    assert (trying.version, trying.stable, trying.mode, trying.share, trying.key) == (
        second,
        first,
        "canary",
        10,
        "carrier",
    )
    third = pushed("third")
    trying = under_way(base)
    assert trying
    assert (trying.version, trying.stable) == (third, first)  # not the second one, which was on trial itself
    shutil.rmtree(base / str(third))  # as if killed in the moment before it appeared
    trying = under_way(base)
    assert trying
    assert (trying.version, trying.stable, trying.mode) == (second, first, "shadow")


def push(
    tmp_path: Path, base: Path, judged: int = 1, checked: int = 1, content: bytes = b"model", **settings: str
) -> Any:
    """As a run does; the PushedModel."""
    tmp_path.mkdir(exist_ok=True)
    kinds = {
        "examples": standard_artifacts.Examples,
        "schema": standard_artifacts.Schema,
        "model": standard_artifacts.Model,
        "evaluation": standard_artifacts.ModelEvaluation,
        "model_blessing": standard_artifacts.ModelBlessing,
        "infra_blessing": standard_artifacts.InfraBlessing,
    }
    inputs: dict[str, list[Any]] = {}
    for key, kind in kinds.items():
        artifact = kind()
        artifact.uri = str(tmp_path / key)
        (tmp_path / key).mkdir()
        inputs[key] = [artifact]
    inputs["model_blessing"][0].set_int_custom_property("blessed", judged)
    inputs["infra_blessing"][0].set_int_custom_property("blessed", checked)
    (tmp_path / "infra_blessing" / ("INFRA_BLESSED" if checked else "INFRA_NOT_BLESSED")).touch()
    model = a_model(tmp_path / "model" / "Format-Serving", content)
    (tmp_path / "schema" / "schema.pbtxt").write_text('feature { name: "carrier" }')
    (tmp_path / "examples" / SUMMARY_FILE).write_text(json.dumps({"spans": [1]}))
    (tmp_path / "evaluation" / VERDICT_FILE).write_text(json.dumps({"metrics": {"auc": 0.7}}))
    verdict = ServingVerdict(True, [] if checked else ["too slow"], files=file_digests(model))
    (tmp_path / "infra_blessing" / INFRA_FILE).write_text(json.dumps(verdict.to_json()))
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(tmp_path / "pushed")
    told = {
        "pipeline": "flights",
        "base_directory": str(base),
        "features": json.dumps(FEATURES),
        "elsewhere": Push().model_dump_json(),
    }
    Executor().Do(inputs, {"pushed_model": [pushed]}, told | settings)
    return pushed
