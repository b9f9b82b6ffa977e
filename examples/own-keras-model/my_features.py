"""What the model reads of a penguin: its measures, scaled, and the shape of its bill."""

import tensorflow_transform as tft

MEASURES = ["culmen_length_mm", "culmen_depth_mm", "flipper_length_mm", "body_mass_g"]


def preprocessing_fn(inputs):
    """Scale what was measured, and add one ratio."""
    outputs = {name: tft.scale_to_z_score(inputs[name]) for name in MEASURES}
    outputs["bill"] = tft.scale_to_0_1(inputs["culmen_length_mm"] / (inputs["culmen_depth_mm"] + 0.1))
    outputs["species"] = inputs["species"]
    return outputs
