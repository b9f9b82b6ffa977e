"""The user's `preprocessing_fn`, as stock Transform finds it.

In a file of its own: TFX reloads the module of a function that it imports by name, and what trainer.user_code knows of
unpacked wheels, and the class of its errors, must stay what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.python_calls import refuse_python_calls
from trainer.user_code import Columns, UserCodeError, blamed, kind_of, load


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, Any]:
    """Call the user's `preprocessing_fn`, for stock Transform.

    Raises:
        UserCodeError: it failed, or returned something else than tensors by name.
    """
    import tensorflow as tf

    code = custom_config["code"]
    function = load(code)
    with blamed(code):
        outputs = function(Columns(inputs))
    tensors = (tf.Tensor, tf.SparseTensor, tf.RaggedTensor)
    if not isinstance(outputs, Mapping):
        raise UserCodeError(
            f"{code['said']} returned {kind_of(outputs)}, not a dictionary of tensors by name",
            "return {'name': tensor, …}",
        )
    if not outputs:
        raise UserCodeError(f"{code['said']} returned no tensor", "return {'name': tensor, …}")
    for name, value in outputs.items():
        if not isinstance(name, str):
            raise UserCodeError(f"{code['said']} returned the name {name!r}, which is not text", "name outputs by text")
        if not isinstance(value, tensors):
            raise UserCodeError(
                f"{code['said']} returned {kind_of(value)} for {name!r}, not a tensor of TensorFlow",
                "compute it by TensorFlow from the inputs: what numpy computes is a constant when the model serves",
            )
        if value.shape.rank == 0 or _is_of_fixed_length(value):
            found = f"a tensor of length {value.shape[0]}" if value.shape.rank else "one number"
            raise UserCodeError(
                f"{code['said']} returned {found} for {name!r}, not one for each row",
                "keep the first dimension: it is the rows of a batch",
            )
    refuse_python_calls(tf.compat.v1.get_default_graph(), code["said"])
    return dict(outputs)


def _is_of_fixed_length(value: Any) -> bool:
    """Return whether a graph gives so many rows whatever it is given; TFT leaves the length of a batch open."""
    import tensorflow as tf

    return not tf.executing_eagerly() and bool(value.shape.rank) and value.shape[0] is not None
