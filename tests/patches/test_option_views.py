"""A look at a kind of Beam's options shows what a parser would, and stays the same options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import pytest
from apache_beam.options import pipeline_options
from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions, SetupOptions, StandardOptions

from pipeline.patches import option_views

pytestmark = pytest.mark.slow

FLAGS = [
    ["--runner=FlinkRunner", "--experiments=a", "--experiments=b", "--direct_num_workers=2", "--unknown", "7"],
    ["--requirements_file=r.txt", "--extra_package=x.whl", "--save_main_session"],
    [],
]


def kinds() -> Iterator[type[PipelineOptions]]:
    """All that Beam has."""
    left: list[type[PipelineOptions]] = [PipelineOptions]
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if kind.__module__ == pipeline_options.__name__:
            yield kind


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PipelineOptions, "view_as", option_views._of_beam)
    option_views.install()


@pytest.mark.parametrize("flags", FLAGS, ids=["runner", "setup", "none"])
@pytest.mark.usefixtures("installed")
def test_every_view_shows_what_beams_shows(flags: list[str]) -> None:
    asked = list(kinds())
    assert len(asked) > 20
    for given in ({}, {"job_name": "mine", "experiments": ["c"]}):
        ours, theirs = PipelineOptions(flags, **given), PipelineOptions(flags, **given)
        for kind in [*asked, *asked]:
            shown, expected = ours.view_as(kind), option_views._of_beam(theirs, kind)
            assert type(shown) is kind
            assert dir(shown) == dir(expected)
            assert str(shown) == str(expected)
        assert ours.get_all_options() == theirs.get_all_options()
        assert ours._all_options == theirs._all_options


@pytest.mark.usefixtures("installed")
def test_what_one_view_changes_the_others_show_and_other_options_do_not() -> None:
    one, other = PipelineOptions(FLAGS[0]), PipelineOptions(FLAGS[0])
    one.view_as(DebugOptions).add_experiment("c")
    one.view_as(StandardOptions).runner = "DirectRunner"
    one.view_as(SetupOptions).view_as(DebugOptions).experiments.append("d")
    assert one.view_as(DebugOptions).experiments == ["a", "b", "c", "d"]
    assert one.view_as(StandardOptions).runner == "DirectRunner"
    assert other.view_as(DebugOptions).experiments == PipelineOptions(FLAGS[0]).view_as(DebugOptions).experiments
    assert other.view_as(DebugOptions).experiments == ["a", "b"]
    assert other.view_as(StandardOptions).runner == "FlinkRunner"


@pytest.mark.usefixtures("installed")
def test_changed_flags_are_parsed_anew() -> None:
    assert PipelineOptions(["--streaming"]).view_as(StandardOptions).streaming
    assert not PipelineOptions([]).view_as(StandardOptions).streaming


def test_beam_still_parses_for_every_view(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[Any] = []
    parse = argparse.ArgumentParser.parse_known_args

    def noted(*args: Any) -> Any:
        parsed.append(args)
        return parse(*args)

    monkeypatch.setattr(PipelineOptions, "view_as", option_views._of_beam)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", noted)
    options = PipelineOptions([])
    parsed.clear()
    for _ in range(2):
        options.view_as(StandardOptions)
    assert len(parsed) == 2
