"""Extracts the service's error messages, safe to show."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_ei.redaction import longest_secret, safe_text

#: Maximum number of characters of the service's message in an error.
SERVER_TEXT_LIMIT = 400

#: Maximum number of characters of a response that are searched for a message.
SEARCHED_CHARACTERS = 4096

_TAG = re.compile(r"(<[^<>]*>)")


def printable_excerpt(text: str) -> str:
    """Return a server's message on one line, shortened, without secrets and control characters."""
    words = " ".join(safe_text(text[:SEARCHED_CHARACTERS]).split())
    if len(text) > SEARCHED_CHARACTERS:
        words = words[: -max(1, longest_secret())]  # the cut may leave a part of a secret
    return words if len(words) <= SERVER_TEXT_LIMIT else words[:SERVER_TEXT_LIMIT] + "…"


def server_text(answer: dict[str, Any] | None, body: bytes | bytearray) -> str:
    """Return the error message of a response: a field of its JSON object, or the text of a page."""
    if answer is not None:
        return printable_excerpt(str(answer.get("error") or answer.get("message") or ""))
    beginning = body[: 4 * SEARCHED_CHARACTERS].decode("utf-8-sig", errors="replace")
    return printable_excerpt(_page_text(beginning[:SEARCHED_CHARACTERS]))


def _page_text(text: str) -> str:
    """Return the text of a page without its tags, scripts and styles."""
    parts: list[str] = []
    hidden = ""
    for part in _TAG.split(text):
        name = part[1:].lstrip("/").partition(" ")[0].rstrip(">").lower() if part.startswith("<") else None
        if hidden:
            hidden = "" if part.startswith("</") and name == hidden else hidden
        elif name in ("script", "style") and not part.startswith("</"):
            hidden = str(name)
        else:
            parts.append(" " if part.startswith("<") and part.endswith(">") else part)
    return "".join(parts)
