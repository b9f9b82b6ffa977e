"""The key by which TFX finds what a step did before: which Beam runner did the work does not count.

TFX's key holds Beam's arguments, among them the port of a job server, which is another one in every run. A step on a
cluster would never be taken from the cache. To be removed when TFX leaves them out (get_cache_context in
https://github.com/tensorflow/tfx/blob/master/tfx/orchestration/portable/cache_utils.py).
"""

from __future__ import annotations

from typing import Any

from tfx.orchestration.portable import cache_utils
from tfx.proto.orchestration import executable_spec_pb2

_of_tfx = cache_utils.get_cache_context


def install() -> None:
    """Has TFX's launcher use what is below; once for the process."""
    cache_utils.get_cache_context = _without_beam_arguments


def _without_beam_arguments(*, executor_spec: Any = None, **of_step: Any) -> Any:
    if isinstance(executor_spec, executable_spec_pb2.BeamExecutableSpec):
        executor_spec = executor_spec.python_executor_spec
    return _of_tfx(executor_spec=executor_spec, **of_step)
