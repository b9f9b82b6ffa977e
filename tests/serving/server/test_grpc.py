"""TensorFlow Serving's gRPC services, asked by the unmodified stubs of tensorflow-serving-api."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tests.serving.server.conftest import ROW, ROWS, Server, probability

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc) as found:
        yield found


@pytest.fixture(scope="module")
def stub(channel: grpc.Channel) -> Any:
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def asking(rows: list[dict[str, Any]], signature: str = "serving_tensors", name: str = "flights") -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    for key in ROW:
        kind = tf.string if key == "carrier" else tf.float64
        request.inputs[key].CopyFrom(tf.make_tensor_proto([row[key] for row in rows], dtype=kind))
    return request


def example(**features: Any) -> tf.train.Example:
    found = tf.train.Example()
    for name, value in features.items():
        kind = {str: "bytes_list", float: "float_list", int: "int64_list"}[type(value)]
        plain = value.encode() if isinstance(value, str) else value
        getattr(found.features.feature[name], kind).value.append(plain)
    return found


def test_predict(stub: Any) -> None:
    found = stub.Predict(asking(ROWS), timeout=60)
    assert (found.model_spec.name, found.model_spec.signature_name, found.model_spec.version.value) == (
        "flights", "serving_tensors", 1,
    )  # fmt: skip
    answer = tf.make_ndarray(found.outputs["prediction"])
    np.testing.assert_allclose(answer, [[probability(row)] for row in ROWS], atol=1e-6)
    assert len(found.outputs["prediction"].float_val) == len(ROWS)  # in their own field, as TensorFlow Serving does


def test_every_kind_of_tensor_and_output_filter(stub: Any) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "flights", "every_kind"
    given = {"whole": np.array([[1, 2]], np.int32), "text_bytes": np.array([b"\xff\0"], object),
             "flag": np.array([True]), "long": np.array([2**60])}  # fmt: skip
    for name, array in given.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    found = {name: tf.make_ndarray(tensor).tolist() for name, tensor in stub.Predict(request).outputs.items()}
    assert found == {
        "whole": [[1, 2]], "text_bytes": [b"\xff\0"], "text": [b"\xff\0!"], "flag": [False], "long": [2**60],
    }  # fmt: skip
    odd = predict_pb2.PredictRequest()
    odd.model_spec.name, odd.model_spec.signature_name = "flights", "odd_kinds"
    for name, array in {"half": np.array([0.5, -3], np.float16), "word": np.array([1, 65535], np.uint16)}.items():
        odd.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    found = {name: tf.make_ndarray(tensor).tolist() for name, tensor in stub.Predict(odd).outputs.items()}
    pairs = [0.5 + 1j, -3 + 1j]
    assert found == {"half": [1, -6], "word": [1, 65535], "pair": pairs, "wide": pairs}
    request.output_filter.extend(["flag"])
    assert set(stub.Predict(request).outputs) == {"flag"}


def test_classify_regress_and_both_at_once(stub: Any) -> None:
    rows = [example(carrier="UA", miles=900.0, seats=150), example(seats=50)]
    expected = [probability({"carrier": "UA", "miles": 900, "seats": 150}), probability({"seats": 50})]
    graded = classification_pb2.ClassificationRequest()
    graded.model_spec.name, graded.model_spec.signature_name = "flights", "classification"
    graded.input.example_list.examples.extend(rows)
    result = stub.Classify(graded).result.classifications
    assert [[one.label for one in row.classes] for row in result] == [["on time", "late"]] * 2
    np.testing.assert_allclose([row.classes[1].score for row in result], expected, atol=1e-6)

    measured = regression_pb2.RegressionRequest()
    measured.model_spec.name, measured.model_spec.signature_name = "flights", "regression"
    measured.input.example_list_with_context.examples.extend([example(carrier="UA", miles=900.0), example()])
    measured.input.example_list_with_context.context.CopyFrom(example(seats=150))
    found = [one.value for one in stub.Regress(measured).result.regressions]
    np.testing.assert_allclose(found, [expected[0], probability({"seats": 150})], atol=1e-6)

    both = inference_pb2.MultiInferenceRequest()
    both.input.example_list.examples.extend(rows)
    for method, signature in (("classify", "classification"), ("regress", "regression")):
        task = both.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = "flights", signature
    classes, numbers = stub.MultiInference(both).results
    np.testing.assert_allclose([one.value for one in numbers.regression_result.regressions], expected, atol=1e-6)
    assert len(classes.classification_result.classifications) == 2


def test_metadata_and_status(stub: Any, channel: grpc.Channel) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "flights"
    found = stub.GetModelMetadata(request)
    defs = get_model_metadata_pb2.SignatureDefMap()
    assert found.metadata["signature_def"].Unpack(defs)
    assert set(defs.signature_def["serving_tensors"].inputs) == set(ROW)
    service = model_service_pb2_grpc.ModelServiceStub(channel)
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = "flights"
    (one,) = service.GetModelStatus(asked).model_version_status
    assert (one.version, one.state, one.status.error_code) == (1, 30, 0)
    reload = model_management_pb2.ReloadConfigRequest()
    reload.config.model_config_list.config.add(name="other", base_path="/etc")
    with pytest.raises(grpc.RpcError) as caught:
        service.HandleReloadConfigRequest(reload)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def scalar(tensor: Any) -> Any:
    return tf.make_tensor_proto(tf.make_ndarray(tensor)[0], tensor.dtype)


def filled(tensor: Any, rows: int) -> Any:
    """One value that stands for all rows."""
    found = scalar(tensor)
    found.tensor_shape.dim.add(size=rows)
    return found


def spoilt(change: Any) -> Any:
    request = asking(ROWS)
    change(request)
    return request


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (lambda request: setattr(request.model_spec, "name", "foo"), "NOT_FOUND",
         "Servable not found for request: Latest(foo)"),
        (lambda request: setattr(request.model_spec.version, "value", 9), "NOT_FOUND", "Specific(flights, 9)"),
        (lambda request: setattr(request.model_spec, "version_label", "x"), "INVALID_ARGUMENT",
         "Unrecognized servable version label: x"),
        (lambda request: setattr(request.model_spec, "signature_name", "x"), "FAILED_PRECONDITION",
         'Serving signature key "x" not found.'),
        (lambda request: request.inputs.pop("seats"), "INVALID_ARGUMENT",
         "input size does not match signature: 2!=3 len({carrier,miles}) != len({carrier,miles,seats}). Sent extra: "
         "{}. Missing but required: {seats}."),
        (lambda request: request.output_filter.extend(["x"]), "INVALID_ARGUMENT", "output tensor alias not found"),
        (lambda request: request.inputs["seats"].tensor_shape.dim.add(size=-1), "INVALID_ARGUMENT", "shape [18, -1]"),
        (lambda request: request.inputs["seats"].tensor_shape.dim.add(size=1 << 40), "INVALID_ARGUMENT", "not taken"),
        (lambda request: setattr(request.inputs["seats"], "dtype", 20), "INVALID_ARGUMENT", "type 20"),
        (lambda request: setattr(request.inputs["seats"], "tensor_content", b"123"), "INVALID_ARGUMENT", "3 bytes"),
        (lambda request: request.inputs["seats"].CopyFrom(tf.make_tensor_proto([1.0, 2.0], tf.float64)),
         "INVALID_ARGUMENT", ""),
        (lambda request: [one.CopyFrom(scalar(one)) for one in request.inputs.values()], "INVALID_ARGUMENT", ""),
        (lambda request: [request.inputs["seats"].tensor_shape.dim.add(size=1) for _ in range(300)],
         "INVALID_ARGUMENT", "301 dimensions"),
        (lambda request: [one.CopyFrom(filled(one, 1 << 24)) for one in request.inputs.values()],
         "INVALID_ARGUMENT", "only 1048576 are filled up"),
        (lambda request: [one.CopyFrom(filled(one, 1 << 20)) for one in request.inputs.values()],
         "INVALID_ARGUMENT", "1048576 rows are too many"),
    ],
)  # fmt: skip
def test_refusals(stub: Any, change: Any, code: str, told: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(spoilt(change), timeout=60)
    assert caught.value.code().name == code
    assert told in caught.value.details()


def test_messages_that_are_none_are_the_clients_fault(channel: grpc.Channel) -> None:
    methods = [f"tensorflow.serving.PredictionService/{name}" for name in ("Predict", "Classify", "GetModelMetadata")]
    methods += ["tensorflow.serving.ModelService/GetModelStatus", "inference.GRPCInferenceService/ModelInfer"]
    for method in methods:
        for content in (b"\xff" * 9, b"\x0b" * 5000, b"\x0a\x7f"):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(f"/{method}")(content, timeout=60)
            assert (caught.value.code(), caught.value.details()[:30]) == (
                grpc.StatusCode.INVALID_ARGUMENT, "the message cannot be read as ",
            )  # fmt: skip


def test_any_bytes_are_answered(channel: grpc.Channel, server: Server) -> None:
    """An honest request with some bytes changed, without ever an error of ours."""
    draw, honest, said = random.Random(1), asking([ROW]).SerializeToString(), server.errors()
    ask = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    codes = set()
    for _ in range(200):
        content = bytearray(honest)
        for _ in range(draw.randrange(1, 3)):
            content[draw.randrange(len(content))] = draw.choice([0, 1, 2, 5, 7, 8, 18, 127, draw.randrange(256)])
        try:
            ask(bytes(content), timeout=60)
        except grpc.RpcError as error:
            codes.add(error.code().name)
    assert codes <= {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}
    assert "Traceback" not in server.errors().removeprefix(said)
