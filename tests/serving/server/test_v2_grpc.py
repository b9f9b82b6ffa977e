"""The Open Inference Protocol over gRPC, asked by Triton's unmodified client, and by messages of its own kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient import grpc as triton
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from tests.serving.server.conftest import ROW, ROWS, Server, probability

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Any]:
    with triton.InferenceServerClient(server.grpc) as found:
        yield found


def given(name: str, values: Any, datatype: str) -> Any:
    found = triton.InferInput(name, list(values.shape), datatype)
    found.set_data_from_numpy(values)
    return found


def columns(rows: list[dict[str, Any]]) -> list[Any]:
    return [
        given("carrier", np.array([row["carrier"].encode() for row in rows], object), "BYTES"),
        given("miles", np.array([row["miles"] for row in rows]), "FP64"),
        given("seats", np.array([row["seats"] for row in rows], np.int16), "INT16"),
    ]


def test_triton_client(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("flights")
    assert client.is_model_ready("flights", "1")
    assert not client.is_model_ready("flights", "9")
    assert not client.is_model_ready("none")
    assert client.get_server_metadata().name == "longhaul"
    told = client.get_model_metadata("flights")
    assert (told.platform, list(told.versions)) == ("tensorflow_savedmodel", ["1"])
    assert [(one.name, one.datatype, list(one.shape)) for one in (*told.inputs, *told.outputs)] == [
        ("carrier", "BYTES", [-1]), ("miles", "FP64", [-1]), ("seats", "FP64", [-1]), ("prediction", "FP32", [-1, 1]),
    ]  # fmt: skip
    found = client.infer("flights", columns(ROWS), request_id="42")
    response = found.get_response()
    assert (response.model_name, response.model_version, response.id) == ("flights", "1", "42")
    np.testing.assert_allclose(found.as_numpy("prediction"), [[probability(row)] for row in ROWS], atol=1e-6)


def test_halves_words_and_types_that_the_protocol_does_not_have(client: Any) -> None:
    halves, words = np.array([0.5, 3], np.float16), np.array([1, 65535], np.uint16)
    asked = [given("half", halves, "FP16"), given("word", words, "UINT16")]
    signature = {"signature_name": "odd_kinds"}
    some = [triton.InferRequestedOutput(name) for name in ("word", "half")]
    found = client.infer("flights", asked, outputs=some, parameters=signature)
    assert (found.as_numpy("half").dtype, found.as_numpy("half").tolist()) == (np.float16, [1, 6])
    assert (found.as_numpy("word").dtype, found.as_numpy("word").tolist()) == (np.uint16, [1, 65535])
    with pytest.raises(InferenceServerException, match=r"'pair' is of type complex64.* name others") as refused:
        client.infer("flights", asked, parameters=signature)
    assert refused.value.status() == "StatusCode.UNIMPLEMENTED"
    x = given("x", np.array([1], np.float32), "FP32")
    with pytest.raises(InferenceServerException, match="tensors of TensorFlow's type 14") as refused:
        client.infer("flights", [x], parameters={"signature_name": "brain"})
    assert refused.value.status() == "StatusCode.UNIMPLEMENTED"


def test_a_request_may_ask_for_the_contract_to_the_letter(client: Any) -> None:
    """Without it the schema holds, as over REST without `?strict=1`."""
    odd = columns([ROW | {"miles": 9e9}])
    with pytest.raises(InferenceServerException, match="column miles, row 0"):
        client.infer("flights", odd)
    assert client.infer("flights", odd, parameters={"strict": True}).as_numpy("prediction").shape == (1, 1)
    with pytest.raises(InferenceServerException, match="column miles, row 0"):
        client.infer("flights", odd, parameters={"strict": False})
    with pytest.raises(InferenceServerException, match="'strict' is true or false; it is 7"):
        client.infer("flights", odd, parameters={"strict": 7})


def test_contents_in_their_fields(server: Server) -> None:
    request = service_pb2.ModelInferRequest(model_name="flights", model_version="1")
    request.parameters["signature_name"].string_param = "every_kind"
    for name, datatype, field, values, shape in (
        ("whole", "INT32", "int_contents", [1, 2], [1, 2]),
        ("text_bytes", "BYTES", "bytes_contents", ["é".encode()], [1]),
        ("flag", "BOOL", "bool_contents", [True], [1]), ("long", "INT64", "int64_contents", [2**60], [1]),
    ):  # fmt: skip
        one = request.inputs.add(name=name, datatype=datatype, shape=shape)
        getattr(one.contents, field).extend(values)
    with grpc.insecure_channel(server.grpc) as channel:
        found = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    outputs = {one.name: one for one in found.outputs}
    assert list(outputs["whole"].contents.int_contents) == [1, 2]
    assert list(outputs["text"].contents.bytes_contents) == ["é!".encode()]
    assert list(outputs["flag"].contents.bool_contents) == [False]
    assert list(outputs["long"].contents.int64_contents) == [2**60]
    assert not found.raw_output_contents


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({"model_name": "none"}, grpc.StatusCode.NOT_FOUND, "Servable not found"),
        ({"model_version": "x"}, grpc.StatusCode.INVALID_ARGUMENT, "a version is a number"),
        ({"raw_input_contents": [b"1"]}, grpc.StatusCode.INVALID_ARGUMENT, "raw_input_contents has 1 tensors"),
        ({"raw_input_contents": [b"1"] * 3}, grpc.StatusCode.INVALID_ARGUMENT, "ends within a text"),
        ({}, grpc.StatusCode.INVALID_ARGUMENT, "has 0 values, its shape [1] needs 1"),
        ({"inputs": []}, grpc.StatusCode.INVALID_ARGUMENT, "'inputs' has to be a list of tensors"),
    ],
)
def test_refusals(server: Server, change: dict[str, Any], code: Any, told: str) -> None:
    inputs = [{"name": name, "datatype": "BYTES" if name == "carrier" else "FP64", "shape": [1]} for name in ROW]
    request = service_pb2.ModelInferRequest(**{"model_name": "flights", "inputs": inputs} | change)
    with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError) as refused:
        service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    assert refused.value.code() == code
    assert told in refused.value.details()
