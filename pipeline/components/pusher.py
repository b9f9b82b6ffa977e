"""Pusher that a model server can watch, and that says in a manifest what it pushed."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from tfx.components.pusher import executor as pusher_executor
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_component, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts, standard_component_specs
from tfx.types.system_executions import Deploy
from tfx.utils import io_utils

from pipeline.config.push import Push
from pipeline.config.serving import RolloutSettings
from pipeline.config.value_types import seconds_of
from pipeline.lineage.artifact_names import (
    APPROVAL,
    DECIDES_FROM,
    EXPLANATION_FILE,
    INFRA_FILE,
    JUDGED_AGAINST,
    MODEL_DIGEST,
    SUMMARY_FILE,
    VERDICT_FILE,
)
from pipeline.lineage.skipped import NOT_BLESSED, NOT_FIT, SKIPPED_BECAUSE
from pipeline.serving.approvals import ask
from pipeline.serving.publish import already_serves, now, publish, publish_to_bucket, pusher, withdrawn_now
from pipeline.serving.rollout import begin
from pipeline.serving.verdict import ServingVerdict
from pipeline.serving.versions import Manifest, inputs_of, serving_manifest
from pipeline.workspace.lock import pushing
from trainer.features import FeatureTable

NOT_PUSHED = "not_pushed"
"""Custom property of a PushedModel: why a blessed model was not pushed. What was pushed tells MODEL_DIGEST."""
SERVED_ALREADY = "served_already"
"""Custom property of a PushedModel: since when (ISO 8601, UTC) the version that it names had served, so that there was
nothing to push. A push that was killed before it was on record comes on record so."""


class Executor(pusher_executor.Executor):
    """Publishes a model that was blessed twice, unless it serves; the artifact points to the served copy."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do. Without both blessings nothing is pushed, and the artifact says so."""
        if "base_directory" not in exec_properties:
            logging.getLogger(__name__).info("Pusher takes TFX's own executor: it has no settings of Longhaul's")
            super().Do(input_dict, output_dict, exec_properties)
            return
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            is_good = model_utils.is_model_blessed(artifact_utils.get_single_instance(input_dict["model_blessing"]))
            pushed.set_string_custom_property(SKIPPED_BECAUSE, NOT_FIT if is_good else NOT_BLESSED)
            return
        base: str = exec_properties["base_directory"]
        with pushing(base):  # else a rollback could come between what is decided and what is done
            self._push(input_dict, pushed, exec_properties, base)

    def _push(self, input_dict: Any, pushed: Any, exec_properties: dict[str, Any], base: str) -> None:
        manifest = self._manifest(input_dict, exec_properties, withdrawn_now(base))
        pushed.set_string_custom_property(MODEL_DIGEST, manifest.digest)
        if manifest.threshold is not None:
            pushed.set_string_custom_property(DECIDES_FROM, repr(manifest.threshold))
        if manifest.digest in manifest.withdrawn:
            self._MarkNotPushed(pushed)
            back = "it was rolled back; `longhaul rollback --to VERSION` brings it back"
            pushed.set_string_custom_property(NOT_PUSHED, back)
            return
        elsewhere = Push.model_validate_json(exec_properties["elsewhere"])
        if served := already_serves(base, manifest, elsewhere):
            version = served.version
            pushed.set_string_custom_property(SERVED_ALREADY, served.pushed)
        elif reason := _overtaken(
            base, manifest.digest, artifact_utils.get_single_instance(input_dict["model_blessing"])
        ):
            self._MarkNotPushed(pushed)
            pushed.set_string_custom_property(NOT_PUSHED, reason)
            return
        elif elsewhere.approval == "manual":
            self._ask(input_dict, pushed, manifest, elsewhere, Path(base))
            return
        elif base.startswith("gs://"):
            version = publish_to_bucket(self.GetModelPath(input_dict), base, manifest, elsewhere).version
        else:
            model, at_once = Path(self.GetModelPath(input_dict)), _tried(exec_properties.get("rollout"), Path(base))
            version = publish(model, Path(base), manifest, elsewhere, at_once).version
        self._MarkPushed(pushed, pushed_destination=f"{base}/{version}", pushed_version=str(version))
        # A second copy in the artifact would double the space.
        note = json.dumps({"path": f"{base}/{version}", "version": str(version)})
        io_utils.write_string_file(f"{pushed.uri}/pushed.json", note)

    def _ask(self, input_dict: Any, pushed: Any, manifest: Manifest, elsewhere: Push, base: Path) -> None:
        """Have the model wait for a person."""
        blessing = artifact_utils.get_single_instance(input_dict["model_blessing"])
        lapses_s = seconds_of(elsewhere.approval_within) if elsewhere.approval_within else None
        against = blessing.get_string_custom_property(JUDGED_AGAINST)
        request = ask(base, manifest, Path(self.GetModelPath(input_dict)), against, lapses_s)
        self._MarkNotPushed(pushed)
        pushed.set_string_custom_property(APPROVAL, request.state)
        pushed.set_string_custom_property(NOT_PUSHED, request.words)

    def _manifest(self, input_dict: Any, exec_properties: dict[str, Any], withdrawn: tuple[str, ...]) -> Manifest:
        inputs = {key: artifact_utils.get_single_instance(value) for key, value in input_dict.items()}
        table = FeatureTable.from_dict(json.loads(exec_properties["features"]))
        schema_text = io_utils.read_bytes_file(io_utils.get_only_uri_in_dir(inputs["schema"].uri))
        checked = ServingVerdict.from_json(_read_json(f"{inputs['infra_blessing'].uri}/{INFRA_FILE}"))
        judged = _read_json(f"{inputs['evaluation'].uri}/{VERDICT_FILE}")
        return Manifest(
            pipeline=exec_properties["pipeline"],
            run_id=(self._context and self._context.pipeline_run_id) or "",
            pushed=now(),
            pushed_by=pusher(),
            artifacts={key: artifact.id for key, artifact in inputs.items()},
            spans=tuple(_read_json(f"{inputs['examples'].uri}/{SUMMARY_FILE}")["spans"]),
            schema_digest=hashlib.sha256(schema_text).hexdigest(),
            inputs=inputs_of(table),
            task=table.label.task,
            classes=table.label.classes,
            label=table.label.name,
            metrics=judged["metrics"],
            files=checked.files,
            withdrawn=withdrawn,
            typical=_typical(inputs["evaluation"].uri),
            threshold=judged.get("decision", {}).get("threshold"),
        )


