"""Names for runs, which sort by time."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from ml_metadata import MetadataStore

from pipeline.lineage.runs import RUN_CONTEXT

_FORMAT = "%Y%m%d-%H%M%S-%f"


def new_run_id(store: MetadataStore) -> str:
    """Return the time in milliseconds, UTC; later than every run on record, also when the clock was set back."""
    now = datetime.now(UTC).replace(tzinfo=None)
    known = store.get_contexts_by_type(RUN_CONTEXT)
    newest = max((one.name for one in known if "imported" not in one.custom_properties), default="")
    with suppress(ValueError):  # none yet, or not one of ours
        now = max(now, datetime.strptime(newest, _FORMAT) + timedelta(milliseconds=1))
    return now.strftime(_FORMAT)[:-3]
