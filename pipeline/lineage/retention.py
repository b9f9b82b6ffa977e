"""Has a run remove logs and reports that are older than `keep` of the configuration lets them be."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.config.keep import Keep
from pipeline.lineage.pins import PINNED
from pipeline.lineage.runs import RUN_CONTEXT, list_runs
from pipeline.workspace.leftovers import outlived_texts


def remove_outlived(pipeline: str, root: Path, keep: Keep, store: Any) -> int:
    """Remove them; return how many. The newest runs, and pinned ones, keep theirs."""
    runs = list_runs(store, pipeline, with_imported=True)
    kept = {run.run_id for run in runs[: keep.runs]}
    kept |= {run.run_id for run in runs if PINNED in run.properties}
    known = {context.name for context in store.get_contexts_by_type(RUN_CONTEXT)}  # other pipelines' may lie here, too
    removed = 0
    for _, file in outlived_texts(root, keep, known, kept):
        with suppress(OSError):
            file.unlink()
            removed += 1
    return removed
