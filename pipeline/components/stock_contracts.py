"""Components for pipelines of anybody's: made as TFX's own are, at work by the executors of ours.

Here are those whose namesakes in the files beside this one are made in another way, because Longhaul's pipeline tells
them more. See docs/extend/stock-pipeline.md.
"""

from __future__ import annotations

from tfx.components.evaluator import component as evaluator
from tfx.components.pusher import component as pusher
from tfx.components.schema_gen.component import SchemaGen
from tfx.dsl.components.base import executor_spec

from pipeline.components.evaluator import Executor as EvaluatorExecutor
from pipeline.components.pusher import Executor as PusherExecutor

__all__ = ["Evaluator", "Pusher", "SchemaGen"]


class Evaluator(evaluator.Evaluator):
    """Component: `evaluation` and `blessing`."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(EvaluatorExecutor)


class Pusher(pusher.Pusher):
    """Component: `pushed_model`."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PusherExecutor)
