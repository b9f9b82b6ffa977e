"""TensorFlow Serving's REST API: a target and a body in, an answer out (http_rest_api_handler.cc)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.serving.server import answers, examples, metrics, rules, tensors
from pipeline.serving.server.asking import Asking
from pipeline.serving.server.batching import Batcher
from pipeline.serving.server.calls import Journal
from pipeline.serving.server.details import detailed
from pipeline.serving.server.explain import Explainer
from pipeline.serving.server.json_text import parse, shown
from pipeline.serving.server.model import CLASSIFICATION, DEFAULT, REGRESSION, TENSORS, LoadedModel
from pipeline.serving.server.models import Models
from pipeline.serving.server.paths import Target
from pipeline.serving.server.refusal import invalid, too_many_rows
from pipeline.serving.server.tensors import Array, Arrays, Columns


@dataclass(frozen=True)
class Limits:
    """What one request may be.

    Attributes:
        body: bytes.
        text: characters of one value.
        timeout_s: until it is answered.
    """

    body: int = 32 << 20
    rows: int = 100_000
    text: int = 1 << 20
    timeout_s: float = 30.0


class Rest:
    """The methods of the API."""

    def __init__(self, models: Models, batcher: Batcher, limits: Limits, journal: Journal | None = None) -> None:
        self._models, self.limits = models, limits
        self._asking = Asking(models, batcher, limits.timeout_s, journal)
        self._explainer = Explainer(limits.timeout_s)

    def close(self) -> None:
        """End what explains."""
        self._explainer.close()

    async def answer(self, target: Target, body: bytes, strict: bool, detail: bool = False) -> tuple[bytes, int]:
        """Return the body of the answer, and how many rows were asked.

        Args:
            strict: the contract to the letter.
            detail: of a prediction, with names and probabilities of classes, and the decision.

        Raises:
            Refusal: there is none.
        """
        if target.method == "status":
            return self._status(target), 0
        model = self._models.find(target)
        if target.method == "metadata":
            return metadata(model), 0
        if target.method == "explain":
            return await self._explainer.answer(model, body)
        request = parse(body)
        signature = request.get("signature_name", "")
        if not isinstance(signature, str):
            raise invalid(
                f"JSON Value: {shown(request)} not formatted correctly. 'signature_name' key must be a string value."
            )
        if target.method == "predict":
            return await self._predict(model, signature, request, strict, len(body), detail and not strict)
        return await self._grade(target.method, model, signature, request, strict, len(body))

    async def ask(self, model: LoadedModel, signature: str, columns: Columns, size: int, api: str) -> Arrays:
        """Return what the model answers, if the columns are within the limits.

        Args:
            size: of the request, in bytes.
            api: TensorFlow Serving's name of what is asked, for the metrics.
        """
        check_size(columns, self.limits, size)
        began = time.perf_counter()
        outputs = await self._asking.ask(model, signature, columns, rows_of(columns), size)
        metrics.record_runtime(model.name, api, time.perf_counter() - began)
        return outputs

    async def _predict(
        self, model: LoadedModel, signature: str, request: dict[str, Any], strict: bool, size: int, detail: bool
    ) -> tuple[bytes, int]:
        by_row = "instances" in request
        given: Any = request.get("instances", request.get("inputs"))
        if not signature:
            signature = _default(model, given, strict)
        inputs = model.inputs(signature)
        _check_keys(request)
        if size > self.limits.rows:  # no shorter body holds too many
            check_rows([given] if by_row or not isinstance(given, dict) else given.values(), self.limits.rows)
        lenient = not strict and signature == TENSORS and bool(model.rules)
        columns: Columns
        if lenient:
            columns = (rules.from_rows if by_row else rules.from_columns)(given, inputs, model.rules)
        else:
            columns = (tensors.from_instances if by_row else tensors.from_inputs)(given, inputs)
        outputs = await self.ask(model, signature, columns, size, "Predict")
        if detail:
            return detailed(model, outputs, "predictions" if by_row else "outputs"), rows_of(columns)
        return (answers.predictions(outputs) if by_row else answers.columns(outputs)), rows_of(columns)

    async def _grade(
        self, method: str, model: LoadedModel, signature: str, request: dict[str, Any], strict: bool, size: int
    ) -> tuple[bytes, int]:
        if not signature:
            own = CLASSIFICATION if method == "classify" else REGRESSION
            signature = own if own in model.signatures and not strict else DEFAULT
        check_graded(model, signature, method)
        found = examples.from_request(request, self.limits.rows, self.limits.body)
        outputs = await self.ask(model, signature, {"inputs": list(found)}, size, method.capitalize())
        if method == "regress":
            return answers.numbers(regressions(outputs["outputs"], len(found))), len(found)
        labels, scores = classifications(outputs, len(found))
        return answers.classes(labels, scores), len(found)

    def _status(self, target: Target) -> bytes:
        told = [
            {
                "version": str(version),
                "state": state.state,
                "status": {"error_code": "UNKNOWN" if state.problem else "OK", "error_message": state.problem},
            }
            for version, state in self._models.states(target).items()
        ]
        return (json.dumps({"model_version_status": told}, indent=1, ensure_ascii=False) + "\n").encode(
            errors="replace"
        )


def _default(model: LoadedModel, given: Any, strict: bool) -> str:
    """Return the signature that a request without one means: the default one, but `serving_tensors` for rows of
    columns' names, which the default one of a model of ours would refuse."""
    row = given[0] if isinstance(given, list) and given else given
    ours = not strict and bool(model.rules) and isinstance(row, dict) and not tensors.is_base64(row)
    return TENSORS if ours and not row.keys() <= model.inputs(DEFAULT).keys() else DEFAULT


