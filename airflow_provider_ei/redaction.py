"""Keeps secrets and control characters out of every message, log line and error text of this package.

Code that receives a secret calls :func:`know_secret`. From then on, :func:`safe_text` replaces the secret in all error
messages and, through :func:`guard_logs`, in the log lines of this package and of urllib3.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
import unicodedata
from urllib.parse import quote, unquote
from urllib.request import getproxies

MASK = "***"

#: Shorter strings are not treated as secrets: replacing every "pw" would garble messages.
MIN_SECRET_LENGTH = 6

# Both patterns run in linear time: each repetition ends where the next match could begin.
_USER_INFO = re.compile(r"://([^\s/]*)@")
_LOOKS_LIKE_KEY = re.compile(r"ei_[0-9a-fA-F]{32,}")

#: In URIs with these schemes, the part before the ``@`` is the id of an Airflow connection, which messages must show.
_STORES = ("abfs", "abfss", "adl", "az", "gcs", "gs", "s3", "s3a", "wasb", "wasbs")

#: Unicode categories that a terminal or a browser interprets instead of displaying: controls, direction overrides,
#: line separators, and code points without a character.
_ACTING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

_lock = threading.Lock()
_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None


def know_secret(text: str | None) -> None:
    """Register a secret: replace it by ``***`` from now on, also if it is percent-encoded or in JSON."""
    global _pattern
    if not text or len(text) < MIN_SECRET_LENGTH or text in _secrets:
        return
    with _lock:
        _secrets.update({text, quote(text, safe=""), json.dumps(text)[1:-1], repr(text)[1:-1]})
        longest_first = sorted(_secrets, key=len, reverse=True)
        _pattern = re.compile("|".join(map(re.escape, longest_first)))


def know_proxies() -> None:
    """Register the passwords of the proxies in the environment."""
    for url in getproxies().values():
        user_info = url.rpartition("@")[0].rpartition("//")[2]
        user, _, password = map(unquote, user_info.partition(":"))
        know_secret(user_info)
        know_secret(password)
        if user_info:
            know_secret(base64.b64encode(f"{user}:{password}".encode()).decode())


def longest_secret() -> int:
    """Return the length of the longest secret; a string that is truncated may end with a part of a secret."""
    return max(map(len, _secrets), default=0)


def looks_like_key(text: str) -> bool:
    """Return whether a string contains something like an API key."""
    return _LOOKS_LIKE_KEY.search(text) is not None


def redact(text: str) -> str:
    """Replace all known secrets, everything that looks like an API key, and the user in URLs other than a store's."""
    if _pattern is not None:
        text = _pattern.sub(MASK, text)
    text = _LOOKS_LIKE_KEY.sub(MASK, text)
    return _USER_INFO.sub(_without_user, text)


def _without_user(found: re.Match[str]) -> str:
    scheme = re.split(r"[^A-Za-z0-9+.-]", found.string[max(0, found.start() - 8) : found.start()])[-1].lower()
    is_connection = scheme in _STORES and ":" not in found[1]
    return found[0] if is_connection else f"://{MASK}@"


def printable(text: str) -> str:
    """Escape characters that a terminal or a browser would interpret, except line breaks and tabs."""
    if text.isprintable():
        return text
    return "".join(
        character if character in "\n\t" or unicodedata.category(character) not in _ACTING else _spelled(character)
        for character in text
    )


def safe_text(text: str) -> str:
    """Return a string that is safe to show: without secrets and control characters."""
    return printable(redact(text))


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode()


class _Guard(logging.Handler):
    """Redacts records before the handlers of parent loggers receive them."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Redact the record if its message or traceback is not safe."""
        try:
            message = record.getMessage()
        except Exception:  # the handler that formats the record reports it
            return True
        if (clean := safe_text(message)) != message:
            record.msg, record.args = clean, None
        if record.exc_info:
            traceback = logging.Formatter().formatException(record.exc_info)
            if (clean := safe_text(traceback)) != traceback:
                record.exc_info, record.exc_text = None, clean
        return True


_guard = _Guard()


def guard_logs() -> None:
    """Redact the log lines of this package and of urllib3; calling this again has no effect."""
    for name in ("airflow_provider_ei", "urllib3"):
        logging.getLogger(name).addHandler(_guard)
