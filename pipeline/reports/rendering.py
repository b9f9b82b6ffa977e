"""How the pages are rendered: whatever comes from the user is escaped, because everything is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from pipeline.config.command_texts import copied, with_options
from pipeline.config.spans import spans_text
from pipeline.data.decisions_text import decisions_text
from pipeline.reports import formats
from pipeline.reports.tuning import shown

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context
    from markupsafe import Markup

_PART = re.compile(r"(?<=_)|(?<=[a-z])(?=[A-Z])")
_SHORT = 12
"""`11 to 12` is one word."""
_BLANK = re.compile("(?<! -c)(?<! -w) ")
"""But for the one between an option and its value."""
_TICKED = re.compile("`([^`]+)`")
_FILTERS = (
    formats.number,
    formats.signed,
    formats.interval,
    formats.share,
    formats.distinct_text,
    formats.count_of,
    formats.quantity,
    formats.cell,
    formats.spread,
    formats.distance,
    formats.span_title,
    formats.moment,
    shown,
    spans_text,
    decisions_text,
)


def ticked(context: Context, text: str) -> Markup:
    """Return text as HTML that breaks as `breakable` says, what stands between backticks as code, commands with the
    page's options."""
    from markupsafe import Markup

    return Markup(_TICKED.sub(r"<code>\1</code>", str(breakable(copied(text, _options(context))))))


def command(context: Context, text: str) -> Markup:
    """Return a command with the page's options, as `words` writes it."""
    return words(with_options(text, _options(context)))


def _options(context: Context) -> Sequence[str]:
    return getattr(context.get("page") or context.get("front"), "options", ())


def words(text: str) -> Markup:
    """Return text whose words stay whole where there is room: no line ends within a date, a run's id or an option."""
    from markupsafe import Markup

    parts = [text] if len(text) <= _SHORT else _BLANK.split(text)
    return Markup(" ").join(Markup('<span class="word">{}</span>').format(word) for word in parts)


def breakable(text: str) -> Markup:
    """Return a name as HTML that breaks after its underscores and before its capitals, before it breaks elsewhere."""
    from markupsafe import Markup, escape

    return Markup(_PART.sub("<wbr>", str(escape(text))))


@cache
def environment(folder: str) -> Environment:
    """Return the templates in a folder of `templates`; a name that a page does not know is an error.

    They are the same each time: to compile them takes longer than to fill them in.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("pipeline.reports", f"templates/{folder}"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def templates() -> Environment:
    """Return the templates of reports, with what they write numbers by."""
    from jinja2 import pass_context

    found = environment("report")
    for show in (*_FILTERS, words, breakable):
        found.filters[show.__name__] = show
    for tell in (ticked, command):
        found.filters[tell.__name__] = pass_context(tell)
    return found


def safe_json(value: Any) -> str:
    """Write JSON that may stand in a script element, whatever it holds."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.translate({ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})
