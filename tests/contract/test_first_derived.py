"""What `init` proposes to compute: of texts, lists, places and times, and of nothing else."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.contract.first_derived import propose_derived
from pipeline.contract.first_look import look_at
from pipeline.contract.first_reading import Wishes
from pipeline.contract.lists import list_delimiter
from pipeline.contract.roles import Judged, judge_roles
from pipeline.data.columns import ColumnType
from trainer.derived_columns import check
from trainer.expressions import Type

ROWS = 600
TYPES = {ColumnType.FLOAT: Type.NUMBER, ColumnType.TIMESTAMP: Type.TIME, ColumnType.STRING: Type.TEXT}


def proposed(columns: dict[str, tuple[ColumnType, list[Any]]]) -> dict[str, str]:
    """Propose of a table with a label; each expression is one that may stand in the YAML file."""
    columns = columns | {"y": (ColumnType.STRING, ["no", "yes"] * (ROWS // 2))}
    types = {name: kind for name, (kind, _) in columns.items()}
    rows = pa.table({name: pa.array(values, kind.stored) for name, (kind, values) in columns.items()})
    found = propose_derived(rows, types, judge_roles(rows, types, "y", "binary"))
    expressions = {name: one.expression for name, one in found.items()}
    check(expressions, {name: (TYPES[kind], True) for name, kind in types.items() if name != "y"}, "y", ("no", "yes"))
    return expressions


def around(middle: float, spread: float, seed: int) -> tuple[ColumnType, list[Any]]:
    draw = random.Random(seed)
    return ColumnType.FLOAT, [None, *(middle + draw.uniform(-spread, spread) for _ in range(ROWS - 1))]


def lists(delimiter: str, write: str = "{}") -> list[str]:
    draw = random.Random(2)
    colors = ["red", "green", "blue", "old", "new", "big", "small"]
    return [write.format(delimiter.join(draw.sample(colors, draw.randint(1, 4)))) for _ in range(ROWS)]


def test_texts_and_lists_are_shown_in_parts_and_a_name_that_is_no_word_is_written_out() -> None:
    draw = random.Random(1)
    words = ["the", "order", "came", "late", "again", "and", "nobody", "told", "me", "why", "it", "was", "broken"]
    notes = [" ".join(draw.choices(words, k=9)) for _ in range(ROWS)]
    found = proposed({"a note": (ColumnType.STRING, notes), "tags": (ColumnType.STRING, lists("|"))})
    assert found == {
        "a note_words": 'ngrams(column("a note"), 2)', "a note_length": 'length(column("a note"))',
        "tags_items": "items(tags, '|')",
    }  # fmt: skip


def test_places_by_name_and_range() -> None:
    pair = {"pickup_latitude": around(40, 1, 1), "pickup_longitude": around(-74, 1, 2)}
    (one,) = proposed(pair).items()
    assert one[0] == "pickup_from_centre"
    assert one[1].startswith("distance_km(pickup_latitude, pickup_longitude, 4")
    two = proposed(pair | {"dropLat": around(40, 1, 3), "dropLng": around(-74, 1, 4)})
    assert two["pickup_to_drop_km"] == "distance_km(pickup_latitude, pickup_longitude, dropLat, dropLng)"
    assert proposed({"lat": around(0, 1, 1), "long": around(170, 40, 2)}) == {}  # beyond 180
    assert proposed({"lat": around(0, 1, 1), "x": around(0, 1, 2)}) == {}


def test_ages_of_two_times() -> None:
    times = (ColumnType.TIMESTAMP, random.Random(1).sample(range(10**9), ROWS))
    later = (ColumnType.TIMESTAMP, random.Random(2).sample(range(10**9, 2 * 10**9), ROWS))
    assert proposed({"born": times}) == {}
    assert proposed({"born": times, "seen": later}) == {"born_to_seen_days": "days_between(born, seen)"}


def test_a_name_that_is_taken_gets_another() -> None:
    found = proposed({"tags": (ColumnType.STRING, lists("|")), "tags_items": around(0, 1, 5)})
    assert found == {"tags_items_": "items(tags, '|')"}


@pytest.mark.parametrize(
    ("values", "delimiter"),
    [
        (lists(";"), ";"),
        (lists("', '", "['{}']"), ","),
        (["Paris, France", "Rome, Italy"] * 300, None),  # as many parts in each
        ([f"street {at}, town {at % 7}" + ", north" * (at % 2) for at in range(ROWS)], None),  # too many different
        (["red", "blue"] * 300, None),
        (lists("|")[:50], None),  # too few rows
    ],
)
def test_what_is_a_list(values: list[str], delimiter: str | None) -> None:
    assert list_delimiter(pa.chunked_array([pa.array(values)])) == delimiter


def test_what_alone_tells_the_label_is_not_computed_with() -> None:
    rows = pa.table({"note": ["a b c"] * 4})
    judged = {"note": Judged("free text", tells_label=True)}
    assert propose_derived(rows, {"note": ColumnType.STRING}, judged) == {}


def test_a_list_that_alone_tells_the_label_is_shown_as_it_is_where_nothing_else_is_left() -> None:
    tags = ["red", "blue|red", *["blue", "red|blue"] * (ROWS // 2 - 1)]
    rows = pa.table({"tags": tags, "y": ["no", "yes"] * (ROWS // 2)})
    types = dict.fromkeys(("tags", "y"), ColumnType.STRING)
    judged = judge_roles(rows, types, "y", "binary")
    assert (judged["tags"].role, judged["tags"].setting, judged["tags"].tells_label) == ("feature", "", True)
    assert propose_derived(rows, types, judged) == {}


def test_rows_without_a_label_do_not_say_what_a_list_is(tmp_path: Path) -> None:
    rows = [f"{tags},{('no', 'yes')[at % 2]},{at % 7}" for at, tags in enumerate(lists("|"))]
    rows += [f"{'no list but a long text ' * 3}{at},,{at % 7}" for at in range(200)]
    (tmp_path / "t.csv").write_text("\n".join(["tags,y,x", *rows]) + "\n")
    found = look_at(str(tmp_path / "t.csv"), "y", Wishes()).derived
    assert {name: one.expression for name, one in found.items()} == {"tags_items": "items(tags, '|')"}
