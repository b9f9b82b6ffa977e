"""A network of the user's in the place of trainer.model's: their `build_model`, called and looked over.

What it returns is fitted, exported, explained and judged as Longhaul's own network is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.features import FeatureTable, Kind
from trainer.preprocessing import CATEGORICAL, FLAGS, columns_by_feature
from trainer.python_calls import refuse_python_calls
from trainer.reading import Columns
from trainer.user_code import UserCodeError, blamed, kind_of, load

_CHECKED_ROWS = 256
_LAST = {
    "binary": "keras.layers.Dense(1, activation='sigmoid')",
    "multiclass": "keras.layers.Dense(features.outputs, activation='softmax')",
    "regression": "keras.layers.Dense(1)",
}


@dataclass(frozen=True)
class Features:
    """What the user's `build_model` is given.

    Attributes:
        inputs: a keras.Input by name, (rows, columns) each; see trainer.preprocessing for what they hold.
        columns: by input, the feature that each column tells of.
        vocabulary_sizes: by categorical feature, how many ids it has, those for unknown and missing included.
        task: "binary", "multiclass" or "regression".
        classes: the label's values, in order; empty of a regression.
        outputs: how many numbers the model gives for a row.
        label_mean: of the training labels of a regression; else 0.
        label_scale: their standard deviation; else 1.
    """

    inputs: Mapping[str, Any]
    columns: Mapping[str, Sequence[str]]
    vocabulary_sizes: Mapping[str, int]
    task: str
    classes: Sequence[str]
    outputs: int
    label_mean: float = 0.0
    label_scale: float = 1.0


class OwnNetwork:
    """Builds the user's network for some columns.

    Args:
        code: their `build_model`, see trainer.user_code.
        columns: the network's inputs, (rows, …) each; rows of them try the network out.
        features: by input, the feature that each column tells of; None for those of trainer.preprocessing.
    """

    def __init__(
        self,
        code: Mapping[str, str],
        table: FeatureTable,
        vocabulary_sizes: Sequence[int],
        columns: Columns,
        features: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.said = code["said"]
        self._code, self._table = code, table
        self._function = load(code)
        self._some = {name: np.asarray(values[:_CHECKED_ROWS]) for name, values in columns.items()}
        categorical = [feature.name for feature in table.of(Kind.CATEGORICAL)]
        self._sizes = dict(zip(categorical, vocabulary_sizes, strict=True)) if vocabulary_sizes else {}
        self._features = features or features_by_input(table)
        model = self.build()
        self.compiles = bool(model.compiled)
        self.check(model)

    def build(self, *, label_mean: float = 0.0, label_scale: float = 1.0) -> keras.Model:
        """Call the user's function.

        Raises:
            UserCodeError: it failed, or returned no model of the inputs that it was given.
        """
        label = self._table.label
        features = Features(
            {
                name: keras.Input(values.shape[1:], dtype=_dtype(name, values), name=name)
                for name, values in self._some.items()
            },
            self._features,
            self._sizes,
            label.task,
            label.classes,
            len(label.classes) if label.task == "multiclass" else 1,
            label_mean,
            label_scale,
        )
        with blamed(self._code):
            model = self._function(features)
            if not isinstance(model, keras.Model):
                raise UserCodeError(
                    f"{self.said} returned {kind_of(model)}, not a keras.Model",
                    "return keras.Model(features.inputs, output)",
                )
            model = self._of_all_inputs(model, features)
        if isinstance(model.output, dict | list | tuple) and len(model.outputs) == 1:
            raise UserCodeError(
                f"{self.said} returned a model that gives {kind_of(model.output)} with its output",
                "return keras.Model(features.inputs, output), the output by itself",
            )
        found = [tuple(output.shape) for output in model.outputs]
        if found != [(None, features.outputs)]:
            raise UserCodeError(
                f"{self.said} returned a model that gives {_shapes(found)}; data.task {label.task} of {label.name} "
                f"wants (rows, {features.outputs})",
                f"let its last layer be {_LAST[label.task]}",
            )
        return model

    def check(self, model: keras.Model, when: str = "before training") -> None:
        """Look whether a network's predictions for some training rows can be what the task asks for.

        Raises:
            UserCodeError: they cannot.
        """
        with self.blamed():
            asked = tf.function(lambda: model(self._some, training=False), autograph=False).get_concrete_function()
            refuse_python_calls(asked.graph, f"the model of {self.said}")
            found = np.asarray(asked(), np.float64)
        bad = ~np.isfinite(found).all(axis=1)
        if bad.any():
            unfilled = [name for name, values in self._some.items() if not np.isfinite(values[bad]).all()]
            of_what = f", of inputs that are so themselves: {', '.join(unfilled[:12])}" if unfilled else ""
            fill = "fill them in transform.preprocessing_fn: tf.where(tf.math.is_finite(x), x, 0.0)"
            see = "see that no layer divides by 0 or takes a logarithm of 0, and try a smaller trainer.learning_rate"
            raise UserCodeError(
                f"the model of {self.said} gives NaN or infinity for {bad.sum()} of {len(bad)} training rows "
                f"{when}{of_what}",
                fill if unfilled else see,
            )
        task = self._table.label.task
        are_shares = bool((found >= 0).all() and (found <= 1).all())
        if task == "multiclass":
            are_shares = are_shares and bool(np.allclose(found.sum(axis=1), 1, atol=1e-3))
        if task != "regression" and not are_shares:
            what = "between 0 and 1" if task == "binary" else "between 0 and 1 that sum to 1 in a row"
            raise UserCodeError(
                f"the model of {self.said} gives {found.min():.3g} to {found.max():.3g} {when}; data.task {task} wants "
                f"probabilities, {what}",
                f"let its last layer be {_LAST[task]}",
            )

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Tell an error of the network by the user's own lines; what the machine lacks is none of theirs."""
        try:
            with blamed(self._code):
                yield
        except UserCodeError as exc:
            if isinstance(exc.__cause__, OSError) and not isinstance(exc.__cause__, FileNotFoundError):
                raise exc.__cause__ from None
            raise

    def _of_all_inputs(self, model: keras.Model, features: Features) -> keras.Model:
        """Return a model that takes all inputs by name, which the one of the user's may do already."""
        own = getattr(model, "input", None) if model.built else None
        if isinstance(own, dict) and own.keys() == features.inputs.keys():
            return model
        if own is None:
            taken: Any = dict(features.inputs)
        else:
            names = [tensor.name for tensor in model.inputs]
            if strange := sorted(set(names) - features.inputs.keys()):
                raise UserCodeError(
                    f"{self.said} returned a model with the input {strange[0]!r}; there are "
                    f"{', '.join(features.inputs)}",
                    "return keras.Model(features.inputs, output)",
                )
            found = [features.inputs[name] for name in names]
            taken = dict(zip(names, found, strict=True)) if isinstance(own, dict) else found
            taken = found[0] if not isinstance(own, dict | list | tuple) else taken
        whole = keras.Model(dict(features.inputs), model(taken))
        if model.compiled:
            whole.compile(optimizer=model.optimizer, loss=model.loss)
        return whole


def features_by_input(table: FeatureTable) -> dict[str, list[str]]:
    """Return by input of the network the feature that each of its columns tells of."""
    places = sorted(
        (output, place, feature) for feature, columns in columns_by_feature(table).items() for output, place in columns
    )
    found: dict[str, list[str]] = {}
    for output, _, feature in places:
        found.setdefault(output, []).append(feature)
    return found


def _dtype(name: str, values: npt.NDArray[Any]) -> str:
    """Return the type that a layer sees: rows wait in smaller ones, see trainer.reading."""
    if name == FLAGS:
        return "float32"
    return "int64" if name == CATEGORICAL or np.issubdtype(values.dtype, np.integer) else "float32"


def _shapes(found: Sequence[Sequence[int | None]]) -> str:
    told = [f"({', '.join('rows' if size is None else str(size) for size in shape)})" for shape in found]
    return told[0] if len(told) == 1 else f"{len(told)} outputs, {' and '.join(told[:3])}"
