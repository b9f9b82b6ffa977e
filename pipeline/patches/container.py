"""Tell TFX's container which class our type of artifact has.

Replaces: an entry in TITLE_TO_CLASS_PATH of tfx.orchestration.kubeflow.v2.compiler_utils
Why: TFX takes the name of a type that is not its own for a dotted path; Vertex AI wants a name of two parts.
Upstream: https://github.com/tensorflow/tfx/blob/master/tfx/orchestration/kubeflow/v2/compiler_utils.py
Until: TFX writes the path of the class into the job, beside the name.
Test: tests/patches/test_patches.py::test_tfx_still_takes_the_name_of_a_type_for_a_path
"""

from __future__ import annotations

from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

parse_flags = kubeflow_v2_run_executor._parse_flags
"""Parses the command line of TFX's entry point, which keeps it to itself."""

_CLASSES = {"longhaul.DataVerdict": "pipeline.components.data_gate.DataVerdict"}


def install() -> None:
    """Have TFX's entry point find our classes, in this process."""
    compiler_utils.TITLE_TO_CLASS_PATH.update(_CLASSES)
