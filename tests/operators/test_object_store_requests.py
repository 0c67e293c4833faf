"""What reading objects costs in requests, counted by a real S3 server, and that no change meanwhile gets through."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.exceptions import EdgeImpulseCancelledError, EdgeImpulseFileError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.hooks.stores import open_store
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator
from airflow_provider_ei.sources.source_file import SourceFile
from airflow_provider_ei.studio.byte_budget import background_bytes
from airflow_provider_ei.studio.read_ahead import MAX_AHEAD_FILES
from tests.support.files import discover
from tests.support.s3 import airflow_connection, s3_client

BUCKET = "counted"


class Store:
    """A bucket, in which each test has a prefix of its own; requests for objects are counted.

    :ivar on_request: called with the method and the object's name, before the store answers.
    """

    def __init__(self) -> None:
        self.client: Any = None
        self.prefix = ""
        self.requests: Counter[str] = Counter()
        self.on_request: Callable[[str, str], object] = lambda method, name: None

    def count(self, method: str, path: str) -> None:
        if self.prefix in path and method != "PUT":
            self.requests[method] += 1
            self.on_request(method, path.rpartition("/")[2])

    def put(self, count: int, size: int) -> dict[str, bytes]:
        contents = {f"{number:04}.bin": bytes([number % 256]) * size for number in range(count)}
        for name, data in contents.items():
            self.change(name, data)
        return contents

    def change(self, name: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}", Body=data)

    @property
    def uri(self) -> str:
        return f"s3://counted_s3@{BUCKET}/{self.prefix}"

    def files(self) -> list[SourceFile]:
        """Find the objects, and begin to count."""
        files = discover(self.uri, open_store)
        self.requests.clear()
        return files


@pytest.fixture(scope="module")
def one_store() -> Iterator[Store]:
    made = Store()
    with s3_client(BUCKET, made.count) as made.client:
        yield made


@pytest.fixture
def store(one_store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AIRFLOW_CONN_COUNTED_S3", airflow_connection(one_store.client))
    one_store.prefix = secrets.token_hex(8)
    one_store.on_request = lambda method, name: None
    one_store.requests.clear()
    return one_store


def send(files: list[SourceFile]) -> None:
    with EdgeImpulseHook() as hook:
        hook.data_api.add_data_item(name="one", dataset="d", metadata={}, files=files)


def arrived(studio: EmulatorServer) -> dict[str, bytes]:
    (item,) = studio.items("d")
    return {file.name: studio.read_file(item.id, file.name) for file in item.files}


@pytest.mark.parametrize("size", [0, 1, 20_000, 1024 * 1024, 5 * 1024 * 1024], ids=str)
def test_an_object_takes_one_get_and_one_head(studio: EmulatorServer, store: Store, size: int) -> None:
    contents = store.put(3, size)
    files = store.files()
    send(files)
    assert arrived(studio) == contents
    assert store.requests == (Counter(GET=3, HEAD=3) if size else Counter(HEAD=3))


def test_a_larger_object_is_streamed_in_blocks_of_8_mib(studio: EmulatorServer, store: Store) -> None:
    contents = store.put(2, 9 * 1024 * 1024)
    send(store.files())
    assert arrived(studio) == contents
    assert store.requests["GET"] == 2 * 2
    assert store.requests["HEAD"] <= 2 * 2


@pytest.mark.parametrize(("count", "size"), [(1, 20_000), (20, 20_000), (100, 100_000)], ids=["one", "few", "many"])
def test_a_new_item_takes_two_requests_an_object(studio: EmulatorServer, store: Store, count: int, size: int) -> None:
    contents = store.put(count, size)
    operator = EdgeImpulseAddDataOperator(task_id="add", name="one", dataset="d", files=store.uri)
    assert operator.execute({})["outcome"] == "created"
    assert arrived(studio) == contents
    looks = 2  # what is at the URI is asked for, too, and listed
    assert store.requests["GET"] == count
    assert store.requests["HEAD"] <= count + looks
    assert background_bytes.taken == 0


def test_a_sync_takes_two_requests_an_object(studio: EmulatorServer, store: Store) -> None:
    for number in range(10):
        store.change(f"item {number}/x.csv", b"t,x\n")
    with EdgeImpulseHook() as hook:
        summary = hook.sync_dataset(dataset="d", source=store.uri, workers=4)
    assert summary["created"] == 10
    assert store.requests["GET"] == 10
    assert store.requests["HEAD"] <= 12


def test_objects_of_one_item_are_read_at_once_and_sent_in_order(studio: EmulatorServer, store: Store) -> None:
    contents = store.put(20, 1000)
    files = store.files()
    several = threading.Barrier(5)  # the first five requests wait for each other

    def wait_for_others(method: str, name: str) -> None:
        if method == "GET" and name < "0005.bin":
            several.wait(30)

    store.on_request = wait_for_others
    send(files)
    assert list(arrived(studio)) == list(contents)
    assert not several.broken


@pytest.mark.parametrize("data", [b"longer than before", b"", b"9" * 1000], ids=["longer", "empty", "same size"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_object_that_changes_while_it_is_read_ends_the_upload(
    studio: EmulatorServer, store: Store, method: str, data: bytes
) -> None:
    store.put(10, 1000)
    files = store.files()
    store.on_request = lambda seen, name: store.change(name, data) if (seen, name) == (method, "0007.bin") else None
    with pytest.raises(EdgeImpulseFileError, match=r"^s3://counted_s3@counted/[0-9a-f]+/0007\.bin "):
        send(files)
    assert studio.items() == []


def test_an_object_that_is_gone_is_named(studio: EmulatorServer, store: Store) -> None:
    store.put(10, 1000)
    files = store.files()
    store.client.delete_object(Bucket=BUCKET, Key=f"{store.prefix}/0003.bin")
    with pytest.raises(EdgeImpulseFileError, match=r"/0003\.bin could not be read"):
        send(files)
    assert studio.items() == []


def test_no_more_is_read_once_the_upload_has_failed(studio: EmulatorServer, store: Store) -> None:
    store.put(3 * MAX_AHEAD_FILES, 10)
    files = store.files()
    store.change("0000.bin", b"another")
    with pytest.raises(EdgeImpulseFileError, match=r"0000\.bin"):
        send(files)
    assert store.requests["GET"] <= MAX_AHEAD_FILES


def test_a_store_that_hangs_does_not_keep_a_task_from_being_killed(studio: EmulatorServer, store: Store) -> None:
    store.put(3, 10)
    hangs, answers = threading.Event(), threading.Event()
    store.on_request = lambda method, name: method == "GET" and (hangs.set(), answers.wait(60))
    hook = EdgeImpulseHook()

    def kill() -> None:
        hangs.wait(30)
        hook.cancel()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(EdgeImpulseCancelledError):
            hook.add_data(name="one", dataset="d", files=store.uri)
        assert not answers.is_set()
    finally:
        answers.set()
        killer.join()
    assert studio.items() == []


def test_a_missing_prefix_is_refused(studio: EmulatorServer, store: Store) -> None:
    operator = EdgeImpulseAddDataOperator(task_id="add", name="one", dataset="d", files=store.uri)
    with pytest.raises(AirflowFailException, match="does not exist"):
        operator.execute({})
    assert studio.requests() == []
