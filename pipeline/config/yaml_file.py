"""Reads YAML files that people write: the configuration and the policy.

Plain scalars mean what the core schema of YAML 1.2 says (https://yaml.org/spec/1.2.2/#103-core-schema). PyYAML reads
YAML 1.1, where `on`, `no` and `y` are booleans, `1:30` is 90, `010` is 8 and 2013-11-01 is a date. Keys are text, as
written. What two readers could take for two things is refused, with its line: a key that stands twice, a number with a
leading zero, a number that no computer holds, what a merge left in conflict, an alias inside of what it names, a
character that ends a line in YAML 1.1 only.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import yaml

from pipeline.errors import ConfigError

_DEEPEST = 50
"""Lists and mappings within each other. PyYAML and pydantic call themselves once for each level."""
_MOST_ALIASED = 10_000
"""Values that aliases may stand for in all: ten aliases on each of nine lines stand for a thousand million."""
_CONFLICT = re.compile(r"^(<{7}|>{7}|\|{7})( .*)?$", re.MULTILINE)
"""A line that git writes between the two sides of a merge; no YAML of ours begins a line so."""
_HIDDEN_BREAK = re.compile("[\x85\u2028\u2029]")
"""Ends a line, and so a comment, for PyYAML; for YAML 1.2 and for most editors it is a character like others."""

_CORE = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
     list("-+.0123456789")),
    ("merge", "<<", ["<"]),
)  # fmt: skip


def read_yaml(path: Path) -> Any:
    """Read what a YAML file holds.

    Raises:
        FileNotFoundError: it is not there.
        ConfigError: it cannot be read, is not YAML, or could be read in two ways.
    """
    return parse_yaml_file(read_yaml_text(path), path)


def read_yaml_text(path: Path) -> str:
    """Read the text of a YAML file; raises as `read_yaml`."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: cannot be read ({exc})", "give a readable UTF-8 YAML file") from exc


def parse_yaml_file(text: str, path: Path) -> Any:
    """Parse the text of the file at `path`.

    Raises:
        ConfigError: it is not YAML, or could be read in two ways.
    """
    try:
        return parse_yaml(text)
    except yaml.YAMLError as exc:
        raise ConfigError(f"{path}{_problem(exc)}", getattr(exc, "remedy", "fix that line")) from exc


def parse_yaml(text: str) -> Any:
    """Parse one document.

    Raises:
        yaml.YAMLError: it is not YAML, or could be read in two ways.
    """
    loader = _loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def compose_yaml(text: str) -> yaml.Node | None:
    """Return the nodes of one document, with the places where they stand; raises as `parse_yaml`."""
    loader = _loader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


def _loader(text: str) -> _Loader:
    if conflict := _CONFLICT.search(text):
        line = text.count("\n", 0, conflict.start())
        mark = yaml.Mark("", 0, line, 0, None, 0)
        raise _Refusal("a merge left its conflict here", mark, "keep one of the two sides and remove the markers")
    if hidden := _HIDDEN_BREAK.search(text):
        column = hidden.start() - text.rfind("\n", 0, hidden.start()) - 1
        mark = yaml.Mark("", 0, text.count("\n", 0, hidden.start()), column, None, 0)
        name = f"U+{ord(hidden.group()):04X}"
        raise _Refusal(f"{name} stands here, which ends a line for some readers only", mark, f"take {name} out")
    return _Loader(text)


def quoted(text: str) -> str:
    """Write text as a YAML scalar on one line that every reader takes for this text."""
    return str(yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)).strip()


class _Refusal(yaml.MarkedYAMLError):
    """YAML that is not taken, with a remedy of its own."""

    def __init__(self, problem: str, mark: Any, remedy: str) -> None:
        super().__init__(problem=problem, problem_mark=mark)
        self.remedy = remedy


