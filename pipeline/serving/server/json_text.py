"""Reads the JSON of a request, however hostile, and repeats it in errors, as TensorFlow Serving's rapidjson does."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

from pipeline.serving.server.refusal import Refusal, invalid

_MOST_SHOWN = 256
_NESTED_SHOWN = 8
_UNSIGNED_END, _LEAST = 2**64, -(2**63)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("too big")
    return number


def _within(text: str) -> int | float:
    """Read an integer; beyond 64 bits as a float, as orjson and rapidjson do."""
    number = int(text)
    return number if _LEAST <= number < _UNSIGNED_END else _finite(text)


_DECODER = json.JSONDecoder(parse_float=_finite, parse_int=_within)


def parse(body: bytes) -> dict[str, Any]:
    """Return the object in a body; of a key that is there twice the last; what follows the object is left alone.

    NaN and infinities are read, which JSON does not have.

    Raises:
        Refusal: there is none.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = _slowly(body)
    if not isinstance(found, dict):
        raise invalid(f"JSON Value: {shown(found)} Is not object")
    return found


def _slowly(body: bytes) -> Any:
    """Read what orjson does not: NaN, text after the end, numbers without end. Invalid UTF-8 is refused."""
    try:
        text = body.decode()
    except UnicodeDecodeError as exc:
        raise invalid(f"JSON Parse error: Invalid encoding in string. at offset: {exc.start}") from None
    text = text.removeprefix("\ufeff")
    start = len(text) - len(text.lstrip(" \t\n\r"))
    if start == len(text):
        raise invalid("JSON Parse error: The document is empty. at offset: 0")
    try:
        found, _ = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as exc:
        raise invalid(f"JSON Parse error: Invalid value. at offset: {exc.pos}") from None
    except RecursionError:
        raise invalid("JSON Parse error: lists and objects are nested too deeply") from None
    except ValueError:  # Python refuses integers of thousands of digits
        raise invalid("JSON Parse error: Number too big to be stored in double.") from None
    _check_text(found)
    return found


def _check_text(found: Any) -> None:
    """Refuse half of a surrogate pair, which no encoding can write."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from None
    except (RecursionError, ValueError):
        raise invalid("JSON Parse error: lists and objects are nested too deeply") from None


def whole(value: Any, least: int, most: int) -> bool:
    """Return whether it is a JSON integer within bounds."""
    return type(value) is int and least <= value <= most


def type_name(value: Any) -> str:
    """Return rapidjson's name of a value's type."""
    if value is None or isinstance(value, bool):
        return {None: "Null", True: "True", False: "False"}[value]
    names: dict[Any, str] = {dict: "Object", list: "Array", str: "String"}
    return names.get(type(value), "Number")


def shown(value: Any) -> str:
    """Return a value as an error shows it: pretty, lists in one line, cut after a few hundred characters."""
    parts: list[str] = []
    _show(value, 0, parts)
    return "".join(parts)[: 2 * _MOST_SHOWN]


def _show(value: Any, level: int, parts: list[str]) -> None:
    if sum(map(len, parts)) >= _MOST_SHOWN or level > _NESTED_SHOWN * 4:
        return
    if isinstance(value, dict):
        parts.append("{")
        for place, (key, item) in enumerate(value.items()):
            if sum(map(len, parts)) >= _MOST_SHOWN:
                return
            parts.append(f"{',' if place else ''}\n{'    ' * (level + 1)}{quoted(str(key))}: ")
            _show(item, level + 1, parts)
        parts.append(f"\n{'    ' * level}}}" if value else "}")
    elif isinstance(value, list):
        parts.append("[")
        for place, item in enumerate(value):
            if sum(map(len, parts)) >= _MOST_SHOWN:
                return
            parts.append(", " if place else "")
            _show(item, level + 1, parts)
        parts.append("]")
    else:
        parts.append(_scalar(value))


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value[: 2 * _MOST_SHOWN])
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return json.dumps(value)


def quoted(text: str) -> str:
    """Return a text as JSON."""
    return json.dumps(text, ensure_ascii=False)


def one_key(key: str, value: str) -> bytes:
    """Return an object with this one key, in the form of TensorFlow Serving; `value` is JSON."""
    return f'{{\n    "{key}": {value}\n}}'.encode(errors="replace")


def error_text(refusal: Refusal) -> bytes:
    """Return the body of an answer that is an error."""
    return one_key("error", quoted(refusal.message))
