"""Settings of `card`: what only people know of a model."""

from __future__ import annotations

from pipeline.config.base import Section


class Card(Section):
    """What only people know of a model; it stands on the model card."""

    owners: tuple[str, ...] = ()
    overview: str | None = None
    """What the model is, in a sentence or two."""
    license: str | None = None
    intended_uses: tuple[str, ...] = ()
    out_of_scope: tuple[str, ...] = ()
    """Uses for which it was not made."""
    limitations: tuple[str, ...] = ()
    ethical_considerations: tuple[str, ...] = ()
    data: str | None = None
    """Where the data come from and what they stand for."""
    references: tuple[str, ...] = ()
