"""TFT where work is done twice: a worker loads a graph anew that was written anew.

TFT writes each phase's graph under a random name, and a worker keeps the one it has loaded. When a cluster loses a
worker, work is done again, the graph is written again under another name, and TFT fails on an assertion in every worker
that lived on, however often the cluster tries (`_RunMetaGraphDoFn.process` in
https://github.com/tensorflow/transform/blob/master/tensorflow_transform/beam/impl.py). To be removed when TFT asks for
its graph by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tensorflow_transform.beam import impl


class ApplyGraph(impl._RunMetaGraphDoFn):
    """A batch and the folder of a graph -> the graph's outputs, as TFT has it."""

    def process(self, batch: Any, saved_model_dir: str) -> Iterator[Any]:
        """See TFT's."""
        loaded = getattr(self, "_graph_state", None)
        if loaded is None or loaded.saved_model_dir != saved_model_dir:
            self._graph_state = self._shared_graph_state_handle.acquire(
                lambda: self._make_graph_state(saved_model_dir), tag=saved_model_dir
            )
        yield from super().process(batch, saved_model_dir)


def install() -> None:
    """From now on TFT builds its pipelines with it; workers find it by this module's name."""
    impl._RunMetaGraphDoFn = ApplyGraph  # type: ignore[misc]
