"""Lets the protobuf classes that TensorFlow's wheel brings be imported without TensorFlow.

`import tensorflow` takes seconds and hundreds of MB, and `from tensorflow.core.protobuf import …` begins with it,
though those files need nothing but protobuf. So a bare package of the name stands in for TensorFlow in this process,
with the folder where its modules lie. TensorFlow's C library answers; nobody here wants the Python around it.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


def without_tensorflow() -> None:
    """Put the bare package where Python looks for TensorFlow, unless that is there already."""
    if "tensorflow" in sys.modules:
        return
    spec = importlib.util.find_spec("tensorflow")
    assert spec is not None
    bare = ModuleType("tensorflow", "Stands in for TensorFlow: see pipeline.serving.server.protos.")
    bare.__file__, bare.__spec__ = spec.origin, spec
    bare.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["tensorflow"] = bare
