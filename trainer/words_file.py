"""The file of all vocabularies, among the assets of the transform graph and of the model.

It has a line per word: the column's place, the word in base64, so that words of any bytes fit into lines, its id, and
for a reader the column's name and the word, as JSON. One more line of each column has the id of unknown values, which
that of missing ones follows. In the table of the graph, place and word are one key.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.stacks import OF_AN_EARLIER_LONGHAUL

if TYPE_CHECKING:
    import tensorflow_transform as tft

FILE = "vocabularies.tsv"

_NO_WORD = b"49d0cd50-04bb-48c0-bc6f-5b575dce351a"
"""Stands in a vocabulary without any, as TFT has it."""
_UNKNOWN = "unknown"


def write(words: Sequence[Sequence[bytes]], columns: Sequence[str]) -> bytes:
    """Return the file's content: `words` of each column, in the order of their ids."""
    lines = []
    for place, (column, known) in enumerate(zip(columns, words, strict=True)):
        name = json.dumps(column)
        known = known or [_NO_WORD]
        for number, word in enumerate(known):
            readable = json.dumps(word.decode(errors="backslashreplace"))
            lines.append(f"{place}\t{_encoded(word)}\t{number}\t{name}\t{readable}\n")
        lines.append(f"{place} {_UNKNOWN}\t\t{len(known)}\t{name}\n")
    return "".join(lines).encode()


def key_of(place: int) -> str:
    """Return how the key of each word of the column at that place begins; the word follows."""
    return f"{place}:"


def key_of_unknown(place: int) -> str:
    """Return the key of the id of unknown values."""
    return f"{place} {_UNKNOWN}:"


def word_of(key: bytes) -> tuple[int, bytes]:
    """Return the place of the column and the word."""
    place, _, word = key.partition(b":")
    return int(place), word


def _encoded(word: bytes) -> str:
    return base64.urlsafe_b64encode(word).decode().rstrip("=")


def read(transform_output: tft.TFTransformOutput, columns: Sequence[str]) -> list[list[bytes]]:
    """Return the words of each column, in the order of their ids.

    Raises:
        RuntimeError: an earlier Longhaul wrote the graph.
    """
    import tensorflow as tf  # `shown` is for those who wait for no import

    words: list[list[bytes]] = [[] for _ in columns]
    if not columns:
        return words
    path = f"{transform_output.transform_savedmodel_dir}/assets/{FILE}"
    if not tf.io.gfile.exists(path):
        raise RuntimeError(OF_AN_EARLIER_LONGHAUL)
    with tf.io.gfile.GFile(path, "rb") as opened:
        for line in opened.read().split(b"\n")[:-1]:
            place, encoded, _ = line.split(b"\t", 2)
            if b":" in place:
                raise RuntimeError(OF_AN_EARLIER_LONGHAUL)
            if place.isdigit():
                words[int(place)].append(base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4)))
    return words


def shown(content: str, column: str) -> list[str]:
    """Return the words of a column in the file's content, in the order of their ids, as a person reads them."""
    lines = [line.split("\t") for line in content.split("\n")[:-1]]
    return [
        json.loads(line[4])
        for line in lines
        if len(line) > 4 and json.loads(line[3]) == column and line[1] != _encoded(_NO_WORD)
    ]
