"""Runs the pipeline in this process, step by step, through TFX's own launcher.

TFX's LocalDagRunner does the same but says nothing while it works, records nothing of the run as a whole, runs one step
at a time, tries once, and leaves an interrupted execution 'running' for ever.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration.portable import partial_run_utils, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from pipeline.beam.job_servers import job_servers
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.value_types import seconds_of
from pipeline.contract.run_inputs import RunInputs
from pipeline.definition import create_pipeline
from pipeline.errors import ConfigError
from pipeline.files import is_local, one_spelling
from pipeline.lineage.of_pipeline import artifacts_of
from pipeline.lineage.provenance import run_properties
from pipeline.lineage.records import RESOLVER, SERVED
from pipeline.lineage.runs import PLANNED, RUN_CONTEXT, Run, StepState, find_run, list_runs
from pipeline.lineage.schema_versions import guarding_version
from pipeline.lineage.server_store import Patience
from pipeline.lineage.store import translated_errors
from pipeline.runners.local.contents import is_damaged
from pipeline.runners.local.launch import StepLauncher, Watcher
from pipeline.runners.local.limits import Limits
from pipeline.runners.local.partial import Part
from pipeline.runners.local.record import Handle, RunRecord
from pipeline.runners.local.resume import FINGERPRINT, FROM, MADE_WITH, RESUMES, TO, fingerprint, made_with
from pipeline.runners.local.schedule import run_graph
from pipeline.runners.local.served_model import take_in_served
from pipeline.serving.unfinished import finish
from pipeline.serving.versions import is_settled, serving_now
from pipeline.workspace.lock import Wait, serving_locked

_HELPERS = 2
"""Steps beside the one that the others wait for; in this pipeline they take a moment each."""


def run(config: PipelineConfig, inputs: RunInputs, run_id: str, part: Part, watcher: Watcher, limits: Limits) -> None:
    """Launch every step once what it needs is there, and records the run. The caller holds the workspace's lock.

    Raises:
        PipelineError: the user's mistake, wherever it was met.
        Exception: a bug; the failed execution is on record.
    """
    with job_servers(config.beam, config.file, config.root / "logs") as endpoints:
        pipeline = create_pipeline(config, inputs, enable_cache=part.use_cache, job_servers=endpoints)
        _run(config, inputs, run_id, part, watcher, _compile(pipeline, run_id, part), limits)


def _run(
    config: PipelineConfig,
    inputs: RunInputs,
    run_id: str,
    part: Part,
    watcher: Watcher,
    ir: Any,
    limits: Limits,
) -> None:
    nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}
    nodes = {name: node for name, node in nodes.items() if not node.execution_options.HasField("skip")}
    planned = [name for name, node in nodes.items() if node.node_info.type.name != RESOLVER]
    watcher.planned(planned)
    properties = run_properties(run_id, config, inputs.software) | {PLANNED: json.dumps(planned)}
    properties |= {MADE_WITH: json.dumps(made_with(config, inputs))}
    properties |= {FROM: part.from_node or "", TO: part.to_node or "", RESUMES: part.resumes}
    served = serving_now(config.serving_folder)
    properties |= {SERVED: served.to_json() if served else ""}
    if not (part.from_node or part.to_node):
        properties[FINGERPRINT] = fingerprint(config, inputs)
    limits.check([node.pipeline_node.node_info.id for node in ir.nodes])
    patience = Patience(seconds_of(config.metadata.wait), partial(watcher.retrying, "ML Metadata"))
    with Handle(config, patience) as handle:
        properties |= _schema_properties(ir, handle.store, config.record_name, inputs.schema_text, run_id)
    record = RunRecord(config, run_id, properties, patience)
    with record.outcome(), translated_errors(config.root):
        with Handle(config, patience) as handle:
            with serving_locked(config.root, Wait()):
                finish(handle.store, config.record_name, config.serving_folder)
                _forget_lost_pushes(handle.store, config.record_name, config.serving_folder)
                take_in_served(handle, config)
            if any(node.execution_options.run.perform_snapshot for node in nodes.values()):
                _take_earlier_steps(handle, ir, part, config.record_name, run_id)
        launcher = StepLauncher(config.run, ir, record, watcher, patience)

        def launch(name: str) -> None:
            with limits.of_step(name):
                launcher.launch(nodes[name])

        run_graph(
            {name: tuple(node.upstream_nodes) for name, node in nodes.items()},
            launch,
            _HELPERS,
        )


def _compile(pipeline: Any, run_id: str, part: Part) -> Any:
    ir = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
    mark_part(ir, part)
    return ir


def mark_part(ir: Any, part: Part) -> None:
    """Mark the steps of a compiled pipeline that are left out, and those of them whose results are needed.

    A step runs if it lies on a way from the first to the last one. Conditions count: the gate that a step stands behind
    runs before it, or has run. What a step looks up is looked up anew: an earlier run may have ended before that.

    Raises:
        ConfigError: there is no such step, or none between them.
    """
    if not (part.from_node or part.to_node):
        return
    known = [node.pipeline_node.node_info.id for node in ir.nodes]
    for node in (part.from_node, part.to_node):
        if node and node not in known:
            raise ConfigError(f"there is no step {node!r}", f"the steps are {', '.join(known)}")
    partial_run_utils.mark_pipeline(
        ir,
        from_nodes=[part.from_node] if part.from_node else None,
        to_nodes=[part.to_node] if part.to_node else None,
    )
    if all(node.pipeline_node.execution_options.HasField("skip") for node in ir.nodes):
        raise ConfigError(
            f"there is nothing to do from {part.from_node} to {part.to_node}",
            f"name them in the order in which they run: {', '.join(known)}",
        )
    nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}
    runs = [name for name, node in nodes.items() if not node.execution_options.HasField("skip")]
    for look_up in {before for name in runs for before in nodes[name].upstream_nodes}.difference(runs):
        if nodes[look_up].node_info.type.name == RESOLVER:
            nodes[look_up].execution_options.run.depends_on_snapshot = True


def missing_steps(ir: Any, finished: Collection[str]) -> list[str]:
    """List the steps of a compiled, marked pipeline whose results an earlier run must have and has not, in order.

    Args:
        finished: the steps that the earlier run got through.
    """
    required = pipeline_pb2.NodeExecutionOptions.Skip.REQUIRED
    return [
        node.pipeline_node.node_info.id
        for node in ir.nodes
        if node.pipeline_node.execution_options.skip.reuse_artifacts_mode == required
        and node.pipeline_node.node_info.id not in finished
    ]


def _schema_properties(ir: Any, store: Any, pipeline: str, schema_text: str, run_id: str) -> dict[str, str]:
    """Which version of the schema guards the run: that of the file, or that of the run which a partial run goes on."""
    for node in ir.nodes:
        mode = node.pipeline_node.execution_options.skip.reuse_artifacts_mode
        is_reused = mode == pipeline_pb2.NodeExecutionOptions.Skip.REQUIRED
        if node.pipeline_node.node_info.id == "CuratedSchema" and is_reused:
            earlier = list_runs(store, pipeline)
            properties = earlier[0].properties if earlier else {}
            return {key: value for key, value in properties.items() if key.startswith("schema_")}
    return guarding_version(store, pipeline, schema_text, run_id).run_properties


def _run_before(store: Any, pipeline: str, part: Part, run_id: str) -> Run | None:
    """Return the run that this one goes on with, or the newest that began a step: some are refused before."""
    if part.resumes:
        return find_run(store, pipeline, part.resumes)
    others = (find_run(store, pipeline, run.run_id) for run in list_runs(store, pipeline) if run.run_id != run_id)
    return next((run for run in others if run.steps), None)


def _take_earlier_steps(handle: Any, ir: Any, part: Part, pipeline: str, run_id: str) -> None:
    """Make what the run before this one, or the one that it resumes, did before the first step part of this run."""
    base = _run_before(handle.store, pipeline, part, run_id)
    if base is None and not missing_steps(ir, set()):  # all that is to run begins at the data
        return
    if base is None:
        raise ConfigError(
            f"--from {part.from_node}: no run has made what the steps before it make", "run without --from first"
        )
    finished = {step.node for step in base.steps if step.state in (StepState.DONE, StepState.CACHED)}
    if missing := missing_steps(ir, finished):
        which = "the run that this one goes on with" if part.resumes else "the latest run"
        raise ConfigError(
            f"--from {part.from_node}: {which}, {base.run_id}, did not get through {', '.join(missing)}",
            "run without --from: what is unchanged is taken from the cache",
        )
    partial_run_utils.snapshot(handle, ir, base.run_id)
    context = handle.store.get_context_by_type_and_name(RUN_CONTEXT, run_id)
    for artifact in handle.store.get_artifacts_by_context(context.id):
        wrong = "gone" if not Path(artifact.uri).exists() else "damaged" if is_damaged(artifact) else ""
        if wrong:
            maker = Path(artifact.uri.rpartition("/artifacts/")[2]).parts[0]
            raise ConfigError(
                f"--from {part.from_node}: what {maker} made is {wrong}: {artifact.uri}",
                f"run without --from; what is {wrong} is made again, and what is unchanged taken from the cache",
            )


def _forget_lost_pushes(store: Any, pipeline: str, serving_folder: Path) -> None:
    """TFX's cache knows only that a model was pushed once. One that is not what is served any more, or was removed by
    hand, is pushed again, since its record is no longer live; one that was rolled back is not."""
    base = one_spelling(serving_folder)
    for artifact in artifacts_of(store, pipeline, "PushedModel", only_live=True):
        # To ask for a property that is not there would put an empty one in, of which ML Metadata ends the process.
        told = {name: value.string_value for name, value in artifact.custom_properties.items()}
        destination = told.get("pushed_destination", "")
        where = one_spelling(destination)
        digest, at = (told.get(name, "") for name in ("model_digest", "decides_from"))
        if is_local(destination) and where.parent == base and not is_settled(where, digest, at):
            artifact.state = metadata_store_pb2.Artifact.ABANDONED
            store.put_artifacts([artifact])
