"""The server itself: starting, stopping, keeping its data."""

from __future__ import annotations

import hashlib
import socket
import sqlite3
import threading
import time
from pathlib import Path

import pytest
import requests

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings, StoredItemFile

from .conftest import Client, Contract


def test_a_restart_keeps_the_data(contract: Contract, data_dir: Path) -> None:
    with EmulatorServer(data_dir=data_dir) as studio:
        client = Client(studio, contract)
        studio.add_bucket("b")
        client.add("gone")
        item_id = client.add_id("kept", [("a", b"12", "text/csv"), ("empty", b"")], {"x": "é"}, bucketName="b")
        client.call("DELETE", "/data/1")
        before, version = studio.items(), studio.state()["version"]
    studio = EmulatorServer(data_dir=data_dir)
    studio.start()
    try:
        assert studio.items() == before
        assert studio.state()["version"] != version
        assert studio.read_file(item_id, "a") == b"12"
        assert studio.read_file(item_id, "empty") == b""
        assert Client(studio, contract).add_id("next") == item_id + 1
    finally:
        studio.stop()


def test_a_stopped_server_can_start_again(contract: Contract, data_dir: Path) -> None:
    studio = EmulatorServer(data_dir=data_dir)
    for number in range(2):
        with studio:
            studio.start()
            Client(studio, contract).add(f"item {number}")
    assert len(studio.requests()) == 2
    with pytest.raises(RuntimeError, match="not running"):
        studio.items()
    studio.stop()


def test_stopping_leaves_nothing_behind(contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set(threading.enumerate())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    studio = EmulatorServer()
    studio.start()
    client = Client(studio, contract)
    client.add()
    (folder,) = tmp_path.iterdir()
    assert (folder / "uploads").is_dir()
    idle = [socket.create_connection(("127.0.0.1", int(studio.page_url.split(":")[2][:-1]))) for _ in range(5)]
    half = idle[0]
    half.sendall(b"POST /v1/api/organizations/1/data/add HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nx")
    url = studio.page_url
    studio.stop()  # does not wait for what the open connections may still send
    assert set(threading.enumerate()) == threads
    assert not folder.exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(url)
    for connection in idle:
        connection.close()


def test_an_exception_in_the_with_block_stops_the_server() -> None:
    with pytest.raises(ZeroDivisionError), EmulatorServer() as studio:
        url = studio.page_url
        raise ZeroDivisionError
    with pytest.raises(requests.ConnectionError):
        requests.get(url)


def test_two_servers_cannot_share_an_address_or_a_directory(
    studio: EmulatorServer, data_dir: Path, tmp_path: Path
) -> None:
    threads = set(threading.enumerate())
    port = int(studio.page_url.split(":")[2][:-1])
    with pytest.raises(OSError):
        EmulatorServer(data_dir=tmp_path / "other", port=port).start()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        EmulatorServer(data_dir=data_dir).start()
    assert set(threading.enumerate()) == threads
    assert requests.get(studio.page_url).ok


def test_a_bad_certificate_raises_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    for certfile in ("cert.pem", "missing.pem"):
        with pytest.raises(OSError):
            EmulatorServer(certfile=tmp_path / certfile).start()


def test_the_server_has_attributes_and_records(contract: Contract, certificate: tuple[Path, Path]) -> None:
    settings = EmulatorSettings(api_key="ei_x", organization_id=42)
    with EmulatorServer(settings, certfile=certificate[0], keyfile=certificate[1]) as studio:
        assert studio.url == studio.page_url + "v1" and studio.url.startswith("https://127.0.0.1:")
        assert (studio.api_key, studio.organization_id, studio.settings) == ("ei_x", 42, settings)
        client = Client(studio, contract, verify=str(certificate[0]))
        item_id = client.add_id("item", [("a", b"1", "text/csv")], {"k": "v"}, dataset="d")
        client.add("other", dataset="e")
        (item,) = studio.items("d")
        assert item.files == (
            StoredItemFile("a", 1, "text/csv", hashlib.sha256(b"1").hexdigest(), item.files[0].modified),
        )
        assert (item.id, item.dataset, item.bucket_name, item.metadata) == (
            item_id, "d", "Internal datasets", {"k": "v"},
        )  # fmt: skip
        assert len(studio.items()) == 2


def test_listens_on_an_ipv6_address(contract: Contract) -> None:
    try:
        studio = EmulatorServer(host="::1")
        studio.start()
    except OSError:
        pytest.skip("no IPv6 here")
    with studio:
        assert studio.url.startswith("http://[::1]:")
        assert Client(studio, contract).add()["success"]


def test_answers_do_not_wait_for_delayed_acknowledgements(client: Client) -> None:
    def seconds() -> float:
        before = time.monotonic()
        client.get("/data")
        return time.monotonic() - before

    assert min(seconds() for _ in range(50)) < 0.035, "with Nagle's algorithm every answer takes 40 ms"
