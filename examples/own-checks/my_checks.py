"""What no schema says of penguins."""

import numpy as np


def the_heavy_have_long_flippers(data):
    """Block a split in which body mass and length of flippers have little to do with each other."""
    for split in data.statistics:
        rows = [
            np.stack([batch[name] for name in ("body_mass_g", "flipper_length_mm")]) for batch in data.batches(split)
        ]
        correlation = np.corrcoef(np.concatenate(rows, axis=1))[0, 1]
        if correlation < 0.5:
            yield {
                "column": "flipper_length_mm",
                "split": split,
                "expected": "a correlation with body_mass_g of at least 0.5",
                "found": f"{correlation:.2f}",
            }


def every_kind_is_there(data):
    """Warn of a split with fewer than ten penguins of a kind."""
    for split in data.statistics:
        kinds = [kind for batch in data.batches(split) for kind in batch["species"].to_pylist()]
        for kind in (0, 1, 2):
            if kinds.count(kind) < 10:
                yield {"severity": "warn", "split": split, "found": f"{kinds.count(kind)} penguins of kind {kind}"}
