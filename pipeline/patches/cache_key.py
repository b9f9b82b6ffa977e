"""Leave the Beam runner out of the key by which TFX finds what a step did before.

Replaces: get_cache_context of tfx.orchestration.portable.cache_utils
Why: the key holds the port of Beam's job server, another one in every run: no step on a cluster would be cached.
Upstream: https://github.com/tensorflow/tfx/blob/master/tfx/orchestration/portable/cache_utils.py
Until: TFX leaves Beam's arguments out of the key.
Test: tests/patches/test_patches.py::test_tfx_still_counts_beams_arguments
"""

from __future__ import annotations

from typing import Any

from tfx.orchestration.portable import cache_utils
from tfx.proto.orchestration import executable_spec_pb2

_of_tfx = cache_utils.get_cache_context


def install() -> None:
    """Have TFX's launcher use this key, in this process."""
    cache_utils.get_cache_context = _without_beam_arguments


def _without_beam_arguments(*, executor_spec: Any = None, **of_step: Any) -> Any:
    if isinstance(executor_spec, executable_spec_pb2.BeamExecutableSpec):
        executor_spec = executor_spec.python_executor_spec
    return _of_tfx(executor_spec=executor_spec, **of_step)