class _Loader(yaml.SafeLoader):
    """Composes nodes with the core schema of YAML 1.2, and refuses what is ambiguous or without end."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    yaml_constructors: ClassVar[dict[str | None, Any]] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._aliased = 0
        self._sizes: dict[int, int] = {}
        """Values that a finished node stands for, by the node's id."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._sizes:
                raise _Refusal(
                    f"*{event.anchor} stands inside of what it names", event.start_mark, "write out what is meant"
                )
            self._aliased += self._sizes[id(node)]
            if self._aliased > _MOST_ALIASED:
                raise _Refusal(
                    f"*{event.anchor}: the aliases of this file stand for more than {_MOST_ALIASED:,} values",
                    event.start_mark,
                    "write out what is meant, or use fewer aliases",
                )
            return node
        if self._depth == _DEEPEST:
            raise _Refusal(
                f"lists or mappings lie more than {_DEEPEST} deep in each other", event.start_mark, "nest them less"
            )
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._sizes[id(node)] = self._size(node)
        return node

    def _size(self, node: Any) -> int:
        inner = (
            [one for pair in node.value for one in pair]
            if isinstance(node, yaml.MappingNode)
            else node.value
            if isinstance(node, yaml.SequenceNode)
            else []
        )
        return 1 + sum(self._sizes[id(one)] for one in inner)

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Build a mapping whose keys are text, each of them once."""
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or not key.value:
                raise _Refusal("a key must be text, not " + _KINDS[type(key)], key.start_mark, "write `key: value`")
            if key.value in lines:
                raise _Refusal(
                    f"{key.value!r} stands on line {lines[key.value] + 1} already",
                    key.start_mark,
                    "keep one of the two; what stood under both belongs under the one",
                )
            lines[key.value] = key.start_mark.line
            if key.tag != "tag:yaml.org,2002:merge":
                key.tag = "tag:yaml.org,2002:str"
        return node

    def construct_core_bool(self, node: Any) -> bool:
        return bool(self.construct_scalar(node).lower() == "true")

    def construct_core_int(self, node: Any) -> int:
        text = str(self.construct_scalar(node))
        if text[:2] in ("0o", "0x"):
            return int(text, 0)
        _refuse_leading_zero(text, node)
        try:
            return int(text)
        except ValueError as exc:  # Python reads 4,300 digits
            raise _Refusal(f"the number has {len(text):,} digits", node.start_mark, "write fewer") from exc

    def construct_core_float(self, node: Any) -> float:
        text = str(self.construct_scalar(node))
        _refuse_leading_zero(text, node)
        value = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        if not math.isfinite(value):
            raise _Refusal(
                f"{text} is no finite number",
                node.start_mark,
                "write a number that is; leave the setting out for no bound; quote it if it is text",
            )
        return value

    def refuse(self, node: Any) -> NoReturn:
        raise _Refusal(f"the tag {node.tag} is not known here", node.start_mark, "take the tag out")


_KINDS = {yaml.ScalarNode: "nothing", yaml.SequenceNode: "a list", yaml.MappingNode: "a mapping"}


def _refuse_leading_zero(text: str, node: Any) -> None:
    """YAML 1.1 takes 010 for 8, YAML 1.2 for 10, and its writer perhaps for a code of three digits."""
    if re.match(r"[-+]?0[0-9]", text):
        raise _Refusal(
            f"{text} has a leading zero, which some read as octal",
            node.start_mark,
            f'write "{text}", quoted, if it is text; write the number without the zero otherwise',
        )


for _tag, _pattern, _first in _CORE:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)
for _tag, _construct in {
    "null": _Loader.construct_yaml_null,
    "bool": _Loader.construct_core_bool,
    "int": _Loader.construct_core_int,
    "float": _Loader.construct_core_float,
    "str": _Loader.construct_yaml_str,
    "seq": _Loader.construct_yaml_seq,
    "map": _Loader.construct_yaml_map,
}.items():
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _construct)
_Loader.add_constructor(None, _Loader.refuse)


def _problem(error: yaml.YAMLError) -> str:
    """Line, column and what the parser stumbled over, on one line."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f": not valid YAML: {' '.join(str(error).split())}"
    at, since = error.problem_mark, error.context_mark
    where = f", line {at.line + 1}, column {at.column + 1}: "
    if isinstance(error, _Refusal):
        return where + str(error.problem)
    if "'\\t'" in str(error.problem):
        return f"{where}a tab stands here; write spaces"
    begun = f" {error.context} that begins on line {since.line + 1}" if error.context and since else ""
    return f"{where}not valid YAML{begun}: {error.problem}"
