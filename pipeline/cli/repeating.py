"""Looks that come again and again: `--every` of `longhaul watch` and `longhaul loop`."""

from __future__ import annotations

import time
from collections.abc import Callable

import typer

from pipeline.errors import EXIT_CODES, LATER, ConfigError, PipelineError
from pipeline.observe.standard_streams import visible


def again_and_again(every: str, look: Callable[[], None]) -> None:
    """Look until somebody ends it. What may pass by itself, such as a server that is away, ends the first look only:
    then a person sees it.

    Raises:
        ConfigError: `every` is no time.
        PipelineError: what the first look met, or a later one that a person has to know.
    """
    from pipeline.config.value_types import seconds_of

    try:
        pause_s = seconds_of(every)
    except ValueError as exc:
        raise ConfigError(f"--every: {exc}", "for example --every 15m") from exc
    passing = {one.code for one in EXIT_CODES if one.then == LATER}
    is_first = True
    while True:
        try:
            look()
            is_first = False
        except PipelineError as exc:
            if is_first or exc.exit_code not in passing:
                raise
            typer.echo(visible(str(exc)), err=True)
        time.sleep(pause_s)
