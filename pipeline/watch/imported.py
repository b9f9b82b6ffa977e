"""Logs of TensorFlow Serving, put beside the state as Parquet files of the server's own form, which all else reads."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.files import incoming, write_whole
from pipeline.serving.prediction_log import prediction_files, prediction_tables


def import_predictions(log: Path, folder: Path) -> bool:
    """Read the TFRecord files of a log that are new or changed; return whether there is any.

    Args:
        log: a folder, a file, or a pattern; folder: for the Parquet files.

    Raises:
        DataError: one is damaged, or holds something else.
    """
    files = prediction_files(log)
    for path in files:
        state = path.stat()
        name = blake2b(str(path).encode(), digest_size=8).hexdigest()
        done, told = folder / f"{name}.done", f"{state.st_size} {state.st_mtime_ns}"
        if done.exists() and done.read_text() == told:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        for number, table in enumerate(prediction_tables(path)):
            target = folder / f"{name}-{number:05d}.parquet"
            with incoming(target) as hidden:
                pq.write_table(table, hidden, compression="zstd")
            os.utime(target, ns=(state.st_mtime_ns, state.st_mtime_ns))
        write_whole(told, done, "mark of an imported log", "fix its permissions")
    return bool(files)
