"""Lists of categories as ids of their items."""

from __future__ import annotations

import tensorflow as tf

from trainer import ngrams


def test_lists_are_read_however_they_are_written_and_case_tells() -> None:
    cells = ["red, Blue", '["red", "Blue"]', "('Blue', 'red',)", "blue", ""]
    every = ngrams.ids((tf.constant(cells), tf.constant([bool(cell) for cell in cells])), ",", 4096).numpy()
    plain, as_json, as_python, other, none = (set(row[row > 0]) for row in every)
    assert plain == as_json == as_python
    assert (len(plain), len(other & plain), none) == (2, 0, set())
