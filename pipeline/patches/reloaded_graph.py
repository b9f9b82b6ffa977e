"""Load a graph of TFT anew in a worker when a cluster has written it anew.

Replaces: _RunMetaGraphDoFn of tensorflow_transform.beam.impl
Why: when a cluster loses a worker, TFT's graph is written again under another name, and workers that lived on fail.
Upstream: https://github.com/tensorflow/transform/blob/master/tensorflow_transform/beam/impl.py
Until: TFT asks for its graph by name (_RunMetaGraphDoFn.process).
Test: tests/patches/test_reloaded_graph.py::test_tft_still_fails_on_a_graph_of_another_name
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tensorflow_transform.beam import impl


class ApplyGraph(impl._RunMetaGraphDoFn):
    """Maps a batch and the folder of a graph to the graph's outputs, as TFT does."""

    def process(self, batch: Any, saved_model_dir: str) -> Iterator[Any]:
        """Do as TFT, with the graph that comes with the batch."""
        loaded = getattr(self, "_graph_state", None)
        if loaded is None or loaded.saved_model_dir != saved_model_dir:
            self._graph_state = self._shared_graph_state_handle.acquire(
                lambda: self._make_graph_state(saved_model_dir), tag=saved_model_dir
            )
        yield from super().process(batch, saved_model_dir)


def install() -> None:
    """Have TFT build its pipelines with it; workers find it by this module's name."""
    impl._RunMetaGraphDoFn = ApplyGraph  # type: ignore[misc]
