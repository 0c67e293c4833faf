"""Files by URI, streamed from a real S3 server over HTTP to the service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, ObjectStoragePath
from moto.server import ThreadedMotoServer

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator

OBJECTS = {
    "study/s1/motion.csv": b"timestamp,x\n0,1\n",
    "study/s1/notes é.json": b"{}",
    "study/s1/empty.bin": b"",
    "study/s2/motion.csv": b"timestamp,x\n0,2\n",
    "study/large.bin": bytes(range(256)) * 40_000,
}


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **credentials)
    client.create_bucket(Bucket="recordings")
    for key, content in OBJECTS.items():
        client.put_object(Bucket="recordings", Key=key, Body=content)
    yield client
    server.stop()


@pytest.fixture(autouse=True)
def connection(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"endpoint_url": s3.meta.endpoint_url, "region_name": "us-east-1"}
    text = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_STUDY_S3", json.dumps(text))


def add(files: Any) -> Any:
    return EdgeImpulseAddDataOperator(task_id="add", name="one", dataset="gestures", files=files).execute({})


def arrived(studio: EmulatorServer) -> dict[str, bytes]:
    (item,) = studio.items("gestures")
    return {file.name: studio.read_file(item.id, file.name) for file in item.files}


class TestS3:
    @pytest.mark.parametrize(
        ("files", "prefix", "keys"),
        [
            pytest.param("study/s1/motion.csv", "study/s1/", ["motion.csv"], id="object"),
            pytest.param("study/s1", "study/s1/", ["empty.bin", "motion.csv", "notes é.json"], id="prefix"),
            pytest.param("study/s1/", "study/s1/", ["empty.bin", "motion.csv", "notes é.json"], id="prefix with slash"),
            pytest.param("study/*/motion.csv", "study/", ["s1/motion.csv", "s2/motion.csv"], id="pattern"),
            pytest.param("study/large.bin", "study/", ["large.bin"], id="several blocks"),
        ],
    )
    def test_every_byte_arrives(self, studio: EmulatorServer, files: str, prefix: str, keys: list[str]) -> None:
        result = add(f"s3://study_s3@recordings/{files}")
        assert result["outcome"] == "created"
        assert arrived(studio) == {key: OBJECTS[prefix + key] for key in keys}
        assert add(f"s3://study_s3@recordings/{files}")["outcome"] == "unchanged"

    def test_a_path_object_and_a_dict(self, studio: EmulatorServer) -> None:
        path = ObjectStoragePath("s3://study_s3@recordings/study/s1/motion.csv")
        spec = {"path": "s3://study_s3@recordings/study/s2/motion.csv", "name": "second.csv"}
        add([path, spec])
        assert list(arrived(studio)) == ["motion.csv", "second.csv"]

    def test_a_large_new_item_is_read_once(self, studio: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
        fetched: list[str] = []
        s3_hook = pytest.importorskip("s3fs")
        fetch = s3_hook.core.S3File._fetch_range
        monkeypatch.setattr(
            s3_hook.core.S3File, "_fetch_range", lambda self, *a: fetched.append(self.path) or fetch(self, *a)
        )
        monkeypatch.setattr("airflow_provider_ei.sync.plan.SMALL_ITEM_BYTES", 1024)
        add("s3://study_s3@recordings/study/large.bin")
        assert arrived(studio) == {"large.bin": OBJECTS["study/large.bin"]}
        assert 1 <= len(fetched) <= 2  # the object has fewer bytes than s3fs reads ahead

    @pytest.mark.parametrize(
        "files",
        [
            pytest.param("s3://study_s3@recordings/study/missing.csv", id="object"),
            pytest.param("s3://study_s3@recordings/nothing/*.csv", id="pattern"),
            pytest.param("s3://study_s3@no-such-bucket/x.csv", id="bucket"),
        ],
    )
    def test_what_is_missing_is_named_before_anything_is_sent(self, studio: EmulatorServer, files: str) -> None:
        with pytest.raises(AirflowFailException) as caught:
            add(files)
        assert files in str(caught.value)
        assert studio.requests() == []

    def test_an_object_replaced_while_it_is_sent(self, studio: EmulatorServer, s3: Any) -> None:
        from airflow_provider_ei.exceptions import EdgeImpulseFileError
        from airflow_provider_ei.hooks.stores import open_store
        from airflow_provider_ei.sync.file_specs import resolve_files

        s3.put_object(Bucket="recordings", Key="changing.csv", Body=b"one")
        files = resolve_files("s3://study_s3@recordings/changing.csv", open_store)
        s3.put_object(Bucket="recordings", Key="changing.csv", Body=b"two")
        with pytest.raises(EdgeImpulseFileError, match=r"s3://study_s3@recordings/changing.csv"):
            EdgeImpulseHook().client.add_data_item(7, name="x", dataset="d", metadata={}, files=files)
        assert studio.items() == []


def test_a_scheme_without_its_provider(studio: EmulatorServer) -> None:
    with pytest.raises(AirflowFailException, match=r"nosuch://bucket/x.csv.*nosuch"):
        add("nosuch://bucket/x.csv")
    assert studio.requests() == []
