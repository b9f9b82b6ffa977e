"""The columns that all files of a table have."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pipeline.data.sources import bigquery, csv
from pipeline.data.sources.fragments import HEADLESS, TEXT, TYPED
from pipeline.data.sources.table_files import SourceFile, format_of
from pipeline.errors import DataError


def common_columns(
    files: Sequence[SourceFile], drop: Collection[str], uneven: dict[str, DataError] | None = None
) -> dict[str, None]:
    """Return the columns without `drop`, ordered; formats without a header have none before they are read.

    Args:
        uneven: takes the columns that are not in all files, with the reason, in place of raising that.
    """
    first: tuple[str, list[str]] | None = None
    for file in files:
        kind = format_of(file.path)
        if kind in HEADLESS:
            continue
        names = [name for name in _columns_of(file, kind) if name not in drop]
        if first is None:
            first = (file.path, names)
        missing = [name for name in first[1] if name not in names]
        extra = [name for name in names if name not in first[1]]
        if uneven is not None:
            uneven |= {name: DataError(f"{file.path} has no such column") for name in missing}
            uneven |= {name: DataError(f"{first[0]} has no such column") for name in extra}
        elif missing or extra:
            parts = [f"lacks {', '.join(map(repr, missing))}"] if missing else []
            parts += [f"has {', '.join(map(repr, extra))} besides"] if extra else []
            raise DataError(
                f"the columns of {file.path} differ from those of {first[0]}: it {' and '.join(parts)}",
                "give all files the same columns, or list the columns concerned in data.drop",
            )
    return {name: None for name in (first[1] if first else []) if name not in (uneven or ())}


def _columns_of(file: SourceFile, kind: str) -> Sequence[str]:
    if kind in TYPED:
        return list(TYPED[kind](file.path).schema.names)
    if kind in TEXT:
        return TEXT[kind](file.path).names() or ()
    return csv.columns_of(file.path, file.form) if kind == "csv" else bigquery.columns_of(file.path)
