"""Takes predictions apart: `:explain`, by the method and with the typical row of the report on the model."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import orjson

from pipeline.serving.attributions import attributions
from pipeline.serving.server import rules
from pipeline.serving.server.json_text import parse, shown
from pipeline.serving.server.model import TENSORS, LoadedModel
from pipeline.serving.server.refusal import Code, Refusal, invalid
from pipeline.serving.server.tensors import Array, Arrays, Columns
from trainer.artifact_names import GRADIENTS, OUTPUT, PREDICTION

MOST_ROWS = 16
"""Of a request: a row takes as long as a thousand predictions."""
_MOST_WAITING = 8
"""Requests; they have a thread of their own, so that predictions do not wait for them."""
_TRANSFORM = "transform_features"


class Explainer:
    """Answers `:explain`; used in the event loop only."""

    def __init__(self, timeout_s: float) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self._timeout_s = timeout_s
        self._under_way = 0

    def close(self) -> None:
        """End the thread when it is done."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def answer(self, model: LoadedModel, body: bytes) -> tuple[bytes, int]:
        """Return the body of the answer, and how many rows were asked.

        Raises:
            Refusal: the request is wrong, the model cannot be explained, or too many wait.
        """
        check_explained(model)
        request = parse(body)
        instances = request.get("instances")
        if not isinstance(instances, list) or not instances:
            raise invalid(f"'instances' has to be a list of rows; it is {shown(instances)}")
        if len(instances) > MOST_ROWS:
            raise invalid(f"{len(instances)} rows are too many to explain at once: {MOST_ROWS} are allowed")
        columns = rules.from_rows(instances, model.inputs(TENSORS), model.rules)
        wanted = _wanted(model, request.get("output"))
        if self._under_way >= _MOST_WAITING:
            raise Refusal(Code.RESOURCE_EXHAUSTED, f"{self._under_way} explanations wait already; ask again later")
        self._under_way += 1
        working = self._thread.submit(explained, model, columns, wanted)
        answer = asyncio.wrap_future(working)
        answer.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await answer
        except TimeoutError:
            raise Refusal(Code.DEADLINE_EXCEEDED, "the explanation was not ready in time") from None
        return orjson.dumps({"explanations": found}), len(instances)

    def _ended(self, _: object) -> None:
        self._under_way -= 1


def is_explained(model: LoadedModel) -> bool:
    """Return whether a model brings what explanations need."""
    return bool(model.rules and model.columns_of_network) and {_TRANSFORM, GRADIENTS} <= model.signatures.keys()


def check_explained(model: LoadedModel) -> None:
    """Check that a model brings what explanations need.

    Raises:
        Refusal: it does not.
    """
    if not is_explained(model):
        raise Refusal(
            Code.UNIMPLEMENTED,
            f"{model.name} version {model.version} cannot be explained: it has no signature `{GRADIENTS}`, which "
            "models of Longhaul have that were trained since it is there",
        )


def _wanted(model: LoadedModel, output: Any) -> int | None:
    """Return the number of the output that is meant; None for the most probable one."""
    if output is None:
        return None
    if model.task != "multiclass":
        raise invalid(f"'output' chooses one of several classes; this model is of {model.task or 'another kind'}")
    if output not in model.classes:
        raise invalid(f"'output' has to be one of {', '.join(model.classes[:20])}; it is {shown(output)}")
    return model.classes.index(output)


def explained(model: LoadedModel, columns: Columns, wanted: int | None) -> list[dict[str, Any]]:
    """Return for each row its prediction, that for the typical row, and what each feature adds to the difference.

    Args:
        columns: of `serving_tensors`.
        wanted: the output to explain, of several classes; the most probable one when None.
    """
    examples = as_examples(model, columns)
    inputs = model.ask(_TRANSFORM, {"examples": examples})
    inputs = {name: inputs[name] for name in model.inputs(GRADIENTS) if name != OUTPUT}
    rows = len(examples)
    outputs = np.full(rows, wanted or 0, np.int64)
    if model.task == "multiclass" and wanted is None:
        outputs = model.ask(TENSORS, {name: list(column) for name, column in columns.items()})[PREDICTION].argmax(1)

    def differentiate(of_inputs: Arrays, of_outputs: Array) -> Arrays:
        return model.ask(GRADIENTS, {**of_inputs, OUTPUT: of_outputs})

    parts, typical, predictions = attributions(differentiate, inputs, _base(model, inputs), outputs)
    found = []
    for row in range(rows):
        told = [
            {
                "feature": rule.feature,
                "value": _plain(columns[name][row]),
                "part": float(sum(parts[key][row, place] for key, place in model.columns_of_network[rule.feature])),
            }
            for name, rule in model.rules.items()
        ]
        told.sort(key=lambda each: -abs(each["part"]))
        difference = float(predictions[row] - typical[row])
        found.append(
            {
                "output": _named(model, int(outputs[row])),
                "prediction": float(predictions[row]),
                "typical": float(typical[row]),
                "parts": told,
                "gap": difference - sum(each["part"] for each in told),
            }
        )
    return found


def as_examples(model: LoadedModel, columns: Columns) -> list[bytes]:
    """Return each row as a serialized tf.Example; what is missing is left out."""
    from tensorflow.core.example import example_pb2

    found = []
    for row in range(len(next(iter(columns.values())))):
        example = example_pb2.Example()
        for name, rule in model.rules.items():
            value = _plain(columns[name][row])
            if value is None:
                continue
            kind = model.kinds_of_features[rule.feature]
            if kind == "bytes_list":
                value = value.encode()
            elif kind == "int64_list":
                value = int(value)
            try:
                getattr(example.features.feature[rule.feature], kind).value.append(value)
            except ValueError:
                raise invalid(
                    f"column {name}, row {row}: it has to be a whole number of 64 bits to be explained; it is "
                    f"{value:.17g}"
                ) from None
        found.append(example.SerializeToString())
    return found


def _base(model: LoadedModel, inputs: Arrays) -> Arrays:
    """Return the typical row: the report's; of a model without one, that of the rows which were kept with it."""
    known = model.manifest.typical if model.manifest else {}
    if known.keys() >= inputs.keys() and all(len(known[name]) == inputs[name].shape[1] for name in inputs):
        return {name: np.array(known[name], inputs[name].dtype) for name in inputs}
    kept = model.ask(_TRANSFORM, {"examples": as_examples(model, model.kept_columns())})
    return {name: _middle(kept[name]) for name in inputs}


def _middle(values: Array) -> Array:
    if values.dtype.kind == "f":
        return np.median(values, axis=0).astype(values.dtype)
    return np.array([np.bincount(column).argmax() for column in values.T], values.dtype)


def _named(model: LoadedModel, output: int) -> str | None:
    if not model.classes:
        return None
    return model.classes[output if model.task == "multiclass" else 1]


def _plain(value: Any) -> Any:
    """Return a value of a plain tensor as JSON has it: None of a missing one."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return None if value == "" or (isinstance(value, float) and math.isnan(value)) else value
