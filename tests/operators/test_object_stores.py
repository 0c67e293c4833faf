"""Files by URI, streamed from a real S3 server over HTTP to the service."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
import s3fs
from airflow.providers.common.compat.sdk import AirflowFailException, ObjectStoragePath

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.exceptions import EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.hooks.stores import open_store
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator
from airflow_provider_ei.sources.ignore import Filter
from airflow_provider_ei.sync.dataset.presence import Presence
from airflow_provider_ei.sync.dataset.tree import Tree, read_tree
from tests.support.files import discover
from tests.support.s3 import airflow_connection, s3_client

OBJECTS = {
    "study/s1/motion.csv": b"timestamp,x\n0,1\n",
    "study/s1/notes é.json": b"{}",
    "study/s1/empty.bin": b"",
    "study/s2/motion.csv": b"timestamp,x\n0,2\n",
    "study/large.bin": bytes(range(256)) * 40_000,
}


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with s3_client("recordings") as client:
        for key, content in OBJECTS.items():
            client.put_object(Bucket="recordings", Key=key, Body=content)
        yield client


@pytest.fixture(autouse=True)
def connection(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_STUDY_S3", airflow_connection(s3))


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

    def test_a_path_object_and_a_dict_can_be_mixed(self, studio: EmulatorServer) -> None:
        path = ObjectStoragePath("s3://study_s3@recordings/study/s1/motion.csv")
        spec = {"path": "s3://study_s3@recordings/study/s2/motion.csv", "name": "second.csv"}
        add([path, spec])
        assert list(arrived(studio)) == ["motion.csv", "second.csv"]

    def test_a_large_new_item_is_read_once(self, studio: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
        fetched: list[str] = []
        fetch = s3fs.core.S3File._fetch_range
        monkeypatch.setattr(
            s3fs.core.S3File, "_fetch_range", lambda self, *a: fetched.append(self.path) or fetch(self, *a)
        )
        monkeypatch.setattr("airflow_provider_ei.sync.item.plan.SMALL_ITEM_BYTES", 1024)
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

    def test_an_object_that_was_replaced_ends_the_upload(self, studio: EmulatorServer, s3: Any) -> None:
        s3.put_object(Bucket="recordings", Key="changing.csv", Body=b"one")
        files = discover("s3://study_s3@recordings/changing.csv", open_store)
        s3.put_object(Bucket="recordings", Key="changing.csv", Body=b"two")
        with pytest.raises(EdgeImpulseFileError, match=r"s3://study_s3@recordings/changing.csv"):
            EdgeImpulseHook().data_api.add_data_item(name="x", dataset="d", metadata={}, files=files)
        assert studio.items() == []


class TestMarkers:
    """Objects that stand for folders, as consoles and Hadoop's clients make them, and keys that no folder can have."""

    @pytest.fixture
    def put(self, s3: Any, request: pytest.FixtureRequest) -> Iterator[Callable[[dict[str, bytes]], str]]:
        bucket = f"markers-{abs(hash(request.node.name))}"
        s3.create_bucket(Bucket=bucket)

        def put(objects: dict[str, bytes]) -> str:
            for key, content in objects.items():
                s3.put_object(Bucket=bucket, Key=key, Body=content)
            return f"s3://study_s3@{bucket}"

        yield put
        for listed in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=listed["Key"])

    def read(self, source: str, **arguments: Any) -> Tree:
        depth = arguments.pop("depth", 1)
        return read_tree(source, depth=depth, takes=Filter(**arguments), open_store=open_store)

    def found(self, tree: Tree) -> dict[str, list[str]]:
        return {item.name: sorted(file.name for file in item.files) for item in tree.items}

    @pytest.mark.parametrize("slash", ["", "/"])
    def test_objects_that_stand_for_folders_are_neither_files_nor_strays(self, put: Any, slash: str) -> None:
        markers = ["study/", "study/a/", "study/a/sub/", "study/a", "study/a_$folder$", "study/a/sub_$folder$", "study"]
        place = put({key: b"" for key in markers} | {"study/a/x.csv": b"1", "study/a/sub/y.csv": b"2"})
        tree = self.read(f"{place}/study{slash}")
        assert self.found(tree) == {"a": ["sub/y.csv", "x.csv"]}
        assert (tree.strays, tree.empty, tree.replaced, tree.excluded) == ([], [], {}, [])
        assert [item.problem for item in tree.items] == [None]
        assert tree.presence("a") == Presence("present")

    @pytest.mark.parametrize(
        "keys", [["a/"], ["a_$folder$"], ["a/.hidden"], ["a/", "a/.hidden"], ["a/sub/"], ["a/sub_$folder$"]], ids=str
    )
    def test_a_folder_of_nothing_else_is_empty(self, put: Any, keys: list[str]) -> None:
        place = put({f"study/{key}": b"" for key in keys} | {"study/b/x.csv": b"1"})
        tree = self.read(f"{place}/study")
        assert (self.found(tree), tree.empty, tree.strays, tree.replaced) == ({"b": ["x.csv"]}, ["a"], [], {})
        assert tree.presence("a") == Presence("empty")

    def test_a_prefix_of_nothing_else_has_no_items(self, put: Any) -> None:
        assert self.read(f"{put({'study/': b''})}/study") == Tree()

    def test_a_single_upload_leaves_out_objects_that_stand_for_folders(self, studio: EmulatorServer, put: Any) -> None:
        place = put({"run/": b"", "run": b"", "run/sub/": b"", "run/sub_$folder$": b"", "run/sub/x.csv": b"1"})
        for files in ("run", "run/", "run/**", "run/*/*"):
            add(f"{place}/{files}")
            assert arrived(studio) in ({"sub/x.csv": b"1"}, {"x.csv": b"1"})

    def test_an_empty_object_is_a_file_where_no_folder_is(self, studio: EmulatorServer, put: Any) -> None:
        place = put({"study/a/b": b"", "study/bc/x.csv": b""})
        assert self.found(self.read(f"{place}/study"))["a"] == ["b"]
        add(f"{place}/study/a/b")
        assert arrived(studio) == {"b": b""}

    def test_an_object_with_a_folders_name_is_told_apart(self, studio: EmulatorServer, put: Any) -> None:
        place = put({"study/a": b"1", "study/a/x.csv": b"2", "study/b/c": b"3", "study/b/c/y.csv": b"4"})
        tree = self.read(f"{place}/study")
        problems = {item.name: str(item.problem) for item in tree.items if item.problem}
        assert problems == {
            "b": f"Rename '{place}/study/b/c': it is an object, and the name of a folder of other objects, too."
        }
        assert (self.found(tree)["a"], tree.strays, tree.replaced) == (["x.csv"], ["a"], {})
        assert tree.presence("a") == Presence("present")
        add(f"{place}/study/a")
        assert arrived(studio) == {"a": b"1"}
        add(f"{place}/study/a/")
        assert arrived(studio) == {"x.csv": b"2"}

    def test_empty_path_segments_are_named(self, put: Any) -> None:
        place = put({"study/a//x.csv": b"1", "study/b/x.csv": b"1", "study//c/x.csv": b"1"})
        tree = self.read(f"{place}/study")
        problems = {item.name: str(item.problem) for item in tree.items if item.problem}
        assert set(problems) == {"a", "/"}
        assert all("empty path segment" in text for text in problems.values())
        assert f"{place}/study/a//" in problems["a"]

    def test_a_prefix_that_is_gone_is_absent_and_an_object_in_its_place_is_present(self, put: Any, s3: Any) -> None:
        place = put({"study/a/x.csv": b"1", "study/b/x.csv": b"1"})
        tree = self.read(f"{place}/study")
        bucket = place.partition("@")[2]
        s3.delete_object(Bucket=bucket, Key="study/a/x.csv")
        assert tree.presence("a") == Presence("absent")
        s3.put_object(Bucket=bucket, Key="study/a", Body=b"1")
        assert tree.presence("a") == Presence("present", "'a' is a file now")
        assert self.read(f"{place}/study").replaced == {"a": "a file"}
        for key in ("study/a", "study/b/x.csv"):
            s3.delete_object(Bucket=bucket, Key=key)
        assert tree.presence("a").state == "unknown"

    def test_a_store_that_does_not_answer_is_a_transient_error(self, put: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        place = put({"study/a/x.csv": b"1"})
        tree = self.read(f"{place}/study")
        monkeypatch.setattr(s3fs.S3FileSystem, "_lsdir", fail)
        assert tree.presence("a").state == "unknown"
        with pytest.raises(EdgeImpulseFileError, match=rf"^source: '{place}/study' cannot be read: reset"):
            self.read(f"{place}/study")
        for files in ("study/a", "study/*/x.csv", "study/**"):
            with pytest.raises(EdgeImpulseFileError, match=r"^files: .* cannot be read: reset"):
                discover(f"{place}/{files}", open_store)


async def fail(*_: object, **__: object) -> NoReturn:
    raise ConnectionResetError("reset")


@pytest.mark.parametrize(
    ("uri", "package"),
    [
        ("gs://my_gcp@recordings/x.csv", "apache-airflow-providers-google"),
        ("abfs://my_azure@container/x.csv", "apache-airflow-providers-microsoft-azure"),
    ],
)
def test_a_known_scheme_without_its_provider_names_the_package(studio: EmulatorServer, uri: str, package: str) -> None:
    with pytest.raises(AirflowFailException, match=f"install '{package}' on the workers"):
        add(uri)
    assert studio.requests() == []


def test_s3_without_its_library_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setattr("fsspec.spec.AbstractFileSystem.cachable", False)
    with pytest.raises(
        EdgeImpulseInputError, match=r"install 'apache-airflow-providers-amazon\[s3fs\]' on the workers"
    ):
        open_store("s3://another_connection@recordings/x.csv")


def test_an_unknown_scheme_is_refused(studio: EmulatorServer) -> None:
    with pytest.raises(AirflowFailException, match=r"nosuch://bucket/x.csv.*nosuch"):
        add("nosuch://bucket/x.csv")
    assert studio.requests() == []
