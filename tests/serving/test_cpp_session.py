"""Texts as TensorFlow's C++ loader is given them."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from pipeline.serving.cpp_session import CppSession


@pytest.mark.parametrize("rows", [3, 40])  # few texts are told in another way than many
def test_a_text_ends_where_it_ends(tmp_path: Path, rows: int) -> None:
    """Also for kernels that read until a zero, as that which lowers letters of all languages does."""

    class Lower(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def serve(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"lower": tf.strings.lower(text, encoding="utf-8")}

    model = Lower()
    tf.saved_model.save(model, str(tmp_path), signatures={"serving_default": model.serve})
    texts = [f"Ärger Nummer {number} im Zug nach Köln" if number % 3 else "" for number in range(rows)]
    with CppSession(str(tmp_path)) as session:
        found = session.ask("serving_default", {"text": texts})["lower"]
    assert [text.decode() for text in found] == [text.lower() for text in texts]
