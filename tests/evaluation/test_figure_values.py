"""Which models a report draws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.evaluation import Evaluation
from pipeline.evaluation.figures import write_figures
from pipeline.evaluation.tallies import Tally, rows_of


def drawn(folder: Path, models: list[str]) -> Any:
    def tally(rows: int) -> Tally:
        labels = np.arange(rows) % 2
        return rows_of("binary", labels, np.full((rows, 1), 0.5), labels).tally(np.arange(rows))

    rules = Evaluation.model_validate({"thresholds": {"auc": {"at_least": 0.5}}}).model_dump(mode="json")
    settings = {"task": "binary", "classes": ["no", "yes"], "evaluation": rules}
    tallies = {name: tally(10 * number) for number, name in enumerate(models, 1)}
    write_figures(None, [tallies], settings, "never loaded", str(folder))
    found = json.loads((folder / "curves.json").read_text())
    return {role: sum(found[role]["distribution"]["positive"]) for role in ("challenger", "champion") if role in found}


def test_a_model_that_only_sets_a_bound_is_not_the_champion(tmp_path: Path) -> None:
    assert drawn(tmp_path, ["", "reference-3"]) == {"challenger": 5}
    assert drawn(tmp_path, ["candidate", "baseline", "reference-3"]) == {"challenger": 5, "champion": 10}
