"""The n-grams of a text, as ids by their hash: no vocabulary has to be learned, and none grows old."""

from __future__ import annotations

import tensorflow as tf

MOST = 256
"""Of a text; later ones are left out."""
_WORD = r"[^\pL\pN_]+"
"""Between words."""


def ids(text: tuple[tf.Tensor, tf.Tensor], longest: int, buckets: int) -> tf.Tensor:
    """Return ids of the n-grams in a text.

    Args:
        text: values and presence, (batch,) each.
        longest: words in an n-gram, at most.
        buckets: different ids.

    Returns:
        (batch, MOST) int64, 1 to `buckets`, then 0: first the single words, then pairs, and so on.
    """
    value, present = text
    plain = tf.strings.regex_replace(tf.strings.lower(tf.where(present, value, ""), encoding="utf-8"), _WORD, " ")
    words = tf.strings.split(plain)
    every = tf.strings.ngrams(words, list(range(1, longest + 1))) if longest > 1 else words
    hashed = tf.ragged.map_flat_values(tf.strings.to_hash_bucket_fast, every, buckets)
    return (hashed + 1).to_tensor(0, shape=[None, MOST])
