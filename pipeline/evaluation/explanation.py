"""What a model looks at: permutation importance of features, and predictions of single rows taken apart.

Permutation importance (Breiman: Random Forests, 2001; Fisher, Rudin, Dominici: All Models are Wrong, but Many are
Useful, JMLR 2019): how much worse the main metric gets when a feature's values are dealt to other rows at random.

Single rows: see pipeline.serving.attributions.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.config.evaluation import LOWER_IS_BETTER, METRICS, Evaluation
from pipeline.evaluation.associations import strongest_pairs
from pipeline.evaluation.booleans import readable
from pipeline.evaluation.columnar_metrics import load_model
from pipeline.evaluation.directions import directions
from pipeline.evaluation.effects import effects
from pipeline.evaluation.model_inputs import (
    derived_values,
    differentiate,
    network_inputs,
    raw_columns,
    row_names,
    typical_row,
    unread_columns,
)
from pipeline.evaluation.row_sample import RIGHT, RowSample, error_kinds
from pipeline.evaluation.tallies import metric_values, rows_of
from pipeline.evaluation.weak_slices import weak_slices
from pipeline.serving.attributions import attributions
from trainer.artifact_names import PREDICTION
from trainer.features import FeatureTable, Kind
from trainer.rows import to_plain

Array = npt.NDArray[Any]

_SEED = 13
_MOST_SCORED, _MOST_CELLS = 300_000, 20_000_000
"""Rows, and rows times features, that permutation scores in all: seconds, however many features there are."""
_FEWEST_ROWS, _FEWEST_FEATURES = 500, 10
"""With fewer rows chance decides; rather features are left out, but for some."""
_TYPICAL_ROWS = 1_000
"""Of which the typical row is made."""
_KINDS = {
    "binary": {RIGHT: "least sure", 0: "false positive", 1: "false negative"},
    "multiclass": {RIGHT: "least sure"},
    "regression": {RIGHT: "exact", 0: "too high", 1: "too low"},
}
"""How a row is shown by the way in which it is wrong (row_sample.error_kinds)."""
_SHOWN = 10
"""Features of a row; the others are added up."""


def explain(
    model_path: str, sample: RowSample | None, settings: Mapping[str, Any], rules: Evaluation
) -> dict[str, Any]:
    """Plain data for a report.

    Args:
        settings: those of pipeline.evaluation.eval_config.settings; `columns` of the table, if they are known.

    Returns:
        `importance`: {metric, value, rows, repeats, features: [{name, drop, spread, noise}] (the greatest drop first),
        left_out}; `examples`: see `_take_apart`; `weak`, `effects`, `directions`, `correlations`:
        see weak_slices.py, effects.py, directions.py and associations.py; each is None where it is switched off;
        `problems`: sentences. What fails here costs no run.
    """
    parts = ("importance", "examples", "weak", "effects", "directions", "correlations")
    found: dict[str, Any] = dict.fromkeys(parts) | {"problems": []}
    if sample is None:
        found["problems"].append("there were no rows to explain")
        return found
    table = FeatureTable.from_dict(settings["features"])
    wanted = rules.explain
    model = load_model(model_path)
    even = sample.even(wanted.permutation_rows)

    @cache
    def columns() -> dict[str, pa.Array]:
        return raw_columns(even.records, table)

    for key, is_on, compute in (
        ("importance", wanted.permutation_rows and wanted.repeats, lambda: _importance(model, sample, table, rules)),
        ("examples", wanted.rows, lambda: _take_apart(model, sample, table, rules, settings.get("columns", ()))),
        ("weak", wanted.permutation_rows, lambda: _weak(even, columns(), table)),
        (
            *("effects", wanted.permutation_rows),
            lambda: effects(model, even, columns(), table, found["importance"], rules.confidence),
        ),
        ("directions", wanted.permutation_rows and wanted.rows, lambda: directions(model, even, columns(), table)),
        ("correlations", wanted.permutation_rows, lambda: strongest_pairs(columns())),
    ):
        if not is_on or (key == "directions" and not hasattr(model, "differentiate")):
            continue
        if key == "examples" and not hasattr(model, "differentiate"):
            found["problems"].append(
                "single predictions are not taken apart: that needs the gradients of Longhaul's network"
            )
            continue
        try:
            found[key] = compute()
        except Exception as exc:  # whatever a model that somebody else exported may lack
            logging.getLogger(__name__).exception("%s of the model's explanation", key)
            found["problems"].append(f"the {key} could not be computed: {type(exc).__name__}: {exc}")
    return found


def _weak(sample: RowSample, columns: Mapping[str, pa.Array], table: FeatureTable) -> dict[str, Any]:
    dates = {feature.name for feature in table.features if feature.kind is Kind.TIMESTAMP}
    return weak_slices(table.label.task, sample, readable(columns, table), dates)


# Permutation importance


def _importance(model: Any, sample: RowSample, table: FeatureTable, rules: Evaluation) -> dict[str, Any]:
    import tensorflow as tf

    from trainer.preprocessing import columns_by_feature

    task = table.label.task
    known = [name for name in rules.thresholds if name in METRICS[task] and name != "calibration"]
    judged = known[0] if known else METRICS[task][0]
    metric = judged if task == "regression" else "log_loss"  # which every row moves, however few they are
    repeats, most = rules.explain.repeats, rules.explain.permutation_rows
    derived = [one.feature.name for one in table.derived if one.feature.shown]
    features = [*(feature.name for feature in table.features), *derived]
    if len(features) * repeats * min(most, _FEWEST_ROWS) > _MOST_SCORED:
        repeats = 1
    rows = sample.even(min(most, max(_FEWEST_ROWS, _MOST_SCORED // (len(features) * repeats))))
    affordable = max(_FEWEST_FEATURES, _MOST_CELLS // (len(rows.labels) * len(features) * repeats))
    if len(features) > affordable:
        features = _steepest(model, sample, table)[:affordable]
    raw, names = raw_columns(rows.records, table), table.tensor_names
    tensors = {names[one.name]: tf.constant(to_plain(raw[one.name], one.storage)) for one in table.features}
    score = model.signatures["serving_tensors"]

    def measure(tensors: Mapping[str, Any]) -> float:
        return _metric(task, metric, rows, score(**tensors)[PREDICTION].numpy())

    inputs, by_feature = (network_inputs(model, rows.records), columns_by_feature(table)) if derived else ({}, {})

    def without(feature: str, order: Array) -> float:
        """Measure with the values of other rows; those of a derived feature where the network reads them."""
        if feature not in derived:
            return measure({**tensors, names[feature]: tf.gather(tensors[names[feature]], order)})
        permuted = {name: values.copy() for name, values in inputs.items()}
        for name, place in by_feature[feature]:
            permuted[name][:, place] = inputs[name][order, place]
        outputs = range(len(table.label.classes) if task == "multiclass" else 1)
        each = [differentiate(model, permuted, np.full(len(order), output))[PREDICTION] for output in outputs]
        return _metric(task, metric, rows, np.stack(each, axis=1))

    value = measure(tensors)
    row = abs(value) / len(rows.labels)  # what one row of middling loss adds to the mean

    def noise(spread: float) -> float:
        return max(2 * spread, row)

    sign = -1 if metric in LOWER_IS_BETTER else 1
    random = np.random.default_rng(_SEED)
    orders = [random.permutation(len(rows.labels)) for _ in range(repeats)]
    found: list[dict[str, Any]] = []
    for feature in features:
        drops = [sign * (value - without(feature, order)) for order in orders]
        spread = float(np.std(drops))
        found.append({"name": feature, "drop": float(np.mean(drops)), "spread": spread, "noise": noise(spread)})
    found.sort(key=lambda entry: -entry["drop"])
    return {
        "metric": metric,
        "value": value,
        "rows": len(rows.labels),
        "repeats": repeats,
        "features": found,
        "left_out": max(0, len(table.features) + len(derived) - len(features)),
    }


def _metric(task: str, metric: str, sample: RowSample, predictions: Array) -> float:
    everything = np.arange(len(sample.labels))
    outputs, one_block = predictions.reshape(len(everything), -1), np.zeros_like(everything)
    rows = rows_of(task, sample.labels, outputs, one_block, sample.weights)
    return metric_values(task, rows.tally(everything))[metric]


def _steepest(model: Any, sample: RowSample, table: FeatureTable) -> list[str]:
    """Features, those first that have no gradient, then those with the greatest gradient times input."""
    from trainer.preprocessing import columns_by_feature

    rows = sample.even(_FEWEST_ROWS)
    inputs = network_inputs(model, rows.records)
    base = typical_row(inputs)
    gradients = differentiate(model, inputs, np.zeros(len(rows.labels), np.int64))
    strength = {
        name: np.abs(gradients[name] * (values - base[name])).mean(axis=0) if name in gradients else None
        for name, values in inputs.items()
    }

    def of_feature(columns: Sequence[tuple[str, int]]) -> float:
        parts = [np.inf if (of := strength[name]) is None else float(of[place]) for name, place in columns]
        return sum(parts)

    by_feature = columns_by_feature(table)
    return sorted(by_feature, key=lambda feature: -of_feature(by_feature[feature]))


# Single rows


def _take_apart(
    model: Any, sample: RowSample, table: FeatureTable, rules: Evaluation, columns: Collection[str]
) -> dict[str, Any]:
    """Single predictions taken apart.

    Args:
        columns: of the table as it was read; none if that is not known.

    Returns:
        `typical`: by what was said of it, the prediction for the row that all are compared with; `rows`: [{kind, row:
        of row_names ("" without columns), key: {column: value} of what no feature reads, truth, output (the class of
        which `prediction` is the probability; None of a regression), prediction, typical, parts: [{feature, kind,
        value, part}] (the greatest first), others: the sum of all other parts, gap: what the parts lack to the
        difference}]; `all_right`: no row at all was predicted wrongly; `base`: that typical row, by the network's
        inputs.
    """
    from trainer.preprocessing import columns_by_feature

    wanted = rules.explain.rows
    task = table.label.task
    worst = sample.take(sample.worst_by_kind(task, (wanted + 1) // 2))
    even = sample.even(max(_TYPICAL_ROWS, wanted))
    ordinary = even.take(np.flatnonzero(even.error <= np.median(even.error))[: wanted // 2])
    rows = RowSample(
        *(np.concatenate(pair) for pair in zip(vars(worst).values(), vars(ordinary).values(), strict=True))
    )
    errors = error_kinds(task, worst.labels, worst.predictions)
    kinds = [_KINDS[task].get(int(kind), "wrong") for kind in errors] + ["ordinary"] * len(ordinary.labels)

    base = typical_row(network_inputs(model, even.records))
    inputs = network_inputs(model, rows.records)
    multiclass = task == "multiclass"
    outputs = rows.predictions.argmax(axis=1) if multiclass else np.zeros(len(kinds), np.int64)
    parts, typical, predictions = attributions(
        lambda of_inputs, of_outputs: differentiate(model, of_inputs, of_outputs), inputs, base, outputs
    )
    by_feature = columns_by_feature(table)
    values = {name: column.to_pylist() for name, column in raw_columns(rows.records, table).items()}
    values |= derived_values(model, rows.records, table)
    keys = unread_columns(rows.records, table)
    names = row_names(rows.records, columns, table.label.name) if columns else [""] * len(kinds)
    classes = table.label.classes
    entries = []
    for row, kind in enumerate(kinds):
        of_features: list[dict[str, Any]] = [
            {
                "feature": feature.name,
                "kind": str(feature.kind),
                "value": _readable(values[feature.name][row]) if feature.name in values else None,
                "part": float(sum(parts[name][row, place] for name, place in by_feature[feature.name])),
            }
            for feature in table.shown
        ]
        of_features.sort(key=lambda entry: -abs(entry["part"]))
        difference = predictions[row] - typical[row]
        truth = rows.labels[row]
        entries.append(
            {
                "kind": kind,
                "row": names[row],
                "key": {name: _readable(column[row]) for name, column in keys.items()},
                "truth": classes[int(truth)] if classes else float(truth),
                "output": classes[int(outputs[row]) if multiclass else 1] if classes else None,
                "prediction": float(predictions[row]),
                "typical": float(typical[row]),
                "parts": of_features[:_SHOWN],
                "others": float(sum(entry["part"] for entry in of_features[_SHOWN:])),
                "gap": float(difference - sum(entry["part"] for entry in of_features)),
            }
        )
    return {
        "rows": entries,
        "all_right": bool(len(errors)) and bool((errors == RIGHT).all()),
        "base": {name: values.tolist() for name, values in base.items()},
    }


def _readable(value: Any) -> Any:
    """For JSON."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.item() if isinstance(value, np.generic | pa.Scalar) else value
