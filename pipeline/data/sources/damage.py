"""The error for a file that cannot be read."""

from __future__ import annotations

from pipeline.errors import DataError


def corrupt(path: str, reason: object) -> DataError:
    """Make the error for a file whose bytes are not what its name says."""
    detail = " ".join(str(reason).split())[:300]
    return DataError(
        f"{path} cannot be read: {detail}",
        "see that you may read it; if so it is incomplete or damaged: write or copy it again",
    )
