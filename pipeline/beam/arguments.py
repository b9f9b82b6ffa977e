"""From a Beam runner to its command-line arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.config.beam import BeamRunner, BeamSettings, Dataflow, Portable
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.vertex import Vertex
from pipeline.errors import ConfigError

# The engine of Beam's DirectRunner, named outright: under its public name Beam >= 2.68 first tries to download
# another runner (https://github.com/apache/beam/issues/35867). To be removed when DirectRunner stays offline.
#
# Without a container image TFX copies itself to the temporary folder, builds an sdist of it for workers elsewhere, and
# leaves both there, with every Beam step (make_beam_dependency_flags in
# https://github.com/tensorflow/tfx/blob/master/tfx/utils/dependency_utils.py). The image is never asked for where
# workers are found otherwise. To be removed when TFX does that for remote runners only.
_NO_PACKAGING = "--sdk_container_image=unused"
DIRECT = ("--runner=FnApiRunner", _NO_PACKAGING)
"""In this process, on this machine."""

INGESTION = "TableExampleGen"
_KEEP_WORKERS_MS = 60_000
"""Between the stages of a job: else each stage would start Python and import TensorFlow anew."""


def with_runner(config: PipelineConfig, runner: BeamRunner | None) -> PipelineConfig:
    """Return the configuration with another Beam runner for the steps that name none; as it is for None."""
    if runner is None:
        return config
    return config.model_copy(update={"beam": config.beam.model_copy(update={"runner": runner})})


def runner_of(beam: BeamSettings, step: str) -> BeamRunner:
    """Which runner does the data work of a step."""
    named = beam.steps[step].runner if step in beam.steps else None
    # Tables are read through the mount of Cloud Storage that a step has on Vertex AI, and Dataflow's workers have not.
    stays = step == INGESTION and beam.runner == "dataflow"
    return named or ("direct" if stays else beam.runner)


def runners(beam: BeamSettings) -> set[BeamRunner]:
    """All that are asked for."""
    return {beam.runner} | {step.runner for step in beam.steps.values() if step.runner}


def clusters(beam: BeamSettings, config_file: Path | None) -> dict[str, Portable]:
    """Return the clusters that are asked for, by runner; their paths are absolute.

    Raises:
        ConfigError: there are no settings for one.
    """
    found: dict[str, Portable] = {}
    for name in sorted(runners(beam) & {"flink", "spark"}):
        portable = getattr(beam, name)
        if portable is None:
            raise ConfigError(
                f"{config_file or 'the configuration'}: there is no section beam.{name}",
                f"add it: beam.{name}.master, and job_endpoint or job_server_jar, are needed (docs/beam.md)",
            )
        if portable.job_server_jar and config_file:
            jar = Path(config_file.parent, Path(portable.job_server_jar).expanduser())
            portable = portable.model_copy(update={"job_server_jar": str(jar)})
        found[name] = portable
    return found


def check(beam: BeamSettings, config_file: Path | None, *, on_vertex: bool = False) -> None:
    """Whether the runners that are asked for can do the work where the steps run.

    Raises:
        ConfigError: one cannot, or its settings are missing.
    """
    for name, portable in clusters(beam, config_file).items():
        if on_vertex and portable.job_server_jar:
            raise ConfigError(
                f"beam.{name}.job_server_jar: a step on Vertex AI has no Java to start it with",
                f"set beam.{name}.job_endpoint to a job server that the steps reach",
            )
    if INGESTION in beam.steps and beam.steps[INGESTION].runner == "dataflow":
        raise ConfigError(
            f"beam.steps.{INGESTION}.runner: Dataflow's workers do not have the mount of Cloud Storage through which"
            " tables are read",
            "leave it out: the step's own container reads the table; or take a Flink cluster",
        )
    if "dataflow" in runners(beam) and not on_vertex:
        raise ConfigError(
            "beam: Dataflow's workers cannot read the workspace, which lies on this machine",
            "use it with --on vertex, whose artifacts lie in gs://; here take --beam direct, flink or spark",
        )


def arguments(beam: BeamSettings, vertex: Vertex | None, step: str, endpoints: Mapping[str, str]) -> list[str]:
    """Beam's arguments for a step; `check` has passed.

    Args:
        endpoints: where the job server of each cluster is.
    """
    runner = runner_of(beam, step)
    settings: Any = getattr(beam, runner, None)
    options = {
        **(settings.options if settings else {}),
        **(beam.steps[step].options if step in beam.steps else {}),
    }
    if runner == "direct":
        own = list(DIRECT)
    elif runner == "dataflow":
        assert vertex, "`check` has looked where the steps run"
        own = list(_dataflow(beam.dataflow, vertex))
    else:
        own = list(_portable(runner, settings, endpoints[runner]))
    # Beam takes the last of an option that is given twice.
    return [*own, *(argument for name, value in options.items() for argument in flags(name, value))]


def _portable(runner: str, portable: Portable, endpoint: str) -> Iterator[str]:
    yield {"flink": "--runner=FlinkRunner", "spark": "--runner=SparkRunner"}[runner]
    if runner == "flink":  # a job server for Spark has its own master
        yield f"--flink_master={portable.master}"
    yield f"--job_endpoint={endpoint}"
    yield "--environment_type=EXTERNAL"
    yield f"--environment_config={portable.worker_pool}"
    yield f"--environment_cache_millis={_KEEP_WORKERS_MS}"
    yield _NO_PACKAGING
    if portable.parallelism and runner == "flink":
        yield f"--parallelism={portable.parallelism}"


def _dataflow(dataflow: Dataflow, vertex: Vertex) -> Iterator[str]:
    yield "--runner=DataflowRunner"
    yield f"--project={dataflow.project or vertex.project}"
    yield f"--region={dataflow.region or vertex.region}"
    yield f"--temp_location={dataflow.temp or vertex.root + '/dataflow'}"
    if dataflow.setup_file:
        yield f"--setup_file={dataflow.setup_file}"
    else:
        yield f"--sdk_container_image={dataflow.image or vertex.image}"
        yield "--sdk_location=container"  # Beam is in the image
    for option, value in (
        ("service_account_email", dataflow.service_account or vertex.service_account),
        ("worker_machine_type", dataflow.machine_type),
        ("max_num_workers", dataflow.max_workers),
        ("disk_size_gb", dataflow.disk_gb),
        ("subnetwork", dataflow.subnetwork),
        ("no_use_public_ips", not dataflow.public_ips),
    ):
        if value:
            yield from flags(option, value)
    for label, value in vertex.labels.items():
        yield f"--label={label}={value}"


def flags(name: str, value: Any) -> Iterator[str]:
    """Return an option as command-line arguments."""
    if isinstance(value, tuple):
        yield from (f"--{name}={item}" for item in value)
    elif value is True:
        yield f"--{name}"
    elif value is not False:
        yield f"--{name}={value}"
