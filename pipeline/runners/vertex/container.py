"""What a container of a job on Vertex AI Pipelines starts: TFX's own entry point, taught what it cannot know."""

from __future__ import annotations

import sys
from typing import Any

from absl import app
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor as tfx_main

from pipeline.errors import PipelineError
from pipeline.patches.container import parse_flags
from pipeline.patches.install import CONTAINER, install_patches

COMMAND = ("python", "-m", "pipeline.runners.vertex.container")


def main(parsed: Any) -> None:
    """Run one step's executor; a mistake of the user's ends it with one message instead of a traceback."""
    install_patches(CONTAINER)
    try:
        tfx_main.main(parsed)
    except PipelineError as problem:
        print(f"longhaul: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
