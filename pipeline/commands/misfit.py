"""Whether a model that was pushed accepts requests that follow today's schema."""

from __future__ import annotations

from pipeline.config.model_settings import ModelSettings
from pipeline.contract.schema import feature_table, read_schema
from pipeline.errors import PipelineError
from pipeline.serving.versions import Manifest, inputs_of
from trainer.features import FeatureTable


def misfit_today(manifest: Manifest, settings: ModelSettings) -> str:
    """Return `misfit` by the schema file as it is, which may itself be the mistake."""
    try:
        return misfit(manifest, feature_table(settings, read_schema(settings.schema_file)))
    except PipelineError as exc:
        return exc.what


def misfit(manifest: Manifest, table: FeatureTable) -> str:
    """Why a model cannot answer requests that follow today's schema; nothing if it can."""
    today = inputs_of(table)
    wanted = [name for name in manifest.inputs if name not in today]
    unknown = [name for name in today if name not in manifest.inputs]
    bent = [name for name, storage in manifest.inputs.items() if today.get(name, storage) != storage]
    parts = [f"it needs {_names(wanted)}, which is no feature any more"] if wanted else []
    parts += [f"it does not know {_names(unknown)}"] if unknown else []
    parts += [f"it takes {name!r} as {manifest.inputs[name]}, not as {today[name]}" for name in bent[:3]]
    before, today_s = (manifest.task, manifest.classes), (table.label.task, table.label.classes)
    if before != today_s:
        parts.append(f"it predicts {_target(*before)}, not {_target(*today_s)}")
    return "; ".join(parts)


def _names(names: list[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (" and more" if len(names) > 5 else "")


def _target(task: str, classes: tuple[str, ...]) -> str:
    return f"{task} ({', '.join(classes)})" if classes else task
