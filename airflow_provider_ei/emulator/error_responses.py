"""Errors in the form of the API: JSON with ``success: false`` and ``error``."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ExceptionHandler

from airflow_provider_ei.emulator.emulator_settings import IngestionErrors


def error_response(error: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a response that says what is wrong."""
    # It may quote the request, and JSON can hold half of a surrogate pair, which cannot be encoded as UTF-8.
    text = error.encode("utf-8", "replace").decode()
    return JSONResponse({"success": False, "error": text}, status_code=status, headers=headers)


def ingestion_error(error: str, status: int, form: IngestionErrors) -> Response:
    """Return the response of the ingestion service that says what is wrong.

    :param status: 200 stands for a request that is invalid.
    """
    status = 400 if status == 200 else status
    if form == "json":
        return error_response(error, status)
    return PlainTextResponse(error.encode("utf-8", "replace").decode(), status_code=status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    text = {
        404: f"Use /v1/api for the API and / for the page: there is nothing at {request.url.path[:200]}.",
        405: f"{request.url.path[:200]} takes {headers.get('Allow')}, not {request.method}",
    }.get(error.status_code, error.detail)
    return error_response(text, error.status_code, headers)


async def _defect(request: Request, error: Exception) -> Response:
    # The server logs the exception. Its message may contain anything, so it is not sent.
    return error_response(f"See the log of the emulator: it has failed with {type(error).__name__}.", 500)


EXCEPTION_HANDLERS: dict[int | type[Exception], ExceptionHandler] = {HTTPException: _http_error, Exception: _defect}
