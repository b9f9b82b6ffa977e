"""Folders that get other names within texts: generated over names and over the texts that they stand in."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.lineage.renaming import SAME, Renaming

NAMES = ("/ws", "/home/a b/ws", "/élan/wś😀", '/q"q/w', "/back\\slash/w", "/ws/ws", "/a.b-c/w_s", "/{a}%s/'w'/&<b>")
BELOW = ("", "/artifacts/Trainer/model/7", "/serving/toy/17", "/data/x y.csv")
WRAPPINGS: tuple[Callable[[str], Any], ...] = (
    lambda path: path,
    lambda path: json.dumps({"folder": path, "other": 1}),
    lambda path: json.dumps({"folder": path}, ensure_ascii=False),
    lambda path: json.dumps({"inner": json.dumps({"path": path, "more": [path]})}),
    lambda path: json.dumps(json.dumps({path: 1})),
    lambda path: f"0d56f398924045ea9d5e1f7b011954ea {path}",
)


@pytest.mark.parametrize(("old", "new"), list(itertools.permutations(NAMES, 2)))
def test_a_path_gets_its_new_name_however_it_is_written(old: str, new: str) -> None:
    names = Renaming({old: new})
    for below, wrap in itertools.product(BELOW, WRAPPINGS):
        before, after = wrap(f"{old}{below}"), wrap(f"{new}{below}")
        found = names(before)
        assert found == after or json.loads(found) == json.loads(after), (before, found)


@pytest.mark.parametrize(
    "text",
    [
        "/ws2/a", "/home/ws/a", "gs://bucket/ws/a", "gs://ws/a", "~/ws", "./ws", "x/ws/a", "/ws.old/a", "/ws-1", "/wsé",
        "wsl", "", "/", "/WS/a", "../ws/a", "2/ws",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert Renaming({"/ws": "/new"})(text) == text
    assert Renaming({"/ws": "/new"})(json.dumps([text])) == json.dumps([text])


def test_several_folders_change_at_once_the_longest_first() -> None:
    names = Renaming({"/p": "/q", "/p/ws": "/other/ws", "/q": "/p"})
    assert names("/p/ws/a") == "/other/ws/a"
    assert names('["/p/ws/a", "/p/t.csv", "/q/x"]') == '["/other/ws/a", "/q/t.csv", "/p/x"]'


def test_there_and_back_is_the_same() -> None:
    draw = random.Random(3)
    for _ in range(200):
        old, new = draw.sample(NAMES, 2)
        if old.startswith(f"{new}/") or new.startswith(f"{old}/"):
            continue
        text = draw.choice(WRAPPINGS)(old + draw.choice(BELOW))
        back = Renaming({new: old})(Renaming({old: new})(text))
        assert back == text or json.loads(back) == json.loads(text)


def test_nothing_to_rename_is_false_and_changes_nothing() -> None:
    assert not SAME
    assert not Renaming({"/ws": "/ws", "/": "/x", "": "/y"})
    assert Renaming({"/ws": "/ws"})("/ws/a") == "/ws/a"
