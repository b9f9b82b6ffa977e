"""The same real flights as Longhaul's Examples and as stock TFX's, and pipelines that run on both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.convert import column_type_of, to_stored

SPLITS = {"train": 2500, "eval": 1200}
SHARDS = 2
"""Files per split; Parquet has two row groups in each."""


@pytest.fixture(scope="session")
def flights(year: Path) -> dict[str, pa.Table]:
    """An even choice of the year's flights, as Longhaul stores them, by split."""
    table = pa.concat_tables([pq.read_table(path) for path in sorted(year.glob("span-*/flights.parquet"))])
    chosen = table.take([i * table.num_rows // sum(SPLITS.values()) for i in range(sum(SPLITS.values()))])
    columns = [column.combine_chunks() for column in chosen.columns]
    stored = [to_stored(column, column_type_of(column.type)) for column in columns]
    whole = pa.table(stored, chosen.column_names)
    return {"train": whole.slice(0, SPLITS["train"]), "eval": whole.slice(SPLITS["train"])}


@pytest.fixture(scope="session")
def write_examples(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Path]]:
    """`write_examples(tables)`: {"longhaul": ..., "stock": ...}, an Examples folder each, of the same rows."""

    def write(tables: dict[str, pa.Table]) -> dict[str, Path]:
        folders = {side: tmp_path_factory.mktemp("examples") for side in ("longhaul", "stock")}
        for split, table in tables.items():
            for side, folder in folders.items():
                (folder / f"Split-{split}").mkdir()
                rows = -(-table.num_rows // SHARDS)
                for shard in range(SHARDS):
                    part = table.slice(shard * rows, rows)
                    file = folder / f"Split-{split}" / f"data-{shard:05d}"
                    if side == "longhaul":
                        pq.write_table(part, f"{file}.parquet", row_group_size=rows // 2 + 1)
                    else:
                        _write_records(f"{file}.gz", part)
        return folders

    return write


def _write_records(path: str, table: pa.Table) -> None:
    """tf.Examples by TensorFlow alone; a missing value is a missing feature."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for row in table.to_pylist():
            example = tf.train.Example()
            for name, value in row.items():
                feature = example.features.feature
                if isinstance(value, str):
                    feature[name].bytes_list.value.append(value.encode())
                elif isinstance(value, float):
                    feature[name].float_list.value.append(value)
                elif value is not None:
                    feature[name].int64_list.value.append(value)
            writer.write(example.SerializeToString())


@pytest.fixture(scope="session")
def run_both(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Path]]:
    """`run_both(examples, wire)`: runs what `wire(side, examples channel)` returns, and gives the artifact folders."""

    def run(examples: dict[str, Path], wire: Callable[[str, Any], list[Any]]) -> dict[str, Path]:
        from tfx.dsl.components.common.importer import Importer
        from tfx.orchestration import metadata
        from tfx.orchestration.local.local_dag_runner import LocalDagRunner
        from tfx.orchestration.pipeline import Pipeline
        from tfx.types import standard_artifacts

        folders = {}
        for side, payload_format in (("longhaul", "FORMAT_PARQUET"), ("stock", "FORMAT_TF_EXAMPLE")):
            work = folders[side] = tmp_path_factory.mktemp(side)
            imported = Importer(
                str(examples[side]),
                standard_artifacts.Examples,
                properties={"split_names": '["train", "eval"]'},
                custom_properties={"payload_format": payload_format},
            ).with_id("Examples")
            pipeline = Pipeline(
                pipeline_name=side,
                pipeline_root=str(work),
                components=[imported, *wire(side, imported.outputs["result"])],
                metadata_connection_config=metadata.sqlite_metadata_connection_config(f"{work}/metadata.db"),
                beam_pipeline_args=["--runner=FnApiRunner"],
            )
            LocalDagRunner().run(pipeline)
        return folders

    return run
