"""By which settings the last run of a configuration file ran, read straight from a workspace's own store."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

_QUERY = (
    "SELECT string_value FROM ContextProperty WHERE name = 'config' AND context_id = (SELECT max(context_id)"
    " FROM ContextProperty WHERE name = 'config_file' AND string_value = ?)"
)


def last_settings(database: Path, file: Path) -> dict[str, Any]:
    """Return the settings; none where no run by that file is on record in that store."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=5)) as store:
            (text,) = store.execute(_QUERY, (str(file),)).fetchone() or ("{}",)
        found = json.loads(text)
    except (sqlite3.Error, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
