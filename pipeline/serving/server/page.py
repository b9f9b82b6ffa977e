"""The page at `/`: what answers, since when and how fast, and a form to try it.

Its files hold nothing of any model. What the page shows comes as JSON, for which a token is needed where one is needed
for predictions, and its script writes it as text only. So it has one policy for all: nothing but its own files.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson

import pipeline
from pipeline.config.spans import spans_text
from pipeline.serving.server import metrics
from pipeline.serving.server.explain import is_explained
from pipeline.serving.server.model import TENSORS, LoadedModel
from pipeline.serving.server.models import Models, ServedName
from pipeline.serving.server.rules import Rule

Header = tuple[bytes, bytes]

MODELS, FIGURES = "/page/models.json", "/page/figures.json"
_FILES = {"/": ("page.html", b"text/html"), "/page.js": ("page.js", b"text/javascript"),
          "/page.css": ("page.css", b"text/css")}  # fmt: skip
_FOLDER = Path(__file__).parent / "templates"
_STYLE = Path(pipeline.__file__).parent / "reports" / "templates" / "report" / "style.css"
"""That of the reports: one house, one look."""
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    b"form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: list[Header] = [
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
]
_MOST_EXAMPLES, _MOST_VALUES = 10, 2000
_WHOLE = 1 << 63
"""Below it a whole number is written with all of its digits."""


@lru_cache
def file_of(path: str) -> tuple[list[Header], bytes] | None:
    """Return headers and content of a file of the page; None if the path is none."""
    if path not in _FILES:
        return None
    name, kind = _FILES[path]
    content = (_FOLDER / name).read_bytes()
    if name == "page.css":
        content = _STYLE.read_bytes() + content
    return [(b"content-type", kind + b"; charset=utf-8"), *_HEADERS], content


def told_of(models: Models) -> bytes:
    """Return what the page says of each model."""
    told = [_told(served) for served in models.names.values()]
    return orjson.dumps({"version": pipeline.__version__, "models": told}, option=orjson.OPT_SERIALIZE_NUMPY)


def figures_of(models: Models) -> bytes:
    """Return how much each model was asked, and how long it took."""
    counted = metrics.counted()
    told = {
        name: (counted.get(name) or metrics.Counted()).to_dict()
        | {"version": str(served.current.version) if served.current else None}
        for name, served in models.names.items()
    }
    return orjson.dumps({"models": told})


def _told(served: ServedName) -> dict[str, Any]:
    model = served.current
    if model is None:
        return {"name": served.name, "version": None}
    label = model.told.get("label", {}).get("name", "")
    return {
        "name": served.name,
        "version": str(model.version),
        "words": _words(model, label),
        "label": label,
        "classes": model.classes,
        "card": _card(served, model),
        "fields": [_field(name, rule) for name, rule in model.rules.items()],
        "examples": examples_of(model),
        "explains": is_explained(model),
    }


def _words(model: LoadedModel, label: str) -> str:
    what = {
        "binary": f"Predicts the probability that {label} is {model.classes[-1:] and model.classes[-1]}.",
        "multiclass": f"Predicts which of {len(model.classes)} classes {label} is.",
        "regression": f"Predicts {label}.",
    }.get(model.task, "A SavedModel from elsewhere.")
    return f"{what} Version {model.version} has answered since {_moment(model.since)}."


def _moment(text: str) -> str:
    return f"{text[:16].replace('T', ' ')} UTC" if len(text) > 16 else text


def _card(served: ServedName, model: LoadedModel) -> list[tuple[str, str]]:
    _, previous = served.loaded
    found = [("version", str(model.version)), ("answers since", _moment(model.since))]
    if previous:
        found.append(("the one before", f"{previous.version}, also under the label `previous`"))
    refused = {number: state.problem for number, state in served.states.items() if state.problem}
    found += [("refused", f"version {number}: {problem}") for number, problem in refused.items()]
    manifest = model.manifest
    if not manifest:
        return found
    found += [("pushed", f"{_moment(manifest.pushed)} by {manifest.pushed_by}"), ("run", manifest.run_id)]
    if manifest.copy_of:
        found.append(("brought back", f"a copy of version {manifest.copy_of}. {manifest.note}".strip()))
    if manifest.approved_by:
        found.append(("approved by", manifest.approved_by))
    if [*manifest.spans] not in ([], [0]):  # 0: of a table without spans
        found.append(("spans of the table", spans_text(manifest.spans)))
    found += [(name.replace("_", " "), f"{value:.6g}") for name, value in manifest.metrics.items()]
    return [*found, ("digest", manifest.digest[:16])]


def _field(name: str, rule: Rule) -> dict[str, Any]:
    values = sorted(rule.known)[:_MOST_VALUES]
    return {
        "name": name,
        "feature": rule.feature,
        "text": rule.is_text,
        "optional": rule.optional,
        "values": [value if rule.is_text else str(_short(value)) for value in values] or None,
        "other_values": not rule.values or len(rule.known) > len(values),
        "hint": hint_of(rule),
    }


def hint_of(rule: Rule) -> str:
    """Return what a person has to know to fill in a column."""
    parts = ["text" if rule.is_text else "a whole number" if rule.whole else "a number"]
    if rule.unit:
        parts = [rule.unit]
    if rule.range:
        parts.append(rule.range)
    if rule.values:
        parts.append("one of a list")
    parts.append("may be missing" if rule.optional else "required")
    return ", ".join(parts)


def examples_of(model: LoadedModel) -> list[dict[str, Any]]:
    """Return example rows: those that training kept and the schema allows; else the one that was made up."""
    kept = {name: column[:_MOST_EXAMPLES].tolist() for name, column in model.kept_columns().items()}
    rows = [dict(zip(kept, map(_plain, values), strict=True)) for values in zip(*kept.values(), strict=True)]
    fit = [row for row in rows if all(_fits(row.get(name), rule) for name, rule in model.rules.items())]
    made_up = model.instance() if TENSORS in model.signatures else None
    return fit or ([made_up] if made_up else [])


def _fits(value: Any, rule: Rule) -> bool:
    return rule.optional if value is None else not rule.broken_by(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, float):
        return None if math.isnan(value) else _short(value)
    return None if value == "" else value.item() if isinstance(value, np.generic) else value


def _short(value: float) -> float:
    """Return the number as the table had it: 14.36 where a float32 made 14.359999656677246 of it."""
    if value.is_integer() and abs(value) < _WHOLE:
        return int(value)
    with np.errstate(over="ignore"):
        stored = np.float32(value)
    return float(str(stored)) if float(stored) == value else value
