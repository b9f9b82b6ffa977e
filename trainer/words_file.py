"""The file of all vocabularies, among the assets of the transform graph and of the model.

It has a line per word: its key, its id, and for a reader the column's name and the word, as JSON. A key is the
column's place and the word in base64, so that words of any bytes fit into lines, and equal words of two columns are
two. The place alone is the key of the number of words.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_transform as tft

FILE = "vocabularies.tsv"

_NO_WORD = b"49d0cd50-04bb-48c0-bc6f-5b575dce351a"
"""Stands in a vocabulary without any, as TFT has it: TensorFlow takes no empty file."""


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
