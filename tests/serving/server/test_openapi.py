"""What `/openapi.json` promises, kept: requests made from its schemas, honest and broken ones."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.server.conftest import Server

pytestmark = pytest.mark.slow

ODD: list[Any] = [
    None, True, "", "x", "\u0000", "é" * 100, 0, -1, 1.5, 1e308, 2**63, 10**30, [], {}, [[]], {"b64": "!"},
    {"b64": "AA=="}, [[[[1]]]],
]  # fmt: skip
EXACT = ("predict", "explain")
"""Operations whose every honest request is answered: of a tensor, a schema cannot say that it has as many values as its
shape."""


def values(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Make values that a schema allows, of the words of JSON Schema that the document has."""
    if "$ref" in schema:
        return values(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type", [])
    return st.one_of(*(of_kind(kind, schema, document) for kind in ([kinds] if isinstance(kinds, str) else kinds)))


def of_kind(kind: str, schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    least, most = schema.get("minimum", -1e300), schema.get("maximum", 1e300)
    if kind == "null":
        return st.none()
    if kind == "string":
        return st.text(st.characters(codec="utf-8"), min_size=schema.get("minLength", 0), max_size=8)
    if kind == "integer":
        return st.integers(max(math.ceil(least), -(2**53)), min(math.floor(most), 2**53))
    if kind == "number":
        return st.floats(least, most) | of_kind("integer", schema, document)
    if kind == "array":
        items = values(schema["items"], document) if "items" in schema else st.sampled_from(ODD)
        return st.lists(items, min_size=schema.get("minItems", 0), max_size=3)
    assert kind == "object", kind
    parts = {name: values(part, document) for name, part in schema.get("properties", {}).items()}
    required = {name: part for name, part in parts.items() if name in schema.get("required", [])}
    optional = {name: part for name, part in parts.items() if name not in required}
    return st.fixed_dictionaries(required, optional=optional)


def broken(draw: Any, value: Any) -> Any:
    """Put something odd into one place of a value."""
    if draw(st.integers(0, 3)) == 0 or not value or not isinstance(value, dict | list):
        return draw(st.sampled_from(ODD))
    if isinstance(value, list):
        place = draw(st.integers(0, len(value) - 1))
        return [broken(draw, part) if at == place else part for at, part in enumerate(value)]
    key = draw(st.sampled_from([*value, "else"]))
    if key in value and draw(st.booleans()):
        return {name: part for name, part in value.items() if name != key}
    return value | {key: broken(draw, value.get(key))}


def test_every_answer_is_one_that_the_document_lists(server: Server) -> None:
    import jsonschema

    document = server.get("/openapi.json").json()
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items() for method, operation in methods.items()
    ]  # fmt: skip
    asks = [one for one in operations if one[1] == "post"]
    contents = {path: operation["requestBody"]["content"]["application/json"] for path, _, operation in asks}
    bodies = {path: values(content["schema"], document) for path, content in contents.items()}
    examples = {path: st.just(content["example"]) for path, content in contents.items() if "example" in content}
    seen: Counter[tuple[str, int]] = Counter()
    with server.client as client:

        @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @given(data=st.data(), which=st.sampled_from(operations + 3 * asks), honest=st.booleans())
        def answered(data: Any, which: tuple[str, str, dict[str, Any]], honest: bool) -> None:
            path, method, operation = which
            flags = {one["name"]: st.sampled_from(one["schema"]["enum"]) for one in operation.get("parameters", [])}
            asked = data.draw(st.fixed_dictionaries({}, optional=flags))
            body = data.draw(bodies[path] | examples.get(path, st.nothing())) if method == "post" else None
            if not honest:
                body = broken(data.draw, body)
            content = b"" if method == "get" else json.dumps(body).encode()
            found = client.request(method, f"{path}?{urlencode(asked)}", content=content)
            status, told = found.status_code, f"{method} {path} {asked} {body}: {found.status_code} {found.text}"
            assert str(status) in operation["responses"], told
            assert status < 500 or status == 503, told
            ((kind, promised),) = operation["responses"][str(status)]["content"].items()
            assert found.headers["content-type"] == kind, told
            if kind == "application/json":
                schema = promised.get("schema", {}) | {"components": document["components"]}
                jsonschema.Draft202012Validator(schema).validate(found.json())
            exact = method == "get" or (path.rpartition(":")[2] in EXACT and asked.get("strict") != "1")
            assert not (honest and exact) or status == 200, told
            seen[path.rpartition("/" if "/v2/" in path else ":")[2], status] += 1

        answered()
    assert server.version() == 1
    for method in ("predict", "explain", "classify", "infer"):
        assert seen[method, 400], seen
    for method in ("predict", "explain", "infer"):
        assert seen[method, 200] > 5, seen
