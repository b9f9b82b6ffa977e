"""The vocabularies of all categorical features, in one file, one analysis and one look-up.

A vocabulary of its own for each would cost TFT some ten Beam stages and a second and more a column.

The file has a line per word: its key, its id, and for a reader the column's name and the word, as JSON. A key is the
column's place and the word in base64, so that words of any bytes fit into lines, and equal words of two columns are
two. The place alone is the key of the number of words.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import tf_utils

FILE = "vocabularies.tsv"
"""Among the assets of the transform graph and of the model."""

_NO_WORD = b"49d0cd50-04bb-48c0-bc6f-5b575dce351a"
"""Stands in a vocabulary without any, as TFT has it: TensorFlow takes no empty file."""


def ids(texts: Sequence[tf.Tensor], present: Sequence[tf.Tensor], columns: Sequence[str], most: int) -> tf.Tensor:
    """Learn the vocabularies and look all values up in them.

    Args:
        texts: (batch,) of each column.
        present: (batch,) of each, false where a value is missing.
        columns: their names.
        most: words kept of each, the most frequent first; of equally frequent ones those that sort last.

    Returns:
        (batch, columns) int64: 0 … v-1 known values, v unknown, v+1 missing.
    """
    from trainer.word_counts import analyzer  # Beam: not for those who only read vocabularies

    there = tf.stack(present, axis=1)
    places = tf.constant([[f"{place}" for place in range(len(columns))]])
    # tf.strings.join cannot broadcast
    keys = tf.raw_ops.Add(x=places, y=tf.raw_ops.Add(x=":", y=tf.io.encode_base64(tf.stack(texts, axis=1))))
    (file,) = tft.experimental.ptransform_analyzer(
        [tf.where(there, keys, "")],
        analyzer(tuple(columns), most),
        output_dtypes=[tf.string],
        output_shapes=[[]],
        output_asset_default_values=[write([[]], columns[:1])],
        name="vocabularies",
    )
    numbers, _ = tf_utils.construct_and_lookup_table(_table, file, tf.concat([places, keys], axis=0))
    sizes, found = numbers[:1], numbers[1:]
    known = tf.where(found < 0, sizes, found)
    return tf.where(there, known, sizes + 1)


def _table(file: tf.Tensor) -> tf.lookup.StaticHashTable:
    lines = tf.lookup.TextFileInitializer(file, tf.string, 0, tf.int64, 1, delimiter="\t")
    return tf.lookup.StaticHashTable(lines, default_value=-1)


def write(words: Sequence[Sequence[bytes]], columns: Sequence[str]) -> bytes:
    """Return the file's content: `words` of each column, in the order of their ids."""
    lines = []
    for place, (column, known) in enumerate(zip(columns, words, strict=True)):
        name = json.dumps(column)
        known = known or [_NO_WORD]
        lines.append(f"{place}\t{len(known)}\t{name}\n")
        for number, word in enumerate(known):
            readable = json.dumps(word.decode(errors="backslashreplace"))
            lines.append(f"{place}:{_encoded(word)}\t{number}\t{name}\t{readable}\n")
    return "".join(lines).encode()


def word_of(key: bytes) -> tuple[int, bytes]:
    """Return the place of the column and the word."""
    place, _, encoded = key.partition(b":")
    return int(place), base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))


def _encoded(word: bytes) -> str:
    return base64.urlsafe_b64encode(word).decode().rstrip("=")


def read(transform_output: tft.TFTransformOutput, columns: int) -> list[list[bytes]]:
    """Return the words of each column, in the order of their ids."""
    words: list[list[bytes]] = [[] for _ in range(columns)]
    if columns:
        with tf.io.gfile.GFile(f"{transform_output.transform_savedmodel_dir}/assets/{FILE}", "rb") as file:
            for line in file.read().splitlines():
                key = line.split(b"\t", 1)[0]
                if b":" in key:
                    place, word = word_of(key)
                    words[place].append(word)
    return words
