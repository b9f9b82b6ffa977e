"""`longhaul rollout`: what is tried, what is on record, what ends it; no TensorFlow."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.commands import rollout as commands
from pipeline.commands.housekeeping import collect_garbage
from pipeline.commands.rollback import list_versions, roll_back
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import ConfigError
from pipeline.lineage.pushes import ROLLBACK_TYPE
from pipeline.lineage.store import open_store
from pipeline.reports.front import collect
from pipeline.serving.chosen_model import find_model
from pipeline.serving.rollout import Rollout, begin, last, under_way
from pipeline.serving.versions import (
    is_settled,
    newest_manifest,
    pushed_as,
    read_manifest,
    served_as,
    serving_now,
)
from tests.serving.killed import killed_at
from tests.serving.test_rollback import base, config, push  # noqa: F401


def recorded(config: PipelineConfig) -> list[dict[str, str]]:  # noqa: F811
    return [
        {key: one.custom_properties[key].string_value for key in ("step", "version", "share", "by", "note")}
        for one in open_store(config).get_executions_by_type("longhaul.Rollout")
    ]


def digest(config: PipelineConfig) -> str:  # noqa: F811
    found = newest_manifest(base(config))
    assert found
    return found.digest


def test_steps_are_on_record_and_promote_is_a_decision(config: PipelineConfig) -> None:  # noqa: F811
    first, second = push(config, "first"), push(config, "second")
    begun = commands.start(config, second, share=1, key="carrier", note="try", by="Ann")
    assert (begun.stable, begun.version, begun.share) == (first, second, 1)
    assert commands.step(config, 50, by="Ann").key == "carrier"
    assert commands.status(config.serving_folder).share == 50
    served = digest(config)
    commands.promote(config, note="good", by="Bob")
    assert under_way(base(config)) is None
    assert digest(config) == served
    assert recorded(config) == [
        {"step": "start", "version": str(second), "share": "1", "by": "Ann", "note": "try"},
        {"step": "step", "version": str(second), "share": "50", "by": "Ann", "note": ""},
        {"step": "promote", "version": str(second), "share": "50", "by": "Bob", "note": "good"},
    ]
    with pytest.raises(ConfigError, match="no rollout is under way"):
        commands.abort(config)


def test_abort_brings_back_what_served_before_it(config: PipelineConfig) -> None:  # noqa: F811
    push(config, "first")
    before = digest(config)
    second = push(config, "second")
    commands.start(config, second, share=None)
    with pytest.raises(ConfigError, match="--key nobody"):
        commands.start(config, second, share=10, key="nobody")
    commands.abort(config, note="bad")
    assert digest(config) == before
    assert under_way(base(config)) is None


def test_what_serves_during_a_rollout_is_the_version_beside_the_one_that_is_tried(config: PipelineConfig) -> None:  # noqa: F811
    first = push(config, "first")
    stable = digest(config)
    second = push(config, "second")
    commands.start(config, second, share=10)
    served = serving_now(base(config))
    assert served
    assert (served.version, served.digest) == (first, stable)
    assert find_model(config, None).folder.name == pushed_as(base(config)) == str(first)
    assert [one.state for one in list_versions(config.serving_folder)] == ["tried", "served"]
    shown = collect(config, []).served
    assert shown
    assert shown.version == str(first)
    for version, whose in ((first, stable), (second, digest(config))):  # neither is pushed once more
        assert is_settled(base(config) / str(version), whose)
        assert served_as(base(config), whose)
    assert roll_back(config, None, "", dry_run=True).to_version == first


def test_an_earlier_version_is_tried_and_promoted(config: PipelineConfig) -> None:  # noqa: F811
    first = push(config, "first")
    wanted = digest(config)
    second = push(config, "second")
    assert commands.start(config, first, share=10).stable == second
    commands.promote(config)
    assert digest(config) == wanted


def test_what_a_run_began_comes_on_record_once_and_is_shown(config: PipelineConfig) -> None:  # noqa: F811
    first = push(config, "first")
    begin(base(config), first + 1, 0.0, "carrier", "Ann", "2026-01-02T03:04:05+00:00")
    second = push(config, "second")
    if second != first + 1:  # a second has passed
        begin(base(config), second, 0.0, "carrier", "Ann", "2026-01-02T03:04:05+00:00")
    commands.note_begun(config.record_name, config.serving_folder, open_store(config))
    commands.note_begun(config.record_name, config.serving_folder, open_store(config))
    commands.step(config, 10, by="Ann")
    assert [(one["step"], one["version"]) for one in recorded(config)] == [
        ("start", str(second)),
        ("step", str(second)),
    ]
    assert collect_garbage(config, keep=1, keep_served=1, apply=False).items == []  # the stable version stays
    commands.abort(config)
    assert [one["step"] for one in recorded(config)] == ["start", "step", "abort"]


def test_a_rollback_ends_it(config: PipelineConfig) -> None:  # noqa: F811
    push(config, "first")
    second = push(config, "second")
    commands.start(config, second, share=10)
    roll_back(config, None, "misses", False)
    assert last(base(config))
    assert under_way(base(config)) is None


def test_a_rollback_goes_to_the_model_before_also_while_that_is_tried(config: PipelineConfig) -> None:  # noqa: F811
    push(config, "first")
    second = push(config, "second")
    wanted = digest(config)
    push(config, "third")
    commands.start(config, second, share=10)
    assert roll_back(config, None, "misses", False).to_version == second
    assert digest(config) == wanted
    assert under_way(base(config)) is None


def test_a_rollback_does_not_go_to_a_withdrawn_model_that_is_tried(config: PipelineConfig) -> None:  # noqa: F811
    first = push(config, "first")
    second = push(config, "second")
    roll_back(config, None, "misses", False)
    push(config, "third")
    commands.start(config, second, share=10)
    back = roll_back(config, None, "misses, too", False)
    assert back.to_version > second  # the copy of the first
    assert read_manifest(base(config) / str(back.to_version)).copy_of == first  # type: ignore[union-attr]


def test_a_key_meets_one_version_and_the_share_grows_around_it() -> None:
    shares = (1, 10, 50, 100)
    met = [{key for key in range(5000) if Rollout(8, 7, 8, "canary", share).meets(key)} for share in shares]
    for smaller, larger, share in zip(met, met[1:], shares, strict=False):
        assert smaller < larger
        assert abs(len(smaller) - 50 * share) < 5 * (50 * share) ** 0.5 + 1
    assert len(met[-1]) == 5000
    one = Rollout(8, 7, 8, "canary", 50)
    for key in range(50):
        assert one.meets(key) == one.meets(float(key))
        assert one.meets(str(key)) == one.meets(str(key).encode())


@pytest.mark.parametrize("how", ["promote", "abort"])
def test_an_end_that_is_killed_is_brought_to_its_end_by_the_same_command(
    config: PipelineConfig,  # noqa: F811
    tmp_path: Path,
    how: str,
) -> None:
    """Before each change of the store, and before a file comes or goes."""
    push(config, "first")
    stable = digest(config)
    commands.start(config, push(config, "second"), share=10, by="Ann")
    wanted = digest(config) if how == "promote" else stable
    shutil.copytree(config.root, before := tmp_path / "before")
    end, kills, changes = getattr(commands, how), 0, ("store", "os.rename", "os.remove")
    while killed_at(kills, lambda: end(config, by="Bob"), changes):
        if last(base(config)):
            end(config, by="Bob")
        assert digest(config) == wanted
        assert [(one["step"], one["by"]) for one in recorded(config)] == [("start", "Ann"), (how, "Bob")], kills
        assert len(open_store(config).get_executions_by_type(ROLLBACK_TYPE)) == (how == "abort")
        assert not [one for one in base(config).iterdir() if one.name.startswith(".")], kills
        shutil.rmtree(config.root)
        shutil.copytree(before, config.root)
        kills += 1
    assert kills > 2
