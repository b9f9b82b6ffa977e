"""What `?detail=1` adds to predictions: the class by name, the probability of each, and the decision."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from pipeline.serving.server.model import LoadedModel
from pipeline.serving.server.refusal import invalid
from pipeline.serving.server.tensors import Arrays
from trainer.artifact_names import PREDICTION


def detailed(model: LoadedModel, outputs: Arrays, key: str) -> bytes:
    """Return the body of an answer: under the key an object for each row.

    Raises:
        Refusal: nothing is known of what the outputs mean.
    """
    scores = outputs.get(PREDICTION)
    if not model.task or scores is None or scores.ndim != 2:
        raise invalid("detail=1 is for predictions of models that Longhaul exported")
    if model.task == "regression":
        rows = [{"prediction": row, "value": row[0]} for row in scores]
    else:
        rows = [_of_classes(model, row) for row in scores]
    return orjson.dumps({key: rows}, option=orjson.OPT_SERIALIZE_NUMPY)


def _of_classes(model: LoadedModel, row: Any) -> dict[str, Any]:
    probabilities = np.concatenate([1 - row, row]) if model.task == "binary" else row
    label = model.classes[int(probabilities.argmax())]
    told = {"prediction": row, "label": label, "probabilities": dict(zip(model.classes, probabilities, strict=True))}
    if model.task == "binary":
        decision = model.classes[int(float(row[0]) >= model.threshold)]
        return told | {"decision": decision, "threshold": model.threshold}
    return told | {"decision": label}
