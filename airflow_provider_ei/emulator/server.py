"""The emulator as a context manager for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from airflow_provider_ei.emulator.api.routes import OPERATION_IDS
from airflow_provider_ei.emulator.dispatch import BeforeRequest
from airflow_provider_ei.emulator.emulator_clock import EmulatorClock
from airflow_provider_ei.emulator.emulator_settings import EmulatorSettings
from airflow_provider_ei.emulator.faults import ChooseFault, Fault, FaultQueue
from airflow_provider_ei.emulator.filter_sql import EVERYTHING, SqlCondition
from airflow_provider_ei.emulator.item_store import ItemStore
from airflow_provider_ei.emulator.job_control import JobControl
from airflow_provider_ei.emulator.pipeline_control import PipelineControl
from airflow_provider_ei.emulator.project_control import ProjectControl
from airflow_provider_ei.emulator.request_log import RequestLog, RequestRecord
from airflow_provider_ei.emulator.sample_control import SampleControl
from airflow_provider_ei.emulator.server_thread import ServerThread
from airflow_provider_ei.emulator.state_report import describe_state
from airflow_provider_ei.emulator.stored_data import StoredItem, StoreError


class EmulatorServer:
    """A server on a free port of this machine that implements the part of Edge Impulse's API that this package uses.

    ::

        from airflow_provider_ei.emulator import EmulatorServer, Fault

        with EmulatorServer() as studio:
            # The Airflow connection: host studio.url, password studio.api_key.
            studio.inject(Fault(operation="addOrganizationDataItem", kind="drop_after"))
            ...  # run the DAG
            (item,) = studio.items("vibration")
            assert item.metadata["machine"] == "pump 7"
            assert studio.read_file(item.id, "raw.csv") == b"t,x\\n"
            assert [request.operation for request in studio.requests() if request.changed]

    :param settings: key, organization and switches; the switches can be assigned while the server runs.
    :param data_dir: the directory for the data, which are kept there after a stop. The emulator deletes files in it,
        so it must be missing, empty, or one that the emulator has created. None means a temporary directory.
    :param port: 0 chooses a free one.
    :param certfile: PEM file with a certificate, for TLS.
    :param keyfile: PEM file with the private key, unless ``certfile`` contains it.
    :param ingestion_port: a second port, which only the ingestion service uses; 0 chooses a free one. Without it,
        the service is at ``port``, too.
    :ivar clock: the clock of the jobs, which tests can stop and turn.
    :ivar jobs: control of the jobs: see :class:`JobControl`.
    :ivar projects: control of the projects: see :class:`ProjectControl`.
    :ivar samples: the samples of the projects: see :class:`SampleControl`.
    :ivar pipelines: control of pipelines and transformation jobs: see :class:`PipelineControl`.
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
        ingestion_port: int | None = None,
    ) -> None:
        self.settings = settings or EmulatorSettings()
        self._data_dir = data_dir
        self._address = (host, port)
        self._ingestion_port = ingestion_port
        self._certfile = certfile
        self._keyfile = keyfile
        self._faults = FaultQueue(OPERATION_IDS)
        self._log = RequestLog(self.settings.api_key)
        self._running: ServerThread | None = None
        self.clock = EmulatorClock()
        self.jobs = JobControl(lambda: self._live.workspace)
        self.projects = ProjectControl(lambda: self._live.workspace)
        self.samples = SampleControl(lambda: self._live.store)
        self.pipelines = PipelineControl(lambda: self._live.workspace)

    def __enter__(self) -> EmulatorServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server. When this returns, it accepts connections.

        :raises OSError: if the address cannot be used, the certificate cannot be read, or ``data_dir`` does not
            belong to the emulator.
        :raises sqlite3.OperationalError: if another emulator uses the data directory.
        """
        if self._running is None:
            self._running = ServerThread(
                self.settings,
                self._faults,
                self._log,
                self.clock,
                data_dir=self._data_dir,
                address=self._address,
                ingestion_port=self._ingestion_port,
                certfile=self._certfile,
                keyfile=self._keyfile,
            )

    def stop(self) -> None:
        """Stop the server within a second: open connections are closed."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    @property
    def page_url(self) -> str:
        """URL of the page in a browser. The control API is below it, under ``emulator/``."""
        return f"{self._origin(self._live.address[1])}/"

    @property
    def url(self) -> str:
        """Base URL of the API: the host of an Airflow connection."""
        return f"{self.page_url}v1"

    @property
    def ingestion_url(self) -> str:
        """Base URL of the ingestion service, which takes the key of a project."""
        return self._origin(self._live.ingestion_port)

    def _origin(self, port: int) -> str:
        scheme = "http" if self._certfile is None else "https"
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._live.address[0], self._live.address[0])
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    @property
    def api_key(self) -> str:
        """The key of the organization."""
        return self.settings.api_key

    @property
    def project_api_key(self) -> str:
        """The key of the first project, whose id is 1."""
        return self.settings.project_api_key

    @property
    def organization_id(self) -> int:
        """The organization that the key belongs to."""
        return self.settings.organization_id

    def inject(self, *faults: Fault) -> None:
        """Make something go wrong with the next requests.

        :raises ValueError: for an operation that the emulator does not implement.
        """
        self._faults.inject(faults)

    def clear_faults(self) -> None:
        """Remove the faults that have not hit a request yet."""
        self._faults.clear()

    def choose_faults(self, choose: ChooseFault | None) -> None:
        """Let a function choose the fault of each request that no injected fault hits; None ends that.

        It gets the operation id, or None for a path without an operation, and returns a fault or None. The ``count``
        and ``skip`` of that fault do not matter.
        """
        self._faults.choose = choose

    def requests(self) -> list[RequestRecord]:
        """The API requests so far, in order of arrival."""
        return self._log.records()

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._log.clear()

    def add_bucket(self, name: str) -> int:
        """Add a storage bucket unless one of that name exists, and return its id."""
        return self._store.add_bucket(name)

    def reset(self) -> None:
        """Forget all data, requests and faults. The switches keep their values."""
        self._live.reset()

    def state(self) -> dict[str, Any]:
        """Return all data, in the form of ``GET /emulator/state`` without limits."""
        return describe_state(self._store)

    def items(self, dataset: str | None = None) -> list[StoredItem]:
        """Return the data items with their files, of one dataset or of all, by id."""
        condition = EVERYTHING if dataset is None else SqlCondition("items.dataset = ?", (dataset,))
        return self._store.items(condition)

    def read_file(self, data_id: int, name: str) -> bytes:
        """Return the bytes of a file.

        :raises KeyError: if the item or the file does not exist.
        """
        with _found(data_id, name):
            file, stream = self._store.open_file(data_id, name)
        with stream:
            return stream.read(file.size)

    # Changes by other people. They are not requests: faults, switches and the log do not apply. They may be called
    # from any thread while the server runs.

    def put_item(self, name: str, dataset: str, metadata: Mapping[str, str], files: Mapping[str, bytes]) -> int:
        """Store a data item with exactly these names, even if one of that name exists, and return its id."""
        upload = self._store.new_upload()
        for file_name, data in files.items():
            upload.begin_file()
            upload.write(memoryview(data))
            upload.end_file(file_name, "application/octet-stream")
        upload.close()
        return self._store.add_item(name, dataset, metadata, upload, duplicate_names="new_id")

    def edit_item(
        self,
        data_id: int,
        *,
        name: str | None = None,
        dataset: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Rename a data item, move it to another dataset, or replace its metadata.

        :raises KeyError: if the item does not exist.
        """
        with _found(data_id):
            self._store.update_item(data_id, name=name, dataset=dataset, metadata=metadata, metadata_update="replace")

    def remove_item(self, data_id: int) -> None:
        """Delete a data item with its files.

        :raises KeyError: if the item does not exist.
        """
        with _found(data_id):
            self._store.delete_item(data_id)

    def remove_file(self, data_id: int, name: str) -> None:
        """Delete one file of a data item.

        :raises KeyError: if the item or the file does not exist.
        """
        with _found(data_id, name):
            self._store.delete_file(data_id, name)

    def put_object(self, key: str, data: bytes, *, bucket_id: int = 1) -> None:
        """Put an object into a bucket without the API: a refresh of a dataset with a bucket path finds it."""
        with self._live.workspace as workspace:
            workspace.buckets.put(bucket_id, key, data)

    def remove_object(self, key: str, *, bucket_id: int = 1) -> None:
        """Remove an object from a bucket, also a file of a data item: a refresh then removes that file."""
        with self._live.workspace as workspace:
            workspace.buckets.remove(bucket_id, key)

    def before_request(self, callback: BeforeRequest | None) -> None:
        """Call a function before each API request is carried out; None ends that.

        It gets the request's record as known from its head. It runs in a thread of the server, and the request waits
        for it, also if a fault will hit the request. It may call every method of this class except ``stop``. If it
        raises, the request gets HTTP 500. It must be set again after a stop.
        """
        self._live.dispatcher.before_request = callback

    @property
    def late(self) -> int:
        """The number of requests that ``store_late`` faults have delayed and that are not carried out yet."""
        return len(self._live.dispatcher.late)

    def flush_late(self) -> None:
        """Carry out now what ``store_late`` faults have delayed, and return when it is done."""
        self._live.flush_late()

    @property
    def _store(self) -> ItemStore:
        """The data, after the effects of all jobs that have ended by now."""
        self._live.workspace.update()
        return self._live.store

    @property
    def _live(self) -> ServerThread:
        if self._running is None:
            raise RuntimeError("Start the emulator first: it is not running.")
        return self._running


@contextmanager
def _found(*key: object) -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise KeyError(*key) from None
