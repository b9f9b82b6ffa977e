"""What the training process writes down for the check before a push."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainer.digests import MANIFEST, file_digests, model_digest
from trainer.probe_rows import read_scored_rows, write_scored_rows


def test_rows_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    predictions = np.array([[0.25, 0.75], [1 / 3, 2 / 3]], np.float32)
    write_scored_rows(str(tmp_path / "rows.parquet"), [b"one", b"\x00two"], predictions)
    examples, found = read_scored_rows(str(tmp_path / "rows.parquet"))
    assert examples == [b"one", b"\x00two"]
    np.testing.assert_array_equal(found, predictions)


def test_a_digest_knows_every_file_but_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "data").write_bytes(b"abc")
    (tmp_path / "saved_model.pb").touch()
    before = file_digests(tmp_path)
    assert before == {
        "saved_model.pb": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "variables/data": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }
    (tmp_path / MANIFEST).parent.mkdir()
    (tmp_path / MANIFEST).touch()
    assert file_digests(str(tmp_path)) == before
    assert model_digest(before) == model_digest(dict(reversed(before.items())))
    assert file_digests(f"file://{tmp_path}") == before  # as it is read from elsewhere
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "words").write_bytes(b"UA")
    assert model_digest(file_digests(tmp_path)) != model_digest(before)
