"""The hook against the emulated Studio, with real Airflow connections."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import (
    EdgeImpulseCancelledError,
    EdgeImpulseConfigError,
    EdgeImpulseInputError,
    EdgeImpulseNotFoundError,
    EdgeImpulseRefusedError,
)
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.sync.dataset.options import Shard
from tests.conftest import API_KEY
from tests.support.sockets import open_connections

Connect = Callable[..., None]


class TestConstruction:
    def test_creating_a_hook_reads_nothing(self) -> None:
        EdgeImpulseHook("there_is_no_such_connection")

    def test_the_connection_is_read_at_the_first_call(self) -> None:
        with pytest.raises(Exception, match="there_is_no_such_connection"):
            EdgeImpulseHook("there_is_no_such_connection").list_organizations()


class TestClosing:
    def test_a_closed_hook_keeps_no_connection(self, studio: EmulatorServer) -> None:
        hook = EdgeImpulseHook()
        hook.list_organizations()
        assert open_connections(studio.url) == 1
        hook.close()
        assert open_connections(studio.url) == 0
        hook.close()

    def test_leaving_the_context_closes_the_hook_also_after_an_error(self, studio: EmulatorServer) -> None:
        with pytest.raises(EdgeImpulseRefusedError), EdgeImpulseHook() as hook:
            hook.get_dataset("no such dataset")
        assert open_connections(studio.url) == 0

    def test_a_later_call_opens_a_new_connection(self, studio: EmulatorServer) -> None:
        with EdgeImpulseHook() as hook:
            hook.list_organizations()
        assert len(hook.list_organizations()) == 1
        hook.close()

    def test_closing_a_hook_that_was_never_used_reads_no_connection(self) -> None:
        EdgeImpulseHook("there_is_no_such_connection").close()

    def test_a_cancelled_hook_remains_cancelled(self, studio: EmulatorServer) -> None:
        with EdgeImpulseHook() as hook:
            hook.list_organizations()
            hook.cancel()
        with pytest.raises(EdgeImpulseCancelledError):
            hook.list_organizations()


class TestOrganization:
    def test_the_organization_of_the_key_is_used_when_none_is_given(
        self, emulator: EmulatorServer, connect: Connect
    ) -> None:
        connect(emulator.url)
        assert EdgeImpulseHook().organization_id == 7

    def test_the_organization_of_the_connection_needs_no_request(self, studio: EmulatorServer) -> None:
        assert EdgeImpulseHook().organization_id == 7
        assert studio.requests() == []

    @pytest.mark.parametrize("given", [9, "9"])
    def test_the_argument_overrides_the_connection(self, studio: EmulatorServer, given: int | str) -> None:
        assert EdgeImpulseHook(organization_id=given).organization_id == 9

    def test_an_organization_id_that_rendered_to_an_empty_string_is_ignored(self, studio: EmulatorServer) -> None:
        assert EdgeImpulseHook(organization_id="").organization_id == 7

    @pytest.mark.parametrize("given", ["acme", 0, -1, 1.5])
    def test_an_organization_id_must_be_a_positive_whole_number(self, studio: EmulatorServer, given: object) -> None:
        with pytest.raises(EdgeImpulseInputError, match="organization_id"):
            EdgeImpulseHook(organization_id=given).organization_id  # type: ignore[arg-type]  # noqa: B018

    def test_a_key_without_an_organization_is_reported(self, emulator: EmulatorServer, connect: Connect) -> None:
        connect(emulator.url)
        body = '{"success": true, "organizations": []}'
        emulator.inject(Fault(operation="listOrganizations", kind="status", status=200, body=body))
        with pytest.raises(EdgeImpulseConfigError, match=r"^Set organization_id in connection 'edge_impulse_default'"):
            EdgeImpulseHook().organization_id  # noqa: B018


def _wrong_calls() -> Iterator[Any]:
    """Each call with each of its arguments wrong, one at a time."""
    add = {"name": "a", "dataset": "d", "files": __file__}
    for wrong in (
        {"name": ""}, {"name": None}, {"dataset": ""}, {"dataset": ["d"]}, {"files": "/nowhere/x.csv"}, {"files": []},
        {"metadata": [1]}, {"metadata": {"a": {}}}, {"bucket_id": "x"}, {"bucket_name": " x"}, {"if_exists": "maybe"},
    ):  # fmt: skip
        yield pytest.param("add_data", (), add | wrong, id=f"add_data {wrong}")
    sync = {"dataset": "d", "items": [{"name": "a", "files": __file__}]}
    here = str(Path(__file__).parent)
    for wrong in (
        {"dataset": ""}, {"source": "/nowhere", "items": None}, {"items": None}, {"items": "x"},
        {"items": [{"nam": 1}]}, {"delete": "all"}, {"delete": "extra"}, {"max_delete": "many"},
        {"comparison": "guess"}, {"workers": 0}, {"sync_id": " "}, {"bucket_id": 0},
        {"depth": 0, "source": here, "items": None},
    ):  # fmt: skip
        yield pytest.param("sync_dataset", (), sync | wrong, id=f"sync_dataset {wrong}")
        yield pytest.param("plan_shards", (2,), sync | wrong, id=f"plan_shards {wrong}")
    for shards in (0, -1, "x", None):
        yield pytest.param("plan_shards", (shards,), sync, id=f"plan_shards {shards}")
    for method in ("get_data_item", "update_data_item", "delete_data_item"):
        for data_id in (None, "", 0, -1, "x", 1.5, True):
            yield pytest.param(method, (data_id,), {}, id=f"{method} {data_id!r}")
    for arguments in ({"name": ""}, {"dataset": ""}):
        yield pytest.param("update_data_item", (1,), arguments, id=f"update_data_item {arguments}")
    for arguments in (("", "a"), ("d", ""), (None, "a"), ("d", None)):
        yield pytest.param("find_data_items", arguments, {}, id=f"find_data_items {arguments}")
    for dataset in ("", [], "d\n"):
        yield pytest.param("get_dataset", (dataset,), {}, id=f"get_dataset {dataset!r}")
        yield pytest.param("list_data_items", (dataset,), {}, id=f"list_data_items {dataset!r}")


@pytest.mark.parametrize(("method", "arguments", "keywords"), _wrong_calls())
def test_wrong_input_is_refused_before_the_organization_is_asked_for(
    emulator: EmulatorServer, connect: Connect, method: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    connect(emulator.url)  # without an organization id, which is then asked for
    with EdgeImpulseHook() as hook, pytest.raises(EdgeImpulseInputError):
        getattr(hook, method)(*arguments, **keywords)
    assert emulator.requests() == []


@pytest.mark.parametrize(("number", "of"), [(0, 0), (-1, 2), (2, 2), (5, 2), ("0", 1), (0, None), (0.0, 1)])
def test_an_impossible_shard_is_refused(number: Any, of: Any) -> None:
    with pytest.raises(EdgeImpulseInputError, match="shard"):
        Shard(number, of)


class TestTestConnection:
    def ask(self, emulator: EmulatorServer, most_requests: int = 1) -> tuple[bool, str]:
        emulator.clear_requests()
        answer = EdgeImpulseHook().test_connection()
        assert len(emulator.requests()) <= most_requests
        assert API_KEY not in answer[1]
        return answer

    def test_a_working_connection_names_the_organization(self, studio: EmulatorServer) -> None:
        works, message = self.ask(studio)
        assert works
        assert studio.url in message
        assert "organization 7" in message

    @pytest.mark.parametrize("status", [401, 403, 200])
    def test_a_wrong_key_is_reported(self, emulator: EmulatorServer, connect: Connect, status: int) -> None:
        emulator.settings.wrong_key_status = status  # type: ignore[assignment]
        connect(emulator.url, password="ei_wrong_key_of_mine")
        works, message = self.ask(emulator, most_requests=2)  # the second one: is it the key of a project?
        assert not works
        assert "Invalid API key" in message
        assert "Password" in message
        assert "ei_wrong_key_of_mine" not in message

    def test_a_wrong_organization_is_reported(self, emulator: EmulatorServer, connect: Connect) -> None:
        connect(emulator.url, organization_id=8)
        works, message = self.ask(emulator)
        assert not works
        assert "organization 7" in message
        assert "not to 8" in message

    def test_a_host_where_nobody_listens_is_reported(
        self, emulator: EmulatorServer, connect: Connect, free_port: int
    ) -> None:
        connect(f"http://127.0.0.1:{free_port}/v1")
        works, message = self.ask(emulator)
        assert not works
        assert "refused" in message
        assert "Host" in message

    def test_a_host_that_is_not_studio_is_reported(self, emulator: EmulatorServer, connect: Connect) -> None:
        connect(emulator.url + "/elsewhere")
        works, message = self.ask(emulator)
        assert not works
        assert "404" in message or "501" in message
        assert "Host" in message

    def test_a_web_page_instead_of_json_is_reported(self, studio: EmulatorServer) -> None:
        page = "<html><title>Welcome to Acme</title><p>Please log in</p></html>"
        studio.inject(Fault(operation="listOrganizations", kind="status", status=200, body=page))
        works, message = self.ask(studio)
        assert not works
        assert "Please log in" in message
        assert "Host" in message

    def test_a_redirect_is_reported_and_not_followed(self, studio: EmulatorServer) -> None:
        studio.inject(Fault(operation="*", kind="redirect", status=302, location="https://login.acme.com/x"))
        works, message = self.ask(studio)
        assert not works
        assert "https://login.acme.com/x" in message
        assert "Host" in message

    def test_the_connection_test_sends_one_request_even_when_it_fails(self, studio: EmulatorServer) -> None:
        studio.inject(Fault(operation="*", kind="status", status=503, count=10))
        assert self.ask(studio)[0] is False

    def test_an_incomplete_connection_is_reported(self, emulator: EmulatorServer, connect: Connect) -> None:
        connect(emulator.url, password="")
        works, message = self.ask(emulator)
        assert not works
        assert message.startswith("Put a key of the organization")


class TestSingleCalls:
    @pytest.fixture
    def hook(self, studio: EmulatorServer, tmp_path: Path) -> EdgeImpulseHook:
        (tmp_path / "a.csv").write_text("1")
        hook = EdgeImpulseHook()
        hook.add_data(name="one", dataset="gestures", files=str(tmp_path / "a.csv"), metadata={"who": "x"})
        hook.add_data(name="two", dataset="gestures", files=str(tmp_path / "a.csv"), metadata={"who": "y"})
        return hook

    def test_single_calls_read(self, hook: EdgeImpulseHook) -> None:
        assert [organization.id for organization in hook.list_organizations()] == [7]
        assert [bucket.bucket for bucket in hook.list_buckets()] == ["Internal datasets"]
        assert hook.get_dataset("gestures").total_item_count == 2
        assert [item.name for item in hook.list_data_items("gestures")] == ["one", "two"]
        (item,) = hook.list_data_items("gestures", filter="metadata->who = 'y'", with_files=True)
        assert item.files is not None
        assert [(file.name, file.size) for file in item.files] == [("a.csv", 1)]
        assert hook.get_data_item(item.id).metadata["who"] == "y"

    def test_single_calls_change(self, hook: EdgeImpulseHook, studio: EmulatorServer) -> None:
        one, two = hook.list_data_items("gestures")
        hook.update_data_item(one.id, name="eins")
        hook.delete_data_item(two.id)
        assert [item.name for item in studio.items("gestures")] == ["eins"]

    def test_the_message_of_the_service_is_kept(self, hook: EdgeImpulseHook, studio: EmulatorServer) -> None:
        studio.inject(Fault(operation="getOrganizationDataset", kind="status", status=404, body='{"error": "gone"}'))
        with pytest.raises(
            EdgeImpulseNotFoundError, match=r"not found: gone. \(getOrganizationDataset, HTTP 404 Not Found\)"
        ) as caught:
            hook.get_dataset("no such dataset")
        assert (caught.value.status, caught.value.server_text) == (404, "gone")


def test_a_key_sent_over_plain_http_to_another_machine_is_logged(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connect("http://studio.acme.test/v1")
    hook = EdgeImpulseHook()
    with caplog.at_level(logging.WARNING):
        assert hook.settings.base_url == "http://studio.acme.test/v1"
    assert "unencrypted" in caplog.text
