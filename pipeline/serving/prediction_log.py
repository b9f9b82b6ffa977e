"""TensorFlow Serving's log of requests (PredictionLog in TFRecord files) as the table that our server's log is.

A record is a request with its answer. Predict requests are read: features come as serialized tf.Examples in the input
`examples`, or as one tensor a feature. `tensorflow_serving/apis/prediction_log.proto` and
`tensorflow_serving/core/logging.proto` say what the fields are.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.errors import DataError
from pipeline.serving.request_layout import own_fields

ENDINGS = (".tfrecord", ".tfrecords", ".tfrecord.gz", ".tfrecords.gz")
EXAMPLES = "examples"
"""The input that holds serialized tf.Examples."""
_AT_ONCE = 10_000
_MOST_BYTES = 1 << 30
_OWN = pa.schema(own_fields())


def prediction_files(log: Path) -> list[Path]:
    """Return the TFRecord files of a log in order; those that are being written begin with a dot and are left out.

    Args:
        log: a folder, a file, or a pattern.
    """
    found = log.rglob("*") if log.is_dir() else [log] if log.exists() else log.parent.glob(log.name)
    return sorted(path for path in found if is_prediction_log(path) and not path.name.startswith("."))


def is_prediction_log(path: Path) -> bool:
    """Return whether a file's name is that of a TFRecord file."""
    return path.name.endswith(ENDINGS)


def prediction_tables(path: Path) -> Iterator[pa.Table]:
    """Yield the rows of a file as tables of the server's form: features in a struct, scores as lists.

    The id of a request is the file's name and the record's number, since TensorFlow Serving gives none. Caller,
    latency and label are null, which its log does not have either.

    Raises:
        DataError: it is damaged, or a record is no Predict request with its answer and its time.
    """
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    rows: list[dict[str, Any]] = []
    for number, record in enumerate(_records(path), 1):
        one = PredictionLog()
        try:
            one.ParseFromString(record)
        except Exception as exc:  # protobuf's own, whose class differs by implementation
            raise _unusable(path, number, "is no PredictionLog") from exc
        rows += _rows(one, path, number)
        if len(rows) >= _AT_ONCE:
            yield _table(rows)
            rows = []
    if rows:
        yield _table(rows)


def _records(path: Path) -> Iterator[bytes]:
    """Yield the records: length (8 bytes, little endian), its checksum (4), content, its checksum (4)."""
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
            while head := file.read(12):
                length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else _MOST_BYTES
                content = file.read(length + 4) if length < _MOST_BYTES else b""
                if len(content) < length + 4:
                    raise DataError(
                        f"{path} ends within a record, or is no TFRecord file", "move it away, or write it anew"
                    )
                yield content[:-4]
    except (OSError, EOFError) as exc:
        raise DataError(f"{path} cannot be read: {exc}", "move it away, or write it anew") from exc


def _rows(one: Any, path: Path, number: int) -> list[dict[str, Any]]:
    if one.WhichOneof("log_type") != "predict_log":
        raise _unusable(path, number, f"holds a {one.WhichOneof('log_type') or 'request of no kind'}, no predict_log")
    if not one.log_metadata.timestamp_secs:
        raise _unusable(path, number, "has no log_metadata.timestamp_secs: nobody knows when it was")
    spec, told = one.predict_log.request.model_spec, one.log_metadata.model_spec
    version = told.version.value or spec.version.value or one.predict_log.response.model_spec.version.value
    columns = _columns(one.predict_log.request.inputs, path, number)
    scores = _scores(one.predict_log.response.outputs, path, number)
    if any(len(column) != len(scores) for column in columns.values()):
        raise _unusable(path, number, f"has {len(scores)} answers, and another number of rows")
    own = {
        "request_id": f"{path.name}:{number}",
        "time": one.log_metadata.timestamp_secs * 1_000_000,
        "version": str(version) if version else "",
        "route": "stable",
        "signature": spec.signature_name or "serving_default",
        "caller": None,
        "latency_s": None,
        "error": None,
    }
    return [
        own | {"row": row, "features": {name: column[row] for name, column in columns.items()}, "scores": answer}
        for row, answer in enumerate(scores)
    ]


def _columns(inputs: Mapping[str, Any], path: Path, number: int) -> dict[str, list[Any]]:
    if set(inputs) != {EXAMPLES}:
        return {name: [_first(value) for value in _array(tensor, path, number)] for name, tensor in inputs.items()}
    from tensorflow.core.example.example_pb2 import Example

    found: list[dict[str, Any]] = []
    for record in _array(inputs[EXAMPLES], path, number):
        features = Example.FromString(record).features.feature
        found.append({name: _value(feature) for name, feature in features.items()})
    names = dict.fromkeys(name for one in found for name in one)
    return {name: [one.get(name) for one in found] for name in names}


def _value(feature: Any) -> Any:
    kind = feature.WhichOneof("kind")
    values: list[Any] = list(getattr(feature, kind).value) if kind else []
    return _text(values[0]) if values else None


def _first(value: Any) -> Any:
    """Return the value of a row: its own, or the first of its list."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    while isinstance(plain, list):
        plain = plain[0] if plain else None
    return _text(plain)


def _text(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _scores(outputs: Mapping[str, Any], path: Path, number: int) -> list[list[float]]:
    """Return the answers: of the output `prediction`, or of the only one that holds numbers."""
    arrays = {name: _array(tensor, path, number) for name, tensor in outputs.items()}
    numbers = {name: one for name, one in arrays.items() if one.dtype.kind == "f"}
    found = numbers.get("prediction", next(iter(numbers.values())) if len(numbers) == 1 else None)
    if found is None:
        raise _unusable(
            path, number, f"has no output `prediction`; its outputs are {', '.join(sorted(arrays)) or 'none'}"
        )
    return [[float(value) for value in row] for row in found.reshape(len(found), -1)]


def _array(tensor: Any, path: Path, number: int) -> Any:
    import tensorflow as tf

    try:
        found = tf.make_ndarray(tensor)
    except (TypeError, ValueError) as exc:
        raise _unusable(path, number, f"has a tensor that cannot be read ({exc})") from exc
    return found if found.ndim else found.reshape(1)


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    own = pa.Table.from_pylist([{name: row[name] for name in _OWN.names} for row in rows], schema=_OWN)
    names = dict.fromkeys(name for row in rows for name in row["features"])
    columns = [pa.array([row["features"].get(name) for row in rows]) for name in names]
    features = pa.StructArray.from_arrays(columns, names=list(names))
    scores = pa.array([row["scores"] for row in rows], pa.list_(pa.float64()))
    table = own.append_column("features", features).append_column("scores", scores)
    return table.append_column("label", pa.nulls(len(rows), pa.string()))


def _unusable(path: Path, number: int, what: str) -> DataError:
    remedy = "log Predict requests with their answers and log_metadata.timestamp_secs, or move the file away"
    return DataError(f"{path}, record {number:,}: it {what}", remedy)
