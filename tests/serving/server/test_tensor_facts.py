"""TensorFlow Serving's own cases (util/json_tensor_test.cc, model_servers/http_rest_api_handler_test.cc) as facts."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from pipeline.serving.server import answers, examples
from pipeline.serving.server.json_text import error_text, parse
from pipeline.serving.server.numbers_text import decimals
from pipeline.serving.server.paths import Target, target_of
from pipeline.serving.server.protos import without_tensorflow
from pipeline.serving.server.refusal import Code, Refusal, invalid
from pipeline.serving.server.tensors import (
    BOOL,
    DOUBLE,
    FLOAT,
    INT32,
    INT64,
    STRING,
    UINT8,
    from_inputs,
    from_instances,
)

INT = {"default": INT32}
TEXT = {"default": STRING}
FOUR = {"int_tensor": INT32, "str_tensor": STRING, "float_tensor": FLOAT, "dbl_tensor": DOUBLE}
TWO = {"int_tensor": INT32, "str_tensor": STRING}
MAX, MIN = 1.7976931348623157e308, 2.2250738585072014e-308


def read(body: str, inputs: dict[str, int]) -> dict[str, Any]:
    request = parse(body.encode())
    found = (
        from_instances(request["instances"], inputs)
        if "instances" in request
        else from_inputs(request["inputs"], inputs)
    )
    return {name: (array.shape, array.ravel().tolist()) for name, array in found.items()}


@pytest.mark.parametrize(
    ("body", "inputs", "expected"),
    [
        ('{"instances": [[1,2],[3,4],[5,6]]}', INT, {"default": ((3, 2), [1, 2, 3, 4, 5, 6])}),
        ('{"instances": [1, 2.0, 3, 4, 5.003, 0.007, 0.0]}', {"default": DOUBLE},
         {"default": ((7,), [1, 2.0, 3, 4, 5.003, 0.007, 0.0])}),
        ('{"instances": [1435774380]}', {"default": FLOAT}, {"default": ((1,), [float(np.float32(1435774380))])}),
        ('{"instances": [1435774380.0]}', {"default": FLOAT}, {"default": ((1,), [float(np.float32(1435774380))])}),
        (f'{{"instances": [{MAX}, {-MAX}]}}', {"default": FLOAT}, {"default": ((2,), [np.inf, -np.inf])}),
        (f'{{"instances": [{MIN}]}}', {"default": FLOAT}, {"default": ((1,), [0.0])}),
        ('{"instances": [[1,2],[3,4],[5,6]]}X', INT, {"default": ((3, 2), [1, 2, 3, 4, 5, 6])}),
        ('{"instances": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}]}', TEXT, {"default": ((2,), [b"hello", b"world"])}),
        ('{"instances": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ="}]]}', TEXT,
         {"default": ((2, 1), [b"hello", b"world"])}),
        ('{"instances": [{"default": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ="}]]}]}', TEXT,
         {"default": ((1, 2, 1), [b"hello", b"world"])}),
        ("""{"instances": [
            {"int_tensor": [[1,2],[3,4],[5,6]], "str_tensor": ["foo", "bar"], "float_tensor": [1.0, 2],
             "dbl_tensor": [3]},
            {"int_tensor": [[7,8],[9,0],[1,2]], "str_tensor": ["baz", "bat"], "float_tensor": [2.0, Infinity],
             "dbl_tensor": [-Infinity]}]}""", FOUR,
         {"int_tensor": ((2, 3, 2), [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]),
          "str_tensor": ((2, 2), ["foo", "bar", "baz", "bat"]),
          "float_tensor": ((2, 2), [1.0, 2.0, 2.0, np.inf]), "dbl_tensor": ((2, 1), [3.0, -np.inf])}),
        ('{"inputs": {"int_tensor": [[[1,2],[3,4],[5,6]]]}}', {"int_tensor": INT32},
         {"int_tensor": ((1, 3, 2), [1, 2, 3, 4, 5, 6])}),
        ('{"inputs": [[[1,2],[3,4],[5,6]]]}', {"int_tensor": INT32}, {"int_tensor": ((1, 3, 2), [1, 2, 3, 4, 5, 6])}),
        ('{"inputs": {"int_tensor": [[1]], "str_tensor": ["a", "b"], "bin": {"b64": "aGVsbG8="}, "extra": 3}}',
         TWO | {"bin": STRING},
         {"int_tensor": ((1, 1), [1]), "str_tensor": ((2,), ["a", "b"]), "bin": ((), [b"hello"])}),
        ('{"inputs": 3}', {"x": FLOAT}, {"x": ((), [3.0])}),
        ('{"inputs": {"flag": [true, false]}}', {"flag": BOOL}, {"flag": ((2,), [True, False])}),
        ('{"inputs": {"x": []}}', {"x": FLOAT}, {"x": ((0,), [])}),
        ('{"instances": [9223372036854775807]}', {"x": INT64}, {"x": ((1,), [2**63 - 1])}),
    ],
)  # fmt: skip
def test_tensors_of_json(body: str, inputs: dict[str, int], expected: Any) -> None:
    assert read(body, inputs) == expected


def test_nan_is_a_number() -> None:
    found = read('{"instances": [{"x": NaN}, {"x": 2.0}]}', {"x": FLOAT})
    assert np.isnan(found["x"][1][0])
    assert found["x"][1][1] == 2.0


@pytest.mark.parametrize(
    ("body", "inputs", "told"),
    [
        ('{"instances": [[1,2],[3,4],[5,6,7]]}', INT, "Expecting tensor size: 2 but got: 3"),
        ('{"instances": [[1,2],[3,4],[[5,6]]]}', INT, "Expecting shape [2] but got: [1,2]"),
        ('{"instances": [1, [1]]}', INT, "Expecting shape [] but got: [1]"),
        ('{"instances": [[1,2],["a", "b"]]}', INT,
         "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"a\" Type: String is "
         "not of expected type: int32"),
        ('{"instances": [{"int_tensor": [[1,2],[3,4]], "str_tensor": ["a"]}, '
         '{"int_tensor": [[[7,8],[9,0]]], "str_tensor": ["b"]}]}', TWO, "Expecting shape [2,2] but got: [1,2,2]"),
        ('{"instances": [{"int_tensor": 1, "str_tensor": "a"}, [1, 20]]}', TWO,
         "Expecting object but got list at item 1 of input list"),
        ('{"instances": [["baz"], {"str_tensor": ["b"]}]}', {"str_tensor": STRING},
         "Expecting value/list but got object at item 1 of input list"),
        ('{"instances": [1, 2]}', TWO, "instances is a plain list, but expecting list of objects as multiple"),
        ('{"instances": [{"int_tensor": 1}]}', TWO,
         "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"int_tensor\": 1\n} keys must be "
         "equal to: int_tensor,str_tensor"),
        ('{"instances": [{"x": 1}]}', INT,
         "Failed to process element: 0 key: x of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not have "
         "named input: x"),
        ('{"instances": [null]}', {"x": DOUBLE}, "JSON Value: null Type: Null is not of expected type: double"),
        ('{"instances": [1.0]}', INT, "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        ('{"instances": [2147483648]}', INT, "not of expected type: int32"),
        ('{"instances": [1]}', TEXT, "JSON Value: 1 Type: Number is not of expected type: string"),
        ('{"instances": [true]}', {"x": DOUBLE}, "JSON Value: true Type: True is not of expected type: double"),
        ('{"instances": [1]}', {"x": BOOL}, "not of expected type: bool"),
        ('{"instances": [{"b64": "%%"}]}', TEXT, "Unable to base64 decode"),
        ('{"instances": [[{"b64": 3}]]}', TEXT, "not formatted correctly for base64 data"),
        ('{"inputs": {"int_tensor": [1]}}', TWO, "Missing named input: str_tensor in 'inputs' object."),
        ('{"inputs": [1]}', TWO, "inputs is a plain value/list, but expecting an object as multiple input tensors"),
        ('{"inputs": [[1], 2]}', INT, "found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ('{"inputs": [1, [2]]}', INT, "Encountered list at unexpected level: 1 expected < 1"),
        ('{"inputs": [[1, 2], [3]]}', INT, "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ("", INT, "JSON Parse error: The document is empty"),
        ("instances = [1, 2]", INT, "JSON Parse error: Invalid value"),
        ("[1]", INT, "JSON Value: [1] Is not object"),
    ],
)  # fmt: skip
def test_what_is_said_of_wrong_json(body: str, inputs: dict[str, int], told: str) -> None:
    with pytest.raises(Refusal, match=re.escape(told)) as caught:
        read(body, inputs)
    assert (caught.value.code, caught.value.http) == (Code.INVALID_ARGUMENT, 400)


def test_small_integers_wrap_as_in_cpp() -> None:
    assert read('{"instances": [256, -1]}', {"x": UINT8})["x"][1] == [0, 255]


@pytest.mark.parametrize(
    ("outputs", "row", "column"),
    [
        ({"t": np.arange(4, dtype=np.int32).reshape(2, 2)},
         '{\n    "predictions": [[0, 1], [2, 3]\n    ]\n}',
         '{\n    "outputs": [\n        [\n            0,\n            1\n        ],\n        [\n            2,\n'
         '            3\n        ]\n    ]\n}'),
        ({"t": np.array([1.0, 2.5], np.float32)}, '{\n    "predictions": [1.0, 2.5\n    ]\n}',
         '{\n    "outputs": [\n        1.0,\n        2.5\n    ]\n}'),
        ({"a": np.array([8.0, 9.0]), "b": np.array([[b"x"], [b"y"]], object)},
         '{\n    "predictions": [\n        {\n            "a": 8.0,\n            "b": ["x"]\n        },\n        {\n'
         '            "a": 9.0,\n            "b": ["y"]\n        }\n    ]\n}',
         '{\n    "outputs": {\n        "a": [\n            8.0,\n            9.0\n        ],\n        "b": [\n'
         '            [\n                "x"\n            ],\n            [\n                "y"\n            ]\n'
         '        ]\n    }\n}'),
        ({"t": np.zeros((0, 2), np.int32)}, '{\n    "predictions": []\n}', '{\n    "outputs": []\n}'),
    ],
)  # fmt: skip
def test_answers_have_the_same_bytes(outputs: Any, row: str, column: str) -> None:
    assert answers.predictions(outputs).decode() == row
    assert answers.columns(outputs).decode() == column


def test_bytes_are_told_as_base64() -> None:
    outputs = {"str_tensor_bytes": np.array([[b"hello", b"world"], [b"tf", b"serving"]], object)}
    assert json.loads(answers.predictions(outputs)) == {
        "predictions": [[{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}], [{"b64": "dGY="}, {"b64": "c2VydmluZw=="}]]
    }


def test_batches_of_two_sizes_are_refused() -> None:
    with pytest.raises(Refusal, match="inconsistent batch size"):
        answers.predictions({"a": np.zeros(2), "b": np.zeros(1)})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9000000, "9e+06"), (999999, "999999.0"), (0.5, "0.5"), (0.0003, "0.0003"), (0.00003, "3e-05"),
        (555557.5, "555557.5"), (np.nan, "NaN"), (np.inf, "Infinity"), (-np.inf, "-Infinity"), (3, "3.0"), (0.2, "0.2"),
        (1 / 3, "0.333333343"), (0, "0.0"), (-0.0, "-0.0"), (1e-45, "1.4013e-45"), (3.4028235e38, "3.40282347e+38"),
    ],
)  # fmt: skip
def test_digits_of_float(value: float, text: str) -> None:
    assert decimals(np.array([value], np.float32)) == [text]


def test_digits_tell_every_number_apart_and_are_six_where_six_do() -> None:
    random = np.random.default_rng(5)
    for kind, digits in ((np.float32, 9), (np.float64, 17)):
        bits = random.integers(0, 2**63, 20_000, np.uint64)
        values = np.concatenate([bits.view(np.float64).astype(kind), random.random(20_000).astype(kind),
                                 np.round(random.random(20_000), 6).astype(kind)])  # fmt: skip
        values = values[np.isfinite(values)]
        for value, text in zip(values, decimals(values), strict=True):
            six = f"{value:.6g}"
            expected = six if kind(six) == value else f"{value:.{digits}g}"
            assert text.removesuffix(".0") == expected.removesuffix(".0")
            assert kind(text) == value


def test_results_of_classify_and_regress() -> None:
    labels = np.array([[b"car", b"bike"], [b"car", b"bike"]], object)
    scores = np.array([[0.2, 0.7], [0.7, 0.1]], np.float32)
    assert answers.classes(labels, scores).decode() == (
        '{\n    "results": [[["car", 0.2], ["bike", 0.7]], [["car", 0.7], ["bike", 0.1]]\n    ]\n}'
    )
    assert json.loads(answers.classes(None, scores))["results"][0] == [["", 0.2], ["", 0.7]]
    assert answers.numbers(np.array([0.2, np.inf, 1.0, np.nan], np.float32)).decode() == (
        '{\n    "results": [0.2, Infinity, 1.0, NaN]\n}'
    )


def test_examples_of_json() -> None:
    without_tensorflow()
    from tensorflow.core.example import example_pb2

    found = [
        example_pb2.Example.FromString(each).features.feature
        for each in examples.from_request(parse(b"""{
            "context": {"query": "pizza", "location": ["sfo"]},
            "examples": [{"names": ["foo", "bar"], "ratings": [8.0, 9.0, NaN, Infinity], "age": 20},
                         {"names": ["baz", {"b64": "aGVsbG8="}], "ratings": 6.0, "mix": [1, true, false]},
                         {"names": "bar", "ratings": -Infinity, "none": []}]}"""), 3, 500)
    ]  # fmt: skip
    assert list(found[0]["names"].bytes_list.value) == [b"foo", b"bar"]
    assert list(found[0]["ratings"].float_list.value)[:2] == [8.0, 9.0]
    assert list(found[0]["age"].int64_list.value) == [20]
    assert list(found[1]["names"].bytes_list.value) == [b"baz", b"hello"]
    assert list(found[1]["mix"].int64_list.value) == [1, 1, 0]
    assert all(list(each["query"].bytes_list.value) == [b"pizza"] for each in found)
    assert found[2]["none"].WhichOneof("kind") is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"context": [{"names": ["foo"]}]}', "Example must be JSON object but got JSON Array"),
        ('{"examples": {"names": ["foo"]}}', "list/array"),
        ('{"examples": []}', "is an empty array"),
        ("{}", "key 'examples' is expected and was not found"),
        ('{"examples": [[{"names": ["foo"]}]]}', "Example must be JSON object"),
        ('{"examples": [{"names": [10, null]}]}', "names has element with unexpected JSON type: Null"),
        ('{"examples": [{"names": [10, 10.0]}]}', "feature: names expecting type: int64"),
        ('{"examples": [{"names": [10, {"test": 10}]}]}', "names has element with unexpected JSON type: Object"),
        ('{"examples": [{"names": [[10], 20]}]}', "names has element with unexpected JSON type: Array"),
        ('{"examples": [{"names": [20, 18446744073709551603]}]}', "Only int64_t is supported"),
    ],
)
def test_wrong_examples(body: str, told: str) -> None:
    without_tensorflow()
    with pytest.raises(Refusal, match=re.escape(told)):
        examples.from_request(parse(body.encode()), 9, 99)


def test_a_context_in_many_examples_is_bounded() -> None:
    """A body of some megabytes would be terabytes with it in each."""
    without_tensorflow()
    request = {"context": {"text": "x" * 1000}, "examples": [{}] * 9}
    assert len(examples.from_request(request, 9, 10_000)) == 9
    with pytest.raises(Refusal, match="too large with their context in each: 9000 bytes are allowed"):
        examples.from_request(request, 9, 9000)
    with pytest.raises(Refusal, match="9 rows are too many for one request: 8 are allowed"):
        examples.from_request(request, 8, 10_000)


@pytest.mark.parametrize("deep", [32, 33, 900])
def test_more_dimensions_than_arrays_have_are_refused(deep: int) -> None:
    nested: Any = 1.0
    for _ in range(deep):
        nested = [nested]
    for read in (lambda: from_inputs(nested, {"x": 1}), lambda: from_instances([nested], {"x": 1})):
        with pytest.raises(Refusal, match=f"a tensor of {deep} dimensions is not taken: 31 are allowed"):
            read()


MALFORMED = [
    ("GET", "/v1/foo"), ("POST", "/v1/foo"), ("GET", "/v1/models/debug/model_name"), ("POST", "/v1/models"),
    ("GET", "/v1/models/foo:predict"), ("GET", "/v1/models/foo/version/50:predict"),
    ("POST", "/v1/models/foo/version/50:regress"), ("POST", "/v1/models/foo/versions/HELLO:regress"),
    ("POST", "/v1/models/foo/metadata"), ("POST", "/v1/models/foo/label/some_label:regress"),
    ("POST", "/v1/models/foo/versions/50/labels/some_label:regress"), ("DELETE", "/v1/models/foo"),
    ("POST", "/v1/models/foo/versions/some_label:regress"), ("POST", "/v1/models/foo:predict\n"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), MALFORMED)
def test_malformed_paths(method: str, path: str) -> None:
    with pytest.raises(Refusal, match=re.escape(f"Malformed request: {method} {path}")):
        target_of(method, path)


def test_paths() -> None:
    assert target_of("POST", "/V1/Models/foo/Versions/50:Predict") == Target("foo", 50, None, "predict")
    assert target_of("POST", "/v1/models/f%6Fo/labels/a%20b:classify") == Target("foo", None, "a b", "classify")
    assert target_of("GET", "/v1/models/foo/versions/1/metadata") == Target("foo", 1, None, "metadata")
    assert target_of("GET", "/v1/models/foo/labels/x") == Target("foo", None, "x", "status")
    with pytest.raises(Refusal, match="Missing model name in request"):
        target_of("GET", "/v1/models")
    with pytest.raises(Refusal, match="Failed to convert version: 18446744073709551615 to numeric"):
        target_of("POST", "/v1/models/foo/versions/18446744073709551615:regress")


def test_errors() -> None:
    assert error_text(invalid('Bad key: "key"')).decode() == '{\n    "error": "Bad key: \\"key\\""\n}'
