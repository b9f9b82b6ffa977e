"""The page of suspect labels: what each witness says of each row, and a choice, saved as the file of decisions."""

from __future__ import annotations

import csv
import io
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from pipeline.reports.rendering import safe_json, templates


def render(found: Mapping[str, Any], text: str) -> str:
    """Return the page as HTML; all that comes from the user is escaped.

    Args:
        found: what `longhaul suspects --json` prints.
        text: the file of decisions; its first lines are the suspects, in this order.
    """
    from markupsafe import Markup

    script = templates().get_template("suspects.js").render()
    return (
        templates()
        .get_template("suspects.html.j2")
        .render(
            found=found,
            lines=Markup(safe_json(list(csv.reader(io.StringIO(text))))),
            script=Markup(script),
            script_digest=b64encode(sha256(script.encode()).digest()).decode(),
        )
    )
