"""TensorFlow Serving's gRPC services, by the classes of tensorflow-serving-api: PredictionService and ModelService.

They keep to the contract by the letter: what the schema says beyond it is not asked here.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from pipeline.serving.server import metrics
from pipeline.serving.server.access import ADMIN, READ, Access
from pipeline.serving.server.calls import Journal, answering
from pipeline.serving.server.examples import too_large
from pipeline.serving.server.model import DEFAULT, LoadedModel
from pipeline.serving.server.models import Models
from pipeline.serving.server.paths import Target
from pipeline.serving.server.proto_tensors import put, to_column
from pipeline.serving.server.refusal import Code, Refusal, invalid, too_many_rows
from pipeline.serving.server.rest import Limits, Rest, check_graded, classifications, regressions, rows_of
from pipeline.serving.server.telemetry import Telemetry

_CODES: Mapping[int, Any] = {code.value[0]: code for code in grpc.StatusCode}
_STATES = get_model_status_pb2.ModelVersionStatus.State
_LOGGED = ("Predict", "Classify", "Regress", "MultiInference", "ModelInfer")
_GRADED = {"tensorflow/serving/classify": "classify", "tensorflow/serving/regress": "regress"}


class Services:
    """Both services, in one event loop with everything else; a method for each of theirs."""

    def __init__(
        self, models: Models, rest: Rest, access: Access, journal: Journal | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:  # fmt: skip
        self._models, self._rest, self._access, self._journal = models, rest, access, journal
        self._telemetry = telemetry

    async def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's names)
        """See prediction_service.proto."""
        return await self.counted("Predict", request.model_spec.name, context, lambda: self._predict(request))

    async def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802
        """See prediction_service.proto."""
        return await self.counted("Classify", request.model_spec.name, context, lambda: self._classify(request))

    async def Regress(self, request: Any, context: Any) -> Any:  # noqa: N802
        """See prediction_service.proto."""
        return await self.counted("Regress", request.model_spec.name, context, lambda: self._regress(request))

    async def MultiInference(self, request: Any, context: Any) -> Any:  # noqa: N802
        """See prediction_service.proto."""
        name = request.tasks[0].model_spec.name if request.tasks else ""
        return await self.counted("MultiInference", name, context, lambda: self._multi_inference(request))

    async def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """See prediction_service.proto."""
        return await self.counted("GetModelMetadata", request.model_spec.name, context, lambda: self._metadata(request))

    async def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        """See model_service.proto."""
        return await self.counted("GetModelStatus", request.model_spec.name, context, lambda: self._status(request))

    async def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:  # noqa: N802
        """See model_service.proto. Folders are named when the server starts, by nobody later."""

        async def refuse() -> tuple[Any, int]:
            wanted = {one.name: one.base_path for one in request.config.model_config_list.config}
            known = {name: str(served.folder) for name, served in self._models.names.items()}
            response = model_management_pb2.ReloadConfigResponse()
            if {name: str(Path(path)) for name, path in wanted.items()} != known:
                raise invalid("this server's models are named when it starts; the request names others")
            return response, 0

        return await self.counted("HandleReloadConfigRequest", "", context, refuse, ADMIN)

    async def counted(
        self, api: str, name: str, context: Any, answer: Callable[[], Awaitable[tuple[Any, int]]], role: str = READ
    ) -> Any:
        """Return an answer; count, time and write down the request, however it ends.

        Args:
            api: the method's name; name: of the model.
        """
        began = time.perf_counter()
        status, rows = Code.OK, 0
        problem, call, given = "", None, {}
        left: asyncio.CancelledError | None = None
        try:
            given = dict(context.invocation_metadata() or ())
            if self._journal and api in _LOGGED:
                call = self._journal.begin(_bytes(given.get("x-request-id")), _bytes(given.get("x-caller")))
            self._access.check(_bytes(given.get("authorization")), role)
            response, rows = await answer()
        except Refusal as refusal:
            status, problem = refusal.code, refusal.message
        except Exception:
            traceback.print_exc(file=sys.stderr)
            status, problem = Code.INTERNAL, "a bug of ours; the server's log has its traceback"
        except asyncio.CancelledError as exc:  # it is counted and written down, and then ends
            status, problem, left = Code.CANCELLED, "the client did not wait for the answer", exc
        known = name if name in self._models.names else ""
        seconds = time.perf_counter() - began
        metrics.record(known, api, "GRPC", status, seconds, rows)
        if self._telemetry:
            trace = (_bytes(given.get(name)) for name in ("traceparent", "tracestate"))
            self._telemetry.ended("GRPC", api, known, status, problem, seconds, rows, *trace)
        if call and self._journal:
            self._journal.end(call, self._models.names[known].current if known else None, status, problem)
            if call.is_plain and not left:
                context.set_trailing_metadata((("x-request-id", call.request_id),))
        if left:
            raise left
        if status != Code.OK:
            await context.abort(_CODES[status], problem)
        return response

    def _find(self, spec: Any) -> LoadedModel:
        return self._models.find(_target(spec))

    async def _predict(self, request: Any) -> tuple[Any, int]:
        model = self._find(request.model_spec)
        signature = request.model_spec.signature_name or DEFAULT
        if signature not in model.signatures:
            raise Refusal(Code.FAILED_PRECONDITION, f'Serving signature key "{signature}" not found.')
        arrays = _arrays(request.inputs, model.inputs(signature))
        filled = max((len(each) for each in arrays.values() if type(each) is not list and each.ndim), default=0)
        outputs = await self._rest.ask(model, signature, arrays, max(request.ByteSize(), filled), "Predict")
        response = predict_pb2.PredictResponse()
        _name(response.model_spec, model, signature)
        for name in _wanted(request.output_filter, outputs):
            put(outputs[name], response.outputs[name])
        return response, rows_of(arrays)

    async def _classify(self, request: Any) -> tuple[Any, int]:
        response = classification_pb2.ClassificationResponse()
        model, rows = await self._graded("classify", request.model_spec, request.input, response.result)
        _name(response.model_spec, model, request.model_spec.signature_name or DEFAULT)
        return response, rows

    async def _regress(self, request: Any) -> tuple[Any, int]:
        response = regression_pb2.RegressionResponse()
        model, rows = await self._graded("regress", request.model_spec, request.input, response.result)
        _name(response.model_spec, model, request.model_spec.signature_name or DEFAULT)
        return response, rows

    async def _multi_inference(self, request: Any) -> tuple[Any, int]:
        response, rows = inference_pb2.MultiInferenceResponse(), 0
        if not request.tasks:
            raise invalid("Inference request must have at least one task")
        for task in request.tasks:
            if (method := _GRADED.get(task.method_name)) is None:
                raise Refusal(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
            result = response.results.add()
            into = result.classification_result if method == "classify" else result.regression_result
            model, rows = await self._graded(method, task.model_spec, request.input, into)
            _name(result.model_spec, model, task.model_spec.signature_name or DEFAULT)
        return response, rows

    async def _graded(self, method: str, spec: Any, given: Any, result: Any) -> tuple[LoadedModel, int]:
        """Fill a ClassificationResult or a RegressionResult; return which model answered, and how many examples."""
        model = self._find(spec)
        signature = spec.signature_name or DEFAULT
        check_graded(model, signature, method)
        examples = _examples(given, self._rest.limits)
        outputs = await self._rest.ask(
            model, signature, {"inputs": list(examples)}, given.ByteSize(), method.capitalize()
        )
        if method == "regress":
            for value in regressions(outputs["outputs"], len(examples)).tolist():
                result.regressions.add().value = value
            return model, len(examples)
        labels, scores = classifications(outputs, len(examples))
        for row in range(len(examples)):
            classes = result.classifications.add().classes
            for place in range((labels if labels is not None else scores).shape[1]):  # type: ignore[union-attr]
                one = classes.add()
                if labels is not None:
                    one.label = labels[row, place].decode(errors="replace")
                if scores is not None:
                    one.score = float(scores[row, place])
        return model, len(examples)

    async def _metadata(self, request: Any) -> tuple[Any, int]:
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        if unknown := [field for field in request.metadata_field if field != "signature_def"]:
            raise invalid(f"Metadata field {unknown[0]} is not supported")
        model = self._find(request.model_spec)
        defs = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in model.signatures.items():
            defs.signature_def[name].CopyFrom(signature)
        packed = any_pb2.Any()
        packed.Pack(defs)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = model.name
        response.model_spec.version.value = model.version
        response.metadata["signature_def"].CopyFrom(packed)
        return response, 0

    async def _status(self, request: Any) -> tuple[Any, int]:
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state in self._models.states(_target(request.model_spec)).items():
            one = response.model_version_status.add()
            one.version, one.state = version, _STATES.Value(state.state)
            one.status.error_code = Code.UNKNOWN if state.problem else Code.OK
            one.status.error_message = state.problem
        return response, 0


def _bytes(value: Any) -> bytes:
    """Return a value of the metadata: bytes where its name ends in -bin, text elsewhere."""
    return value.encode() if isinstance(value, str) else value or b""


def _target(spec: Any) -> Target:
    version = spec.version.value if spec.HasField("version") else None
    return Target(spec.name, version, spec.version_label or None, "")


def _name(into: Any, model: LoadedModel, signature: str) -> None:
    into.name, into.signature_name = model.name, signature
    into.version.value = answering(model).version


def _arrays(given: Mapping[str, Any], inputs: Mapping[str, int]) -> dict[str, Any]:
    """Return the columns of a request, if they are those that the signature takes (predict_util.cc)."""
    if len(given) != len(inputs) or not all(name in given for name in inputs):
        sent, wanted = sorted(given), sorted(inputs)
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(wanted)} len({{{','.join(sent)}}}) != "
            f"len({{{','.join(wanted)}}}). Sent extra: {{{','.join(sorted(set(sent) - set(wanted)))}}}. "
            f"Missing but required: {{{','.join(sorted(set(wanted) - set(sent)))}}}."
        )
    found = {}
    for name, dtype in inputs.items():
        tensor = given[name]
        if tensor.dtype != dtype:
            raise invalid(f"{name} is a tensor of type {tensor.dtype}, the signature takes {dtype}")
        found[name] = to_column(tensor)
    return found


def _wanted(names: Any, outputs: Mapping[str, Any]) -> list[str]:
    wanted = list(names) or list(outputs)
    for place, name in enumerate(wanted):
        if name not in outputs:
            known = ",".join(sorted(outputs))
            raise invalid(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set {{{known}}}."
            )
        if name in wanted[:place]:
            raise invalid(f"duplicate output tensor alias: {name}")
    return wanted


def _examples(given: Any, limits: Limits) -> list[bytes]:
    """Return the tf.Examples of an Input, the context's features put into each (input.proto)."""
    kind = given.WhichOneof("kind")
    found = list(getattr(given, kind).examples) if kind else []
    if not found:
        raise invalid("Input is empty")
    if len(found) > limits.rows:
        raise too_many_rows(len(found), limits.rows)
    if kind == "example_list_with_context":
        context = given.example_list_with_context.context.features.feature
        if len(found) * given.example_list_with_context.context.ByteSize() > limits.body:
            raise too_large(limits.body)
        for example in found:
            for name in context:
                if name not in example.features.feature:
                    example.features.feature[name].CopyFrom(context[name])
    return [example.SerializeToString() for example in found]
