"""Requests that are put together: each gets its own rows, waits are bounded, and time is limited."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import Any

import numpy as np
import pytest

from pipeline.serving.server import rest
from pipeline.serving.server.app import refused_headers
from pipeline.serving.server.batching import Batcher
from pipeline.serving.server.refusal import Code, Refusal
from pipeline.serving.server.rest import Limits, check_rows, check_size

BUG = 1e9


class Model:
    """Doubles `x`; refuses negative numbers, fails at `BUG`, answers `sum` with one number for all rows."""

    def __init__(self) -> None:
        self.asked_alone: set[str] = set()
        self.sizes: list[int] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def ask(self, signature: str, arrays: dict[str, Any]) -> dict[str, Any]:
        self.go_on.wait(30)
        x = np.asarray(arrays["x"])
        if (x == BUG).any():
            raise ValueError("a bug")
        self.sizes.append(len(x))
        if (x < 0).any():
            raise Refusal(Code.INVALID_ARGUMENT, "negative")
        return {"y": np.array(x.sum()) if signature == "sum" else x * 2}


async def ask(
    batcher: Batcher, model: Model, values: list[float], signature: str = "double", timeout_s: float = 30
) -> Any:
    x: Any = np.array(values) if len(values) % 2 else values
    answer = await batcher.ask(model, signature, {"x": x}, timeout_s)  # type: ignore[arg-type]
    its = slice(answer.at, answer.at + len(values))
    np.testing.assert_array_equal(np.asarray(answer.columns["x"])[its], values)  # so the log finds them again
    assert signature == "sum" or len(answer.all_outputs["y"]) == answer.rows
    return answer.outputs


@pytest.mark.parametrize("seed", range(5))
def test_nobody_gets_the_rows_of_another(seed: int) -> None:
    """Requests of random sizes and kinds at random times, some of them wrong: each is answered as if it were alone."""
    draw = random.Random(seed)
    model, other = Model(), Model()

    async def client(batcher: Batcher, number: int) -> None:
        for turn in range(20):
            values = [number * 1000.0 + turn + draw.random() for _ in range(draw.choice([1, 1, 1, 3, 40]))]
            signature, asked = draw.choice(["double", "sum"]), draw.choice([model, other])
            if draw.random() < 0.1:
                values[draw.randrange(len(values))] = -1.0
                with pytest.raises(Refusal, match="negative"):
                    await ask(batcher, asked, values, signature)
            else:
                found = (await ask(batcher, asked, values, signature))["y"]
                expected = sum(values) if signature == "sum" else np.array(values) * 2
                np.testing.assert_allclose(found, expected)
            if draw.random() < 0.5:
                await asyncio.sleep(draw.random() / 1000)

    async def all_clients() -> int:
        batcher = Batcher(most_rows=64, most_waiting=10_000)
        await asyncio.gather(*(client(batcher, number) for number in range(30)))
        batcher.close()
        return batcher.batches

    assert asyncio.run(all_clients()) < 30 * 20  # some did go together
    assert max(model.sizes + other.sizes) <= 64


@pytest.mark.parametrize(
    "values", [[0.1] * 100, [2.0**60, 2**60 + 1] * 50, [2**60 + 1] * 100, [2**70] * 100, ["a"] * 100]
)
def test_many_numbers_of_one_request_wait_as_an_array_and_keep_their_values(values: list[Any]) -> None:
    asked: list[Any] = []

    class Listening(Model):
        def ask(self, signature: str, arrays: dict[str, Any]) -> dict[str, Any]:
            asked.append(arrays["x"])
            return {"y": np.zeros(len(values))}

    async def go() -> Any:
        batcher = Batcher(1024, 10_000)
        answer = await batcher.ask(Listening(), "double", {"x": values}, 30)  # type: ignore[arg-type]
        batcher.close()
        return answer.columns["x"]

    kept = asyncio.run(go())
    assert kept is asked[0]
    assert isinstance(kept, list) == isinstance(values[0], str)
    exact = values if type(values[0]) is not float else np.array(values, np.float64).tolist()
    assert list(kept) == exact


def test_who_finds_the_model_idle_does_not_wait_for_others() -> None:
    async def one_after_another() -> list[int]:
        batcher, model = Batcher(1024, 10_000), Model()
        for _ in range(10):
            await ask(batcher, model, [1.0])
        batcher.close()
        return model.sizes

    assert asyncio.run(one_after_another()) == [1] * 10


def test_those_that_wait_go_together_and_beyond_the_limit_are_refused() -> None:
    async def go() -> tuple[list[int], Refusal]:
        batcher, model = Batcher(1024, 8), Model()
        model.go_on.clear()
        first = asyncio.create_task(ask(batcher, model, [0.0]))
        await asyncio.sleep(0.05)
        waiting = [asyncio.create_task(ask(batcher, model, [float(number)] * 2)) for number in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Refusal) as caught:
            await ask(batcher, model, [9.0])
        model.go_on.set()
        await asyncio.gather(first, *waiting)
        assert (await ask(batcher, model, [9.0]))["y"] == [18.0]
        batcher.close()
        return model.sizes, caught.value

    sizes, refusal = asyncio.run(go())
    assert sizes == [1, 8, 1]
    assert (refusal.code, refusal.http) == (Code.RESOURCE_EXHAUSTED, 429)


def test_a_request_that_meets_a_bug_takes_none_with_it() -> None:
    model = Model()

    async def work() -> list[Any]:
        batcher = Batcher(most_rows=100, most_waiting=100)
        model.go_on.clear()
        waiting = [asyncio.create_task(ask(batcher, model, [value] * 5)) for value in (1.0, 2.0, BUG, 3.0)]
        await asyncio.sleep(0.05)
        model.go_on.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        batcher.close()
        return found

    *good, wrong, last = asyncio.run(work())
    assert isinstance(wrong, ValueError)
    assert [found["y"][0] for found in (*good, last)] == [2.0, 4.0, 6.0]


def test_those_that_come_one_a_turn_of_the_loop_go_together() -> None:
    """As gRPC hands them over."""

    async def go() -> list[int]:
        batcher, model = Batcher(1024, 10_000), Model()
        asked = []
        for number in range(20):
            asked.append(asyncio.create_task(ask(batcher, model, [float(number)] * (1 + number % 2))))
            await asyncio.sleep(0)
        answers = await asyncio.gather(*asked)
        assert [answer["y"].tolist() for answer in answers] == [
            [number * 2.0] * (1 + number % 2) for number in range(20)
        ]
        batcher.close()
        return model.sizes

    assert max(asyncio.run(go())) > 10


def test_a_request_whose_time_is_over_is_answered_so() -> None:
    async def go() -> float:
        batcher, model = Batcher(1024, 100), Model()
        model.go_on.clear()
        began = time.monotonic()
        working = asyncio.create_task(ask(batcher, model, [0.0], timeout_s=0.1))
        await asyncio.sleep(0.02)
        waiting = asyncio.create_task(ask(batcher, model, [1.0], timeout_s=0.1))
        for each in (working, waiting):
            with pytest.raises(Refusal) as caught:
                await each
            assert (caught.value.code, caught.value.http) == (Code.DEADLINE_EXCEEDED, 504)
        took = time.monotonic() - began
        model.go_on.set()
        assert (await ask(batcher, model, [2.0]))["y"] == [4.0]  # those who are gone do no harm
        batcher.close()
        return took

    assert asyncio.run(go()) < 10


def test_who_is_refused_is_told_when_to_come_again() -> None:
    assert (b"retry-after", b"1") in refused_headers(Refusal(Code.RESOURCE_EXHAUSTED, "full"))
    assert (b"connection", b"close") in refused_headers(Refusal(Code.RESOURCE_EXHAUSTED, "too large", 413))


def test_rows_are_counted_before_what_was_left_out_is_put_in_their_place() -> None:
    check_rows([[{}] * 10, "text", None], 10)
    for many in ([{}] * 11, np.zeros(11)):
        with pytest.raises(Refusal, match="11 rows are too many for one request: 10 are allowed"):
            check_rows([[1], many], 10)


def test_texts_are_measured_only_in_requests_longer_than_a_text_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "_texts", lambda column: ["123456"])
    check_size({"a": ["1"]}, Limits(rows=3, text=5), 5)
    with pytest.raises(Refusal, match="a text of 6 characters"):
        check_size({"a": ["1"]}, Limits(rows=3, text=5), 6)


def test_long_texts_and_many_rows_are_refused() -> None:
    limits = Limits(rows=3, text=5)
    allowed: list[Any] = [["12345", "1"], np.array([b"12345"], object), np.zeros((3, 9)), np.array(7), [0.5, 1]]
    for column in allowed:
        check_size({"a": column}, limits, 1000)
    refused: list[tuple[Any, str]] = [
        (["1", "123456"], "a: a text of 6 characters is too long: 5 are allowed"),
        (np.array([[b"123456"]], object), "a text of 6 characters"),
        ([1.0] * 4, "4 rows are too many for one request: 3 are allowed"),
        (np.zeros((4, 1)), "4 rows are too many"),
    ]
    for column, told in refused:
        with pytest.raises(Refusal, match=told):
            check_size({"a": column}, limits, 1000)
