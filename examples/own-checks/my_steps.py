"""What a model of penguins must know before it serves."""

import json

import tensorflow as tf
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputDict, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Model
from tfx.utils.path_utils import serving_model_path

TYPICAL = {
    0: {"culmen_length_mm": 0.25, "culmen_depth_mm": 0.62, "flipper_length_mm": 0.30, "body_mass_g": 0.28},
    1: {"culmen_length_mm": 0.60, "culmen_depth_mm": 0.63, "flipper_length_mm": 0.40, "body_mass_g": 0.29},
    2: {"culmen_length_mm": 0.56, "culmen_depth_mm": 0.22, "flipper_length_mm": 0.77, "body_mass_g": 0.66},
}
"""A penguin of each kind, as a book shows it."""


@component
def ask_for_typical_ones(model: InputArtifact[Model], must_know: Parameter[int] = 3) -> OutputDict(
    known=int, asked=int
):
    """Refuse a model that does not know the penguins which every ornithologist knows."""
    rows = [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    name: tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
                    for name, value in penguin.items()
                }
            )
        ).SerializeToString()
        for penguin in TYPICAL.values()
    ]
    signatures = tf.saved_model.load(serving_model_path(model.uri)).signatures
    said = signatures["serving_default"](tf.constant(rows))["prediction"].numpy()
    known = sum(int(row.argmax() == kind) for kind, row in zip(TYPICAL, said, strict=True))
    if known < must_know:
        raise ValueError(f"the model knows {known} of {len(TYPICAL)} typical penguins: {json.dumps(said.tolist())}")
    return {"known": known, "asked": len(TYPICAL)}
