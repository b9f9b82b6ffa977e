"""Which model, version and method a path of TensorFlow Serving's REST API means (http_rest_api_util.cc)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from pipeline.serving.server.refusal import invalid

PREFIX = re.compile(r"(?i:/v1/.*)", re.DOTALL)
_WHICH = r"(?:(?:/versions/([0-9]+))|(?:/labels/([^/:]+)))?"
_POST = re.compile(rf"(?i)/v1/models/([^/:]+){_WHICH}:(classify|regress|predict|explain)")
_GET = re.compile(rf"(?i)/v1/models(?:/([^/:]+))?{_WHICH}(?:/(metadata))?")
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Target:
    """A model, and what is asked of it: `classify`, `regress`, `predict`, `metadata` or `status`; or
    `explain`, which TensorFlow Serving does not have."""

    name: str
    version: int | None
    label: str | None
    method: str


@lru_cache(maxsize=1024)
def target_of(http_method: str, path: str, strict: bool = False) -> Target:
    """Return what is meant.

    Args:
        path: as it was sent, percent signs and all, without the query.
        strict: methods that TensorFlow Serving does not have are none.

    Raises:
        Refusal: nothing is.
    """
    found = {"POST": _POST, "GET": _GET}[http_method].fullmatch(path) if http_method in ("POST", "GET") else None
    if found is None or (strict and path.lower().endswith(":explain")):
        raise invalid(f"Malformed request: {http_method} {path}")
    name, version, label, last = found.groups()
    if http_method == "GET" and name is None:
        raise invalid("Missing model name in request.")
    if version is not None and int(version[:20]) > _LARGEST:
        raise invalid(f"Failed to convert version: {version} to numeric.")
    return Target(
        _decoded(name),
        None if version is None else int(version),
        None if label is None else _decoded(label),
        last.lower() if last else "status",
    )


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode(errors="replace")
