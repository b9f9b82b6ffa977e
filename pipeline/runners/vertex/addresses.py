"""Says by which addresses a job on Vertex AI Pipelines finds what the configuration names."""

from __future__ import annotations

import re

from pipeline.config.evaluation import CHAMPION
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.vertex import Vertex
from pipeline.errors import ConfigError

_REACHABLE = re.compile(r"^(bigquery://|(gs:/)?/)")


def as_seen_from_vertex(config: PipelineConfig, vertex: Vertex) -> PipelineConfig:
    """Give the configuration with the addresses that hold there.

    Raises:
        ConfigError: it asks for what Vertex AI Pipelines cannot do, or for a table on this machine.
    """
    if config.trainer.warm_start:
        raise ConfigError(
            "trainer.warm_start: Vertex AI finds the last blessed model, but not the last one that was trained on "
            "other data; it would train again for ever on the same",
            "switch it off in the configuration of the job",
        )
    if config.evaluation.against != CHAMPION:
        raise ConfigError(
            f"evaluation.against: {config.evaluation.against!r}, but Vertex AI finds no model besides the one that was "
            "blessed last",
            f"set it to {CHAMPION} in the configuration of the job",
        )
    if config.push.approval == "manual":
        raise ConfigError(
            "push.approval: a model that was made on Vertex AI cannot wait for `longhaul approve`, which is about the "
            "workspace of this machine",
            "set it to automatic in the configuration of the job",
        )
    if config.serving.rollout:
        raise ConfigError(
            "serving.rollout: a push to gs:// begins no rollout; servers of this machine's workspace follow one",
            "take it out of the configuration of the job",
        )
    addresses = {
        "path": vertex.data or config.data.path,
        "serving": vertex.serving or config.data.serving,
    }
    for field, address in addresses.items():
        if address is not None and not _REACHABLE.match(address):
            instead = "data" if field == "path" else "serving"
            raise ConfigError(
                f"data.{field}: {address} lies on this machine, where a job on Vertex AI cannot read it",
                f"set vertex.{instead} to its gs:// address, or to a path inside the image",
            )
    return config.model_copy(update={"data": config.data.model_copy(update=addresses)})
