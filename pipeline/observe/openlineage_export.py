"""Sends a run's OpenLineage events to a catalogue, through the official client."""

from __future__ import annotations

import logging

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import RunEvent
from openlineage.client.transport.async_http import AsyncHttpConfig, AsyncHttpTransport
from openlineage.client.transport.http import ApiKeyTokenProvider, TokenProvider
from openlineage.client.transport.http_common import DEFAULT_RETRY_CONFIG

_PATIENCE_S = 1.5
"""They travel at the same time. A catalogue that takes none of them for so long is not waited for."""
_AT_ONCE = 8


def send(events: list[RunEvent], url: str, api_key: str) -> int:
    """Send the events; return two seconds after the last one that was taken, at most.

    Args:
        api_key: "" if the catalogue wants none.

    Returns:
        How many the catalogue took.
    """
    # It would log every event that is not taken, with a traceback; the caller says it in one line.
    logging.getLogger("openlineage").setLevel(logging.CRITICAL)
    transport = AsyncHttpTransport(
        AsyncHttpConfig(
            url=f"{url.rstrip('/')}/",
            auth=ApiKeyTokenProvider({"apiKey": api_key}) if api_key else TokenProvider({}),
            max_concurrent_requests=_AT_ONCE,
            retry=DEFAULT_RETRY_CONFIG | {"total": 0},
        )
    )
    client = OpenLineageClient(transport=transport)
    for event in events:
        client.emit(event)
    taken = 0
    while not transport.wait_for_completion(_PATIENCE_S) and transport.get_stats()["success"] > taken:
        taken = transport.get_stats()["success"]
    client.close(0.01)
    return transport.get_stats()["success"]
