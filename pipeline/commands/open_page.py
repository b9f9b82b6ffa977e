"""Finds the page that a person wants to look at, written anew where it may be old, and opens it."""

from __future__ import annotations

import os
import sys
import webbrowser
from functools import partial
from pathlib import Path

from pipeline.config.model_settings import ModelSettings
from pipeline.lineage.runs import find_run
from pipeline.lineage.store import open_existing_store, translated_errors
from pipeline.reports.front import write_front
from pipeline.reports.page_places import page_of
from pipeline.reports.what_now import look_around


def page_to_open(settings: ModelSettings, run_id: str | None) -> Path:
    """Write the front page of the workspace, or the page of a run where it has none yet; return its path.

    Raises:
        PipelineError: nothing has run here, there is no such run, or the page cannot be written.
    """
    with translated_errors(settings.root):
        store = open_existing_store(settings)
        if run_id is None:
            return write_front(settings, store)
        run = find_run(store, settings.record_name, run_id)
        page = page_of(settings.root, run)
        if not page.is_file():
            from pipeline.guard.find_rows import source_of
            from pipeline.lineage.trends import trends_in
            from pipeline.reports.page import write_report

            trends = trends_in(store, settings.record_name, run)
            source = partial(source_of, settings.data, settings.data_pattern)
            write_report(run, page, source, look_around(settings, store, run), trends)
        return page


def open_in_browser(page: Path) -> bool:
    """Open a page where somebody sees it: in a browser of this desktop, if a terminal asks. Return whether one did."""
    has_screen = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if not sys.stdout.isatty() or not (has_screen or os.environ.get("BROWSER")):
        return False
    try:
        return webbrowser.open(page.resolve().as_uri())
    except webbrowser.Error:
        return False
