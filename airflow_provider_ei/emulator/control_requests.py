"""Reading the requests of the control API: JSON that came on purpose, and numbers that can be used."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

MAX_BODY_BYTES = 4 << 20
_MAX_NUMBER = 10**9


class ControlError(Exception):
    """The request makes no sense; ``status`` is the HTTP status of the answer."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


async def json_body(request: Request) -> Any:
    """The JSON of a request. It must say so: a form of a web page cannot.

    :raises ControlError: if it is something else, or too large.
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
    """The JSON of a request that is an object."""
    value = await json_body(request)
    if not isinstance(value, dict):
        raise ControlError("The request must be a JSON object")
    return value


def check_content_type(request: Request, *, required: bool = False) -> None:
    """Refuse what a form of a web page could send without being asked.

    :raises ControlError: for a content type other than JSON.
    """
    content_type = request.headers.get("content-type")
    if content_type is None and not required and request.headers.get("content-length", "0") == "0":
        return
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        raise ControlError("Send JSON with the header Content-Type: application/json", 415)


def count(request: Request, name: str, default: int) -> int:
    """A parameter of the query: how many of something at most.

    :raises ControlError: if it is not a whole number.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise ControlError(f"{name} must be a whole number")
    if text.startswith("-"):
        return 0
    return int(digits) if len(digits) < len(str(_MAX_NUMBER)) else _MAX_NUMBER


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
