"""Parse Beam's arguments once for each kind of options.

Replaces: PipelineOptions.view_as of apache_beam.options.pipeline_options
Why: every look at a kind of options builds a parser with all its arguments and parses the same flags again, 1,700 times
  in a small run: a twelfth of the run's processor time.
Upstream: https://github.com/apache/beam/blob/master/sdks/python/apache_beam/options/pipeline_options.py
Until: Beam keeps the views that it made.
Test: tests/patches/test_option_views.py::test_beam_still_parses_for_every_view
"""

from __future__ import annotations

import logging
from argparse import Namespace
from functools import lru_cache
from typing import Any

from apache_beam.options import pipeline_options
from apache_beam.options.pipeline_options import PipelineOptions

_of_beam = PipelineOptions.view_as


def install() -> None:
    """Have Beam view its options so, in this process."""
    pipeline_options.PipelineOptions.view_as = _view_as


def _view_as(self: Any, cls: Any) -> Any:
    flags = self._flags
    if cls.__init__ is not PipelineOptions.__init__ or not isinstance(flags, list | tuple):
        return _of_beam(self, cls)
    logging.basicConfig()  # as PipelineOptions() does
    parsed = {
        name: value.copy() if isinstance(value, list | dict | set) else value
        for name, value in _parsed(cls, tuple(flags)).items()
    }
    view = cls.__new__(cls)
    view._flags, view._visible_options, view._all_options = flags, Namespace(**parsed), self._all_options
    for name, value in parsed.items():
        view._all_options.setdefault(name, value)
    return view


@lru_cache(maxsize=256)
def _parsed(cls: Any, flags: tuple[str, ...]) -> dict[str, Any]:
    return vars(cls(list(flags))._visible_options)
