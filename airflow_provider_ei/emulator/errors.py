"""Errors as the API tells them: JSON with ``success`` and ``error``, whatever went wrong."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ExceptionHandler


def error_response(error: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer that says what is wrong."""
    # What a client sent may be quoted in it, and JSON can spell half of a surrogate pair, which has no UTF-8 form.
    text = error.encode("utf-8", "replace").decode()
    return JSONResponse({"success": False, "error": text}, status_code=status, headers=headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    text = {
        404: f"There is nothing at {request.url.path[:200]}; the API is below /v1/api, the page is at /",
        405: f"{request.url.path[:200]} takes {headers.get('Allow')}, not {request.method}",
    }.get(error.status_code, error.detail)
    return error_response(text, error.status_code, headers)


async def _defect(request: Request, error: Exception) -> Response:
    # The exception itself is logged by the server: a message of it may hold anything.
    return error_response(f"The emulator has failed: {type(error).__name__}; its log says more", 500)


EXCEPTION_HANDLERS: dict[int | type[Exception], ExceptionHandler] = {HTTPException: _http_error, Exception: _defect}
