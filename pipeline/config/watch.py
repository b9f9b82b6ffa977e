"""Settings of `watch`: what is looked at after a model serves, and what calls a person."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.config.value_types import Duration
from trainer.settings.base import Section, Share


class Watch(Section):
    """What `longhaul watch` reads and when it calls a person. See docs/watching.md."""

    log: str | None = None
    """The log of requests: a folder, a file or a pattern of Parquet or CSV files, or of TensorFlow
    Serving's own (PredictionLog in `.tfrecord` files), or `bigquery://PROJECT.DATASET.TABLE`. When absent, the log that
    `longhaul serve` keeps in the workspace: `requests/NAME`."""
    window: Annotated[str, Field(pattern=r"^(hour|day|week|[1-9]\d* rows)$")] = "week"
    """What is judged at a time: `hour`, `day`, `week` (from Monday, UTC), or so many rows: `5000 rows`."""
    labels: str | None = None
    """Files of labels that come later: a folder, a file or a pattern, relative to the YAML file. `longhaul labels FILE`
    adds others."""
    keys: Annotated[tuple[str, ...], Field(min_length=1)] = ("request_id",)
    """Columns by which a label finds its request: the request's id (with `row`, its place in the request, from 0), or
    columns that tell rows apart."""
    labels_within: Duration = "7d"
    """How long labels take. A window that is older and has none is told of."""
    delta: Share = 0.05
    """How likely a model that is as good as training promised is ever called harmful, over its whole life."""
    may_lose: dict[str, Annotated[float, Field(ge=0)]] = {}
    """How much worse than training promised a metric may be before it matters, by metric: `{log_loss: 0.0025, auc:
    0.005}`, which are the defaults; of a regression `mse`, by default 2 % of what was promised. Harm is what is surely
    more than promised, at `delta`, and whose estimate is above this; a slice or a segment is harmed where it surely
    loses so much more."""
    min_rows: Annotated[int, Field(ge=1)] = 200
    """A window with fewer rows is shown and not judged."""
    keep: Duration = "400d"
    """How far back watching remembers. A year and some weeks let a window be compared with the same season; what is
    older by a quarter is forgotten: profiles, losses, verdicts, labels that were handed in, promises of versions that
    nobody asks any more, and what the workspace's ML Metadata has of windows; one on a server keeps it."""
    columns_rate: Share = 0.05
    """The share of columns that are named as moved though only chance moved them."""
    owner: str = ""
    """Who is responsible: stands in every alarm."""
    escalate_after: Duration = "1d"
    """An alarm that calls a person and stays open so long is told again."""
