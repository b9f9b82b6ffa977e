"""What was asked and answered: a request, the columns that requests to a model have, and the Arrow schema of their log.

pyarrow is imported when a schema is made: whoever only answers does not pay for it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TENSORS = "serving_tensors"
STABLE, CANARY, SHADOW = "stable", "canary", "shadow"
"""Routes."""
_TEXT, _INTEGERS, _FLAG = 7, frozenset({3, 4, 5, 6, 9, 17, 22, 23}), 10
"""DataTypes of TensorFlow."""


@dataclass(frozen=True)
class Column:
    """A column of the requests.

    Attributes:
        input: the tensor that holds it.
        kind: int64, double, string or bool.
        many: whether a row holds a list of them.
    """

    name: str
    input: str
    kind: str
    many: bool = False


NOTHING = Column("_none", "_none", "bool")
"""A column of nulls, where there would be none: Parquet cannot hold a struct without fields."""


@dataclass(frozen=True)
class Layout:
    """What requests to one model look like in the table.

    Attributes:
        of_examples: whether the columns also come as serialized tf.Examples, by their names.
        threshold: from which probability on the answer is the second of two classes.
    """

    columns: tuple[Column, ...]
    task: str = ""
    classes: tuple[str, ...] = ()
    of_examples: bool = False
    threshold: float = 0.5


@dataclass(slots=True)
class Entry:
    """A request as one version answered it, or the part of its rows that it answered.

    Attributes:
        time: seconds since 1970, UTC.
        version: None when none answered.
        columns, outputs: by input and output; None when they could not be read, or there was no answer. Requests that
            were asked together share them.
        at, whole: the place of its first row there, and how many rows they have; only its own when None.
        places: of the rows in the request; all of them when None.
        size: of the request in bytes, for the bound of the queue.
    """

    name: str
    layout: Layout
    request_id: str
    time: float
    signature: str
    rows: int = 1
    version: int | None = None
    route: str = STABLE
    caller: str | None = None
    latency_s: float = 0.0
    error: str | None = None
    columns: Mapping[str, Any] | None = None
    outputs: Mapping[str, Any] | None = None
    at: int = 0
    whole: int | None = None
    places: Sequence[int] | None = None
    size: int = 0


@dataclass(frozen=True)
class Redaction:
    """Columns that are not written as they are: text is hashed, so that equal values stay equal; numbers are left out.

    Attributes:
        leave_out: text as well.
        key: of the hash (HMAC with SHA-256, the first 128 bits in hex).
    """

    columns: frozenset[str] = frozenset()
    leave_out: bool = False
    key: bytes = b""

    def hides(self, column: Column) -> bool:
        """Return whether the column is left out of the table."""
        return column.name in self.columns and (self.leave_out or column.kind != "string")

    def error(self, text: str) -> str:
        """Return what may be told of an error: no value, if columns are hidden. It begins with the code's name."""
        if not self.columns:
            return text
        code, _, message = text.partition(": ")
        rule, found, _ = message.partition("; it is ")
        return f"{code}: {rule}" if message.startswith("column ") and found else code

    def hashed(self, values: Sequence[Any]) -> list[Any]:
        """Return the hash of each text; nothing of none."""
        return [None if not value else self._hash(value) for value in values]

    def _hash(self, value: Any) -> str:
        content = value.encode(errors="replace") if isinstance(value, str) else value
        return hmac.new(self.key, content, hashlib.sha256).hexdigest()[:32]


def layout_of(told: Mapping[str, Any], inputs: Mapping[str, tuple[int, int]], threshold: float = 0.5) -> Layout:
    """Return what requests look like.

    Args:
        told: `signatures.json` beside the model (trainer.description); empty of a model from elsewhere.
        inputs: DataType and number of dimensions of each input of the signature.
        threshold: see Layout.
    """
    described = told.get("signatures", {}).get(TENSORS, {}).get("inputs", {})
    label = told.get("label", {})
    if described:
        columns = tuple(
            Column(
                one["feature"],
                name,
                "string" if one["dtype"] == "string" else "int64" if one.get("whole_numbers") else "double",
                len(one.get("shape", ())) > 1,
            )
            for name, one in described.items()
        )
        return Layout(columns, label.get("task", ""), tuple(map(str, label.get("classes", ()))), True, threshold)
    kinds = {_TEXT: "string", _FLAG: "bool"} | dict.fromkeys(_INTEGERS, "int64")
    return Layout(
        tuple(Column(name, name, kinds.get(kind, "double"), size > 1) for name, (kind, size) in sorted(inputs.items()))
    )


def own_fields() -> list[tuple[str, Any]]:
    """Return the columns that tell of the request: names and Arrow types."""
    import pyarrow as pa

    return [
        ("request_id", pa.string()),
        ("row", pa.int32()),
        ("time", pa.timestamp("us", "UTC")),
        ("version", pa.string()),
        ("route", pa.string()),
        ("signature", pa.string()),
        ("caller", pa.string()),
        ("latency_s", pa.float64()),
        ("error", pa.string()),
    ]


def schema_of(layout: Layout, redaction: Redaction) -> Any:
    """Return the table's Arrow schema."""
    import pyarrow as pa

    return pa.schema(
        [
            *own_fields(),
            ("features", pa.struct([_field(column) for column in shown(layout, redaction)])),
            ("scores", pa.list_(pa.float64())),
            ("label", pa.string()),
        ]
    )


def shown(layout: Layout, redaction: Redaction) -> list[Column]:
    """Return the columns that the table has."""
    found = [column for column in layout.columns if not redaction.hides(column)]
    return found or [NOTHING]


def _field(column: Column) -> Any:
    import pyarrow as pa

    kind = {"int64": pa.int64(), "double": pa.float64(), "string": pa.string(), "bool": pa.bool_()}[column.kind]
    return pa.field(column.name, pa.list_(kind) if column.many else kind)
