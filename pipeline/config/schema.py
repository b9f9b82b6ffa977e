"""Settings of `schema`: the contract and its policy."""

from __future__ import annotations

from pipeline.config.base import Section


class Schema(Section):
    """The curated schema that guards and trains."""

    file: str
    policy: str | None = None
    """What the gate does about findings; when absent `<stem of file>.policy.yaml` beside the schema, if it is there."""
