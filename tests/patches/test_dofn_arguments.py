"""What a DoFn's methods take is read from their code as `inspect` reads it, for every form of function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any

import apache_beam as beam
import pytest
import tensorflow_data_validation  # noqa: F401  # all its DoFns, and TFT's, are among the subclasses
import tensorflow_transform.beam  # noqa: F401
from apache_beam.transforms import core, userstate

import pipeline.components.evaluator  # noqa: F401
from pipeline.patches import dofn_arguments
from tests.patches.untouched import untouched

pytestmark = pytest.mark.slow


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


class Odd(beam.DoFn):
    """Methods of every form."""

    def process(self, element: Any, stamp: Any = beam.DoFn.TimestampParam, *more: Any, key: int = 1) -> None: ...

    def all_defaults(self: Any = None, a: int = 1) -> None: ...

    def only_more(*args: Any) -> None: ...

    def by_position(self, a: int, /, b: int = 2, **rest: Any) -> None: ...

    @staticmethod
    def static(a: int, b: int = 3) -> None: ...

    @classmethod
    def of_class(cls, a: int = 4) -> None: ...

    @decorated
    def behind(self, a: int, b: int = 5) -> None: ...

    part = functools.partialmethod(by_position, 1)


def signed(a: int) -> None: ...


SIGNED: Any = signed
SIGNED.__signature__ = inspect.Signature([inspect.Parameter("z", inspect.Parameter.POSITIONAL_ONLY, default=6)])


def functions() -> Iterator[Any]:
    """Those of above, and every method of every DoFn that is loaded."""
    yield from (SIGNED, decorated(SIGNED), functools.partial(SIGNED, 1), len, str.strip, dict, lambda: None, Odd)
    yield from (getattr(one, name) for one in (Odd(), Odd) for name in vars(Odd) if callable(getattr(one, name)))
    left: list[type] = [beam.DoFn]
    while left:
        one = left.pop()
        left += one.__subclasses__()
        for function in vars(one).values():
            if isinstance(function, FunctionType):
                yield from (function, MethodType(function, one))


def result_of(function: Callable[[Any], Any], argument: Any) -> Any:
    try:
        return function(argument)
    except (TypeError, ValueError, AttributeError) as exc:
        return type(exc)


def test_arguments_are_those_that_beam_finds() -> None:
    stock = untouched(core).get_function_args_defaults
    asked = list(functions())
    assert len(asked) > 500
    for function in asked:
        ours, theirs = result_of(dofn_arguments.args_defaults, function), result_of(stock, function)
        assert ours == theirs, function


def test_a_method_without_room_for_self_is_refused_as_before() -> None:
    class Without:
        def process() -> None: ...  # type: ignore[misc]

    stock = untouched(core).get_function_args_defaults
    method: Any = MethodType(vars(Without)["process"], Without())
    assert result_of(dofn_arguments.args_defaults, method) == result_of(stock, method)


def test_beam_still_inspects_every_method(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as often when it is asked twice."""
    asked: list[Any] = []
    stock = untouched(core).get_function_args_defaults

    def noted(function: Any) -> Any:
        asked.append(function)
        return stock(function)

    monkeypatch.setattr(core, "get_function_args_defaults", noted)
    userstate.get_dofn_specs(Odd())
    once = len(asked)
    userstate.get_dofn_specs(Odd())
    assert len(asked) == 2 * once > 20
    assert "inspect.signature(func)" in inspect.getsource(core.get_signature)
