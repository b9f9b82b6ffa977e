"""Who may ask: bearer tokens, compared in constant time. Without any, everybody who reaches the port may."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.serving.server.refusal import Code, Refusal

READ, ADMIN = "read", "admin"
VARIABLE = "LONGHAUL_SERVE_TOKENS"


class Access:
    """Tokens and what they allow; `admin` includes `read`.

    Args:
        lines: `TOKEN`, `read TOKEN` or `admin TOKEN` each; several may be valid at a time, to change one for another.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._known: list[tuple[bytes, str]] = []
        for line in lines:
            words = line.split("#")[0].split()
            if not words:
                continue
            role = words[0] if len(words) == 2 else READ
            if len(words) > 2 or role not in (READ, ADMIN):
                raise ConfigError("a line of tokens is not `TOKEN`, `read TOKEN` or `admin TOKEN`", "correct the line")
            self._known.append((_digest(words[-1].encode()), role))

    def follow(self, other: Access) -> None:
        """Take the tokens of another one instead."""
        self._known = other._known

    @property
    def is_open(self) -> bool:
        """Whether no token is needed."""
        return not self._known

    def check(self, authorization: bytes, role: str) -> None:
        """Check the value of the header `authorization`.

        Raises:
            Refusal: it names no token, or one that does not allow this.
        """
        if self.is_open:
            return
        scheme, _, token = authorization.strip().partition(b" ")
        digest = _digest(token.strip())
        roles = [known_role for known, known_role in self._known if hmac.compare_digest(known, digest)]
        if scheme.lower() != b"bearer" or not roles:
            raise Refusal(Code.UNAUTHENTICATED, "a token is needed: Authorization: Bearer TOKEN")
        if role == ADMIN and ADMIN not in roles:
            raise Refusal(Code.PERMISSION_DENIED, "this needs a token that is for admin")


def access_from(file: Path | None, environment: str) -> Access:
    """Read tokens from a file and from a variable's text, where lines may also be parted by commas.

    Raises:
        ConfigError: the file cannot be read, holds no token, or a line is wrong.
    """
    lines = environment.replace(",", "\n").splitlines()
    if file is not None:
        try:
            own = file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(f"--tokens {file} cannot be read: {exc}", "name a text file with a token a line") from exc
        if Access(own).is_open:
            raise ConfigError(f"--tokens {file} holds no token", "write one a line, or leave the option out")
        lines += own
    return Access(lines)


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
