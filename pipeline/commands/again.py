"""`longhaul init --again`: a table looked at anew, and what people changed in both files since is kept.

What `init` wrote last lies in `.longhaul` beside the configuration. A setting that still says what stood there follows
the data; one that a person changed stays, and is told of where the data would now have something else.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.yaml_edit import with_item, with_value, without_item, without_key
from pipeline.config.yaml_file import parse_yaml
from pipeline.contract.first_look import FirstLook
from pipeline.contract.schema_text import write

Path = tuple[str, ...]
_LISTS: tuple[Path, ...] = (
    ("data", "drop"), ("data", "missing"), ("features", "exclude"), ("features", "categorical"), ("data", "classes"),
)  # fmt: skip
"""Of which each entry is a decision of its own."""
_DERIVE = ("features", "derive")
_COMMENTED = re.compile(r"(\s*(?:- )?(?:\"(?:[^\"\\]|\\.)*\"|\w+)).*? # (.*)")


@dataclass
class Merged:
    """A file with what follows the data changed.

    Attributes:
        kept: what stays as a person has it though the data would have something else, in words.
    """

    text: str
    kept: list[str] = field(default_factory=list)


def merge_config(last: str | None, mine: str, new: str) -> Merged:
    """Return the configuration `mine` with what the data changed.

    Args:
        last: what `init` wrote last; when None, only what `mine` says nothing of is added.
        new: what it would write now.
    """
    now, own = parse_yaml(new), parse_yaml(mine)
    before = parse_yaml(last) if last is not None else _as_known(own, now)
    merged = Merged(mine)
    for path in dict.fromkeys([*_leaves(before), *_leaves(now)]):
        was, is_now, has = (_at(document, path) for document in (before, now, own))
        if was == is_now or has == is_now:
            continue
        if path in _LISTS:
            _merge_list(merged, path, *((one or []) for one in (was, is_now, has)))
        elif has == was and is_now is not None:
            merged.text = with_value(merged.text, path, is_now)
        elif has == was and (path[:2] == _DERIVE or _is_reading(path)):  # its column may be gone
            merged.text = without_key(merged.text, path)
        else:
            merged.kept.append(f"{'.'.join(path)}: {has!r} (init would now write {is_now!r})")
    if last is not None:
        merged.text = _with_comments(merged.text, _comments(last), _comments(new))
    return merged


def _comments(text: str) -> dict[str, str]:
    """Return the comment behind each setting or entry, by what its line begins with."""
    return {found[1]: found[2] for line in text.splitlines() if (found := _COMMENTED.fullmatch(line))}


def _with_comments(text: str, was: Mapping[str, str], is_now: Mapping[str, str]) -> str:
    """Return the text with `init`'s own comments as it would write them now: they count rows and name values."""
    lines = text.splitlines(keepends=True)
    for place, line in enumerate(lines):
        found = _COMMENTED.fullmatch(line.rstrip("\r\n"))
        if found and was.get(found[1]) == found[2] and (comment := is_now.get(found[1])):
            lines[place] = line.replace(f" # {found[2]}", f" # {comment}")
    changed = "".join(lines)
    return changed if parse_yaml(changed) == parse_yaml(text) else text


def _merge_list(merged: Merged, path: Path, was: list[Any], is_now: list[Any], has: list[Any]) -> None:
    for item in is_now:
        if item not in was and item not in has:
            merged.text = with_item(merged.text, path, item)
    for item in was:
        if item not in is_now and item in has and path != ("data", "classes"):
            merged.text = without_item(merged.text, path, item)


def _as_known(own: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `init` would have written last, if nothing is on record: what it would write now, but for entries
    that the file has nothing about."""
    before = copy.deepcopy(dict(now))
    for path in _LISTS:
        if (entries := _at(before, path)) is not None:
            has = _at(own, path) or []
            _at(before, path[:-1])[path[-1]] = [entry for entry in entries if entry in has]
    return before


def _leaves(document: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(document, dict) and document and path not in _LISTS and not _is_reading(path):
        for key, value in document.items():
            yield from _leaves(value, (*path, key))
    else:
        yield path


def _is_reading(path: Path) -> bool:
    """Return whether it is how one column is read: its settings belong together."""
    return path[:2] == ("data", "columns") and len(path) == 3


def _at(document: Any, path: Sequence[str]) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def as_decided(found: FirstLook, config: str) -> FirstLook:
    """Return what was understood without proposals that the configuration has not, since a person took them out."""
    settings = parse_yaml(config)
    derive = _at(settings, _DERIVE) or {}
    columns = (
        one
        if not one.setting or one.name in (_at(settings, one.setting.split(".")) or [])
        else replace(one, setting="")
        for one in found.columns
    )
    derived = {name: one for name, one in found.derived.items() if derive.get(name) == one.expression}
    return replace(found, columns=tuple(columns), derived=derived)


def merge_schema(last: str | None, mine: str, new: str) -> Merged:
    """Return the schema `mine` with what the data changed, column by column; arguments as of `merge_config`."""
    now, own = _parsed(new), _parsed(mine)
    before = _parsed(last) if last is not None else None
    result = schema_pb2.Schema()
    result.CopyFrom(own)
    merged = Merged("")
    names = [feature.name for feature in own.feature]
    for name in dict.fromkeys([*names, *(feature.name for feature in now.feature)]):
        has, is_now = _column(own, name), _column(now, name)
        was = _column(before, name) if before is not None else (is_now if name in names else None)
        if was == is_now or has == is_now:
            continue
        if has != was:
            merged.kept.append(f"column {name!r} of the schema")
            continue
        _put(result, name, now if is_now is not None else None)
    merged.text = write(result, mine)
    return merged


def _parsed(text: str) -> schema_pb2.Schema:
    schema: schema_pb2.Schema = text_format.Parse(text, schema_pb2.Schema())
    return schema


def _column(schema: schema_pb2.Schema, name: str) -> tuple[bytes, bytes] | None:
    """Return all that a schema says of a column; None where it has none of this name."""
    feature = next((one for one in schema.feature if one.name == name), None)
    if feature is None:
        return None
    domain = next((one for one in schema.string_domain if feature.domain and one.name == feature.domain), None)
    return feature.SerializeToString(deterministic=True), domain.SerializeToString() if domain else b""


def _put(schema: schema_pb2.Schema, name: str, source: schema_pb2.Schema | None) -> None:
    """Make a schema say of a column what `source` says of it, or nothing; its place stays."""
    old = next((one for one in schema.feature if one.name == name), None)
    if source is None:
        if old is not None:
            schema.feature.remove(old)
        return
    new = next(one for one in source.feature if one.name == name)
    domain = next((one for one in source.string_domain if new.domain and one.name == new.domain), None)
    mine = next((one for one in schema.string_domain if new.domain and one.name == new.domain), None)
    (schema.feature.add() if old is None else old).CopyFrom(new)
    if domain is not None:
        (schema.string_domain.add() if mine is None else mine).CopyFrom(domain)
