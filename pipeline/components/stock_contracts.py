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
    """Measure a model on the eval split and its slices, and bless it if it holds every threshold.

    It takes the arguments of TFX's Evaluator. Outputs: `evaluation`, ModelEvaluation; `blessing`, ModelBlessing.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(EvaluatorExecutor)


class Pusher(pusher.Pusher):
    """Copy a blessed model to where servers look for it.

    It takes the arguments of TFX's Pusher. Output: `pushed_model`, PushedModel.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PusherExecutor)
