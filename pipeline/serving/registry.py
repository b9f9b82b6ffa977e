"""A version of a model into Vertex AI's Model Registry."""

from __future__ import annotations

from pipeline.config.push import VertexModel
from pipeline.errors import ConfigError
from pipeline.serving.gcs import cloud_errors
from pipeline.serving.versions import Manifest


def register(uri: str, manifest: Manifest, settings: VertexModel) -> str:
    """Make the SavedModel at `uri` the default version of the model of that name, which it creates if need be.

    Returns:
        The version's resource name, projects/…/models/…@version.

    Raises:
        PipelineError: the registry refused it, or there is no such region.
    """
    with cloud_errors(f"Vertex AI's model {settings.display_name!r} got no new version"):
        from google.cloud import aiplatform

        try:
            aiplatform.init(project=settings.project, location=settings.location)
        except ValueError as exc:
            raise ConfigError(f"push.vertex_model.location: {settings.location!r} is no region", str(exc)) from exc
        known = aiplatform.Model.list(filter=f'display_name="{settings.display_name}"')
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in manifest.metrics.items())
        model = aiplatform.Model.upload(
            display_name=settings.display_name,
            parent_model=known[0].resource_name if known else None,
            is_default_version=True,
            version_aliases=[f"longhaul-{manifest.version}"],
            version_description=f"run {manifest.run_id}: {metrics}"[:500],
            labels={"longhaul-run": manifest.run_id, "longhaul-version": str(manifest.version)},
            artifact_uri=uri,
            serving_container_image_uri=settings.serving_image,
        )
        return str(model.versioned_resource_name)
