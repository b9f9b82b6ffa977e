"""Going on with a run that failed or was interrupted.

A resumed run is a run of its own that names the one it goes on with. What that one finished is found in TFX's cache, so
every step is reused only if its inputs, parameters and code are what they would be now: whatever has changed runs again
with all that depends on it, and no mixture of old and new can come about.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ml_metadata import MetadataStore

from pipeline.config.pipeline import PipelineConfig
from pipeline.contract.run_inputs import RunInputs, digest
from pipeline.errors import ConfigError
from pipeline.lineage.provenance import config_digest
from pipeline.lineage.runs import Run, StepState, find_run

FROM, TO, RESUMES, MADE_WITH = "from_node", "to_node", "resumes", "made_with"
"""Custom properties of a run's context: which part of the pipeline ran, which run it goes on with, `made_with`."""
FINGERPRINT = "fingerprint"
"""Custom property of a whole run's context: see `fingerprint`."""

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


def made_with(config: PipelineConfig, inputs: RunInputs) -> dict[str, str]:
    """Give what the results of a run depend on, by name, as digests."""
    sections = config.model_dump(mode="json", by_alias=True).items()
    settings = {f"the settings in {name!r}": digest(value) for name, value in sections if name not in _WITHOUT_EFFECT}
    return settings | inputs.digests()


def fingerprint(config: PipelineConfig, inputs: RunInputs) -> str:
    """Digests all that a run depends on, where it writes among it; "" if this machine cannot tell."""
    if not inputs.are_all_here:
        return ""
    return digest([config_digest(config), inputs.first_names(str(config.root)), inputs.digests()], digits=64)


def find_resumption(store: MetadataStore, pipeline: str, run_id: str, now: dict[str, str]) -> Resumption:
    """Say what is to be done to go on with a run ('latest' for the last one). The caller holds the workspace's lock.

    Args:
        now: what a run now would be `made_with`.

    Raises:
        PipelineError: there is no such run.
        ConfigError: it got through, or it went on from an earlier run and something has changed since.
    """
    run = find_run(store, pipeline, run_id)
    if run.status not in ("failed", "interrupted") or run.imported:
        raise ConfigError(
            f"there is nothing to resume: run {run.run_id} is {_ending(run)}", "`longhaul run` starts anew"
        )
    changed = _changed(run, now)
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


def _changed(run: Run, now: dict[str, str]) -> tuple[str, ...]:
    if MADE_WITH not in run.properties:
        return ("the version of Longhaul",)
    known = json.loads(run.properties[MADE_WITH])
    return tuple(name for name in now | known if known.get(name) != now.get(name))
