"""Install the patches that a process needs, in one call."""

from __future__ import annotations

import importlib

_OF_STEPS = ("histograms", "reloaded_graph", "row_groups")
LAUNCHER = ("cache_key", "dofn_arguments", "option_views", "resolution", *_OF_STEPS)
"""For the process that launches the steps of a local run."""
CONTAINER = ("container", *_OF_STEPS)
"""For the container of a step on Vertex AI. Workers of Beam need `histograms`, see StatisticsGen's `_SumUp`."""
STOCK = ("dofn_arguments", "histograms", "option_views")
"""For a pipeline of anybody's on components of ours: Beam and TFDV do the same in less time."""


def install_patches(names: tuple[str, ...]) -> None:
    """Install patches in this process; again does nothing.

    Args:
        names: LAUNCHER, CONTAINER or STOCK.
    """
    for name in names:
        importlib.import_module(f"pipeline.patches.{name}").install()
