"""Decides what runs, where, and reports what happened. `pipeline.__version__` is the version that setup.py names."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name):
        # A number here would stand in the code of every step, so each release would make all of them run again.
        if name == "__version__":
            from importlib.metadata import version

            return version("longhaul")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
