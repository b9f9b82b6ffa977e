"""Settings of `keep`: what of a workspace stays, and for how long."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.config.value_types import Duration
from trainer.settings.base import Section


class Keep(Section):
    """What of a workspace stays, and for how long. `longhaul gc --apply` removes the rest; a run removes logs and
    reports that are too old. Records always stay. See docs/runs.md."""

    runs: Annotated[int, Field(ge=1)] = 5
    """So many of the newest runs keep everything that they read or made, their logs and their reports; and so many of
    the newest backups stay. The option `--keep` wins over it."""
    versions: Annotated[int, Field(ge=1)] | None = None
    """So many of the newest pushed versions stay, besides the one that serves and pinned ones; all when absent. The
    option `--serving-keep` wins over it."""
    logs: Duration | None = None
    """How long the logs of a run stay: `90d`. As long as anything that the run made, when absent."""
    reports: Duration | None = None
    """How long the pages of a run stay; `longhaul report` writes them anew. As long as anything that the run made, when
    absent."""
    stray_logs: Duration = "30d"
    """How long logs stay that belong to no run on record: of predictions, job servers, runs that were refused."""
    backups: Duration = "30d"
    """How long copies of the metadata store stay in the workspace."""
