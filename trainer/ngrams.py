"""The n-grams of a text, or the items of a list, as ids by their hash: no vocabulary is learned, and none grows old."""

from __future__ import annotations

import tensorflow as tf

MOST = 256
"""Of a text; later ones are left out."""
_WORD = r"[^\pL\pN_]+"
"""Between words."""
_AROUND = r"^[\s\[\]()'\"]+|[\s\[\]()'\"]+$"
"""Around items: blanks, and what JSON and Python write around lists and texts."""


def ids(text: tuple[tf.Tensor, tf.Tensor], how: int | str, buckets: int) -> tf.Tensor:
    """Return ids of the n-grams in a text, or of the items of a list that is written as text.

    Args:
        text: values and presence, (batch,) each.
        how: words in an n-gram, at most; or what stands between two items.
        buckets: different ids.

    Returns:
        (batch, MOST) int64, 1 to `buckets`, then 0: first the single words, then pairs, and so on; or the items.
    """
    value, present = text
    there = tf.where(present, value, "")
    if isinstance(how, str):
        every = tf.ragged.map_flat_values(tf.strings.regex_replace, tf.strings.split(there, how), _AROUND, "")
        every = tf.ragged.boolean_mask(every, every != "")
    else:
        words = tf.strings.split(tf.strings.regex_replace(tf.strings.lower(there, encoding="utf-8"), _WORD, " "))
        every = tf.strings.ngrams(words, list(range(1, how + 1))) if how > 1 else words
    hashed = tf.ragged.map_flat_values(tf.strings.to_hash_bucket_fast, every, buckets)
    return (hashed + 1).to_tensor(0, shape=[None, MOST])
