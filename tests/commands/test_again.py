"""What people changed since `init` wrote is kept; what they did not change follows the data."""

from __future__ import annotations

import pytest

from pipeline.commands.again import merge_config, merge_schema
from pipeline.config.yaml_file import parse_yaml

LAST = """\
# header
data:
  label: "y" # the label
  task: binary
  classes: ["no", "yes"]
  drop: # never read
    - "old" # no value in any row
  columns:
    "price": { kind: "number", unit: ["$"] }
features:
  exclude:
    - "id" # another value in every row
trainer: # sized
  epochs: 60
  batch_size: 64
"""


def test_an_untouched_file_becomes_what_init_would_write() -> None:
    new = (
        LAST.replace('["no", "yes"]', '["maybe", "no", "yes"]')
        .replace("task: binary", "task: multiclass")
        .replace("epochs: 60", "epochs: 20")
        .replace('- "old" # no value in any row', '- "fax"')
        .replace('unit: ["$"]', 'unit: ["$", "€"]')
    )
    merged = merge_config(LAST, LAST, new)
    assert merged.kept == []
    expected = parse_yaml(new)
    expected["data"]["classes"] = ["no", "yes", "maybe"]  # in the order that the model knows
    assert parse_yaml(merged.text) == expected
    assert merged.text.startswith("# header\n")
    assert "# the label" in merged.text


def test_what_people_changed_stays() -> None:
    mine = (
        LAST.replace("epochs: 60", "epochs: 99 # slow, but better")
        .replace('    - "id" # another value in every row', '    - "id" # to join\n    - "leak" # Ann said so')
        .replace('    - "old" # no value in any row\n', "    - mine\n")
        .replace('unit: ["$"]', 'unit: ["USD"]')
    )
    new = LAST.replace("epochs: 60", "epochs: 20").replace("batch_size: 64", "batch_size: 256")
    new = new.replace('unit: ["$"]', 'unit: ["$", "€"]').replace('- "id"', '- "id"\n    - "token" # new')
    merged = merge_config(LAST, mine, new)
    found = parse_yaml(merged.text)
    assert found["features"]["exclude"] == ["id", "leak", "token"]
    assert found["data"]["drop"] == ["mine"]
    assert found["trainer"] == {"epochs": 99, "batch_size": 256}
    assert found["data"]["columns"] == {"price": {"kind": "number", "unit": ["USD"]}}
    for comment in ("# slow, but better", "# to join", "# Ann said so"):
        assert comment in merged.text
    assert merged.kept == [
        "data.columns.price: {'kind': 'number', 'unit': ['USD']} "
        "(init would now write {'kind': 'number', 'unit': ['$', '€']})",
        "trainer.epochs: 99 (init would now write 20)",
    ]


def test_a_derived_feature_goes_with_its_proposal_unless_people_changed_it() -> None:
    texts = '    "note_words": "ngrams(note, 2)" # its words\n    "note_length": "length(note)" # its characters\n'
    last = LAST.replace("trainer:", f"  derive: # computed\n{texts}  bins: 24 # of numbers\ntrainer:")
    merged = merge_config(last, last, LAST.replace("trainer:", "  bins: 24 # of numbers\ntrainer:"))
    assert (merged.text, merged.kept) == (LAST.replace("trainer:", "  bins: 24 # of numbers\ntrainer:"), [])
    mine = last.replace("ngrams(note, 2)", "ngrams(note, 3)")
    merged = merge_config(last, mine, LAST)
    assert parse_yaml(merged.text)["features"]["derive"] == {"note_words": "ngrams(note, 3)"}
    assert "# its words" in merged.text
    assert "features.derive.note_words: 'ngrams(note, 3)' (init would now write None)" in merged.kept


def test_comments_of_init_follow_the_data_and_those_of_people_stay() -> None:
    """Seen failing: a threshold for 80 rows had the comment that 40 rows judge."""
    last = LAST.replace("# sized", "# sized for 200 rows").replace("batch_size: 64", "batch_size: 64 # of 200")
    mine = last.replace("# another value in every row", "# to join")
    new = last.replace("200", "400").replace("batch_size: 64", "batch_size: 128")
    new = new.replace("# another value in every row", "# nearly one each").replace(
        "# no value in any row", "# constant"
    )
    text = merge_config(last, mine, new).text
    assert text == mine.replace("200", "400").replace("batch_size: 64", "batch_size: 128").replace(
        "# no value in any row", "# constant"
    )


def test_how_a_column_was_read_goes_with_it() -> None:
    """Seen failing: `"price": {}` stayed."""
    new = LAST.replace('  columns:\n    "price": { kind: "number", unit: ["$"] }\n', "")
    assert "columns" not in (text := merge_config(LAST, LAST, new).text)
    assert parse_yaml(text) == parse_yaml(new)


def test_without_a_record_only_what_is_new_is_added() -> None:
    mine = LAST.replace("epochs: 60", "epochs: 99")
    new = LAST.replace('- "id"', '- "id"\n    - "token"').replace("batch_size: 64", "batch_size: 256")
    assert parse_yaml(merge_config(None, mine, new).text)["features"]["exclude"] == ["id", "token"]
    assert parse_yaml(merge_config(None, mine, new).text)["trainer"] == {"epochs": 99, "batch_size": 64}


def column(name: str, inner: str = "type: INT", domain: str = "") -> str:
    values = f'string_domain {{\n  name: "{name}"\n  value: [{domain}]\n}}\n' if domain else ""
    return f'feature {{\n  name: "{name}"\n  {inner}\n}}\n{values}'


SCHEMA = "# about it\n" + column("a") + column("b", 'type: BYTES domain: "b"', '"x", "y"') + column("c") + column("d")


@pytest.mark.parametrize("last", [SCHEMA, None])
def test_columns_of_the_schema_follow_the_data_where_nobody_changed_them(last: str | None) -> None:
    mine = SCHEMA.replace('name: "a"', 'name: "a" # mind').replace(column("c"), column("c", "type: FLOAT # Ann"))
    mine = mine.replace(column("d"), "")
    new = SCHEMA.replace('"x", "y"', '"x", "y", "z"').replace(column("c"), column("c", "type: BYTES")) + column("e")
    merged = merge_schema(last, mine, new)
    assert all(text in merged.text for text in ("# mind", "type: FLOAT # Ann", "# about it"))
    assert 'name: "e"' in merged.text
    assert ('"z"' in merged.text) is (last is not None)
    assert ('name: "d"' in merged.text) is (last is None)
    assert merged.kept == (["column 'c' of the schema"] if last else [])
