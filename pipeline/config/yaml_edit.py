"""Changes single settings in the text of a YAML file: every other character stays, comments too.

Where a setting stands is read off the parser's marks, so nothing is written anew but the value itself. What comes out
is parsed and compared with what was meant: a file whose anchors or forms are beyond this is refused, not spoilt.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import yaml

from pipeline.config.yaml_file import compose_yaml, parse_yaml, quoted
from pipeline.errors import ConfigError

Path = tuple[str, ...]
"""Of a setting: its section, and so on down."""


def with_item(text: str, path: Path, item: Any) -> str:
    """Add an item to the end of a list; the list is made where there is none.

    Raises:
        ConfigError: the file is written in a way that keeps this from being done safely.
    """
    node = _find(text, path)
    value = [*(_value(text, path) or []), item]
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        return with_value(text, path, value)
    last = node.value[-1]
    if node.flow_style:
        place, added = last.end_mark.index, f", {rendered(item)}"
    else:
        place = _line_end(text, last.end_mark.index)
        added = f"{_newline(text)}{' ' * node.start_mark.column}- {rendered(item)}"
    return _verified(text, text[:place] + added + text[place:], path, value)


def without_item(text: str, path: Path, item: Any) -> str:
    """Take an item out of a list; raises as `with_item`."""
    node = _find(text, path)
    value = list(_value(text, path) or [])
    if item not in value:
        return text
    assert isinstance(node, yaml.SequenceNode)
    place = value.index(item)
    del value[place]
    if not value:
        return with_value(text, path, value)
    start, end = _extent(text, node, [(one.start_mark, one.end_mark) for one in node.value], place)
    return _verified(text, text[:start] + text[end:], path, value)


def without_key(text: str, path: Path) -> str:
    """Take the last key of a path out of its mapping, with the comment on its line, and the mapping with the last of
    its keys; raises as `with_item`."""
    node, value = _find(text, path[:-1]), dict(_value(text, path[:-1]) or {})
    if path[-1] not in value:
        return text
    assert isinstance(node, yaml.MappingNode)
    place = [name.value for name, _ in node.value].index(path[-1])
    del value[path[-1]]
    if not value:
        return without_key(text, path[:-1]) if path[1:-1] else with_value(text, path[:-1], value)
    start, end = _extent(text, node, [(name.start_mark, _last(one).end_mark) for name, one in node.value], place)
    return _verified(text, text[:start] + text[end:], path[:-1], value)


def _extent(
    text: str, node: yaml.CollectionNode, entries: Sequence[tuple[yaml.Mark, yaml.Mark]], place: int
) -> tuple[int, int]:
    """Return where to cut one entry out of a collection of several: its lines, or with one of its commas."""
    first, last = (mark.index for mark in entries[place])
    if not node.flow_style:
        return text.rfind("\n", 0, first) + 1, text.find("\n", last) + 1 or len(text)
    return (entries[place - 1][1].index, last) if place else (first, entries[1][0].index)


def with_value(text: str, path: Path, value: Any) -> str:
    """Give a setting a value, wherever it stands or should stand; raises as `with_item`."""
    node = _find(text, path)
    if node is not None:
        start, end = node.start_mark.index, node.end_mark.index
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:  # it ends where the next thing begins
            end = _last(node).end_mark.index
            colon = len(text[:start].rstrip())
            start = colon if text[colon - 1] == ":" else start
        blank = "" if text[start - 1 : start].isspace() and start == node.start_mark.index else " "
        return _verified(text, text[:start] + blank + rendered(value) + text[end:], path, value)
    depth = next(depth for depth in range(len(path) - 1, -1, -1) if not depth or _find(text, path[:depth]) is not None)
    holder = _find(text, path[:depth])
    rest: Any = value
    for key in reversed(path[depth + 1 :]):
        rest = {key: rest}
    if depth and (not isinstance(holder, yaml.MappingNode) or not holder.value):
        return with_value(text, path[:depth], {path[depth]: rest})
    newline = _newline(text)
    assert isinstance(holder, yaml.MappingNode)  # a configuration without a setting is refused when it is read
    if holder.flow_style:
        place = holder.value[-1][1].end_mark.index
        added = f", {_key(path[depth])}: {rendered(rest)}"
    elif depth:
        place, added = _after_a_line(text, holder, f"{_key(path[depth])}: {rendered(rest)}")
    else:
        place = len(text)
        begin = "" if text.endswith("\n") else newline
        added = f"{begin}{newline}{_key(path[0])}:{_nested(rest, newline)}"
    return _verified(text, text[:place] + added + text[place:], path, value)


def rendered(value: Any) -> str:
    """Write a value on one line."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)}: {rendered(one)}" for key, one in value.items()) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(rendered, value)) + "]"
    return json.dumps(value)


def _key(name: str) -> str:
    return name if name.isidentifier() and parse_yaml(name) == name else quoted(name)


def _nested(value: Any, newline: str) -> str:
    if not isinstance(value, dict):
        return f" {rendered(value)}{newline}"
    return newline + "".join(f"  {_key(key)}: {rendered(one)}{newline}" for key, one in value.items())


def _after_a_line(text: str, holder: yaml.MappingNode, entry: str) -> tuple[int, str]:
    """Return where to add an entry to a mapping in block form, and what: after the last value that ends its line."""
    indent = " " * holder.start_mark.column
    plain = [
        value
        for _, value in holder.value
        if (isinstance(value, yaml.ScalarNode) and value.style not in ("|", ">"))
        or (isinstance(value, yaml.CollectionNode) and value.flow_style)
    ]
    if not plain:
        return holder.start_mark.index, f"{entry}{_newline(text)}{indent}"
    return _line_end(text, plain[-1].end_mark.index), f"{_newline(text)}{indent}{entry}"


def _find(text: str, path: Sequence[str]) -> yaml.Node | None:
    node = compose_yaml(text)
    for key in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for name, value in node.value if name.value == key), None)
    return node


def _last(node: yaml.Node) -> yaml.Node:
    """Return the last value within a collection in block form; what follows it up to the next key is no part of it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return node


def _value(text: str, path: Sequence[str]) -> Any:
    value = parse_yaml(text)
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place)
    end = len(text) if end < 0 else end
    return end - 1 if text[end - 1 : end] == "\r" else end


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _verified(before: str, after: str, path: Path, value: Any) -> str:
    """Return the text `after` if it says what `before` said but for the one setting."""
    expected: dict[str, Any] = copy.deepcopy(parse_yaml(before))
    inner = expected
    for key in path[:-1]:
        if not isinstance(inner.get(key), dict):
            inner[key] = {}
        inner = inner[key]
    inner[path[-1]] = value
    try:
        said = parse_yaml(after)
    except yaml.YAMLError:
        said = None
    if said != expected:
        name = ".".join(path)
        raise ConfigError(
            f"{name} cannot be changed by a command: the file is written in a way that only a person may edit",
            f"set it by hand: {name}: {rendered(value)}",
        )
    return after
