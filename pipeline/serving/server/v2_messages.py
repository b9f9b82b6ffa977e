"""The messages of the Open Inference Protocol over gRPC, as its open_inference_grpc.proto has them
(https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto).

Written out here, since the packages that bring them generated are clients or servers. They live in a pool of their own:
a program may have such a client beside them.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "inference.GRPCInferenceService"
_MESSAGES = """
ServerLiveRequest
ServerLiveResponse: bool live = 1
ServerReadyRequest
ServerReadyResponse: bool ready = 1
ModelReadyRequest: string name = 1, string version = 2
ModelReadyResponse: bool ready = 1
ServerMetadataRequest
ServerMetadataResponse: string name = 1, string version = 2, string* extensions = 3
ModelMetadataRequest: string name = 1, string version = 2
TensorMetadata: string name = 1, string datatype = 2, int64* shape = 3
ModelMetadataResponse: string name = 1, string* versions = 2, string platform = 3, TensorMetadata* inputs = 4,
  TensorMetadata* outputs = 5
InferParameter: bool bool_param = 1, int64 int64_param = 2, string string_param = 3, double double_param = 4,
  uint64 uint64_param = 5
Parameter: string key = 1, InferParameter value = 2
InferTensorContents: bool* bool_contents = 1, int32* int_contents = 2, int64* int64_contents = 3,
  uint32* uint_contents = 4, uint64* uint64_contents = 5, float* fp32_contents = 6, double* fp64_contents = 7,
  bytes* bytes_contents = 8
InferTensor: string name = 1, string datatype = 2, int64* shape = 3, Parameter* parameters = 4,
  InferTensorContents contents = 5
InferRequestedOutputTensor: string name = 1, Parameter* parameters = 2
ModelInferRequest: string model_name = 1, string model_version = 2, string id = 3, Parameter* parameters = 4,
  InferTensor* inputs = 5, InferRequestedOutputTensor* outputs = 6, bytes* raw_input_contents = 7
ModelInferResponse: string model_name = 1, string model_version = 2, string id = 3, Parameter* parameters = 4,
  InferTensor* outputs = 5, bytes* raw_output_contents = 6
"""
"""A star: repeated. A map is a list of keys and values, and where a type is nested does not travel: so `Parameter` and
`InferTensor` stand here once for what the file has several times."""
_FIELD = descriptor_pb2.FieldDescriptorProto


def _file() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="longhaul/open_inference.proto", package="inference", syntax="proto3"
    )
    for line in _MESSAGES.replace("\n  ", " ").strip().splitlines():
        name, _, fields = line.partition(": ")
        message = file.message_type.add(name=name)
        if name == "InferParameter":
            message.oneof_decl.add(name="parameter_choice")
        for text in filter(None, fields.split(", ")):
            kind, field_name, _, number = text.split()
            scalar = getattr(_FIELD, f"TYPE_{kind.rstrip('*').upper()}", None)
            field = message.field.add(
                name=field_name,
                number=int(number),
                label=_FIELD.LABEL_REPEATED if kind.endswith("*") else _FIELD.LABEL_OPTIONAL,
                type=scalar or _FIELD.TYPE_MESSAGE,
                type_name=None if scalar else f".inference.{kind.rstrip('*')}",
            )
            if name == "InferParameter":
                field.oneof_index = 0
    return file


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def message(name: str) -> Any:
    """Return the class of a message."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"inference.{name}"))
