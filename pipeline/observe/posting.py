"""Sends JSON to an address, once; says what went wrong in words that hold no address."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from urllib.parse import urlsplit


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET, and empty."""

    def redirect_request(self, *_: object) -> None:
        return None


def address_of(address: str | None, variable: str | None) -> str:
    """Return the address that the configuration holds, or that of the environment variable; "" if it is not set."""
    return address or os.environ.get(variable or "", "").strip()


def not_set(variable: str | None) -> str:
    """Say that the environment variable holds no address."""
    return f"the environment variable {variable} is not set"


def post(address: str, body: bytes, timeout_s: float) -> str:
    """Send a POST; return what went wrong, "" if nothing did."""
    try:
        if urlsplit(address).scheme not in ("http", "https"):
            raise ValueError
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=timeout_s) as answer:
            return _refusal(answer.read(100))
    except urllib.error.HTTPError as exc:
        exc.close()
        return f"the receiver answered {exc.code} {http.client.responses.get(exc.code, '')}".rstrip()
    except urllib.error.URLError as exc:
        return f"not reached ({getattr(exc.reason, 'strerror', None) or type(exc.reason).__name__})"
    except OSError as exc:
        return f"no answer ({exc.strerror or type(exc).__name__})"
    except (ValueError, http.client.HTTPException):  # what they say holds the address
        return "no address that a POST could go to, or no answer in HTTP"


def _refusal(said: bytes) -> str:
    """Return what healthchecks.io says with a 200: that it knows no such check, or was asked too often."""
    text = said.decode(errors="replace")
    return f"the receiver answered {text}" if text in ("OK (not found)", "OK (rate limited)") else ""