def _tried(told: str | None, base: Path) -> Callable[[int], None]:
    """Return what has a version begin as `serving.rollout` says, in the instant it appears."""
    settings = RolloutSettings.model_validate_json(told) if told else None

    def at_once(version: int) -> None:
        if settings:
            begin(base, version, settings.canary, settings.key, pusher(), now(), "pushed by a run")

    return at_once


def _typical(evaluation: str) -> dict[str, list[float]]:
    """Return the row that the report's explanations compare with; nothing where it has none."""
    path = f"{evaluation}/{EXPLANATION_FILE}"
    examples = _read_json(path).get("examples") if fileio.exists(path) else None
    return (examples or {}).get("base", {})


def _overtaken(base: str, digest: str, blessing: Any) -> str:
    """Why a blessing does not count any more: since the model was judged, a person has had another one served than
    the one that it was judged against. Empty if that is not so, if it is this model that serves (and is damaged), or if
    the runner does not say when a step began."""
    judged = blessing.mlmd_artifact.create_time_since_epoch // 1000
    served = None if base.startswith("gs://") or not judged else serving_manifest(Path(base))
    if served is None or served.digest in (digest, blessing.get_string_custom_property(JUDGED_AGAINST)):
        return ""
    if datetime.fromisoformat(served.pushed).timestamp() < judged:
        return ""
    how = f"was brought back as version {served.version}" if served.copy_of else "came to serve"
    note = f" ({served.note})" if served.note else ""
    return (
        f"while this model was judged against another, version {served.copy_of or served.version} {how} by "
        f"{served.pushed_by}{note}; `longhaul run` judges it against what serves now, and pushes it if it holds"
    )


def _read_json(path: str) -> Any:
    return json.loads(io_utils.read_string_file(path))


class PusherSpec(component_spec.ComponentSpec):
    """Stock Pusher's inputs, and those that the manifest is about."""

    PARAMETERS: ClassVar = {
        name: component_spec.ExecutionParameter(type=str)
        for name in ("pipeline", "base_directory", "features", "elsewhere")
    } | {"rollout": component_spec.ExecutionParameter(type=str, optional=True)}
    INPUTS: ClassVar = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "model_blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        "infra_blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing),
    }
    OUTPUTS: ClassVar = {
        standard_component_specs.PUSHED_MODEL_KEY: component_spec.ChannelParameter(type=standard_artifacts.PushedModel)
    }
    TYPE_ANNOTATION = Deploy


class Pusher(base_component.BaseComponent):
    """Component: `pushed_model`, with the version that now serves.

    Args:
        base_directory: where the server looks for versions; text, or a RuntimeParameter of Vertex AI.
        features: the FeatureTable as plain data.
        elsewhere: where the model goes besides.
        rollout: how a version begins where another one answers; None: it answers at once.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        pipeline: str,
        base_directory: Any,
        features: dict[str, Any],
        elsewhere: Push,
        rollout: RolloutSettings | None = None,
        **inputs: Any,
    ) -> None:
        super().__init__(
            PusherSpec(
                pipeline=pipeline,
                base_directory=base_directory,
                features=json.dumps(features, sort_keys=True),
                elsewhere=elsewhere.model_dump_json(),
                # Told only when given, so that earlier workspaces keep what is cached.
                **({"rollout": rollout.model_dump_json()} if rollout else {}),
                pushed_model=channel.Channel(type=standard_artifacts.PushedModel),
                **inputs,
            )
        )
