"""What the signatures of an exported model take and give, for programs: `assets.extra/signatures.json` beside it.

TensorFlow Serving leaves `assets.extra` alone. The names, types and shapes are those of the signatures themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from trainer.artifact_names import DERIVED_FEATURES, GRADIENTS, LABEL, PREDICTION, SIGNATURES_FILE
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.graded_signatures import CLASSES, OUTPUTS, SCORES
from trainer.preprocessing import CATEGORICAL, FLAGS, NUMERIC, WORDS, columns_by_feature
from trainer.signatures import PREDICTED_CLASS
from trainer.trained_ranges import Ranges

_EXAMPLES = (
    "serialized tf.Examples (over REST: base64 in {'b64': ...}) of the features by their columns' names, each with one "
    "value of its type below; a feature that is left out is missing"
)
_TRANSFORMED = {
    NUMERIC: "numbers and parts of times as places among the training values, 0 to 1",
    FLAGS: "booleans, then whether each optional feature is missing",
    CATEGORICAL: "ids in the vocabularies, in the order of the categorical features",
    WORDS: "ids of the n-grams of texts and the items of lists, each at as many places, then 0",
}
_WHICH = "which of the network's outputs is meant, from 0"
_EXAMPLE_OF_UNIX_TIME = 1735689600.0  # 1 January 2025


def write(folder: str, signatures: Mapping[str, Any], table: FeatureTable, schema: Any, trained: Ranges) -> None:
    """Write the file into the folder of a SavedModel.

    Args:
        signatures: the concrete functions that were exported.
        schema: the tensorflow_metadata Schema of the raw columns.
        trained: see trainer.trained_ranges.
    """
    path = f"{folder}/{SIGNATURES_FILE}"
    tf.io.gfile.makedirs(path.rpartition("/")[0])
    with tf.io.gfile.GFile(path, "w") as file:
        json.dump(describe(signatures, table, schema, trained), file, indent=1, ensure_ascii=False, allow_nan=False)


def describe(signatures: Mapping[str, Any], table: FeatureTable, schema: Any, trained: Ranges) -> dict[str, Any]:
    """Return the content of the file; see `write`."""
    columns = {column.name: column for column in schema.feature}
    domains = {domain.name: domain for domain in schema.string_domain}
    features = {table.tensor_names[feature.name]: feature for feature in table.features}
    told = {tensor: _feature(feature, columns[feature.name], domains) for tensor, feature in features.items()}
    for tensor, feature in features.items():
        if feature.name in trained:
            told[tensor]["trained_on"] = list(trained[feature.name])
    found: dict[str, dict[str, Any]] = {}
    for name, function in signatures.items():
        positional, by_name = function.structured_input_signature
        if not by_name:  # traced with one dictionary, whose keys are the names, or with one tensor
            (one,) = positional
            by_name = one if isinstance(one, Mapping) else {one.name: one}
        inputs = {key: _tensor(spec) for key, spec in by_name.items()}
        if name == "serving_tensors":
            inputs = {key: told[key] | tensor for key, tensor in inputs.items()}
        elif name == GRADIENTS:
            inputs = {key: tensor | {"meaning": _TRANSFORMED.get(key, _WHICH)} for key, tensor in inputs.items()}
        else:
            inputs = {key: tensor | {"meaning": _EXAMPLES} for key, tensor in inputs.items()}
        derived = {"meaning": 'a derived feature in its own unit; NaN or "" where it is missing'}
        outputs = {
            key: _tensor(spec) | (derived if name == DERIVED_FEATURES else _output(key, table.label))
            for key, spec in function.structured_outputs.items()
        }
        found[name] = {"inputs": inputs, "outputs": outputs}
    instance = {tensor: _example_value(feature, told[tensor]) for tensor, feature in features.items()}
    found["serving_tensors"]["rest"] = {
        "method": "POST",
        "path": "/v1/models/NAME:predict",
        "body": {"signature_name": "serving_tensors", "instances": [instance]},
        "missing": "each instance has every input; a missing number is NaN (bare, as Python's json writes it; null is "
        'refused), a missing text is ""; who cannot write NaN asks serving_default and leaves the feature out',
    }
    return {
        "label": {"name": table.label.name, "task": table.label.task, "classes": list(table.label.classes)},
        "features_of_examples": {
            feature.name: {Storage.INT: "int64_list", Storage.FLOAT: "float_list", Storage.BYTES: "bytes_list"}[
                feature.storage
            ]
            for feature in table.features
        },
        "columns_of_network": {
            feature: [list(column) for column in columns] for feature, columns in columns_by_feature(table).items()
        },
        "signatures": found,
    }


def _tensor(spec: Any) -> dict[str, Any]:
    return {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}


def _feature(feature: Feature, column: Any, domains: Mapping[str, Any]) -> dict[str, Any]:
    is_text = feature.storage is Storage.BYTES
    told: dict[str, Any] = {
        "feature": feature.name,
        "kind": feature.kind.value,
        "missing": "" if is_text else "NaN",
        "may_be_missing": feature.optional,
    }
    if feature.storage is Storage.INT:
        told["whole_numbers"] = True
    if feature.kind is Kind.BOOLEAN:
        told["values"] = [0, 1]
    elif feature.kind is Kind.TIMESTAMP:
        told["unit"] = "seconds since 1970-01-01 00:00 UTC"
    elif column.HasField("bool_domain") and column.bool_domain.true_value:
        told["values"] = [column.bool_domain.false_value, column.bool_domain.true_value]
    elif column.HasField("string_domain"):
        told["values"] = list(column.string_domain.value)
    elif column.domain in domains:
        told["values"] = list(domains[column.domain].value)
    if "values" in told and column.distribution_constraints.min_domain_mass < 1:
        told["other_values"] = True
    for kind in ("int_domain", "float_domain"):
        if column.HasField(kind):
            told |= {bound: getattr(getattr(column, kind), bound) for bound in ("min", "max")
                     if getattr(column, kind).HasField(bound)}  # fmt: skip
    return told


def _output(name: str, label: Label) -> dict[str, Any]:
    if name == PREDICTED_CLASS:
        return {"meaning": f"the most probable class of {label.name}"}
    if name == LABEL:
        meaning = "the label itself" if label.task == "regression" else "the label's place among the classes"
        return {"meaning": meaning}
    if name in (CLASSES, SCORES):
        of = "each class" if name == CLASSES else "the probability of each class"
        return {"meaning": f"{of} of {label.name}, in the order of `classes`", "classes": list(label.classes)}
    if name not in (PREDICTION, OUTPUTS):
        return {"meaning": _TRANSFORMED.get(name, "an input of the network")}
    if label.task == "binary":
        return {
            "meaning": f"the probability that {label.name} is {label.classes[1]}",
            "probability_of": label.classes[1],
            "classes": list(label.classes),
        }
    if label.task == "multiclass":
        return {
            "meaning": f"the probability of each class of {label.name}, in the order of `classes`",
            "classes": list(label.classes),
        }
    return {"meaning": f"{label.name}, in the unit of the training data"}


def _example_value(feature: Feature, told: Mapping[str, Any]) -> Any:
    """Return a value that the schema allows, as far as it tells."""
    if told.get("values"):
        return told["values"][0]
    if feature.storage is Storage.BYTES:
        return "text"
    if feature.kind is Kind.TIMESTAMP:
        return _EXAMPLE_OF_UNIX_TIME
    return float(max(0, told.get("min", 0)) if told.get("max", 0) >= 0 else told["max"])
