"""Going on with a run that failed or was interrupted.

A resumed run is a run of its own that names the one it goes on with. What that one finished is found in TFX's cache, so
every step is reused only if its inputs, parameters and code are what they would be now: whatever has changed runs again
with all that depends on it, and no mixture of old and new can come about.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from ml_metadata import MetadataStore

from pipeline.config.pipeline import PipelineConfig
from pipeline.data.sources.table_files import file_states, find_files
from pipeline.errors import ConfigError
from pipeline.lineage.provenance import code_digest, package_versions
from pipeline.lineage.runs import Run, StepState, find_run

FROM, TO, RESUMES, MADE_WITH = "from_node", "to_node", "resumes", "made_with"
"""Custom properties of a run's context: which part of the pipeline ran, which run it goes on with, `made_with`."""

_WITHOUT_EFFECT = ("workspace", "run", "beam", "metadata", "observe", "notify")
"""Settings that change no result."""


@dataclass(frozen=True)
class Resumption:
    """What to go on with.

    Attributes:
        run_id: the run that did not get through.
        from_node, to_node: the part of the pipeline that it was to run.
        changed: what has changed since, in words.
        finished: steps that it got through.
        stopped_at: steps that it did not get through.
    """

    run_id: str
    from_node: str | None
    to_node: str | None
    changed: tuple[str, ...]
    finished: tuple[str, ...]
    stopped_at: tuple[str, ...]


def made_with(config: PipelineConfig) -> dict[str, str]:
    """What a run depends on, by name, as digests. Tables count by path, size and time of change, as for TFX."""
    settings = config.model_dump(mode="json", by_alias=True)
    parts: dict[str, Any] = {
        f"the settings in {name!r}": value for name, value in settings.items() if name not in _WITHOUT_EFFECT
    }
    parts["the schema"] = config.schema_file.read_text()
    parts["the policy"] = config.policy_file.read_text() if config.policy_file else ""
    parts["the data"] = _tables(config.data_pattern, config.data.spans)
    parts["the serving requests"] = _tables(config.serving_pattern, None) if config.serving_pattern else []
    parts["the code"] = code_digest()
    parts["the packages"] = package_versions()
    return {name: hashlib.sha256(json.dumps(part).encode()).hexdigest()[:16] for name, part in parts.items()}


def _tables(pattern: str, spans: tuple[int, int] | None) -> Any:
    """Path, size and time of change of every file; of files elsewhere only where they are."""
    return pattern if "://" in pattern else file_states(find_files(pattern, spans))


def find_resumption(config: PipelineConfig, store: MetadataStore, run_id: str) -> Resumption:
    """What is to be done to go on with a run ('latest' for the last one). The caller holds the workspace's lock.

    Raises:
        PipelineError: there is no such run.
        ConfigError: it got through, or it went on from an earlier run and something has changed since.
    """
    run = find_run(store, config.name, run_id)
    if run.status not in ("failed", "interrupted") or run.imported:
        raise ConfigError(
            f"there is nothing to resume: run {run.run_id} is {_ending(run)}", "`longhaul run` starts anew"
        )
    changed = _changed(run, config)
    from_node, to_node = (run.properties.get(key) or None for key in (FROM, TO))
    if from_node and changed:
        raise ConfigError(
            f"run {run.run_id} began at {from_node} with the results of an earlier run, and something has changed"
            f" since: {', '.join(changed)}. What comes before that step may be out of date",
            "`longhaul run` takes from the cache what is still good, and runs the rest",
        )
    finished = [step.node for step in run.steps if step.state in (StepState.DONE, StepState.CACHED)]
    stopped = [step.node for step in run.steps if step.state in (StepState.FAILED, StepState.INTERRUPTED)]
    return Resumption(run.run_id, from_node, to_node, changed, tuple(finished), tuple(stopped))


def _ending(run: Run) -> str:
    if run.imported:
        return "of another machine"
    return {"blocked": "blocked by the data gate", "running": "still at work"}.get(run.status, run.status)


def _changed(run: Run, config: PipelineConfig) -> tuple[str, ...]:
    if MADE_WITH not in run.properties:
        return ("the version of Longhaul",)
    known, now = json.loads(run.properties[MADE_WITH]), made_with(config)
    return tuple(name for name in now | known if known.get(name) != now.get(name))
