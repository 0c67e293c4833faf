"""The application of the API: takes each request through log, latency, faults and key to its operation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from airflow_provider_ei.emulator.api import ingestion
from airflow_provider_ei.emulator.api.arguments import Arguments
from airflow_provider_ei.emulator.api.operation import Answer, Call, Operation
from airflow_provider_ei.emulator.api.routes import find_operation
from airflow_provider_ei.emulator.api.unknown_paths import explain
from airflow_provider_ei.emulator.api_keys import KeyCheck, ValidKey
from airflow_provider_ei.emulator.downloads import CHUNK_BYTES, Download
from airflow_provider_ei.emulator.emulator_settings import EmulatorSettings
from airflow_provider_ei.emulator.error_responses import error_response, ingestion_error
from airflow_provider_ei.emulator.faults import Fault, FaultQueue
from airflow_provider_ei.emulator.form_parser import MultipartReader
from airflow_provider_ei.emulator.item_store import ItemStore
from airflow_provider_ei.emulator.late_requests import LateRequests
from airflow_provider_ei.emulator.request_body import Disconnected, RequestBody
from airflow_provider_ei.emulator.request_log import RequestLog, RequestRecord
from airflow_provider_ei.emulator.stored_data import StoreError
from airflow_provider_ei.emulator.tcp_connections import TcpConnections
from airflow_provider_ei.emulator.uploads import Upload
from airflow_provider_ei.emulator.workspace import Workspace


@dataclass(frozen=True, slots=True)
class _Request:
    record: RequestRecord
    method: str
    path: str
    query: Arguments
    headers: dict[str, str]
    operation: Operation | None
    path_values: dict[str, str]
    key: ValidKey | None
    fault: Fault | None
    body: RequestBody

    @property
    def seq(self) -> int:
        return self.record.seq


BeforeRequest = Callable[[RequestRecord], object]


class Dispatcher:
    """The ASGI application of Studio's API, below ``/v1/api``, and of the ingestion service, below ``/api``.

    :ivar before_request: called in a thread with each request that has arrived, before it is carried out.
    :ivar late: what ``store_late`` faults have delayed.
    """

    def __init__(
        self,
        store: ItemStore,
        workspace: Workspace,
        settings: EmulatorSettings,
        faults: FaultQueue,
        log: RequestLog,
        connections: TcpConnections,
        executor: Executor,
    ) -> None:
        self._store = store
        self._workspace = workspace
        self._settings = settings
        self._faults = faults
        self._log = log
        self._connections = connections
        self._executor = executor
        self._keys = KeyCheck(settings, workspace)
        self.before_request: BeforeRequest | None = None
        self.late = LateRequests()
        self._stopping = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        request = self._arrived(scope, receive)
        response: Response | None = None
        try:
            await self._pause(self._settings.latency_seconds)
            if self.before_request is not None:
                # Not in the executor of the operations: the function may wait for one of them.
                await asyncio.to_thread(self.before_request, request.record)
            response = await self._respond(request)
        except Disconnected:
            pass
        except Exception:
            self._log.update(request.seq, status=500)
            raise
        finally:
            status = {} if response is None else {"status": response.status_code}
            self._log.update(request.seq, bytes_received=request.body.received, **status)
        await self._send(response, request.fault, scope, receive, send)

    async def _send(
        self, response: Response | None, fault: Fault | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send the response, and break the connection where that is the fault."""
        kind = None if fault is None else fault.kind
        if response is None:
            self._connections.reset(scope)
        elif fault is not None and kind == "cut_response":
            await response(scope, receive, _first_bytes(send, fault.after_bytes))
            self._connections.close(scope)
        else:
            await response(scope, receive, send)
            if kind == "early_status":
                self._connections.reset(scope)
        if response is None or kind in ("early_status", "cut_response"):
            # Until uvicorn has seen the end of the connection: it would send a response of its own.
            while (await receive())["type"] != "http.disconnect":
                pass

    def stop(self) -> None:
        """End all waiting: the server stops."""
        self._stopping.set()
        self.late.drop()

    def _arrived(self, scope: Scope, receive: Receive) -> _Request:
        method, path = scope["method"], scope["raw_path"].decode("ascii", "replace")
        query = scope["query_string"].decode("ascii", "replace")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        found = find_operation(method, path)
        operation, path_values = found or (None, {})
        operation_id = None if operation is None else operation.id
        key = self._keys.identify(headers.get("x-api-key", ""))
        fault = self._faults.take(operation_id)
        known: dict[str, Any] = {
            "time": time.time(),
            "method": method,
            "path": path,
            "query": query,
            "operation": operation_id,
            "key_ok": key is not None,
            "fault": None if fault is None else fault.kind,
        }
        record = RequestRecord(seq=self._log.begin(**known), **known)
        arguments = Arguments(dict(parse_qsl(query, keep_blank_values=True)))
        body = RequestBody(receive)
        return _Request(record, method, path, arguments, headers, operation, path_values, key, fault, body)

    async def _respond(self, request: _Request) -> Response | None:
        """Return the response, or None if the connection must be reset."""
        fault = request.fault
        if fault is None:
            return await self._carry_out(request)
        match fault.kind:
            case "early_status":
                response = _fault_response(fault)
                response.headers["connection"] = "close"
                return response
            case "cut_body":
                await request.body.drain(fault.after_bytes)
                return None
            case "drop_before":
                await self._read_for_log(request)
                return None
            case "status" | "redirect":
                await self._read_for_log(request)
                return _fault_response(fault)
            case "success_false":
                await self._read_for_log(request)
                return error_response(fault.error)
            case "store_late":
                await self._carry_out(request, late_by=fault.delay_seconds)
                return None
            case "drop_after":
                await self._carry_out(request)
                return None
            case "cut_response":
                return await self._carry_out(request)
            case "slow":
                answer = await self._carry_out(request)
                await self._pause(fault.delay_seconds)
                return answer

    async def _carry_out(self, request: _Request, late_by: float | None = None) -> Response | None:
        """Read the request and run its operation, or schedule that for later and return None."""
        refusal = self._refusal(request)
        if refusal is not None:
            await self._read_for_log(request)
            return refusal
        assert request.operation is not None
        try:
            call = await self._read(request, request.operation)
        except StoreError as error:
            return self._error(request.operation, str(error))
        if late_by is not None:
            self.late.add(late_by, lambda: self._run(request, call), call.discard)
            return None
        return await self._run(request, call)

    def _refusal(self, request: _Request) -> Response | None:
        length, most = request.headers.get("content-length", ""), self._settings.max_request_bytes
        if most and length.isdecimal() and int(length) > most:
            return error_response("Request Entity Too Large", 413)
        if request.key is None:
            status = 401 if _is_ingestion(request.operation) else self._settings.wrong_key_status
            return self._error(request.operation, "Invalid API key", status)
        if request.operation is None:
            return error_response(*explain(request.method, request.path))
        error = self._keys.refusal(request.key, request.operation, request.path_values)
        if error is None:
            return None
        return self._error(request.operation, error, 401 if _is_ingestion(request.operation) else 200)

    def _error(self, operation: Operation | None, error: str, status: int = 200) -> Response:
        if _is_ingestion(operation):
            return ingestion_error(error, status, self._settings.ingestion_errors)
        return error_response(error, status)

    async def _read_for_log(self, request: _Request) -> None:
        if request.operation is None:
            await request.body.drain()
            return
        try:
            call = await self._read(request, request.operation)
        except StoreError:
            return
        call.discard()

    async def _read(self, request: _Request, operation: Operation) -> Call:
        fields: dict[str, Any] = {}
        upload: Upload | None = None
        if operation.body == "multipart":
            upload = self._store.new_upload()
            fields = await self._read_multipart(request, upload, operation)
        elif operation.body == "json":
            fields = await request.body.json_object()
            self._log.update(request.seq, fields=fields)
        else:
            await request.body.drain()
        arguments = Arguments(fields)
        return Call(
            self._store,
            self._workspace,
            self._settings,
            0 if request.key is None else request.key.project_id,
            request.path_values,
            request.query,
            arguments,
            request.headers,
            upload,
        )

    async def _read_multipart(self, request: _Request, upload: Upload, operation: Operation) -> dict[str, str]:
        form: dict[str, Any] = {}
        if _is_ingestion(operation):
            form = {
                "file_field": ingestion.FILE_FIELD,
                "max_files": ingestion.MAX_FILES,
                "max_file_bytes": self._settings.max_sample_bytes,
            }
        reader = MultipartReader(request.headers.get("content-type", ""), upload, self._settings, **form)
        try:
            await request.body.feed(reader, self._executor)
            if reader.error is not None:
                raise StoreError(reader.error)
        except BaseException:
            upload.discard()
            raise
        finally:
            files = tuple(file.logged() for file in upload.files)
            told = _told_in_headers(request) if _is_ingestion(operation) else {}
            self._log.update(request.seq, fields={**told, **reader.fields}, files=files)
        return reader.fields

    async def _run(self, request: _Request, call: Call) -> Response:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._run_blocking, request, call)

    def _run_blocking(self, request: _Request, call: Call) -> Response:
        assert request.operation is not None
        try:
            self._workspace.update()
            answer = request.operation.run(call)
        except BaseException as error:
            call.discard()
            if isinstance(error, StoreError):
                return self._error(request.operation, str(error), error.status)
            raise
        if request.operation.changes and _has_changed(request.operation, answer):
            self._log.update(request.seq, changed=True)
        if isinstance(answer, Download):
            return StreamingResponse(self._stream(answer), headers=answer.headers())
        return Response(msgspec.json.encode({"success": True, **answer}), media_type="application/json")

    async def _stream(self, download: Download) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        with download.stream as stream:
            left = download.size
            while left:
                chunk = await loop.run_in_executor(self._executor, stream.read, min(left, CHUNK_BYTES))
                if not chunk:
                    raise EOFError("the file on disk is shorter than it was")
                left -= len(chunk)
                yield chunk

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than the server runs."""
        if seconds <= 0:
            return
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
        raise Disconnected


def _has_changed(operation: Operation, answer: Answer) -> bool:
    """Return whether a changing operation has changed something: ingestion may refuse every file."""
    if not _is_ingestion(operation) or isinstance(answer, Download):
        return True
    return any(file["success"] for file in answer["files"])


def _is_ingestion(operation: Operation | None) -> bool:
    return operation is not None and operation.service == "ingestion"


def _told_in_headers(request: _Request) -> dict[str, str]:
    """Return the headers in which an ingestion request says what its files are."""
    return {name: value for name, value in request.headers.items() if name.startswith("x-") and name != "x-api-key"}


def _first_bytes(send: Send, left: int) -> Send:
    """Return a function that sends the head of a response and the first bytes of its body."""

    async def send_part(message: Message) -> None:
        nonlocal left
        if message["type"] == "http.response.body":
            part = message.get("body", b"")[:left]
            left -= len(part)
            if not part:
                return
            message = {**message, "body": part, "more_body": True}
        await send(message)

    return send_part


def _fault_response(fault: Fault) -> Response:
    status, headers, body = fault.answer()
    return Response(body, status_code=status, headers=headers)
