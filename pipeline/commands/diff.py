"""How the columns of one run's data differ from those of another's."""

from __future__ import annotations

from pipeline.data.statistics_files import read_split, splits_in
from pipeline.guard.checks import TRAIN_SPLIT
from pipeline.guard.distances import Moved, distances
from pipeline.lineage.runs import Run


def moved_columns(before: Run, after: Run) -> list[Moved] | None:
    """Return distances between the training splits, the largest first; None if the statistics of a run are gone."""
    places = [
        next((found for found in run.artifacts.get("StatisticsGen", []) if found.type == "ExampleStatistics"), None)
        for run in (before, after)
    ]
    if places[0] and places[1] and places[0].id == places[1].id:
        return []
    if not all(place and TRAIN_SPLIT in splits_in(place.folder) for place in places):
        return None
    first, second = (read_split(place.folder, TRAIN_SPLIT) for place in places if place)
    return distances(first, second)
