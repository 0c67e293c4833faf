"""A task that downloads data items: whole files or none, under safe names, and only once."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ei.downloads.names import check_distinct, relative_path
from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseInputError, EdgeImpulseUnavailableError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.operators.download import EdgeImpulseDownloadDataOperator
from tests.support.s3 import airflow_connection, s3_client

FILE = "downloadOrganizationDataFile"
LARGE = os.urandom(1 << 20)


@pytest.fixture
def organization(studio: EmulatorServer) -> EmulatorServer:
    studio.put_item("run-1", "motion", {"activity": "running"}, {"x.csv": b"one", "left/y.csv": b"two"})
    studio.put_item("rest-1", "motion", {"activity": "resting"}, {"x.csv": b"three", "empty.bin": b""})
    studio.put_item("other", "else", {}, {"x.csv": LARGE})
    return studio


def download(destination: object, **values: Any) -> Any:
    return EdgeImpulseDownloadDataOperator(task_id="get", destination=str(destination), **values).execute({})


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def downloads(server: EmulatorServer) -> int:
    return len([request for request in server.requests() if request.operation == FILE])


RUN = {"run-1/x.csv": b"one", "run-1/left/y.csv": b"two"}
REST = {"rest-1/x.csv": b"three", "rest-1/empty.bin": b""}


@pytest.mark.parametrize(
    ("values", "files"),
    [
        ({"data_id": "1"}, RUN),
        ({"dataset": "motion", "name": "rest-1"}, REST),
        ({"dataset": "motion"}, RUN | REST),
        ({"filter": "metadata->activity = 'running'"}, RUN),
        ({"dataset": "motion", "filter": "name = 'none'"}, {}),
    ],
)
def test_downloads_what_is_selected(
    organization: EmulatorServer, tmp_path: Path, values: dict[str, Any], files: dict[str, bytes]
) -> None:
    result = download(tmp_path / "new", **values)
    assert result == {
        "destination": str(tmp_path / "new"),
        "organization_id": 7,
        "item_count": len({path.partition("/")[0] for path in files}),
        "file_count": len(files),
        "downloaded": len(files),
        "unchanged": 0,
        "bytes": sum(map(len, files.values())),
    }
    assert tree(tmp_path) == {f"new/{path}": data for path, data in files.items()}


def test_what_is_there_is_not_downloaded_again(organization: EmulatorServer, tmp_path: Path) -> None:
    download(tmp_path, dataset="motion")
    (tmp_path / "run-1" / "own.txt").write_text("mine")
    organization.clear_requests()
    again = download(tmp_path, dataset="motion")
    assert (again["downloaded"], again["unchanged"], downloads(organization)) == (0, 4, 0)
    assert (tmp_path / "run-1" / "own.txt").read_text() == "mine"


@pytest.mark.parametrize("damage", ["cut", "same size", "removed", "link"])
def test_what_is_damaged_is_downloaded_again(organization: EmulatorServer, tmp_path: Path, damage: str) -> None:
    download(tmp_path, data_id=1)
    path = tmp_path / "run-1" / "x.csv"
    if damage == "cut":
        path.write_bytes(b"on")
    elif damage == "same size":
        path.write_bytes(b"ONE")
    else:
        path.unlink()
        if damage == "link":
            path.symlink_to(tmp_path / "elsewhere")
    again = download(tmp_path, data_id=1)
    assert (again["downloaded"], again["unchanged"], path.read_bytes()) == (1, 1, b"one")
    assert not path.is_symlink()


def test_a_file_that_the_service_has_changed_is_downloaded_again(organization: EmulatorServer, tmp_path: Path) -> None:
    download(tmp_path, data_id=1)
    time.sleep(0.01)
    organization.remove_item(1)
    organization.put_item("run-1", "motion", {}, {"x.csv": b"ONE", "left/y.csv": b"TWO"})
    again = download(tmp_path, dataset="motion", name="run-1")
    assert (again["downloaded"], (tmp_path / "run-1" / "x.csv").read_bytes()) == (2, b"ONE")


@pytest.mark.parametrize("after_bytes", [0, 1, 500_000])
def test_a_download_that_breaks_off_is_tried_again(
    organization: EmulatorServer, tmp_path: Path, after_bytes: int
) -> None:
    organization.inject(Fault(operation=FILE, kind="cut_response", after_bytes=after_bytes))
    assert download(tmp_path, dataset="else")["bytes"] == len(LARGE)
    assert tree(tmp_path) == {"other/x.csv": LARGE}


def test_a_download_that_fails_leaves_no_part_of_a_file(organization: EmulatorServer, tmp_path: Path) -> None:
    organization.inject(Fault(operation=FILE, kind="cut_response", after_bytes=500_000, count=100))
    with pytest.raises(EdgeImpulseUnavailableError):
        download(tmp_path, dataset="else")
    assert tree(tmp_path) == {}


def test_an_answer_that_is_not_a_file_is_not_saved(organization: EmulatorServer, tmp_path: Path) -> None:
    organization.inject(Fault(operation=FILE, kind="success_false", error="No such object"))
    with pytest.raises(AirflowFailException, match="No such object"):
        download(tmp_path, dataset="else")
    assert tree(tmp_path) == {}


def work(destination: str, connection: str) -> None:
    os.environ["AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT"] = connection
    download(destination, dataset="else")


def test_a_worker_that_is_killed_leaves_no_file_and_the_next_try_completes_it(
    organization: EmulatorServer, tmp_path: Path
) -> None:
    organization.inject(Fault(operation=FILE, kind="slow", delay_seconds=600))
    arguments = (str(tmp_path), os.environ["AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT"])
    worker = multiprocessing.get_context("forkserver").Process(target=work, args=arguments)
    worker.start()
    try:
        while not downloads(organization):
            assert worker.is_alive()
            time.sleep(0.01)
    finally:
        worker.kill()
        worker.join()
    assert not (tmp_path / "other" / "x.csv").exists()
    organization.clear_faults()
    download(tmp_path, dataset="else")
    assert (tmp_path / "other" / "x.csv").read_bytes() == LARGE


@pytest.mark.parametrize(
    "name", ["../up", "a/../../b", "..", "C:x", "a\\b", "CON", "lpt1.txt", "a/ b", "a.", "x\u2028"]
)
def test_names_that_lead_elsewhere_are_refused(studio: EmulatorServer, tmp_path: Path, name: str) -> None:
    studio.put_item("safe", "d", {}, {"x.csv": b"1", name: b"2"})
    with pytest.raises(AirflowFailException, match="Rename the file"):
        download(tmp_path / "to", dataset="d")
    assert list(tmp_path.iterdir()) == [] and downloads(studio) == 0


@pytest.mark.parametrize("name", ["/etc/passwd", "", "a//b", "./x", "a" * 256, "x?", "nul"])
def test_other_names_that_are_refused(name: str) -> None:
    with pytest.raises(EdgeImpulseInputError, match="cannot be the path"):
        relative_path("item", name)
    with pytest.raises(EdgeImpulseInputError, match="Rename the data item"):
        relative_path(name, "file")


@pytest.mark.parametrize("name", ["x.csv", "left/x.csv", "naïve é.csv", "console.txt", ".hidden", "a..b"])
def test_other_names_are_kept(name: str) -> None:
    assert relative_path("item", name) == f"item/{name}"


@pytest.mark.parametrize(
    "paths", [("a/x", "a/x"), ("a/x", "A/X"), ("a/x", "a/x/y"), ("a/b/c", "a/b"), ("é", "e\u0301")]
)
def test_files_that_would_replace_each_other_are_refused(paths: tuple[str, str]) -> None:
    with pytest.raises(EdgeImpulseInputError, match="Rename one of two"):
        check_distinct(paths)
    check_distinct(["a/x", "a/y", "b/x"])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "Give data_id, dataset or filter"),
        ({"data_id": 1, "dataset": "d"}, "Give data_id, or dataset"),
        ({"name": "n"}, "names are unique only within a dataset"),
        ({"data_id": "x"}, "data_id must be"),
        ({"dataset": "d", "name": "n", "filter": "f"}, "Give name or filter"),
        ({"dataset": "motion", "name": "none"}, "has no data item 'none'"),
    ],
)
def test_wrong_arguments_are_refused(
    organization: EmulatorServer, tmp_path: Path, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(AirflowFailException, match=words):
        download(tmp_path, **values)


def test_a_relative_destination_is_refused(organization: EmulatorServer) -> None:
    with pytest.raises(AirflowFailException, match="destination: write the absolute path"):
        download("here", dataset="motion")


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """One server for all tests: Airflow keeps the file system of a connection as long as the process runs."""
    with s3_client("models") as client:
        yield client


ODD_NAMES = {"a#b.csv": b"1", "50%25.csv": b"2", "naïve é.csv": b"3", "[x] {y}.csv": b"4", ".hidden": b"5"}


def test_odd_names_are_kept_in_a_folder(studio: EmulatorServer, tmp_path: Path) -> None:
    studio.put_item("odd #1%20", "d", {}, ODD_NAMES)
    for destination in (str(tmp_path / "plain"), f"file://{tmp_path}/uri"):
        download(destination, dataset="d")
        assert download(destination, dataset="d")["unchanged"] == len(ODD_NAMES)
    wanted = {f"odd #1%20/{name}": data for name, data in ODD_NAMES.items()}
    assert tree(tmp_path / "plain") == tree(tmp_path / "uri") == wanted


def test_two_items_of_one_name_are_refused(organization: EmulatorServer, tmp_path: Path) -> None:
    organization.put_item("run-1", "motion", {}, {"x.csv": b"another"})
    with pytest.raises(AirflowFailException, match="Rename one of two"):
        download(tmp_path, dataset="motion")
    assert tree(tmp_path) == {}


class TestBucket:
    URI = "s3://lake@models/in"

    @pytest.fixture
    def bucket(self, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("AIRFLOW_CONN_LAKE", airflow_connection(s3))
        for key in self.objects(s3):
            s3.delete_object(Bucket="models", Key=key)
        return s3

    def objects(self, bucket: Any) -> dict[str, bytes]:
        found = bucket.list_objects_v2(Bucket="models").get("Contents", [])
        return {one["Key"]: bucket.get_object(Bucket="models", Key=one["Key"])["Body"].read() for one in found}

    def test_every_byte_arrives_once(self, organization: EmulatorServer, bucket: Any) -> None:
        assert download(self.URI, dataset="motion")["downloaded"] == 4
        assert self.objects(bucket) == {f"in/{path}": data for path, data in (RUN | REST).items()}
        time.sleep(1)  # S3 keeps times in seconds
        download(self.URI, dataset="motion")
        again = download(self.URI, dataset="motion")
        assert (again["downloaded"], again["unchanged"]) == (0, 4)

    def test_odd_names_are_kept(self, studio: EmulatorServer, bucket: Any) -> None:
        studio.put_item("odd #1%20", "d", {}, ODD_NAMES)
        download(self.URI, dataset="d")
        assert self.objects(bucket) == {f"in/odd #1%20/{name}": data for name, data in ODD_NAMES.items()}

    def test_a_download_that_fails_leaves_no_object(self, organization: EmulatorServer, bucket: Any) -> None:
        organization.inject(Fault(operation=FILE, kind="cut_response", after_bytes=500_000, count=100))
        with pytest.raises(EdgeImpulseUnavailableError):
            download(self.URI, dataset="else")
        assert self.objects(bucket) == {}
        organization.clear_faults()
        download(f"{self.URI}/", dataset="else")
        assert self.objects(bucket) == {"in/other/x.csv": LARGE}


def test_the_hook_downloads(organization: EmulatorServer, tmp_path: Path) -> None:
    with EdgeImpulseHook() as hook:
        assert hook.download_data(str(tmp_path), data_id=1)["downloaded"] == 2
