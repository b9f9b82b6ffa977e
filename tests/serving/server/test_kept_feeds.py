"""Requests written into memory that is kept: answers are those of the session, whatever was asked before."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.serving.cpp_session import CppSession, LoaderError
from pipeline.serving.server import kept_feeds

SIGNATURE = "serving_tensors"


@pytest.fixture(scope="module")
def session(exported: dict[str, Path]) -> Iterator[CppSession]:
    with CppSession(str(exported["first"]), -1) as found:
        yield found


def columns(draw: random.Random, rows: int) -> dict[str, Any]:
    """Lists or arrays, text as str or bytes."""
    texts: list[Any] = [draw.choice(["UA", b"B6", "", "é" * 30]) for _ in range(rows)]
    numbers = [[draw.choice([float("nan"), 5, draw.random() * 1000]) for _ in range(rows)] for _ in range(2)]
    found: dict[str, Any] = {"carrier": texts, "miles": numbers[0], "seats": numbers[1]}
    if draw.random() < 0.5:
        found["miles"] = np.array(found["miles"])
    if draw.random() < 0.3:
        found["carrier"] = np.array(texts, object)
    return dict(sorted(found.items(), key=lambda _: draw.random()))


def test_answers_are_those_of_the_session(session: CppSession) -> None:
    draw = random.Random(1)
    feeds = kept_feeds.of(session, SIGNATURE)
    assert feeds
    for rows in [1, 1, 2, 1, *range(3, 90), 1, 1024, 1025, 7]:  # more sizes than are kept, and one beyond
        asked = columns(draw, rows)
        found = kept_feeds.ask(session, SIGNATURE, asked, feeds)
        np.testing.assert_array_equal(found["prediction"], session.ask(SIGNATURE, asked)["prediction"])
        assert feeds.filled(asked) is not None or rows > kept_feeds.MOST_ROWS


def test_what_does_not_fit_goes_the_usual_way(session: CppSession) -> None:
    feeds = kept_feeds.of(session, SIGNATURE)
    uneven = {"carrier": ["UA"], "miles": [1.0, 2.0], "seats": [1.0]}
    nested = {"carrier": np.array([["UA"]], object), "miles": np.array([[1.0]]), "seats": np.array([[1.0]])}
    assert feeds
    others: list[dict[str, Any]] = [{"carrier": ["UA"]}, {"carrier": [], "miles": [], "seats": []}, uneven, nested]
    for other in others:
        assert feeds.filled(other) is None
    with pytest.raises(LoaderError, match="takes other inputs"):
        kept_feeds.ask(session, SIGNATURE, {"carrier": ["UA"]}, feeds)
    assert kept_feeds.of(session, "half_plus_two") is None
    assert kept_feeds.of(session, "every_kind") is None


def test_two_threads_do_not_meet_each_others_rows(session: CppSession) -> None:
    feeds = kept_feeds.of(session, SIGNATURE)
    wrong: list[int] = []

    def go(seed: int) -> None:
        draw = random.Random(seed)
        for turn in range(300):
            asked = columns(draw, draw.choice([1, 5, 64]))
            found = kept_feeds.ask(session, SIGNATURE, asked, feeds)["prediction"]
            if not np.array_equal(found, session.ask(SIGNATURE, asked)["prediction"], equal_nan=True):
                wrong.append(turn)

    threads = [threading.Thread(target=go, args=(seed,)) for seed in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong
