"""Texts as TensorFlow's C++ loader is given them."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from pipeline.serving.cpp_session import CppSession
from pipeline.serving.server import kept_feeds


def test_a_text_ends_where_it_ends(tmp_path: Path) -> None:
    """Also for kernels that read until a zero, as that which lowers letters of all languages does."""

    class Lower(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def serve(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"lower": tf.strings.lower(text, encoding="utf-8")}

    model = Lower()
    tf.saved_model.save(model, str(tmp_path), signatures={"serving_default": model.serve})
    texts = [f"Ärger Nummer {number} im Zug nach Köln" if number % 3 else "" for number in range(40)]
    with CppSession(str(tmp_path)) as session:
        feeds = kept_feeds.of(session, "serving_default")
        assert feeds is not None
        answers = [
            session.ask("serving_default", {"text": texts}),
            kept_feeds.ask(session, "serving_default", {"text": texts}, feeds),  # as requests that are gathered
        ]
    for found in answers:
        assert [text.decode() for text in found["lower"]] == [text.lower() for text in texts]
