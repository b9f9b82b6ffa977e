"""Editing a schema's text: what changes, what stays word for word, and that nothing TFMD can say gets lost."""

from __future__ import annotations

import difflib
import os
import random
import re
import time
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import message_factory, text_format
from google.protobuf.descriptor import FieldDescriptor
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.contract.schema_text import replacing, write
from pipeline.errors import ConfigError

FLIGHTS = (Path(__file__).parents[2] / "schema" / "flights.pbtxt").read_text()


def parse(text: str) -> Any:
    return text_format.Parse(text, schema_pb2.Schema())


def changed(old: str, new: str) -> list[str]:
    """The lines that `git diff` would mark."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def edited(old: str, edit: str) -> str:
    """`old` after Python statements about `s`, the schema."""
    schema = parse(old)
    exec(edit, {"s": schema, "pb": schema_pb2})
    new = write(schema, old)
    assert parse(new) == schema
    return new


# The reference schema, full of comments


def test_what_does_not_change_is_left_alone() -> None:
    assert write(parse(FLIGHTS), FLIGHTS) == FLIGHTS


@pytest.mark.parametrize(
    ("edit", "lines"),
    [
        (
            "s.string_domain[1].value.insert(1, 'HPN')",
            ['-  value: ["EWR", "JFK", "LGA"]', '+  value: ["EWR", "HPN", "JFK", "LGA"]'],
        ),
        (
            "s.string_domain[1].value.insert(0, 'ACY')",
            ['-  value: ["EWR", "JFK", "LGA"]', '+  value: ["ACY", "EWR", "JFK", "LGA"]'],
        ),
        (
            "del s.string_domain[1].value[0]",
            ['-  value: ["EWR", "JFK", "LGA"]', '+  value: ["JFK", "LGA"]'],
        ),
        (
            "s.feature[1].int_domain.max = 13",
            ["-  int_domain { min: 1 max: 12 }", "+  int_domain { min: 1 max: 13 }"],
        ),
        (
            "s.feature[1].int_domain.is_categorical = True",
            ["-  int_domain { min: 1 max: 12 }", "+  int_domain { min: 1 max: 12 is_categorical: true }"],
        ),
        (
            "s.feature[1].int_domain.ClearField('min')",
            ["-  int_domain { min: 1 max: 12 }", "+  int_domain { max: 12 }"],
        ),
        ("s.feature[1].lifecycle_stage = pb.DEPRECATED", ["+  lifecycle_stage: DEPRECATED"]),
        ("s.feature[1].type = pb.FLOAT", ["-  type: INT", "+  type: FLOAT"]),
        ("s.feature[1].ClearField('type')", ["-  type: INT"]),
        ("s.feature[-1].bool_domain.true_value = 'x'", ["-  bool_domain {}", '+  bool_domain { true_value: "x" }']),
        ("s.default_environment.append('SHADOW')", ['+default_environment: "SHADOW"']),
        (
            "del s.feature[3]",  # with the comment above it
            [
                *("-# 0 is Monday.", "-feature {", '-  name: "weekday"', "-  type: INT"),
                "-  value_count { min: 1 max: 1 }",
                *("-  presence { min_fraction: 1.0 min_count: 1 }", "-  int_domain { min: 0 max: 6 }", "-}"),
            ],
        ),
        (
            "f = s.feature.add(name='gate', type=pb.BYTES, domain='gate'); f.presence.min_count = 1;"
            "f.value_count.min = f.value_count.max = 1; s.string_domain.add(name='gate', value=['A1', 'é\"'])",
            [
                *("+string_domain {", '+  name: "gate"', '+  value: ["A1", "é\\""]', "+}"),
                *("+feature {", '+  name: "gate"', "+  type: BYTES", "+  value_count { min: 1 max: 1 }"),
                *("+  presence { min_count: 1 }", '+  domain: "gate"', "+}"),
            ],
        ),
        ("s.feature.insert(0, pb.Feature(name='id'))", ["+feature {", '+  name: "id"', "+}"]),
    ],
)  # fmt: skip
def test_an_edit_changes_its_lines_only(edit: str, lines: list[str]) -> None:
    assert changed(FLIGHTS, edited(FLIGHTS, edit)) == lines


def test_new_columns_and_domains_come_after_their_like() -> None:
    new = edited(FLIGHTS, "s.feature.add(name='gate'); s.string_domain.add(name='gate')")
    assert new.endswith('  not_in_environment: "SERVING"\n}\nfeature {\n  name: "gate"\n}\n')
    assert '"Turbo-shaft"]\n}\nstring_domain {\n  name: "gate"\n}\n\n# When it should leave.\nfeature {' in new


def test_a_value_too_many_for_its_line_gets_another() -> None:
    new = edited(FLIGHTS, "[s.string_domain[2].value.insert(3, f'A{i}') for i in range(30)]")
    assert max(map(len, new.splitlines())) <= 120
    assert len(changed(FLIGHTS, new)) == 4  # a line, and the three that it became


def test_reordered_columns_keep_their_comments() -> None:
    new = edited(
        "# a\nfeature { name: 'a' }\n# b\nfeature { name: 'b' }\n", "f = s.feature.pop(); s.feature.insert(0, f)"
    )
    assert [feature.name for feature in parse(new).feature] == ["b", "a"]
    assert "# a\nfeature { name: 'a' }" in new


# The ways to write it


@pytest.mark.parametrize(
    ("old", "edit", "new"),
    [
        ("", "s.feature.add(name='a')", 'feature {\n  name: "a"\n}\n'),
        ("# only this", "s.feature.add(name='a')", '# only this\nfeature {\n  name: "a"\n}\n'),
        ('feature { name: "a" }', "s.feature[0].type = 2", 'feature { name: "a" type: INT }\n'),
        ("feature < name: 'a' >\n", "s.feature[0].type = 2", "feature < name: 'a' type: INT >\n"),
        ("feature: { name: 'a', type: INT; }\n", "s.feature[0].type = 3", "feature: { name: 'a', type: FLOAT; }\n"),
        ("feature {}\n", "s.feature[0].name = 'a'", 'feature { name: "a" }\n'),
        ("feature {\n}\n", "s.feature[0].name = 'a'", 'feature { name: "a" \n}\n'),
        (
            'feature { name: "a" # not } the end\n}\n',
            "s.feature[0].type = 2",
            'feature { name: "a" # not } the end\n  type: INT\n}\n',
        ),
        (
            "feature { name: 'a' 'b#' \"c\" type: INT }\n",
            "s.feature[0].type = 3",
            "feature { name: 'a' 'b#' \"c\" type: FLOAT }\n",
        ),
        ("int_domain { min: -0x5 max: 7 }\n", "s.int_domain[0].min = -6", "int_domain { min: -6 max: 7 }\n"),
        (
            'string_domain {\n  value: "a"\n  # why b\n  value: "b"\n}\n',
            "s.string_domain[0].value.insert(1, 'aa')",
            'string_domain {\n  value: "a"\n  value: "aa"\n  # why b\n  value: "b"\n}\n',
        ),
        (
            'string_domain {\n  value: ["a", # why a\n    "b"]\n}\n',
            "s.string_domain[0].value.append('c')",
            'string_domain {\n  value: ["a", # why a\n    "b", "c"]\n}\n',
        ),
        (
            "feature [{ name: 'a' }, { name: 'b' }]\n",
            "s.feature[1].type = 2",
            "feature [{ name: 'a' }, { name: 'b' type: INT }]\n",
        ),
        (
            "feature [{ name: 'a' }]\n",
            "s.feature.add(name='b')",
            'feature {\n  name: "a"\n}\nfeature {\n  name: "b"\n}\n',
        ),
        (
            "feature {\r\n  name: 'a'\r\n}\r\n",
            "s.feature[0].type = 2",
            "feature {\r\n  name: 'a'\r\n  type: INT\r\n}\r\n",
        ),
        (
            "feature {\n\tname: 'a'\n\tint_domain { min: 1 } # bounds\n\ttype: INT\n}\n",
            "s.feature[0].bool_domain.SetInParent()",
            "feature {\n\tname: 'a'\n\ttype: INT\n  bool_domain {}\n}\n",
        ),
    ],
)  # fmt: skip
def test_other_hands(old: str, edit: str, new: str) -> None:
    assert edited(old, edit) == new


def test_a_new_file_is_written_in_one_form() -> None:
    schema = parse(FLIGHTS)
    text = write(schema)
    assert parse(text) == schema
    assert text.startswith(
        'default_environment: ["TRAINING", "SERVING"]\nstring_domain {\n  name: "carrier"\n  value: ["9E", '
    )
    assert text.endswith(
        'feature {\n  name: "late"\n  type: INT\n  value_count { min: 1 max: 1 }\n'
        '  presence { min_fraction: 1.0 min_count: 1 }\n  bool_domain {}\n  not_in_environment: "SERVING"\n}\n'
    )
    assert max(map(len, text.splitlines())) <= 120


# Whatever TFMD's Schema can say


def some(kind: type[Any], dice: random.Random, depth: int = 0) -> Any:
    """A message with a random choice of all its fields, several deep."""
    message = kind()
    if kind.DESCRIPTOR.full_name == "google.protobuf.Any":
        if dice.random() < 0.5:
            message.Pack(schema_pb2.IntDomain(name="packed", min=dice.randint(-9, 9)))
        else:
            message.type_url, message.value = "type.example/Unknown", b"\x08\x01\xff"
        return message
    for field in dice.sample(list(kind.DESCRIPTOR.fields), len(kind.DESCRIPTOR.fields)):  # of a oneof the last wins
        if dice.random() < (0.4, 0.3, 0.25, 0.15, 0.05)[min(depth, 4)]:
            fill(message, field, dice, depth)
    return message


def fill(message: Any, field: FieldDescriptor, dice: random.Random, depth: int) -> None:
    if field.message_type and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"].message_type
        for key in ("", "one", 'two "2"')[: dice.randint(1, 3)]:
            getattr(message, field.name)[key].CopyFrom(some(message_factory.GetMessageClass(value), dice, depth + 1))
    elif field.message_type:
        kind = message_factory.GetMessageClass(field.message_type)
        if field.is_repeated:
            getattr(message, field.name).extend(some(kind, dice, depth + 1) for _ in range(dice.randint(1, 3)))
        else:
            getattr(message, field.name).SetInParent()
            getattr(message, field.name).CopyFrom(some(kind, dice, depth + 1))
            getattr(message, field.name).SetInParent()
    elif field.is_repeated:
        getattr(message, field.name).extend(scalar(field, dice) for _ in range(dice.randint(1, 40)))
    else:
        setattr(message, field.name, scalar(field, dice))


def scalar(field: FieldDescriptor, dice: random.Random) -> Any:
    kinds = FieldDescriptor
    if field.type == kinds.TYPE_ENUM:
        return dice.choice(field.enum_type.values).number
    if field.type == kinds.TYPE_BOOL:
        return dice.random() < 0.5
    if field.type == kinds.TYPE_STRING:
        return dice.choice(
            ["", "a", "two words", 'a "quote"', "it's", "back\\slash", "# no comment", "{", "line\nbreak", "ñ東🚚"]
        )
    if field.type == kinds.TYPE_BYTES:
        return bytes(dice.randrange(256) for _ in range(5))
    if field.type in (kinds.TYPE_FLOAT, kinds.TYPE_DOUBLE):
        return dice.choice([0.0, -0.0, 0.1, -1.5, 1e30, 3.1415927, float("inf"), float("-inf"), float("nan")])
    return dice.choice([0, 1, 7, 2**31 - 1] + ([-1, 2**62, -(2**63)] if field.type == kinds.TYPE_INT64 else []))


def bits(message: Any) -> bytes:
    """Equal also where there is NaN."""
    return bytes(message.SerializeToString(deterministic=True))


def commented(text: str) -> str:
    """A numbered comment above every line and beside some."""
    lines = text.splitlines()
    marked = (f"# above {i}\n{line}" + (f"  # beside {i}" if i % 3 else "") for i, line in enumerate(lines))
    return "# header\n\n" + "\n".join(marked) + "\n"


@pytest.mark.parametrize("seed", range(60))
def test_a_round_trip_loses_nothing(seed: int) -> None:
    schema = some(schema_pb2.Schema, random.Random(seed))
    text = write(schema)
    assert bits(parse(text)) == bits(schema)
    assert write(schema, text) == text
    assert write(schema, commented(text)) == commented(text)


@pytest.mark.parametrize("seed", range(60))
def test_any_schema_can_become_any_other(seed: int) -> None:
    dice = random.Random(seed)
    old, new = some(schema_pb2.Schema, dice), some(schema_pb2.Schema, dice)
    assert bits(parse(write(new, commented(write(old))))) == bits(new)


@pytest.mark.parametrize("seed", range(60))
def test_changing_one_column_keeps_every_comment_elsewhere(seed: int) -> None:
    dice = random.Random(seed)
    schema = schema_pb2.Schema()
    for number in range(5):
        schema.feature.add().CopyFrom(some(schema_pb2.Feature, dice, 1))
        schema.feature[number].name = f"column {number}"
    old = commented(write(schema))
    schema.feature[2].CopyFrom(some(schema_pb2.Feature, dice, 1))
    schema.feature[2].name = "column 2"
    new = write(schema, old)
    assert bits(parse(new)) == bits(schema)
    first, last = (re.search(rf'(?s).*\nfeature {{[^\n]*\n[^\n]*\n  name: "column {n}"', old)[0] for n in (2, 3))
    head, tail = first.rpartition("\n# above")[0], old[len(last.rpartition("\n# above")[0]) :]
    head, tail = head.rpartition("\n# above")[0], tail[1:]
    assert head in new
    assert tail.partition("\n")[2] in new


def test_every_field_of_a_schema_was_tried() -> None:
    """The dice above do reach all there is."""

    def paths(message: Any) -> set[str]:
        found = set()
        for field, value in message.ListFields():
            found.add(field.full_name)
            if field.message_type and not field.message_type.GetOptions().map_entry:
                for inner in value if field.is_repeated else [value]:
                    found |= paths(inner)
        return found

    tried = set().union(*(paths(some(schema_pb2.Schema, random.Random(seed))) for seed in range(60)))
    missed = {field.full_name for kind in (schema_pb2.Schema, schema_pb2.Feature) for field in kind.DESCRIPTOR.fields}
    assert missed - tried == set()
    assert len(tried) > 120


# The file


def test_the_file_is_replaced_whole_and_keeps_its_rights(tmp_path: Path) -> None:
    file, link = tmp_path / "a.pbtxt", tmp_path / "link.pbtxt"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    with replacing(link, "new\r\n"):
        assert file.read_text() == "old"
    assert (file.read_bytes(), file.stat().st_mode & 0o777, link.is_symlink()) == (b"new\r\n", 0o640, True)
    assert sorted(tmp_path.iterdir()) == [file, link]


def test_what_a_killed_process_left_goes_with_the_next_edit(tmp_path: Path) -> None:
    file, own = tmp_path / "a[1].pbtxt", tmp_path / ".a[1].pbtxt.20240101"  # which a person made
    for one in (file, own):
        one.write_text("old")
    with replacing(file, "new"):
        (left,) = {*tmp_path.iterdir()} - {file, own}
    left.write_text("half")  # as if it had been killed in there
    with replacing(file, "new"):
        assert left.exists()  # it may be somebody's who is at work
    for one in (left, own):
        os.utime(one, (time.time() - 7200,) * 2)
    with replacing(file, "newer"):
        pass
    assert {*tmp_path.iterdir()} == {file, own}


def test_whoever_fails_meanwhile_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "a.pbtxt"
    file.write_text("old")
    with pytest.raises(OSError, match="the store"), replacing(file, "new"):
        raise OSError("the store")
    assert (file.read_text(), list(tmp_path.iterdir())) == ("old", [file])


def test_a_file_that_cannot_be_written_is_refused_before_anything_else() -> None:
    entered = False
    with pytest.raises(ConfigError) as caught, replacing(Path("/proc/version"), "new"):  # not even root may
        entered = True
    assert not entered
    assert str(caught.value).startswith("schema.file: /proc/version cannot be written: ")
    assert caught.value.remedy == "correct its permissions or make room; the file is as it was"
