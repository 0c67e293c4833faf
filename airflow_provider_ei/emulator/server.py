"""The emulator as tests use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from airflow_provider_ei.emulator.api import BeforeRequest
from airflow_provider_ei.emulator.faults import Fault, FaultQueue
from airflow_provider_ei.emulator.filter_sql import EVERYTHING, Condition
from airflow_provider_ei.emulator.operations import OPERATION_IDS
from airflow_provider_ei.emulator.records import StoredItem, StoreError
from airflow_provider_ei.emulator.request_log import RequestLog, RequestRecord
from airflow_provider_ei.emulator.server_thread import Running
from airflow_provider_ei.emulator.state import describe
from airflow_provider_ei.emulator.switches import EmulatorSettings


class EmulatorServer:
    """The emulator inside a test: a context manager around a server on a free port of this machine.

    ::

        from airflow_provider_ei.emulator import EmulatorServer, Fault

        with EmulatorServer() as studio:
            # An Airflow connection to it: host studio.url, password studio.api_key.
            studio.inject(Fault(operation="addOrganizationDataItem", kind="drop_after"))
            ...  # run the DAG
            (item,) = studio.items("vibration")
            assert item.metadata["machine"] == "pump 7"
            assert studio.read_file(item.id, "raw.csv") == b"t,x\\n"
            assert [request.operation for request in studio.requests() if request.changed]

    :param settings: key, organization and switches; the switches may be assigned while it runs.
    :param data_dir: where the data live; they survive a stop there. It is made, or must be empty, or one that the
        emulator has made: it deletes files there. None means a temporary folder.
    :param port: 0 picks a free one.
    :param certfile: PEM file with a certificate: the server then speaks TLS.
    :param keyfile: PEM file with its private key, unless that is in ``certfile``.
    """

    def __init__(
        self,
        settings: EmulatorSettings | None = None,
        data_dir: str | Path | None = None,
        port: int = 0,
        certfile: str | Path | None = None,
        keyfile: str | Path | None = None,
        *,
        host: str = "127.0.0.1",
    ) -> None:
        self.settings = settings or EmulatorSettings()
        self._data_dir = data_dir
        self._address = (host, port)
        self._certfile = certfile
        self._keyfile = keyfile
        self._faults = FaultQueue(OPERATION_IDS)
        self._log = RequestLog(self.settings.api_key)
        self._running: Running | None = None

    def __enter__(self) -> EmulatorServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start; when this returns, connections are accepted.

        :raises OSError: if the address cannot be used, the certificate cannot be read, or ``data_dir`` is not the
            emulator's own.
        :raises sqlite3.OperationalError: if another emulator uses the data directory.
        """
        if self._running is None:
            self._running = Running(
                self.settings,
                self._faults,
                self._log,
                data_dir=self._data_dir,
                address=self._address,
                certfile=self._certfile,
                keyfile=self._keyfile,
            )

    def stop(self) -> None:
        """Stop, within a second: open connections are closed."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    @property
    def page_url(self) -> str:
        """Address of the page for people; the control API is below it, under ``emulator/``."""
        scheme = "http" if self._certfile is None else "https"
        host, port = self._live.address
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"

    @property
    def url(self) -> str:
        """Base URL of the API: what the host of an Airflow connection is set to."""
        return f"{self.page_url}v1"

    @property
    def api_key(self) -> str:
        """The key that the API accepts."""
        return self.settings.api_key

    @property
    def organization_id(self) -> int:
        """The organization that the key belongs to."""
        return self.settings.organization_id

    def inject(self, *faults: Fault) -> None:
        """Let something go wrong with the next requests.

        :raises ValueError: for an operation that the emulator does not play.
        """
        self._faults.inject(faults)

    def requests(self) -> list[RequestRecord]:
        """The API requests so far, in order of arrival."""
        return self._log.records()

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._log.clear()

    def add_bucket(self, name: str) -> int:
        """Add a storage bucket beside ``Internal datasets``, for uploads that name it; returns its id.

        Nothing happens if it is there.
        """
        return self._live.store.add_bucket(name)

    def state(self) -> dict[str, Any]:
        """Everything it holds, in the form of ``GET /emulator/state``, but without limits."""
        return describe(self._live.store)

    def items(self, dataset: str | None = None) -> list[StoredItem]:
        """The data items with their files, of one dataset or of all, by id."""
        condition = EVERYTHING if dataset is None else Condition("items.dataset = ?", (dataset,))
        return self._live.store.items(condition)

    def read_file(self, data_id: int, name: str) -> bytes:
        """The bytes of a file.

        :raises KeyError: if there is no such item or file.
        """
        with _found(data_id, name):
            file, stream = self._live.store.open_file(data_id, name)
        with stream:
            return stream.read(file.size)

    # What other people do meanwhile: no requests, so that no fault, switch or log knows of them. All of it may be
    # called from any thread while the server answers.

    def put_item(self, name: str, dataset: str, metadata: Mapping[str, str], files: Mapping[str, bytes]) -> int:
        """Store a data item with exactly these names, and return its id. Another of that name does not matter."""
        upload = self._live.store.new_upload()
        for file_name, data in files.items():
            upload.begin_file()
            upload.write(memoryview(data))
            upload.end_file(file_name, "application/octet-stream")
        upload.close()
        return self._live.store.add_item(name, dataset, metadata, upload, duplicate_names="new_id")

    def edit_item(
        self,
        data_id: int,
        *,
        name: str | None = None,
        dataset: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Rename a data item, move it to another dataset, or replace its metadata.

        :raises KeyError: if there is no such item.
        """
        with _found(data_id):
            self._live.store.update_item(
                data_id, name=name, dataset=dataset, metadata=metadata, metadata_update="replace"
            )

    def remove_item(self, data_id: int) -> None:
        """Delete a data item with its files.

        :raises KeyError: if there is no such item.
        """
        with _found(data_id):
            self._live.store.delete_item(data_id)

    def remove_file(self, data_id: int, name: str) -> None:
        """Delete one file of a data item.

        :raises KeyError: if there is no such item or file.
        """
        with _found(data_id, name):
            self._live.store.delete_file(data_id, name)

    def before_request(self, callback: BeforeRequest | None) -> None:
        """Let a function be called before each API request is carried out, or no longer.

        It gets the request's record as it is when its head has arrived, runs in a thread of the server, and the
        request waits for it, whatever fault is going to hit it. It may call all methods of this class but ``stop``. An
        exception of it is the request's HTTP 500. A stop of the server forgets it.
        """
        self._live.api.before_request = callback

    @property
    def late(self) -> int:
        """How many requests ``store_late`` faults have put off that are not carried out yet."""
        return self._live.api.late

    def flush_late(self) -> None:
        """Carry out now what ``store_late`` faults have put off, and return when it is done."""
        self._live.flush_late()

    @property
    def _live(self) -> Running:
        if self._running is None:
            raise RuntimeError("the emulator is not running")
        return self._running


@contextmanager
def _found(*key: object) -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise KeyError(*key) from None
