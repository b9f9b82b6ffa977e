"""Puts on record what commands outside of runs did. Whatever keeps it from that is said, and no reason not to do it."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata import errors as mlmd_errors

from pipeline.config.loading import REFERENCE
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.place import Place
from pipeline.data.sources.table_files import SourceFile, file_states
from pipeline.errors import PipelineError
from pipeline.lineage.predictions import Prediction, record_prediction, table_digest
from pipeline.lineage.provenance import present_software, run_properties
from pipeline.lineage.schema_versions import digest_of
from pipeline.lineage.store import check_writable, open_store, without_sql
from pipeline.serving.chosen_model import ChosenModel

_LEFT_OUT = ("run_id", "pipeline", "code_files", "git_commit")
"""Of what a run records: long, slow to find out, or without meaning here."""
_WAIT_S = 2.0
"""A run that is at work writes to the same store, each time for an instant."""


def record(
    config: PipelineConfig,
    model: ChosenModel,
    files: Sequence[SourceFile],
    states: Sequence[tuple[str, int, int]],
    output: Path,
    began: float,
    command: str,
    told: Mapping[str, Any],
) -> str:
    """Record what was predicted; waits for no run.

    Args:
        files: of the table; `states` is what they were when it was read.
        began: when, as `time.monotonic` tells it.
        told: what came of it; plain data.

    Returns:
        Why it could not be recorded; "" if it was.
    """

    def put(store: MetadataStore) -> None:
        made_with = run_properties("", config, present_software())
        made_with["schema_digest"] = digest_of(config.schema_file.read_bytes().decode("utf-8"))
        done = Prediction(
            model=model.folder,
            version=model.name,
            model_digest=model.digest,
            files=states,
            table_digest=table_digest([file.path for file in files]) if file_states(files) == list(states) else "",
            output=output.absolute(),
            seconds=round(time.monotonic() - began, 2),
            command=command,
            told={name: value if isinstance(value, str) else json.dumps(value) for name, value in told.items()},
            made_with={name: text for name, text in made_with.items() if name not in _LEFT_OUT},
        )
        record_prediction(store, config.record_name, done)

    return try_to_record(config, put)


def try_to_record(place: Place, put: Callable[[MetadataStore], None]) -> str:
    """Have something put on record; waits for no run.

    Returns:
        Why it could not be recorded; "" if it was.
    """
    try:
        check_writable(place.metadata, place.root, _WAIT_S)
        put(open_store(place))
    except PipelineError as exc:
        return exc.what
    except (mlmd_errors.StatusError, OSError, RuntimeError) as exc:
        return f"ML Metadata failed: {without_sql(str(exc))}"
    return ""


def command_of(
    config_file: Path | None, root: Path, table: str, output: Path, model: ChosenModel, keys: Sequence[str]
) -> str:
    """Return the words that make the same output again, from any folder, whatever serves by then."""
    words = ["longhaul", "predict", table if "://" in table else str(Path(table).absolute())]
    words += ["--output", str(output.absolute()), "--model", model.named]
    for key in keys:
        words += ["--key", key]
    if config_file and config_file != REFERENCE.absolute():
        words += ["-c", str(config_file)]
    return shlex.join([*words, "-w", str(root), "--force"])
