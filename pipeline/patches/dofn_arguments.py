"""Read the arguments of a DoFn's methods from their code, without `inspect.signature`.

Replaces: get_function_args_defaults of apache_beam.transforms.core
Why: Beam asks for the arguments of every method of every DoFn several times a step, 45,000 times in a small run: a
  tenth of the run's processor time.
Upstream: https://github.com/apache/beam/blob/master/sdks/python/apache_beam/transforms/core.py
Until: Beam remembers what it found of a DoFn (get_dofn_specs and DoFnSignature).
Test: tests/patches/test_dofn_arguments.py::test_beam_still_inspects_every_method
"""

from __future__ import annotations

import inspect
from types import FunctionType, MethodType
from typing import Any

from apache_beam.transforms import core

_of_beam = core.get_function_args_defaults
_ELSEWHERE = ("__wrapped__", "__signature__", "_partialmethod", "__partialmethod__")
"""Attributes that make `inspect.signature` look elsewhere than at the code."""


def install() -> None:
    """Have Beam read arguments so, in this process."""
    core.get_function_args_defaults = args_defaults


def args_defaults(function: Any) -> tuple[list[str], list[Any]]:
    """Return the names of positional arguments, `self` of a bound method left out, and the defaults of the last."""
    bound = type(function) is MethodType
    plain = function.__func__ if bound else function
    if type(plain) is not FunctionType or any(name in plain.__dict__ for name in _ELSEWHERE):
        return _of_beam(function)
    code = plain.__code__
    if bound and not code.co_argcount and not code.co_flags & inspect.CO_VARARGS:
        return _of_beam(function)  # no room for `self`: Beam has an answer for that
    names = list(code.co_varnames[bound : code.co_argcount])
    defaults = list(plain.__defaults__ or ())
    return names, defaults[max(0, len(defaults) - len(names)) :]
