"""Marks a blessing as stock TFX's Evaluator does."""

from __future__ import annotations

from typing import Any

from tfx.components.evaluator import constants
from tfx.utils import io_utils


def bless(blessing: Any, blessed: bool, candidate: Any, champion: Any | None) -> None:
    """Mark the blessing as stock Evaluator does, so that stock resolvers and Pusher understand it. A champion that was
    set aside is named, too: pipeline.components.champion finds it again by that."""
    for model, uri_key, id_key in (
        (
            candidate,
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY,
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY,
        ),
        (
            champion,
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY,
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY,
        ),
    ):
        if model is not None:
            blessing.set_string_custom_property(uri_key, model.uri)
            blessing.set_int_custom_property(id_key, model.id)
    file = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(f"{blessing.uri}/{file}", "")
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY, constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE
    )
