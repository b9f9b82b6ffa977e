"""The error for a file that cannot be read."""

from __future__ import annotations

import gzip
import re

from pipeline.errors import DataError

_INSIDE = re.compile(r"\{\{.*?\}\}|\[Op:.*?\]|\(?\S*/\S+\.(?:cc|cpp|h|rs|c):\d+\)?:?|\bDetail: .*")
"""What libraries say of their own insides: nodes, operations and lines of source code."""


def corrupt(path: str, reason: object) -> DataError:
    """Make the error for a file whose bytes are not what its name says, or which may not be read."""
    if isinstance(reason, PermissionError):
        return DataError(f"{path} may not be read: this account lacks the right", f"chmod u+r {path}, or ask its owner")
    if isinstance(reason, FileNotFoundError):
        return DataError(f"{path} is not there any more", "write it again, or correct the path")
    if isinstance(reason, gzip.BadGzipFile) and "Not a gzipped" in str(reason):
        return DataError(
            f"{path} is no gzip file, whatever its name says", f"rename it to what it is, as {path[: -len('.gz')]}"
        )
    return DataError(
        f"{path} cannot be read: it is damaged, incomplete, or not what its name says{_in_brackets(reason)}",
        "see that it was written or copied whole, and do so again",
    )


def damaged_package(path: str, reason: object) -> DataError:
    """Make the error for a packed file that cannot be unpacked."""
    return DataError(
        f"{path} cannot be unpacked: it is damaged or incomplete{_in_brackets(reason)}", "write or copy it again"
    )


def _in_brackets(reason: object) -> str:
    """Return the words of the library that read it, as a hint for whoever knows the format; "" if it has none."""
    words = " ".join(_INSIDE.sub(" ", str(reason)).split())[:300].rstrip(" .:;,")
    return f" (its reader says: {words})" if words else ""