def _check_keys(request: dict[str, Any]) -> None:
    given = [key for key in ("inputs", "instances") if key in request]
    if not given:
        raise invalid("Missing 'inputs' or 'instances' key")
    if len(given) == 2:
        raise invalid(
            f"JSON Value: {shown(request)} Not formatted correctly expecting only one of 'inputs' or 'instances' keys "
            "to exist "
        )
    if given == ["instances"]:
        if not isinstance(request["instances"], list):
            raise invalid(f"JSON Value: {shown(request)} Expecting 'instances' to be an list/array")
        if not request["instances"]:
            raise invalid(f"JSON Value: {shown(request)} No values in 'instances' array")


def rows_of(columns: Columns) -> int:
    """Return how many rows there are; one where columns have none."""
    return next((size for size in map(height, columns.values()) if size is not None), 1)


def height(column: Array | list[Any]) -> int | None:
    """Return the number of rows of a column; None of a number without dimensions."""
    return len(column) if type(column) is list or np.ndim(column) else None


def check_rows(given: Iterable[Any], most: int) -> None:
    """Refuse lists that are too long, before values that were left out take far more memory than the request.

    Args:
        given: lists, beside other things.

    Raises:
        Refusal: there are too many rows.
    """
    for each in given:
        if isinstance(each, list | np.ndarray) and len(each) > most:
            raise too_many_rows(len(each), most)


def check_size(columns: Columns, limits: Limits, size: int) -> None:
    """Refuse more than a request may hold.

    Args:
        size: of the request, in bytes: no text is longer.

    Raises:
        Refusal: there are too many rows, or a text is too long.
    """
    for name, column in columns.items() if size > min(limits.text, limits.rows) else ():
        if (rows := height(column)) is not None and rows > limits.rows:
            raise too_many_rows(rows, limits.rows)
        longest = max(map(len, _texts(column)), default=0) if size > limits.text else 0
        if longest > limits.text:
            raise invalid(f"{name}: a text of {longest} characters is too long: {limits.text} are allowed")


def _texts(column: Array | list[Any]) -> list[Any]:
    """Return the texts of a column; of one without, nothing."""
    if not isinstance(column, list):
        column = column.ravel().tolist() if column.dtype == object else []
    return column if column and isinstance(column[0], str | bytes) else []


def check_graded(model: LoadedModel, signature: str, method: str) -> None:
    """Check that a signature can classify or regress (classifier.cc, regressor.cc).

    Raises:
        Refusal: it cannot.
    """
    if signature not in model.signatures:
        raise invalid(f"No signature was found with the name: {signature}")
    found = model.signatures[signature]
    if len(found.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    kind = "classification" if method == "classify" else "regression"
    if method == "classify" and len(found.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(found.outputs)}")
    if method == "regress" and len(found.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if "inputs" not in found.inputs:
        raise invalid(f"No {kind} inputs found in SignatureDef: {signature}")
    if method == "regress" and "outputs" not in found.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {signature}")
    if method == "classify" and not {"classes", "scores"} & set(found.outputs):
        raise invalid(
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {signature}"
        )


def classifications(outputs: Arrays, rows: int) -> tuple[Array | None, Array | None]:
    """Return labels and scores, (rows, classes).

    Raises:
        Refusal: the model answered otherwise.
    """
    for array in outputs.values():
        if array.ndim != 2 or len(array) != rows:
            raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {list(array.shape)}")
    return outputs.get("classes"), outputs.get("scores")


def regressions(values: Array, rows: int) -> Array:
    """Return (rows,).

    Raises:
        Refusal: the model answered otherwise.
    """
    if values.shape not in ((rows,), (rows, 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            f"{list(values.shape)}"
        )  # fmt: skip
    return values.ravel()


def metadata(model: LoadedModel) -> bytes:
    """Return the signatures of a model, as protobuf writes them: with defaults, by the names in the .proto files."""
    from google.protobuf.json_format import MessageToDict

    defs = {
        name: MessageToDict(signature, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        for name, signature in sorted(model.signatures.items())
    }
    told = {
        "model_spec": {"name": model.name, "signature_name": "", "version": str(model.version)},
        "metadata": {"signature_def": {"signature_def": defs}},
    }
    return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode(errors="replace")
