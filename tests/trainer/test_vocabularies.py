"""All vocabularies by one analysis: what TFT's own analyzer would learn of each column, and words of any bytes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import beam as tft_beam

from pipeline.data.row_groups import RowGroupTFXIO
from trainer import words_file
from trainer.features import FeatureTable, Kind, derive
from trainer.preprocessing import CATEGORICAL, preprocessing_fn
from trainer.stacks import HAS_TEXT, TEXTS, of_parsed
from trainer.word_counts import _Coder

Columns = Mapping[str, Sequence[bytes | None]]
PROBES: Sequence[bytes | None] = [b"a", b"b", b"zz", b"never seen", None]


def table_of(columns: Columns, most: int) -> tuple[schema_pb2.Schema, FeatureTable]:
    schema = schema_pb2.Schema()
    for name in columns:
        schema.feature.add(name=name, type=schema_pb2.BYTES)
    text_format.Merge('feature { name: "y" type: INT presence { min_fraction: 1 } shape {} }', schema)
    return schema, derive(
        schema, label="y", task="binary", classes=["0", "1"], exclude=[], categorical=[], max_vocabulary=most, bins=2
    )


def learn(folder: Path, columns: Columns, most: int, function: Any) -> tft.TFTransformOutput:
    """Analyse in batches of few rows, so that counts are merged."""
    folder.mkdir()
    schema, _ = table_of(columns, most)
    rows = len(next(iter(columns.values())))
    stored = pa.table({name: pa.array(values, pa.binary()) for name, values in columns.items()} | {"y": [0] * rows})
    pq.write_table(stored, folder / "rows.parquet", row_group_size=50)
    source = RowGroupTFXIO(str(folder / "rows.parquet"), schema)  # columns, which stock Transform hands over
    with beam.Pipeline(runner="FnApiRunner") as pipeline, tft_beam.Context(temp_dir=str(folder / "tmp")):
        raw = pipeline | source.BeamSource()
        learnt = (raw, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(function)
        _ = learnt | tft_beam.WriteTransformFn(str(folder))
    return tft.TFTransformOutput(str(folder))


def ours(folder: Path, columns: Columns, most: int) -> tft.TFTransformOutput:
    _, table = table_of(columns, most)
    return learn(folder, columns, most, lambda inputs: preprocessing_fn(inputs, {"features": table.to_dict()}))


def theirs(folder: Path, columns: Columns, most: int) -> tft.TFTransformOutput:
    """A vocabulary of its own for each column, as Longhaul had until this analysis."""
    _, table = table_of(columns, most)

    def function(inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
        ids = []
        matrices = of_parsed(inputs, table)
        for place, _ in enumerate(table.of(Kind.CATEGORICAL)):
            value, present = matrices[TEXTS][:, place], matrices[HAS_TEXT][:, place] > 0
            found = tft.compute_and_apply_vocabulary(
                tf.where(present, value, ""), top_k=most, num_oov_buckets=1, vocab_filename=f"v{place}"
            )
            ids.append(found + tf.cast(~present, tf.int64))
        return {CATEGORICAL: tf.stack(ids, axis=1)}

    return learn(folder, columns, most, function)


def looked_up(learnt: tft.TFTransformOutput, columns: Columns, rows: Sequence[bytes | None]) -> Any:
    there = [[row, 0] for row, value in enumerate(rows) if value is not None]
    values = [value for value in rows if value is not None]
    column = tf.SparseTensor(
        tf.constant(there, tf.int64, [len(there), 2]), tf.constant(values, tf.string), [len(rows), 1]
    )
    inputs: dict[str, Any] = dict.fromkeys(columns, column) | {"y": tf.zeros([len(rows)], tf.int64)}
    return learnt.transform_features_layer()(inputs)[CATEGORICAL].numpy().tolist()


@pytest.mark.parametrize("seed", range(2))
def test_the_same_words_in_the_same_order_as_tft_learns_column_by_column(seed: int, tmp_path: Path) -> None:
    chosen = random.Random(seed)
    rows, most = 180, chosen.choice([2, 7, 1000])
    words = [bytes(chosen.choices(b"ab z\xc3\xa9\xff\t:=", k=chosen.randint(1, 3))) for _ in range(60)]
    columns: dict[str, list[bytes | None]] = {
        f"c{place}": chosen.choices([*words[: chosen.randint(1, 60)], *[None] * chosen.randint(0, 9)], k=rows)
        for place in range(2)
    }
    columns |= {"gone": [None] * rows, "tied": [words[row % 20] for row in range(rows)]}
    here, there = ours(tmp_path / "ours", columns, most), theirs(tmp_path / "theirs", columns, most)
    expected = [there.vocabulary_by_name(f"v{place}") for place in range(len(columns))]
    assert words_file.read(here, list(columns)) == expected
    probes = [*PROBES, *words]
    assert looked_up(here, columns, probes) == looked_up(there, columns, probes)


def test_words_of_any_bytes_are_known(tmp_path: Path) -> None:
    words = [
        b"two\nlines",
        b"two\rlines",
        b"two\r\nlines",
        b"\n",
        b"\x00",
        b"\xff\xfe",
        b"\t",
        b"0:",
        "größe".encode(),
        b"x",
    ]
    words += [
        b"",
        b" ",
        b" x",
        b"x ",
        b"\x00\x00",
        b"x\x00",
        b"\xc3",
        b"\xef\xbb\xbfx",
        b"TEMPORARY_ASSET_VALUE",
        b"y" * 2_000_000,
    ]
    words.append(bytes(range(256)))
    learnt = ours(tmp_path / "ours", {"a\tb\n": words * 2, "other": list(reversed(words * 2))}, 1000)
    for known in words_file.read(learnt, ["a\tb\n", "other"]):
        assert sorted(known) == sorted(words)
    found = looked_up(learnt, {"a\tb\n": (), "other": ()}, [*words, b"two", None])
    assert [row[0] for row in found[:-2]] == [sorted(words, reverse=True).index(word) for word in words]
    assert found[-2:] == [[len(words)] * 2, [len(words) + 1] * 2]


def test_what_spans_before_taught_is_read_again_as_it_was() -> None:
    counted = (b"3:" + bytes(range(256)), 2**40)
    assert _Coder().decode_cache(_Coder().encode_cache(counted)) == counted
