"""The request log: it shows what has arrived, in bounded memory."""

from __future__ import annotations

import gc
import json
import tracemalloc
from typing import Any

import pytest
import requests

from airflow_provider_ei.emulator import EmulatorServer, request_log
from airflow_provider_ei.emulator.request_log import RequestLog, UploadedFile

from .conftest import Client

KNOWN: dict[str, Any] = {"time": 0.0, "method": "GET", "path": "/x", "query": "", "operation": None, "key_ok": True}


def numbers(log: RequestLog) -> list[int]:
    return [record.seq for record in log.records()]


@pytest.mark.parametrize(
    "large",
    [
        {"path": "/" + "x" * 10_000},
        {"query": "x" * 10_000},
        {"fields": {"metadata": "x" * 10_000}},
        {"fields": {"x" * 10_000: 1}},
        {"fields": {"list": [0] * 10_000}},
        {"fields": {"deep": [[[[{"a": "x" * 10_000}]]]]}},
        {"files": tuple(UploadedFile("x" * 100, "text/csv", 1, "0" * 64) for _ in range(40))},
        {"files": (UploadedFile("a", "x" * 10_000, 1, "0" * 64),)},
    ],
    ids=lambda large: next(iter(large)),
)
def test_large_requests_push_older_ones_out(monkeypatch: pytest.MonkeyPatch, large: dict[str, Any]) -> None:
    monkeypatch.setattr(request_log, "LOG_BYTES", 40_000)
    log = RequestLog("secret")
    for _ in range(10):
        log.update(log.begin(**KNOWN), status=200)
    assert numbers(log) == list(range(1, 11))
    for _ in range(10):
        log.update(log.begin(**KNOWN), **large)
    assert 11 not in numbers(log) and numbers(log)[-1] == 20
    log.update(11, status=500)
    assert 11 not in numbers(log)
    log.clear()
    for _ in range(10):
        log.begin(**KNOWN)
    assert numbers(log) == list(range(21, 31)), "what was forgotten no longer counts"


def test_the_newest_request_stays_however_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "LOG_BYTES", 1_000)
    log = RequestLog("secret")
    log.update(log.begin(**KNOWN), fields={"a": "x" * 100_000})
    assert log.records()[0].fields == {"a": "x" * 100_000}
    log.begin(**KNOWN)
    assert numbers(log) == [2]


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": [' + b"0," * 200_000 + b"0]}",
        b'{"a": [' + b"[]," * 200_000 + b"0]}",
        b'{"a": "' + b"x" * 2_000_000 + b'"}',
        b"{" + b",".join(b'"%d":1' % number for number in range(100_000)) + b"}",
    ],
    ids=["numbers", "lists", "a string", "members"],
)
def test_the_log_keeps_a_bounded_part_of_one_body(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(request_log, "FIELDS_BYTES", 500_000)
    fields = json.loads(body)
    log = RequestLog("secret")
    tracemalloc.start()
    try:
        log.update(log.begin(**KNOWN), fields=fields)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2 * request_log.FIELDS_BYTES
    assert "..." in json.dumps(log.records()[0].fields)


def test_keeps_numbers_of_any_size() -> None:
    log = RequestLog("secret")
    log.update(log.begin(**KNOWN), fields={"small": 7, "large": 10**400, "negative": -(10**20), "none": float("nan")})
    assert log.records()[0].fields == {"small": 7, "large": "1" + "0" * 400, "negative": f"-1{'0' * 20}", "none": "nan"}


def test_the_log_never_contains_the_key() -> None:
    log = RequestLog("secret")
    seq = log.begin(**{**KNOWN, "path": "/secret", "query": "key=secret"})
    log.update(seq, fields={"a-secret": ["secret"]}, files=(UploadedFile("a secret.csv", "text/csv", 0, "c"),))
    assert "secret" not in str(log.records())


@pytest.mark.parametrize("head", ["path", "query", "header", "many headers"])
def test_a_request_with_a_huge_head_is_refused(studio: EmulatorServer, head: str) -> None:
    url, headers = f"{studio.url}/api/organizations", {}
    match head:
        case "path":
            url += "/" + "x" * 1_000_000
        case "query":
            url += "?filter=" + "x" * 1_000_000
        case "header":
            headers = {"x-large": "x" * 1_000_000}
        case "many headers":
            headers = {f"x-{number}": "x" * 1_000 for number in range(1_000)}
    try:
        response = requests.get(url, headers=headers)
    except requests.ConnectionError:
        pass  # it was still being sent
    else:
        assert (response.status_code, response.json()["success"]) == (400, False)
    assert studio.requests() == []


def test_the_names_of_the_files_of_a_request_are_bounded(client: Client) -> None:
    files = [("x" * 3_000 + str(number), b"") for number in range(6_000)]
    answer = client.add(files=files)
    assert not answer["success"] and "headers" in answer["error"]
    assert client.names() == []
