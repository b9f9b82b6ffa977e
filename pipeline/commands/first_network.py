"""A network in proportion to a table, for the configuration that `init` writes."""

from __future__ import annotations

from typing import Any

_MANY_PASSES = {"members": 8, "dropout": 0.1, "learning_rate": 0.003, "bins": 24}


def sizes(rows: int, columns: int) -> dict[str, Any]:
    """Return a network in proportion to the table: few rows want small batches and many epochs, many columns a
    narrow one."""
    if rows < 10_000:
        steps = {"batch_size": 64} if rows < 2_000 else {"batch_size": 128, "learning_rate": 0.004}
        sizes = {"epochs": 60, "patience": 12} | _MANY_PASSES | steps
    elif rows < 100_000:
        sizes = {"batch_size": 256, "epochs": 20, "patience": 5} | _MANY_PASSES
    else:
        sizes = {"members": 4, "dropout": 0.0, "learning_rate": 0.003, "bins": 12}
        sizes |= {"batch_size": 1024, "epochs": 6, "patience": 2}
    wide = {"hidden_units": [128, 64], "bins": 8}
    units = [512, 128] if 10_000 <= rows < 100_000 else [256, 64]
    return {"hidden_units": units} | sizes | (wide if columns > 500 else {})
