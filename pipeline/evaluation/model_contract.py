"""What a model takes and predicts, as far as two models must agree to be measured on the same rows.

Apart from what is made of it (pipeline.evaluation.mismatch), because Trainer writes it: whatever this module imports
is Trainer's code, and a change of it trains again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from trainer.features import FeatureTable


@dataclass(frozen=True)
class Contract:
    """What a model takes and predicts.

    Attributes:
        label: the column that it predicts; empty where nobody knows (a model pushed by an older Longhaul).
        classes: in order; empty for a regression.
        inputs: how each raw feature is stored: int, float or bytes.
    """

    task: str
    label: str
    classes: tuple[str, ...]
    inputs: dict[str, str]

    @classmethod
    def of_table(cls, table: FeatureTable) -> Contract:
        """Make the contract of a model trained with these features."""
        inputs = {feature.name: feature.storage.value for feature in table.features}
        return cls(table.label.task, table.label.name, table.label.classes, inputs)

    def to_json(self) -> str:
        """Return JSON text, for a property of an artifact."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Read what `to_json` wrote."""
        plain = json.loads(text)
        return cls(plain["task"], plain["label"], tuple(plain["classes"]), plain["inputs"])
