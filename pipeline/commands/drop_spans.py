"""`longhaul drop --span`: a span whose data are wrong leaves the window, by one edit of the YAML file."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape

from pipeline.config.data import Data
from pipeline.config.loading import check_edited, load
from pipeline.config.spans import span_number, spans_text
from pipeline.config.yaml_edit import with_item, with_value, without_item
from pipeline.config.yaml_file import parse_yaml
from pipeline.contract.schema_text import replacing
from pipeline.data.patterns import has_spans
from pipeline.data.sources.table_files import list_files
from pipeline.errors import ConfigError
from pipeline.terminal.console import console_for

_SPANS = ("data", "spans")
_EXCEPT = (*_SPANS, "except")


@dataclass(frozen=True)
class DroppedSpans:
    """What changed: `data.spans.except` of `file`, by which spans, and whether they are used again."""

    file: Path
    spans: tuple[str, ...]
    back: bool


def drop_spans(file: Path, spans: Sequence[str], *, back: bool) -> DroppedSpans:
    """Write the spans into `data.spans.except`, or take them out again; the rest of the file stays as it is.

    Args:
        spans: numbers or dates, as a person writes them.

    Raises:
        ConfigError: a span is none or not there, or the file cannot be changed safely.
    """
    config = load(file)
    numbers = {span: _number(config.data, config.data_pattern, span) for span in spans}
    left_out = set(config.data.spans.except_)
    text = original = file.read_bytes().decode()
    changed = []
    for span, number in numbers.items():
        if (number in left_out) is not back:
            continue
        text = _without(text, number) if back else _with(text, span)
        changed.append(span)
    if text != original:
        check_edited(text, file)
        with replacing(file, text, "--config"):
            pass
    return DroppedSpans(file, tuple(changed), back)


def _number(data: Data, pattern: str, span: str) -> int:
    if not has_spans(pattern):
        raise ConfigError("the table has no spans", "put {SPAN} or {YYYY}-{MM} into data.path (docs/spans.md)")
    try:
        number = span_number(span)
    except ValueError as exc:
        raise ConfigError(f"--span: {exc}", "`longhaul plan` lists the spans") from exc
    if "://" in pattern:
        return number
    there = {file.span for file in list_files(pattern, data.format)}
    if number not in there:
        raise ConfigError(
            f"--span: there is no span {span}; there are {spans_text(there)}", "`longhaul plan` lists the spans"
        )
    return number


def _with(text: str, span: str) -> str:
    value = parse_yaml(text)["data"].get("spans")
    item: Any = int(span) if span.isdecimal() else span
    if isinstance(value, dict):
        return with_item(text, _EXCEPT, item)
    return with_value(text, _SPANS, {"use": "all" if value is None else value, "except": [item]})


def _without(text: str, number: int) -> str:
    written = parse_yaml(text)["data"]["spans"]["except"]
    return without_item(text, _EXCEPT, next(item for item in written if span_number(item) == number))


def print_dropped_spans(done: DroppedSpans, as_json: bool) -> None:
    """Say what changed, and what follows from it."""
    if as_json:
        print(json.dumps(asdict(done) | {"file": str(done.file)}, indent=1))
        return
    console = console_for(sys.stdout)
    file = escape(str(done.file))
    if not done.spans:
        said = "leaves none of them out" if done.back else "leaves them out already"
        console.print(f"Nothing changed: data.spans of {file} {said}", soft_wrap=True)
        return
    names = escape(", ".join(done.spans))
    where = "out of" if done.back else "into"
    follows = "used again" if done.back else "no longer read; `last N` takes others in their place"
    console.print(f"Wrote     {names} {where} data.spans.except of {file}; nothing else in it changed", soft_wrap=True)
    console.print(f"From now  {follows}", soft_wrap=True)
    console.print("Next      longhaul run", soft_wrap=True)
