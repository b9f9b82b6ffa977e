"""The file of all vocabularies, among the assets of the transform graph and of the model.

It has a line per word: its key, its id, and for a reader the column's name and the word, as JSON. A key is the
column's place and the word in base64, so that words of any bytes fit into lines, and equal words of two columns are
two. The place alone is the key of the number of words.
"""

from __future__ import annotations

import base64
import json
import zlib
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


def read(transform_output: tft.TFTransformOutput, columns: Sequence[str]) -> list[list[bytes]]:
    """Return the words of each column, in the order of their ids."""
    assets = f"{transform_output.transform_savedmodel_dir}/assets"
    words: list[list[bytes]] = [[] for _ in columns]
    if columns and not tf.io.gfile.exists(f"{assets}/{FILE}"):
        return [_words_of_then(assets, column) for column in columns]
    for line in _lines(f"{assets}/{FILE}") if columns else []:
        key = line.split(b"\t", 1)[0]
        if b":" in key:
            place, word = word_of(key)
            words[place].append(word)
    return words


def _words_of_then(assets: str, column: str) -> list[bytes]:
    """Read what an earlier Longhaul wrote, a file for each column: `longhaul run --from Trainer` may meet it."""
    (file,) = tf.io.gfile.glob(f"{assets}/vocabulary_*_{zlib.crc32(column.encode()):08x}")
    return _lines(file)


def _lines(file: str) -> list[bytes]:
    with tf.io.gfile.GFile(file, "rb") as opened:
        found: list[bytes] = opened.read().split(b"\n")[:-1]
    return found
