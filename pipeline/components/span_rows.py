"""Reads record batches of examples, each with the span that its file came from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
from tfx.dsl.io import fileio
from tfx_bsl.tfxio import tfxio

from pipeline.data.row_groups import RowGroupTFXIO
from pipeline.data.shards import span_of
from pipeline.evaluation.periods import with_span


@beam.ptransform_fn
def ReadBySpan(  # noqa: N802 (a transform)
    pipeline: Any, folders: Sequence[str], make: Callable[[list[str]], tfxio.TFXIO], batch_rows: int
) -> beam.PCollection:
    """Read the files of folders; rows of files that name no span come as they are.

    Args:
        make: from paths to a reader.
    """
    files: defaultdict[int | None, list[str]] = defaultdict(list)
    for folder in folders:
        for name in fileio.listdir(folder):
            files[span_of(name)].append(f"{folder}/{name}")
    sources = {span: make(paths) for span, paths in files.items()}
    groups, readers = [], {}
    for span, source in sources.items():
        if isinstance(source, RowGroupTFXIO):
            readers[span] = source.reader(batch_rows)
            groups += [(span, group) for group in source.row_groups()]
    if readers:  # one transform, however many spans
        return (
            pipeline
            | "ListRowGroups" >> beam.Create(groups)
            | "SpreadRowGroups" >> beam.Reshuffle()
            | "ReadRowGroup" >> beam.FlatMapTuple(lambda span, group: with_span(readers[span](group), span))
        )
    return [
        pipeline
        | f"Read{span}" >> source.BeamSource(batch_rows)
        | f"Tell{span}" >> beam.FlatMap(lambda batch, span: with_span([batch], span), span)
        for span, source in sources.items()
    ] | beam.Flatten()
