"""One process of a distributed training, started by trainer.distribution: `python -m trainer.worker REQUEST.json`."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from types import SimpleNamespace

from trainer.distribution import strategy_of
from trainer.settings.trainer import TrainerRequest


def main() -> None:
    """Train; progress goes to standard output, everything else to standard error."""
    fn_args = SimpleNamespace(**json.loads(Path(sys.argv[1]).read_text()))
    request = TrainerRequest.model_validate(fn_args.custom_config)
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    progress = logging.getLogger("longhaul.progress")
    progress.setLevel(logging.INFO)
    progress.addHandler(logging.StreamHandler(told))
    strategy = strategy_of(request.trainer)
    from trainer.train import train  # after TensorFlow is set up

    train(fn_args, request, strategy)


if __name__ == "__main__":
    main()
