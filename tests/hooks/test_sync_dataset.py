"""``sync_dataset`` and ``plan_shards`` of the hook: what they refuse, in which words, before anything is sent."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.exceptions import EdgeImpulseDeleteLimitError, EdgeImpulseInputError, EdgeImpulseSyncError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.sync.dataset.options import Shard


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("s01", "s02"):
        (tmp_path / "study" / name).mkdir(parents=True)
        (tmp_path / "study" / name / "motion.csv").write_text(name)
    return tmp_path / "study"


def sync(**arguments: Any) -> Any:
    return EdgeImpulseHook().sync_dataset(**{"dataset": "d", **arguments})


ONE = [{"name": "one", "files": "/dev/null/x"}]


class TestArguments:
    def refused(self, studio: EmulatorServer, words: str, **arguments: Any) -> None:
        for call in (sync, lambda **given: EdgeImpulseHook().plan_shards(2, **{"dataset": "d", **given})):
            with pytest.raises(EdgeImpulseInputError) as caught:
                call(**arguments)
            assert words in str(caught.value)
            assert not caught.value.retryable
        assert studio.requests() == []

    @pytest.mark.parametrize("given", [{}, {"source": ""}, {"source": "x", "items": []}, {"source": "", "items": None}])
    def test_source_and_items_exclude_each_other(self, studio: EmulatorServer, given: dict[str, Any]) -> None:
        self.refused(studio, "Give source (a folder or a URI) or items (a list), and not both.", **given)

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"delete": "all"}, "delete must be 'never' or 'extra' or 'extra-and-excluded', not 'all'."),
            ({"delete": True}, "delete must be 'never' or 'extra' or 'extra-and-excluded', not True."),
            ({"delete": None}, "delete must be 'never' or 'extra' or 'extra-and-excluded', not None."),
            ({"delete": "extra"}, "delete='extra' needs a sync_id, which tells this sync's items from others."),
            ({"delete": "extra", "sync_id": ""}, "delete='extra' needs a sync_id"),
            ({"delete": "extra-and-excluded"}, "delete='extra-and-excluded' needs a sync_id"),
            ({"comparison": "mtime"}, "comparison must be 'digest' or 'size', not 'mtime'."),
            ({"workers": 0}, "workers must be a positive whole number, not 0."),
            ({"workers": "many"}, "workers must be a positive whole number, not 'many'."),
            ({"workers": 65}, "workers must be a number from 1 to 64, not 65."),
            ({"workers": None}, "workers must be a number from 1 to 64, not None."),
            ({"workers": True}, "workers must be a positive whole number, not True."),
            ({"depth": 0}, "depth must be a positive whole number, not 0."),
            ({"depth": ""}, "depth must be a number from 1 on, not ''."),
            ({"depth": 1.5}, "depth must be a positive whole number, not 1.5."),
            ({"max_delete": -1}, "max_delete must be a number of data items, such as 20, or a percentage"),
            ({"max_delete": "half"}, "or a percentage such as '80%', not 'half'."),
            ({"max_delete": "101%"}, "not '101%'."),
            ({"max_delete": "%"}, "not '%'."),
            ({"max_delete": "-5%"}, "not '-5%'."),
            ({"max_delete": 0.5}, "not 0.5."),
            ({"max_delete": True}, "not True."),
            ({"bucket_id": 3, "bucket_name": "b"}, "Give bucket_id or bucket_name, not both."),
            ({"bucket_id": "x"}, "bucket_id must be a positive whole number, not 'x'."),
            ({"bucket_name": " b"}, "Strip bucket_name ' b': it begins or ends with white space."),
            ({"sync_id": "a\nb"}, "Remove the control character '\\n' from sync_id 'a\\nb'."),
            ({"sync_id": "None"}, "Give sync_id a value: it is the string 'None'."),
            ({"dataset": ""}, "Give dataset a value: it is empty."),
            ({"dataset": "None"}, "Give dataset a value: it is the string 'None'."),
            ({"include": 7}, "include must be a list of patterns as in .gitignore"),
            ({"exclude": ["!"]}, "exclude: "),
            ({"metadata": ["a"]}, "metadata must be a dict of scalars, not list"),
            ({"metadata": {"a": {"b": 1}}}, "metadata['a'] must be a scalar, not dict"),
            ({"metadata": {"airflow_ei": "x"}}, "metadata: use another key than 'airflow_ei'"),
            ({"metadata": {"airflow_ei_sync": "x"}}, "metadata: use another key than 'airflow_ei_sync'"),
        ],
        ids=str,
    )
    def test_invalid_arguments_are_refused_by_name(
        self, studio: EmulatorServer, source: Path, given: dict[str, Any], words: str
    ) -> None:
        self.refused(studio, words, **{"source": str(source), **given})

    @pytest.mark.parametrize(
        ("place", "words"),
        [
            ("None", "Give source a value: it is the string 'None'."),
            (
                "/no/such/folder",
                "source: check the path, which does not exist on the machine that runs this task: '/no/such/folder'.",
            ),
            (__file__, "is not a directory."),
            (
                "nosuch://bucket/x",
                "source: correct the scheme nosuch://, or install what reads it on the workers, for 'nosuch://bucket/x'.",
            ),
        ],
    )
    def test_a_source_that_cannot_be_read_is_refused(self, studio: EmulatorServer, place: str, words: str) -> None:
        self.refused(studio, words, source=place)

    @pytest.mark.parametrize(
        ("items", "words"),
        [
            ("text", "items must be a list of {'name', 'files', 'metadata'}, not str: 'text'."),
            ({"name": "one"}, "items must be a list of {'name', 'files', 'metadata'}, not dict"),
            (7, "items must be a list of {'name', 'files', 'metadata'}, not int: '7'."),
            (b"[]", "items must be a list of {'name', 'files', 'metadata'}, not bytes"),
            ([7], "items[0] must be a dict with 'name' and 'files', and 'metadata' if wanted, not 7."),
            ([*ONE, {"name": "x"}], "items[1] must be a dict with 'name' and 'files'"),
            ([{"files": "x"}], "items[0] must be a dict with 'name' and 'files'"),
            ([{**ONE[0], "dataset": "x"}], "items[0] must be a dict with 'name' and 'files'"),
            ([{"name": None, "files": "x"}], "Give items[0].name a value: it is None."),
            ([{"name": "", "files": "x"}], "Give items[0].name a value: it is empty."),
            ([*ONE, *ONE], "items[1]: give each data item a name of its own: 'one' is there twice."),
        ],
        ids=str,
    )
    def test_invalid_items_are_refused(self, studio: EmulatorServer, items: Any, words: str) -> None:
        self.refused(studio, words, items=items)

    @pytest.mark.parametrize("field", ["include", "exclude"])
    def test_patterns_without_a_source_are_refused(self, studio: EmulatorServer, field: str) -> None:
        self.refused(studio, "Leave include and exclude out: they go with source.", items=ONE, **{field: ["*.csv"]})

    @pytest.mark.parametrize("shards", [0, -1, "many", None, "", 1.5, True])
    def test_an_invalid_number_of_shards_is_refused(self, studio: EmulatorServer, source: Path, shards: Any) -> None:
        with pytest.raises(EdgeImpulseInputError, match="shards must be a positive whole number, not "):
            EdgeImpulseHook().plan_shards(shards, dataset="d", source=str(source))
        assert studio.requests() == []

    @pytest.mark.parametrize(
        "given",
        [
            {"workers": "2", "depth": "1", "max_delete": "20", "delete": "extra", "sync_id": "x"},
            {"max_delete": " 80 % ", "bucket_id": "", "bucket_name": "", "include": "", "exclude": None},
            {"sync_id": 12, "max_delete": "", "metadata": None},
        ],
        ids=str,
    )
    def test_strings_that_templates_render_are_accepted(
        self, studio: EmulatorServer, source: Path, given: dict[str, Any]
    ) -> None:
        assert sync(source=str(source), **given)["created"] == 2

    def test_a_path_object_is_accepted(self, studio: EmulatorServer, source: Path) -> None:
        assert sync(source=source)["changed"] == ["s01", "s02"]


class TestItems:
    def test_items_take_files_in_every_form(self, studio: EmulatorServer, source: Path) -> None:
        items = [
            {"name": "folder", "files": str(source)},
            {"name": "file", "files": source / "s01" / "motion.csv", "metadata": {"n": 1}},
            {"name": "named", "files": {"path": str(source / "s01/motion.csv"), "name": "x.csv"}, "metadata": None},
            {"name": "pattern", "files": [f"{source}/*/motion.csv"], "metadata": "{'n': '2'}"},
        ]
        for number in range(2):
            summary = sync(items=items if number else repr(items[:1] + items[2:]), metadata={"n": "0", "all": True})
            assert summary["created"] == 3 - 2 * number
        listed = {item.name: item for item in studio.items("d")}
        names = {name: [file.name for file in item.files] for name, item in listed.items()}
        assert names == {
            "file": ["motion.csv"],
            "folder": ["s01/motion.csv", "s02/motion.csv"],
            "named": ["x.csv"],
            "pattern": ["s01/motion.csv", "s02/motion.csv"],
        }
        metadata = {name: (item.metadata["n"], item.metadata["all"]) for name, item in listed.items()}
        assert metadata == {
            "file": ("1", "true"),
            "folder": ("0", "true"),
            "named": ("0", "true"),
            "pattern": ("2", "true"),
        }

    def test_an_invalid_item_does_not_stop_the_others(self, studio: EmulatorServer, source: Path) -> None:
        good = {"name": "good", "files": str(source)}
        bad = [
            {"name": "missing", "files": "/no/such/file"},
            {"name": "nothing", "files": []},
            {"name": "nested", "files": str(source), "metadata": {"a": []}},
        ]
        with pytest.raises(EdgeImpulseSyncError) as caught:
            sync(items=[good, *bad])
        assert not caught.value.retryable
        reasons = {failure["name"]: failure["reason"] for failure in caught.value.summary["failures"]}
        assert sorted(reasons) == ["missing", "nested", "nothing"]
        assert "does not exist" in reasons["missing"]
        assert "files is empty" in reasons["nothing"]
        assert "metadata['a'] must be a scalar, not list" in reasons["nested"]
        assert [item.name for item in studio.items("d")] == ["good"]

    def test_an_empty_list_deletes_nothing(self, studio: EmulatorServer, source: Path) -> None:
        """As when upstream has found nothing."""
        sync(items=[{"name": "good", "files": str(source)}], sync_id="x")
        for items in ([], "[]", ()):
            with pytest.raises(EdgeImpulseDeleteLimitError, match="no data item at all"):
                sync(items=items, sync_id="x", delete="extra", max_delete="100%")
        assert len(studio.items("d")) == 1
        assert sync(items=[])["unchanged"] == 0


class TestShards:
    def test_shards_are_those_that_have_something_to_do(self, studio: EmulatorServer, source: Path) -> None:
        hook = EdgeImpulseHook()
        shards = hook.plan_shards("8", dataset="d", source=str(source))
        assert 1 <= len(shards) <= 2
        assert all(shard.of == 8 for shard in shards)
        assert [request.method for request in studio.requests()] == ["GET"]
        assert sum(sync(source=source, shard=shard)["created"] for shard in shards) == 2
        assert hook.plan_shards(8, dataset="d", source=str(source)) == []

    def test_a_plan_that_would_delete_too_much_has_no_shards(
        self, studio: EmulatorServer, source: Path, tmp_path: Path
    ) -> None:
        sync(source=source, sync_id="x")
        source.rename(tmp_path / "old")
        (source / "new").mkdir(parents=True)
        (source / "new" / "x.csv").write_text("1")
        with pytest.raises(EdgeImpulseDeleteLimitError):
            EdgeImpulseHook().plan_shards(2, dataset="d", source=str(source), sync_id="x", delete="extra")

    def test_a_shard_deletes_nothing_of_the_others(self, studio: EmulatorServer, source: Path) -> None:
        sync(source=source, sync_id="x")
        for shard in Shard.all(2):
            assert sync(source=source, sync_id="x", delete="extra", shard=shard)["deleted"] == 0
        assert len(studio.items("d")) == 2


class TestWarnings:
    def test_what_is_not_sent_is_logged(
        self, studio: EmulatorServer, source: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (source / "empty").mkdir()
        for number in range(7):
            (source / f"stray{number}.csv").write_text("1")
        with caplog.at_level(logging.WARNING):
            sync(source=source, comparison="size")
        assert (
            "'stray0.csv', 'stray1.csv', 'stray2.csv', 'stray3.csv', 'stray4.csv' and 2 more is not sent" in caplog.text
        )
        assert "'empty' has no files. Nothing is sent or deleted for it." in caplog.text
        assert "comparison='size': a file of the same name and size counts as the same" in caplog.text

    def test_a_source_without_items_is_logged(
        self, studio: EmulatorServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            assert sync(source=tmp_path)["created"] == 0
        assert "has no data items" in caplog.text


def test_new_items_go_into_the_given_bucket(studio: EmulatorServer, source: Path) -> None:
    sync(source=source, bucket_name="Internal datasets")
    assert {item.bucket_name for item in studio.items("d")} == {"Internal datasets"}


def test_items_belong_to_the_sync_that_is_named(studio: EmulatorServer, source: Path) -> None:
    sync(source=source)
    assert {json.loads(item.metadata["airflow_ei"])["sync"] for item in studio.items("d")} == {"default"}
    with pytest.raises(EdgeImpulseSyncError, match="belongs to the sync 'default', and this is 'mine'"):
        sync(source=source, sync_id="mine")
