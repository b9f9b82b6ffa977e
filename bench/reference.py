"""Writes what the docstrings of the settings say into the JSON schema and docs/configuration.md: `make reference`.

With `--check` it writes nothing and fails if one of the two is not what the docstrings say today.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.config.decision import EVEN
from pipeline.config.editor_schema import SCHEMA
from pipeline.config.evaluation import DECIDED, METRICS
from pipeline.config.loading import sections_in
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.spans import DATE, WINDOW
from pipeline.config.split import MOVING
from trainer.settings.base import Section
from trainer.settings.fitting import FittingSettings
from trainer.settings.tuner import TUNABLE

DOCUMENT = Path(__file__).parents[1] / "docs" / "configuration.md"
_BEGIN, _END = "<!-- from here on by `make reference` -->\n", "<!-- to here by `make reference` -->\n"
_KEYS = {
    "beam.steps": "STEP",
    "vertex.steps": "STEP",
    "evaluation.thresholds": "METRIC",
    "evaluation.thresholds.METRIC.slices": "SLICE",
}
"""What the keys are of settings that hold other settings by name."""
_SAME = {"beam.spark": "beam.flink"}
"""Settings that are those of another place."""

Json = dict[str, Any]


def json_schema() -> Json:
    """Makes the JSON schema (draft 7, which all editors know) of a configuration file."""
    schema = PipelineConfig.model_json_schema()
    definitions = schema.pop("$defs")
    for section in _sections(PipelineConfig):
        described = schema if section is PipelineConfig else definitions[section.__name__]
        told = field_docs(section)
        for name, field in section.model_fields.items():
            inner = next(sections_in(field.annotation), None)
            text = told.get(name) or (inner and _one_line(inner.__doc__))
            if not text:
                raise SystemExit(f"{section.__module__}.{section.__name__}.{name} has no docstring")
            described["properties"][field.alias or name]["description"] = text
    _sharpen(definitions)
    for part in (schema, *definitions.values()):
        _trim(part)
    head = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A configuration of Longhaul",
        "description": _one_line(PipelineConfig.__doc__),
    }
    return head | schema | {"$defs": definitions}


def field_docs(section: type[Section]) -> dict[str, str]:
    """Reads the docstrings that stand below the fields of a section, its base classes' too.

    pydantic can do so (`use_attribute_docstrings`), but would whenever a command starts, which takes it longer than all
    the rest of the configuration.
    """
    docs: dict[str, str] = {}
    for cls in reversed(section.mro()):
        if not (issubclass(cls, Section) and cls is not Section):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(tree, ast.ClassDef)
        for field, below in zip(tree.body, tree.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                docs[field.target.id] = _one_line(below.value.value)
    return docs


def _sections(section: type[Section]) -> Iterator[type[Section]]:
    yield section
    for field in section.model_fields.values():
        for inner in sections_in(field.annotation):
            yield from _sections(inner)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _sharpen(definitions: Json) -> None:
    """Adds what validators check, where an editor can know it too."""
    # The values of a label may be written as numbers, too.
    definitions["Data"]["properties"]["classes"]["items"] = {"type": ["string", "number", "boolean"]}
    known = {"enum": list(dict.fromkeys(name for names in METRICS.values() for name in (*names, *DECIDED)))}
    metrics = {"anyOf": [known, {"pattern": "^[A-Za-z][A-Za-z0-9_]*$"}]}  # an editor proposes those, and takes own ones
    for rule in ("thresholds", "gaps"):
        definitions["Evaluation"]["properties"][rule]["propertyNames"] = metrics
    span = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": rf"^{DATE}$"}]}
    window = [
        {"type": "array", "items": span, "minItems": 2, "maxItems": 2},
        {"type": "string", "pattern": rf"^{WINDOW}$"},
    ]
    spans = definitions["Data"]["properties"]["spans"]
    reference = spans.pop("$ref", None) or spans.pop("allOf")[0]["$ref"]
    spans.pop("default", None)
    spans["anyOf"] = [*window, {"$ref": reference}, {"type": "null"}]
    definitions["Spans"]["properties"]["use"]["anyOf"] = window
    definitions["Spans"]["properties"]["except"]["items"] = span
    threshold = definitions["Decision"]["properties"]["threshold"]
    reference = threshold.pop("$ref", None) or threshold.pop("allOf")[0]["$ref"]
    threshold |= {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"$ref": reference}], "default": EVEN}
    by_time = definitions["TimeSplit"]
    for name in ("eval", "test"):
        listed = {"type": "array", "items": span, "minItems": 1}
        moving = {"type": "string", "pattern": rf"^{MOVING}$"}
        by_time["properties"][name]["anyOf"] = [moving, listed, {"type": "null"}]
    set_ = {"not": {"type": "null"}}
    by_time["oneOf"] = [{"required": [name], "properties": {name: set_}} for name in ("eval", "eval_from")]
    fields = FittingSettings.model_json_schema()["properties"]
    space = definitions["TunerSettings"]["properties"]["space"]
    space["additionalProperties"] = False
    space["properties"] = {}
    for name in TUNABLE:
        values = {"type": "array", "minItems": 2, "items": fields[name]}
        is_number = fields[name]["type"] in ("integer", "number")
        space["properties"][name] = {"anyOf": [values, {"$ref": "#/$defs/Range"}]} if is_number else values


def _trim(part: Any) -> None:
    """Takes out what says nothing to an editor, and writes a pair of numbers as draft 7 does."""
    if isinstance(part, list):
        for inner in part:
            _trim(inner)
    if not isinstance(part, dict):
        return
    if isinstance(part.get("title"), str):
        del part["title"]
    part.pop("discriminator", None)
    if "default" in part and (part["default"] is None or "$ref" in part):
        del part["default"]
    if "prefixItems" in part:
        part["items"] = part.pop("prefixItems")[0]
    for inner in part.values():
        _trim(inner)


# The document


def reference(schema: Json) -> str:
    """Writes the part of docs/configuration.md that lists the settings."""
    parts = ["| setting | what it is | values | default |\n|---|---|---|---|\n"]
    parts += [_row(schema, name, found) for name, found in schema["properties"].items() if not _inner(schema, found)]
    for name, found in schema["properties"].items():
        kinds = _inner(schema, found)
        if not kinds:
            continue
        required = "Required. " if name in schema["required"] else ""
        parts.append(f"\n### {name}\n\n{required}{_linked(found['description'])}\n")
        for kind in kinds:
            if len(kinds) > 1:
                parts.append(f"\n**`{name}.by: {kind['properties']['by']['const']}`** {_linked(kind['description'])}\n")
            parts.append("\n| setting | what it is | values | default |\n|---|---|---|---|\n")
            parts += _rows(schema, name, kind)
    return "".join(parts)


def _rows(schema: Json, place: str, section: Json) -> Iterator[str]:
    for name, found in section["properties"].items():
        at = f"{place}.{name}"
        yield _row(schema, at, found, is_required=name in section.get("required", ()))
        if key := _KEYS.get(at):
            at = f"{at}.{key}"
        if at not in _SAME:
            for inner in _inner(schema, found):
                yield from _rows(schema, at, inner)


def _row(schema: Json, name: str, found: Json, is_required: bool = False) -> str:
    default = f"`{_yaml(found['default'])}`" if "default" in found else "none"
    if name == "tuner.space":
        default = "[see there](tuning.md#the-space)"
    if is_required or name in schema["required"]:
        default = "required"
    values = _values(found)
    if _inner(schema, found):
        values = f"as `{_SAME[name]}`" if name in _SAME else "see below"
    return f"| `{name}` | {_linked(found['description'])} | {values} | {default} |\n"


def _inner(schema: Json, found: Json) -> list[Json]:
    """The sections that a setting holds; of a union of kinds each."""
    named = [found, *found.get("anyOf", ()), *found.get("oneOf", ())]
    if isinstance(found.get("additionalProperties"), dict):
        named.append(found["additionalProperties"])
    return [schema["$defs"][part["$ref"].rpartition("/")[2]] for part in named if "$ref" in part]


def _values(found: Json) -> str:
    """Says in words which values a setting takes."""
    if "anyOf" in found:
        kinds = [_values(part) for part in found["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "const" in found:
        return f"`{found['const']}`"
    if "enum" in found:
        return ", ".join(f"`{value}`" for value in found["enum"])
    kind = found.get("type")
    if isinstance(kind, list):
        return "text or number"
    if kind == "boolean":
        return "`true`, `false`"
    if kind in ("integer", "number"):
        low = f"from {found['minimum']:,}" if "minimum" in found else ""
        low = f"above {found['exclusiveMinimum']:,}" if "exclusiveMinimum" in found else low
        high = f"to {found['maximum']:,}" if "maximum" in found else ""
        high = f"below {found['exclusiveMaximum']:,}" if "exclusiveMaximum" in found else high
        return " ".join(filter(None, ("whole number" if kind == "integer" else "number", low, high)))
    if kind == "array":
        return f"list: {_values(found['items'])}"
    return "by name" if kind == "object" else "text"


def _yaml(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _linked(text: str) -> str:
    """Makes links of the documents that a docstring names, and keeps a table's columns apart."""
    return re.sub(r"\bdocs/([\w-]+\.md)(#[\w-]+)?", r"[docs/\1](\1\2)", text).replace("|", r"\|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    schema = json_schema()
    document = DOCUMENT.read_text()
    before, _, rest = document.partition(_BEGIN)
    after = rest.partition(_END)[2]
    written = {
        SCHEMA: json.dumps(schema, indent=1, ensure_ascii=False) + "\n",
        DOCUMENT: f"{before}{_BEGIN}\n{reference(schema)}\n{_END}{after}",
    }
    stale = [file.name for file, text in written.items() if not file.exists() or file.read_text() != text]
    if check and stale:
        sys.exit(f"{', '.join(stale)}: not what the docstrings of the settings say; run `make reference`")
    if not check:
        for file, text in written.items():
            file.write_text(text)


if __name__ == "__main__":
    main()
