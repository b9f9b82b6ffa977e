"""Reads the jobs of a pipeline, the newest first: those of the service, and those that were emulated here.

Over REST, as plain JSON: Google's own client of the service takes a second to import, which a command that only
looks does not wait for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from pipeline.config.vertex import Vertex
from pipeline.runners.vertex.emulator.record import FILE
from pipeline.runners.vertex.refusals import refusals

_TIMEOUT_S = 30
_PAGE = 50
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Jobs(Protocol):
    """Where jobs are on record."""

    def newest_first(self, pipeline: str) -> Iterator[dict[str, Any]]:
        """Yield the jobs of a pipeline as REST resources (PipelineJob)."""


class ServiceJobs:
    """Those of the service. Raises JobError for whatever it, or the network, says no with."""

    def __init__(self, vertex: Vertex) -> None:
        self._address = vertex.endpoint or f"https://{vertex.region}-aiplatform.googleapis.com"
        self._address += f"/v1/projects/{vertex.project}/locations/{vertex.region}/pipelineJobs"
        self._project = vertex.project

    def newest_first(self, pipeline: str) -> Iterator[dict[str, Any]]:
        """See Jobs; a page at a time, as they are asked for."""
        query = {"filter": f'display_name="{pipeline}"', "orderBy": "create_time desc", "pageSize": str(_PAGE)}
        with refusals(f"project {self._project}"):
            session = self._session()
        while True:
            with refusals(f"jobs of {pipeline}"):
                page = self._get(session, query)
            yield from page.get("pipelineJobs", [])
            if not page.get("nextPageToken"):
                return
            query["pageToken"] = page["nextPageToken"]

    def _session(self) -> Any:
        from google.auth import default as default_credentials
        from google.auth.credentials import AnonymousCredentials
        from google.auth.transport.requests import AuthorizedSession

        # A token is never sent unencrypted.
        is_plain = self._address.startswith("http://")
        credentials = AnonymousCredentials() if is_plain else default_credentials(scopes=[_SCOPE])[0]
        return AuthorizedSession(credentials)

    def _get(self, session: Any, query: dict[str, str]) -> dict[str, Any]:
        from google.api_core.exceptions import from_http_response

        answer = session.get(self._address, params=query, timeout=_TIMEOUT_S)
        if answer.status_code >= 400:
            raise from_http_response(answer)
        page: dict[str, Any] = answer.json()
        return page


class EmulatedJobs:
    """Those that `longhaul run --on vertex --emulate` ran; `folder` is the emulator's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def newest_first(self, pipeline: str) -> Iterator[dict[str, Any]]:
        """See Jobs."""
        found = [json.loads(file.read_text()) for file in (self._folder / "jobs").glob(f"*/{FILE}")]
        of_pipeline = [job for job in found if job["pipelineSpec"]["pipelineInfo"]["name"] == pipeline]
        yield from sorted(of_pipeline, key=lambda job: str(job["createTime"]), reverse=True)
