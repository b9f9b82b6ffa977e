"""Which steps run, and which are taken from an earlier run, for every --from and --to that there can be."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pipeline.config.loading import load
from pipeline.errors import ConfigError
from pipeline.runners.local.partial import Part
from tests.compiled import chain

pytestmark = pytest.mark.slow  # imports TensorFlow
RESOLVERS = {"SeenSpans", "Champion"}
GATE = {"TableExampleGen", "StatisticsGen", "CuratedSchema", "ExampleValidator", "DataGate"}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tfx.dsl.compiler import compiler

    config = load(workspace=str(tmp_path_factory.mktemp("partial")))
    return compiler.Compiler().compile(chain(config))


def parted(compiled: Any, first: str | None, last: str | None) -> tuple[set[str], set[str]]:
    """The steps that run, and those whose results must be there from an earlier run."""
    from tfx.proto.orchestration import pipeline_pb2

    from pipeline.runners.local.run import mark_part

    ir = copy.deepcopy(compiled)
    mark_part(ir, Part(first, last))
    options = {node.pipeline_node.node_info.id: node.pipeline_node.execution_options for node in ir.nodes}
    required = pipeline_pb2.NodeExecutionOptions.Skip.REQUIRED
    return (
        {name for name, found in options.items() if not found.HasField("skip")},
        {name for name, found in options.items() if found.skip.reuse_artifacts_mode == required},
    )


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    return {start}.union(*(reached(graph, step) for step in graph[start]))


def test_every_pair(compiled: Any) -> None:
    nodes = [node.pipeline_node for node in compiled.nodes]
    before = {node.node_info.id: set(node.upstream_nodes) for node in nodes}
    after = {node.node_info.id: set(node.downstream_nodes) for node in nodes}
    pairs = [(first, last) for first in (None, *before) for last in (None, *before) if first or last]
    assert len(pairs) >= 12 * 12
    for first, last in pairs:
        down = reached(after, first) if first else set(before)
        up = reached(before, last) if last else set(before)
        if not down & up:
            with pytest.raises(ConfigError, match=f"there is nothing to do from {first} to {last}"):
                parted(compiled, first, last)
            continue
        runs, needed = parted(compiled, first, last)
        looked_up = RESOLVERS & set().union(*(before[step] for step in down & up))
        assert runs == down & up | looked_up, (first, last)
        assert needed == set().union(*(reached(before, step) for step in runs)) - runs, (first, last)


def test_every_run_that_can_follow_another(compiled: Any) -> None:
    """After a run to each step, a run from each step: it has all it needs, or is told by name what is not there."""
    from pipeline.runners.local.run import mark_part, missing_steps

    nodes = [node.pipeline_node.node_info.id for node in compiled.nodes]
    steps = [name for name in nodes if name not in RESOLVERS]
    works = set()
    for last in steps:
        finished, _ = parted(compiled, None, last)
        for first in steps:
            ir = copy.deepcopy(compiled)
            mark_part(ir, Part(first, None))
            missing = missing_steps(ir, finished)
            _, needed = parted(compiled, first, None)
            assert missing == [name for name in nodes if name in needed - finished], (last, first)
            if not needed - finished - RESOLVERS:  # look-ups alone stop no run
                assert missing == []
                works.add((last, first))
    assert {("DataGate", "Transform"), ("Transform", "Trainer"), ("Trainer", "Evaluator")} <= works
    assert not {("StatisticsGen", "Transform"), ("DataGate", "Trainer")} & works


@pytest.mark.parametrize("last", ["Transform", "Trainer", "Evaluator", "InfraCheck", "Pusher"])
def test_nothing_is_learned_without_the_gate(compiled: Any, last: str) -> None:
    runs, _ = parted(compiled, None, last)
    assert runs >= GATE
    assert "InferredSchema" not in runs  # kept for comparison only
    runs, needed = parted(compiled, last, last)
    assert (runs - RESOLVERS, needed & GATE) == ({last}, GATE)
