"""Read Parquet examples by row group, in stock components too.

Replaces: make_tfxio of tfx.components.util.tfxio_utils
Why: TFX reads Parquet examples row by row, through dictionaries and pickle, and has no register of readers to add to.
Upstream: https://github.com/tensorflow/tfx/blob/master/tfx/components/util/tfxio_utils.py
Until: TFX lets a payload format name its reader.
Test: tests/patches/test_patches.py::test_tfx_still_holds_a_closed_list_of_readers
"""

from __future__ import annotations

from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.util import tfxio_utils
from tfx.proto import example_gen_pb2
from tfx_bsl.tfxio import tfxio

from pipeline.data.row_groups import RowGroupTFXIO

_of_tfx = tfxio_utils.make_tfxio


def install() -> None:
    """Have all components read so; ours call `make_tfxio` themselves."""
    tfxio_utils.make_tfxio = make_tfxio


def make_tfxio(
    file_pattern: Any,
    telemetry_descriptors: list[str],
    payload_format: int | str,
    data_view_uri: str | None = None,
    schema: schema_pb2.Schema | None = None,
    read_as_raw_records: bool = False,
    raw_record_column_name: str | None = None,
    file_format: Any = None,
) -> tfxio.TFXIO:
    """Make a reader of examples: `RowGroupTFXIO` for FORMAT_PARQUET, else TFX's own."""
    if payload_format in (example_gen_pb2.FORMAT_PARQUET, "FORMAT_PARQUET"):
        return RowGroupTFXIO(file_pattern, schema, raw_record_column_name)
    return _of_tfx(
        file_pattern,
        telemetry_descriptors,
        payload_format,
        data_view_uri,
        schema,
        read_as_raw_records,
        raw_record_column_name,
        file_format,
    )
