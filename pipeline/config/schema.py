"""Settings of `schema`: the contract and its policy."""

from __future__ import annotations

from pipeline.config.code_path import CodePath
from pipeline.config.value_types import LocalPath
from trainer.settings.base import Section


class Schema(Section):
    """The curated schema: what each column is, and what its values must be."""

    file: LocalPath
    """The schema, a TensorFlow Metadata Schema as text (`.pbtxt`)."""
    policy: LocalPath | None = None
    """The policy of the data gate: what it does about what it finds (see docs/gate.md). When absent it is
    `NAME.policy.yaml` beside the schema `NAME.pbtxt`, if that is there."""
    checks: tuple[CodePath, ...] = ()
    """Functions of your own that look at statistics and rows, and say what blocks the run or warns:
    `[my_checks.py:check]`, relative to this file, or dotted paths. See docs/extend/own-checks.md."""
