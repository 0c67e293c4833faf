"""Checked access to the bodies and parameters of the control API's requests."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

MAX_BODY_BYTES = 4 << 20
_MAX_NUMBER = 10**9


class ControlError(Exception):
    """The request is invalid. ``status`` is the HTTP status of the response."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


async def json_body(request: Request) -> Any:
    """Return the JSON of a request, which needs the content type of JSON: the form of a web page cannot set that.

    :raises ControlError: if the body is not JSON, or is too large.
    """
    check_content_type(request, required=True)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise ControlError(f"The request is larger than {MAX_BODY_BYTES} bytes", 413)
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ControlError(f"The request is not valid JSON: {reason}") from None


async def json_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request."""
    value = await json_body(request)
    if not isinstance(value, dict):
        raise ControlError("The request must be a JSON object")
    return value


def check_content_type(request: Request, *, required: bool = False) -> None:
    """Refuse a body that the form of a web page can send.

    :raises ControlError: if the content type is not JSON.
    """
    content_type = request.headers.get("content-type")
    if content_type is None and not required and request.headers.get("content-length", "0") == "0":
        return
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        raise ControlError("Send JSON with the header Content-Type: application/json", 415)


def count(request: Request, name: str, default: int) -> int:
    """Return a parameter of the query that limits a number.

    :raises ControlError: if it is not an integer.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise ControlError(f"{name} must be an integer")
    if text.startswith("-"):
        return 0
    return int(digits) if len(digits) < len(str(_MAX_NUMBER)) else _MAX_NUMBER


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
