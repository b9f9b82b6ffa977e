"""In which direction features move predictions: attributions of many rows, by feature.

See pipeline.serving.attributions; here with fewer steps, since means over rows need no last digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.evaluation.effects import told_output
from pipeline.evaluation.model_inputs import differentiate, network_inputs, typical_row
from pipeline.evaluation.row_sample import RowSample
from pipeline.serving.attributions import attributions
from trainer.features import FeatureTable

Array = npt.NDArray[Any]

MOST = 20
_ROWS = 200
_TYPICAL_ROWS = 1_000
"""As where single rows are taken apart."""
_STEPS, _ORDERS = 16, 2
_FEWEST_ROWS = 5


def directions(model: Any, sample: RowSample, columns: Mapping[str, pa.Array], table: FeatureTable) -> dict[str, Any]:
    """Take the predictions of some rows apart, and tell for each feature what its values add.

    Args:
        columns: {feature: one value a row of the sample}.

    Returns:
        `of`: the class whose probability is told; `rows`; `features`: those that move most first, [{name, mean, low,
        high, more, less}]: mean size of its part, where 90 % of its parts lie, and the values (text, rows, part) with
        the greatest and the least mean part: of numbers the lowest and highest quarter, of text a value, or 'missing'.
    """
    from trainer.preprocessing import columns_by_feature

    output, of = told_output(table, sample.labels)
    records = sample.records[:_ROWS]
    base = typical_row(network_inputs(model, sample.records[:_TYPICAL_ROWS]))
    outputs = np.full(len(records), output if table.label.task == "multiclass" else 0)
    inputs = network_inputs(model, records)
    parts, _, _ = attributions(
        lambda of_inputs, of_outputs: differentiate(model, of_inputs, of_outputs),
        *(inputs, base, outputs),
        steps=_STEPS,
        orders=_ORDERS,
    )
    by_feature = columns_by_feature(table)
    found: list[dict[str, Any]] = []
    for feature in table.shown:
        own = np.sum([parts[name][:, place] for name, place in by_feature[feature.name]], axis=0)
        low, high = np.quantile(own, [0.05, 0.95])
        groups = _groups(columns[feature.name][:_ROWS]) if feature.name in columns else []
        told: list[dict[str, Any]] = [
            {"text": text, "rows": int(rows.sum()), "part": float(own[rows].mean())} for text, rows in groups
        ]
        told.sort(key=lambda group: -group["part"])
        found.append(
            {
                "name": feature.name,
                "mean": float(np.abs(own).mean()),
                "low": float(low),
                "high": float(high),
                "more": told[0] if len(told) > 1 else None,
                "less": told[-1] if len(told) > 1 else None,
            }
        )
    found.sort(key=lambda one: -one["mean"])
    return {"of": of, "rows": len(records), "features": found[:MOST]}


def _groups(column: pa.Array) -> list[tuple[str, Array]]:
    """Cut a column into its lowest and highest quarter, or into values, and what is missing; all of rows enough."""
    gone = column.is_null().to_numpy(zero_copy_only=False)
    groups = [("missing", gone)]
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        values = np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan))
        if not gone.all():
            low, high = np.nanquantile(values, [0.25, 0.75])
            groups += [("low", values <= low), ("high", values >= high)] if low < high else []
    else:
        encoded = column.dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        for code, value in enumerate(encoded.dictionary.to_pylist()):
            groups.append((value.decode(errors="replace") if isinstance(value, bytes) else str(value), codes == code))
    return [(text, rows) for text, rows in groups if rows.sum() >= _FEWEST_ROWS]
