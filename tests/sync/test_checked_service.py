"""Uploads and syncs use what a check has found out, and are right when it is missing or wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.exceptions import EdgeImpulseConflictError
from airflow_provider_ei.results import AddDataResult
from airflow_provider_ei.studio.known_service import KnownService
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.dataset.source_index import SourceIndex
from airflow_provider_ei.sync.dataset.sync import DatasetSync
from airflow_provider_ei.sync.dataset.tree import Tree
from tests.support.files import LookedAt
from tests.support.studio import changes, contents

from .conftest import OpenClient

FILES = {"a.csv": b"a1", "b.csv": b"b22"}
#: What a service may be unable to do, with what a check may have said about it.
SERVICES = [
    pytest.param({"filters": "rejected"}, KnownService(), id="no filters, not known"),
    pytest.param({"filters": "rejected"}, KnownService(filters="rejected"), id="no filters, known"),
    pytest.param({"filters": "rejected"}, KnownService(filters="supported"), id="no filters, known otherwise"),
    pytest.param({"filters": "ignored"}, KnownService(), id="filters ignored, not known"),
    pytest.param({"filters": "ignored"}, KnownService(filters="ignored"), id="filters ignored, known"),
    pytest.param({"file_listing": "missing"}, KnownService(), id="no files, not known"),
    pytest.param({"file_listing": "missing"}, KnownService(file_listing="missing"), id="no files, known"),
    pytest.param({"file_listing": "slow"}, KnownService(file_listing="available"), id="slow, known otherwise"),
    pytest.param({}, KnownService(file_listing="missing", filters="rejected"), id="all works, known otherwise"),
    pytest.param({"file_listing": "missing", "filters": "rejected"}, KnownService(), id="neither, not known"),
]


@pytest.mark.parametrize(("switches", "service"), SERVICES)
class TestAbilities:
    def test_an_upload_is_right_and_the_second_is_idle(
        self,
        sync_studio: EmulatorServer,
        sync_open: OpenClient,
        sync_upload: Callable[..., AddDataResult],
        switches: Mapping[str, Any],
        service: KnownService,
    ) -> None:
        sync_studio.settings.change(switches)
        sync_studio.put_item("run 2", "d", {}, {"theirs.csv": b"1"})
        results = []
        for files in (FILES, FILES, {**FILES, "c.csv": b"c333"}):
            api = sync_open(service=service, retry_attempts=2)
            results.append(sync_upload(files, {"site": "a"}, api=api))
        assert [result["outcome"] for result in results] == ["created", "unchanged", "updated"]
        assert contents(sync_studio, results[0]["data_id"]) == {**FILES, "c.csv": b"c333"}
        assert len(sync_studio.items()) == 2

    def test_a_sync_is_right_and_the_second_is_idle(
        self,
        sync_studio: EmulatorServer,
        sync_open: OpenClient,
        switches: Mapping[str, Any],
        service: KnownService,
    ) -> None:
        sync_studio.settings.change(switches)
        theirs = sync_studio.put_item("theirs", "d", {}, {"theirs.csv": b"1"})
        for names, changed in ((("a", "b", "c"), True), (("a", "b", "c"), False), (("a", "b"), True)):
            sync_studio.clear_requests()
            run_sync(sync_open(service=service, retry_attempts=2), names)
            assert bool(changes(sync_studio)) is changed
            assert sorted(item.name for item in sync_studio.items()) == sorted([*names, "theirs"])
        assert contents(sync_studio, theirs) == {"theirs.csv": b"1"}


def run_sync(api: Any, names: tuple[str, ...]) -> Mapping[str, Any]:
    items = [SourceItem(name, [LookedAt(f"{name}.csv", name.encode(), closed=False)], {}) for name in names]
    options = SyncOptions(dataset="d", sync_id="nightly", delete="extra", max_delete="100%", workers=1)
    return DatasetSync(api, SourceIndex.of(Tree(items)), options).run()


class TestNames:
    def test_files_that_the_service_would_store_as_one_are_refused_before_anything_is_sent(
        self, sync_studio: EmulatorServer, sync_open: OpenClient, sync_upload: Callable[..., AddDataResult]
    ) -> None:
        sync_studio.settings.file_folders = "drop"
        api = sync_open(service=KnownService(checked="2026-11-26", file_folders="drop"))
        with pytest.raises(EdgeImpulseConflictError, match=r"'p/x' and 'q/x' as one file, 'x'.*2026-11-26.*Nothing"):
            sync_upload({"p/x": b"1", "q/x": b"22"}, api=api)
        assert changes(sync_studio) == []

    @pytest.mark.parametrize(
        ("service", "names"),
        [
            (KnownService(trailing_backslash="drop_file"), ["a\\", "b"]),
            (KnownService(name_form="collapse"), ["a  b", "a b"]),
            (KnownService(name_form="trim", file_folders="drop"), ["p/x ", "x"]),
        ],
    )
    def test_so_are_others_that_would_be_lost(
        self, sync_open: OpenClient, sync_upload: Callable[..., AddDataResult], service: KnownService, names: list[str]
    ) -> None:
        with pytest.raises(EdgeImpulseConflictError, match="known from the check of an unknown day"):
            sync_upload({name: b"1" for name in names}, api=sync_open(service=service))

    def test_files_that_stay_apart_are_uploaded(
        self, sync_studio: EmulatorServer, sync_open: OpenClient, sync_upload: Callable[..., AddDataResult]
    ) -> None:
        sync_studio.settings.file_folders = "drop"
        api = sync_open(service=KnownService(file_folders="drop", name_form="trim", trailing_backslash="drop_file"))
        assert sync_upload({"p/x": b"1", "q/y": b"22"}, api=api)["outcome"] == "created"

    def test_a_result_that_is_no_longer_true_is_noticed_after_the_upload_as_without_it(
        self, sync_studio: EmulatorServer, sync_open: OpenClient, sync_upload: Callable[..., AddDataResult]
    ) -> None:
        sync_studio.settings.file_folders = "drop"
        api = sync_open(service=KnownService(file_folders="keep"))
        with pytest.raises(EdgeImpulseConflictError, match="as one file"):
            sync_upload({"p/x": b"1", "q/x": b"22"}, api=api)


class TestDelay:
    """A service whose listing shows a new item late."""

    def test_an_upload_is_right(
        self, sync_studio: EmulatorServer, sync_open: OpenClient, sync_upload: Callable[..., AddDataResult]
    ) -> None:
        sync_studio.settings.listing_delay_seconds = 0.4
        result = sync_upload(FILES, api=sync_open(sleep=time.sleep, settle_seconds=1.0))
        assert result["outcome"] == "created"
        assert len(sync_studio.items()) == 1

    def test_a_sync_is_right(self, sync_studio: EmulatorServer, sync_open: OpenClient) -> None:
        sync_studio.settings.listing_delay_seconds = 0.4
        run_sync(sync_open(sleep=time.sleep, settle_seconds=1.0), ("a", "b", "c"))
        assert sorted(item.name for item in sync_studio.items()) == ["a", "b", "c"]
