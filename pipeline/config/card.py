"""Settings of `card`: what only people know of a model."""

from __future__ import annotations

from trainer.settings.base import Section


class Card(Section):
    """What only people know of a model. It stands on the model card; see docs/evaluation.md#model-card."""

    owners: tuple[str, ...] = ()
    """Who answers for the model."""
    overview: str | None = None
    """What the model is, in a sentence or two."""
    license: str | None = None
    """The license of the model, and of the data if it is another."""
    intended_uses: tuple[str, ...] = ()
    """Uses for which the model was made."""
    out_of_scope: tuple[str, ...] = ()
    """Uses for which the model was not made."""
    limitations: tuple[str, ...] = ()
    """What the model does not know or cannot do."""
    ethical_considerations: tuple[str, ...] = ()
    """Risks to people, and what is done about them."""
    data: str | None = None
    """Where the data come from and what they stand for."""
    references: tuple[str, ...] = ()
    """Papers and pages about the data or the model."""
