"""Whether a model still is what its training exported: nobody who asks it must be misled, or fail unexplained."""

from __future__ import annotations

from typing import Any

from tfx.utils import path_utils

from pipeline.errors import WorkspaceError
from pipeline.lineage.artifact_names import MODEL_DIGEST
from trainer.digests import file_digests, model_digest


def check_whole(model: Any, what: str, remedy: str) -> None:
    """Compare the files of a Model artifact with what is on record; one of an older Longhaul has nothing on record.

    Args:
        what: which one it is, as in "Model 7 of champion run …".

    Raises:
        WorkspaceError: it was changed, or parts of it are gone.
    """
    recorded = model.get_string_custom_property(MODEL_DIGEST)
    if recorded and digest_on_disk(model) != recorded:
        folder = path_utils.serving_model_path(model.uri)
        raise WorkspaceError(
            f"Model {model.id} {what} is damaged: the files in {folder} are not those that its training exported",
            remedy,
        )


def digest_on_disk(model: Any) -> str:
    """Digest the SavedModel of a Model artifact as it is now."""
    return model_digest(file_digests(path_utils.serving_model_path(model.uri)))
