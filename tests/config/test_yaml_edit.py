"""Settings changed in a file's text: the value and nothing else, in every form that people write."""

from __future__ import annotations

import random

import pytest

from pipeline.config.yaml_edit import with_item, with_value, without_item, without_key
from pipeline.config.yaml_file import parse_yaml, quoted
from pipeline.errors import ConfigError

FORMS = {
    "flow": 'data:\n  drop: ["a", b] # why\n  label: y # last\nx: 1\n',
    "flow over lines": "data:\n  drop: [\n    a, # first\n    b # second\n  ]\n  label: y\n",
    "block": "data:\n  label: y\n  drop:\n    - a # first\n    # of b\n    - b\n\n# next\nx: 1\n",
    "block, not indented": "data:\n  drop:\n  - a\n  - b\n  label: y\n",
    "block, at the end, no line end": "data:\n  label: y\n  drop:\n  - a\n  - 'b'",
    "one line": "data: { drop: [a, b], label: y } # all\n",
    "windows": "data:\r\n  drop:\r\n    - a\r\n    - b\r\n  label: y\r\n",
}
WITHOUT = {
    "empty list": "data:\n  drop: [] # none\n  label: y\n",
    "nothing": "data:\n  drop: # none\n  label: y\n",
    "no key": "data:\n  # comment\n  label: y # last\n\n# next\nx: 1\n",
    "no key in one line": "data: { label: y }\n",
    "only blocks": "data:\n  classes:\n    - a\n    - b\nx: 1\n",
    "no section": "x: 1 # one\n",
    "empty section": "data:\nx: 1\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_an_item_goes_to_the_end_of_a_list_and_comes_out_again(form: str) -> None:
    text = FORMS[form]
    more = with_item(text, ("data", "drop"), "c: #")
    assert parse_yaml(more)["data"]["drop"] == ["a", "b", "c: #"]
    assert all(comment in more for comment in ("# why", "# last", "# first", "# of b", "# next") if comment in text)
    assert without_item(more, ("data", "drop"), "c: #").rstrip() == text.rstrip()
    for item in ("a", "b"):
        less = without_item(text, ("data", "drop"), item)
        assert parse_yaml(less)["data"]["drop"] == [one for one in ("a", "b") if one != item]
        assert parse_yaml(without_item(less, ("data", "drop"), "b" if item == "a" else "a"))["data"]["drop"] == []


@pytest.mark.parametrize("form", WITHOUT)
def test_a_list_is_made_where_there_is_none(form: str) -> None:
    text = WITHOUT[form]
    more = with_item(text, ("data", "drop"), "c")
    before = parse_yaml(text)
    assert parse_yaml(more) == before | {"data": (before.get("data") or {}) | {"drop": ["c"]}}
    assert all(comment in more for comment in ("# none", "# comment", "# last", "# next", "# one") if comment in text)


def test_names_of_any_kind_are_the_same_when_read_again() -> None:
    seeded = random.Random(17)
    text = FORMS["block"]
    names = ["", " ", "- a", "null", "1", "on", "ä\u2028b", "q\"'", "\t", "#", "{}", "\U0001f600", "a\nb", "é" * 300]
    names += ["".join(chr(seeded.choice([*range(32, 127), 0xE9, 0x4E00])) for _ in range(9)) for _ in range(50)]
    for name in names:
        text = with_item(text, ("data", "drop"), name)
    assert parse_yaml(text)["data"]["drop"] == ["a", "b", *names]


def test_values_change_in_their_place() -> None:
    text = "a: 1 # one\nb: { c: 'x', d: 2 } # two\ne:\n  - 1\n  - 2\n# end\n"
    assert with_value(text, ("a",), 2.5) == text.replace("1 # one", "2.5 # one")
    assert with_value(text, ("b", "c"), "y") == text.replace("'x'", quoted("y"))
    assert with_value(text, ("e",), [3]) == text.replace("\n  - 1\n  - 2", " [3]")
    assert parse_yaml(with_value(text, ("f", "g"), {"h h": True}))["f"] == {"g": {"h h": True}}


def test_a_key_goes_with_its_line_and_the_last_one_with_its_mapping() -> None:
    text = "b: { c: 'x', d: 2 } # two\ne:\n  f: # of f\n    g: 1 # one\n    h: [1,\n      2]\n  # of i\n  i: 3\n"
    assert without_key(text, ("b", "c")) == text.replace("c: 'x', ", "")
    assert without_key(text, ("b", "d")) == text.replace(", d: 2", "")
    assert (less := without_key(text, ("e", "f", "h"))) == text.replace("    h: [1,\n      2]\n", "")
    assert (less := without_key(less, ("e", "f", "g"))) == text[: text.index("  f:")] + "  # of i\n  i: 3\n"
    assert parse_yaml(without_key(less, ("e", "i")))["e"] == {}
    assert without_key(text, ("e", "none")) == text


def test_a_value_that_stands_in_two_places_is_left_to_a_person() -> None:
    text = "one: &all [a]\ndata:\n  drop: *all\n"
    with pytest.raises(ConfigError, match=r"data\.drop cannot be changed by a command"):
        with_item(text, ("data", "drop"), "b")
