"""Describes what may be asked, for programs: OpenAPI 3.1, made from the schemas of the models that answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

import pipeline
from pipeline.serving.server.access import Access
from pipeline.serving.server.explain import MOST_ROWS, is_explained
from pipeline.serving.server.model import CLASSIFICATION, REGRESSION, TENSORS, LoadedModel
from pipeline.serving.server.models import Models
from pipeline.serving.server.page import examples_of, hint_of
from pipeline.serving.server.rest import Limits
from pipeline.serving.server.rules import Rule
from pipeline.serving.server.v2 import DATATYPES, NUMBERS

PATH = "/openapi.json"
_OF_A_MODEL = {404: "No version of the model is loaded.", 503: "The model is being loaded."}
_OF_A_BODY = {
    400: "The request breaks the protocol or the schema.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    429: "Too many rows wait; Retry-After says when to ask again.",
    504: "The model did not answer in time.",
}
_OPEN = ("/healthz", "/readyz")
"""What needs no token."""
_FLAGS = {
    "strict": "1: TensorFlow Serving's contract to the letter, without what is more here.",
    "detail": "1: each prediction with label, probability of each class, and decision.",
}
Plain = dict[str, Any]


def described(models: Models, access: Access, limits: Limits) -> bytes:
    """Return the document."""
    schemas: Plain = {"Error": _object({"error": {"type": "string"}}, ["error"])}
    paths: Plain = {
        "/healthz": _get("healthz", "Whether the process lives.", {}, "text/plain"),
        "/readyz": _get("readyz", "Whether every model answers.", {503: "Not every model answers yet."}, "text/plain"),
        "/metrics": _get("metrics", "Counts and times, for Prometheus.", {}, "text/plain"),
    }
    for place, (name, served) in enumerate(models.names.items()):
        if served.current:
            schemas |= _schemas(served.current, f"Row{place}")
            paths |= _paths(served.current, quote(name, safe=""), f"model{place}", f"Row{place}", limits)
    document: Plain = {
        "openapi": "3.1.0",
        "info": {
            "title": f"Longhaul serves {', '.join(models.names)}",
            "version": pipeline.__version__,
            "description": "TensorFlow Serving's REST API and the Open Inference Protocol; docs/serving.md has it all.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if not access.is_open:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        for path, methods in paths.items():
            for operation in methods.values() if path not in _OPEN else ():
                operation["responses"]["401"] = _error("A token is needed.")
    return orjson.dumps(document)


def _schemas(model: LoadedModel, row: str) -> Plain:
    if not model.rules:
        return {row: {"description": "As the signature says: see the metadata."}}
    return {
        row: {
            "type": "object",
            "properties": {name: _value(rule) for name, rule in model.rules.items()},
            "required": [name for name, rule in model.rules.items() if not rule.optional],
            "additionalProperties": False,
            "examples": examples_of(model)[:1],
        }
    }


def _value(rule: Rule) -> Plain:
    about = {"description": hint_of(rule)}
    if rule.values:
        values = sorted(rule.values)
        return about | {"enum": [*values, None] if rule.optional else values}
    kind = "string" if rule.is_text else "integer" if rule.whole else "number"
    bounds: Plain = {"minLength": 1} if rule.is_text else {}
    if rule.least > -math.inf:
        bounds["minimum"] = rule.least
    if rule.most < math.inf:
        bounds["maximum"] = rule.most
    if rule.is_text and rule.optional:
        bounds = {}
    return about | {"type": [kind, "null"] if rule.optional else kind} | bounds


def _paths(model: LoadedModel, name: str, key: str, row: str, limits: Limits) -> Plain:
    at = f"/v1/models/{name}"
    rows = {"type": "array", "items": {"$ref": f"#/components/schemas/{row}"}, "minItems": 1}
    found: Plain = {
        at: _get(f"{key}_status", "States of the versions."),
        f"{at}/metadata": _get(f"{key}_metadata", "Signatures."),
        f"{at}:predict": _post(
            f"{key}_predict",
            "Predictions, one a row.",
            _object({"instances": rows | {"maxItems": limits.rows}}, ["instances"]),
            _object({"predictions": {"type": "array"}}, ["predictions"]),
            flags=("strict", "detail") if model.task else ("strict",),
            example={"instances": examples_of(model)[:1]},
        ),
        f"/v2/models/{name}": _get(f"{key}_v2_metadata", "Inputs and outputs, by the Open Inference Protocol."),
        f"/v2/models/{name}/ready": _get(f"{key}_v2_ready", "Whether the model answers."),
        f"/v2/models/{name}/infer": _post(
            f"{key}_v2_infer", "Predictions, by the Open Inference Protocol.", _infer(model),
            _object({"model_name": {"type": "string"}, "outputs": {"type": "array"}}, ["model_name", "outputs"]),
            example=_infer_example(model),
        ),
    }  # fmt: skip
    if is_explained(model):
        found[f"{at}:explain"] = _post(
            f"{key}_explain",
            "What each column adds to a prediction.",
            _object({"instances": rows | {"maxItems": MOST_ROWS}}, ["instances"]),
            _object({"explanations": {"type": "array"}}, ["explanations"]),
            example={"instances": examples_of(model)[:1]},
        )
    for method, signature in (("classify", CLASSIFICATION), ("regress", REGRESSION)):
        if signature in model.signatures:
            found[f"{at}:{method}"] = _post(
                f"{key}_{method}", f"TensorFlow Serving's {method}.",
                _object({"examples": {"type": "array", "items": {"type": "object"}, "minItems": 1}}, ["examples"]),
                _object({"results": {"type": "array"}}, ["results"]),
            )  # fmt: skip
    return found


def _infer(model: LoadedModel) -> Plain:
    names: Plain = {"enum": list(model.rules)} if model.rules else {"type": "string"}
    tensor = _object(
        {
            "name": names,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": {"enum": [*sorted(NUMBERS), "BOOL", "BYTES"]},
            "data": {"type": "array"},
        },
        ["name", "shape", "datatype", "data"],
    )
    return _object({"inputs": {"type": "array", "items": tensor, "minItems": 1}, "id": {"type": "string"}}, ["inputs"])


def _infer_example(model: LoadedModel) -> Plain | None:
    if not model.rules or not (rows := examples_of(model)):
        return None
    kinds = model.inputs(TENSORS)
    return {
        "inputs": [
            {"name": name, "shape": [1], "datatype": DATATYPES[kinds[name]], "data": [value]}
            for name, value in rows[0].items()
        ]
    }


def _object(properties: Mapping[str, Any], required: list[str]) -> Plain:
    return {"type": "object", "properties": dict(properties), "required": required}


def _get(key: str, what: str, errors: Mapping[int, str] = _OF_A_MODEL, kind: str = "application/json") -> Plain:
    answers: Plain = {"200": {"description": what, "content": {kind: {}}}}
    for code, why in errors.items():
        answers[str(code)] = {"description": why, "content": {kind: {}}} if kind != "application/json" else _error(why)
    return {"get": {"operationId": key, "summary": what, "responses": answers}}


def _error(why: str) -> Plain:
    return {
        "description": f"{why} `error` has the reason.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def _post(
    key: str, what: str, body: Plain, answer: Plain, flags: tuple[str, ...] = (), example: Plain | None = None
) -> Plain:
    content: Plain = {"schema": body} | ({"example": example} if example else {})
    told: Plain = {
        "operationId": key,
        "summary": what,
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "200": {"description": what, "content": {"application/json": {"schema": answer}}},
            **{str(code): _error(why) for code, why in sorted((_OF_A_MODEL | _OF_A_BODY).items())},
        },
    }
    if flags:
        told["parameters"] = [
            {"name": flag, "in": "query", "description": _FLAGS[flag], "schema": {"enum": ["0", "1"]}} for flag in flags
        ]
    return {"post": told}
