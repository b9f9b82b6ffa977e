"""Reads certificates and tokens again when their files change, so that nobody restarts a server to renew them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

LOOK_S = 1.0


class Certificate:
    """A certificate and its key, for both protocols.

    Args:
        key: may be left out where the certificate's file holds it.
    """

    def __init__(self, certificate: str, key: str | None) -> None:
        self._files = (certificate, key or certificate)
        self._contexts: list[ssl.SSLContext] = []
        self._changes = 0

    def for_http(self, context: ssl.SSLContext) -> None:
        """Have this context follow the files, too."""
        self._contexts.append(context)

    def for_grpc(self) -> Any:
        """Return credentials that follow the files."""
        import grpc

        seen = self._changes
        first = self._configuration()

        def fetch() -> Any:
            nonlocal seen
            if seen == self._changes:
                return None
            seen = self._changes
            return self._configuration()

        return grpc.dynamic_ssl_server_credentials(first, fetch)

    def read(self) -> None:
        """Read the files; new connections get what is there now.

        Raises:
            OSError: they cannot be read, or are no certificate with its key; what was read before goes on.
        """
        certificate, key = self._files
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
        for context in self._contexts:
            context.load_cert_chain(certificate, key)
        self._changes += 1

    def _configuration(self) -> Any:
        import grpc

        certificate, key = (Path(file).read_bytes() for file in self._files)
        return grpc.ssl_server_certificate_configuration([(key, certificate)])


async def follow(files: tuple[str, ...], read: Callable[[], None], what: str, say: Callable[[str], None]) -> None:
    """Call `read` whenever one of the files has changed, until cancelled; what fails is said, and tried again when
    they change again."""
    seen = _look_of(files)
    while True:
        await asyncio.sleep(LOOK_S)
        if (now := _look_of(files)) == seen:
            continue
        seen = now
        try:
            read()
        except (OSError, ValueError, PipelineError) as exc:
            say(f"{what} changed and cannot be read, those from before go on: {exc}")
        else:
            say(f"{what} changed; the new ones count from now on")


def _look_of(files: tuple[str, ...]) -> tuple[object, ...]:
    found: list[object] = []
    for file in files:
        try:
            stat = Path(file).stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)
