"""The hook against the emulated Studio, with real Airflow connections."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseConfigError, EdgeImpulseInputError, EdgeImpulseNotFoundError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from tests.conftest import API_KEY

Connect = Callable[..., None]


class TestConstruction:
    def test_nothing_is_read(self) -> None:
        EdgeImpulseHook("there_is_no_such_connection")

    def test_the_connection_is_read_at_the_first_call(self) -> None:
        with pytest.raises(Exception, match="there_is_no_such_connection"):
            EdgeImpulseHook("there_is_no_such_connection").list_organizations()


class TestOrganization:
    def test_of_the_key_when_none_is_given(self, emulator: EmulatorServer, connect: Connect) -> None:
        connect(emulator.url)
        assert EdgeImpulseHook().organization_id == 7

    def test_of_the_connection_without_a_request(self, studio: EmulatorServer) -> None:
        assert EdgeImpulseHook().organization_id == 7
        assert studio.requests() == []

    @pytest.mark.parametrize("given", [9, "9"])
    def test_the_argument_comes_first(self, studio: EmulatorServer, given: int | str) -> None:
        assert EdgeImpulseHook(organization_id=given).organization_id == 9

    def test_a_template_that_rendered_to_nothing(self, studio: EmulatorServer) -> None:
        assert EdgeImpulseHook(organization_id="").organization_id == 7

    @pytest.mark.parametrize("given", ["acme", 0, -1, 1.5])
    def test_what_is_no_id(self, studio: EmulatorServer, given: object) -> None:
        with pytest.raises(EdgeImpulseInputError, match="organization_id"):
            EdgeImpulseHook(organization_id=given).organization_id  # type: ignore[arg-type]  # noqa: B018

    def test_a_key_without_an_organization(self, emulator: EmulatorServer, connect: Connect) -> None:
        connect(emulator.url)
        body = '{"success": true, "organizations": []}'
        emulator.order(Fault(operation="listOrganizations", kind="status", status=200, body=body))
        with pytest.raises(
            EdgeImpulseConfigError, match=r"No organization id.*'edge_impulse_default'.*organization_id"
        ):
            EdgeImpulseHook().organization_id  # noqa: B018


class TestTestConnection:
    def ask(self, emulator: EmulatorServer) -> tuple[bool, str]:
        emulator.clear_requests()
        answer = EdgeImpulseHook().test_connection()
        assert len(emulator.requests()) <= 1
        assert API_KEY not in answer[1]
        return answer

    def test_all_is_right(self, studio: EmulatorServer) -> None:
        works, words = self.ask(studio)
        assert works
        assert studio.url in words
        assert "organization 7" in words

    @pytest.mark.parametrize("status", [401, 403, 200])
    def test_a_wrong_key(self, emulator: EmulatorServer, connect: Connect, status: int) -> None:
        emulator.settings.wrong_key_status = status  # type: ignore[assignment]
        connect(emulator.url, password="ei_wrong_key_of_mine")
        works, words = self.ask(emulator)
        assert not works
        assert "Invalid API key" in words
        assert "Password" in words
        assert "ei_wrong_key_of_mine" not in words

    def test_a_wrong_organization(self, emulator: EmulatorServer, connect: Connect) -> None:
        connect(emulator.url, organization_id=8)
        works, words = self.ask(emulator)
        assert not works
        assert "organization 7" in words
        assert "not to 8" in words

    def test_a_host_where_nobody_listens(self, emulator: EmulatorServer, connect: Connect, free_port: int) -> None:
        connect(f"http://127.0.0.1:{free_port}/v1")
        works, words = self.ask(emulator)
        assert not works
        assert "refused" in words
        assert "Host" in words

    def test_a_host_that_is_not_studio(self, emulator: EmulatorServer, connect: Connect) -> None:
        connect(emulator.url + "/elsewhere")
        works, words = self.ask(emulator)
        assert not works
        assert "404" in words or "501" in words
        assert "Host" in words

    def test_a_page_in_place_of_json(self, studio: EmulatorServer) -> None:
        page = "<html><title>Welcome to Acme</title><p>Please log in</p></html>"
        studio.order(Fault(operation="listOrganizations", kind="status", status=200, body=page))
        works, words = self.ask(studio)
        assert not works
        assert "Please log in" in words
        assert "Host" in words

    def test_a_redirect(self, studio: EmulatorServer) -> None:
        studio.order(Fault(operation="*", kind="redirect", status=302, location="https://login.acme.com/x"))
        works, words = self.ask(studio)
        assert not works
        assert "https://login.acme.com/x" in words
        assert "Host" in words

    def test_one_request_even_when_it_fails(self, studio: EmulatorServer) -> None:
        studio.order(Fault(operation="*", kind="status", status=503, count=10))
        assert self.ask(studio)[0] is False

    def test_a_half_filled_connection(self, emulator: EmulatorServer, connect: Connect) -> None:
        connect(emulator.url, password="")
        works, words = self.ask(emulator)
        assert not works
        assert "Password (API key) is empty" in words


class TestSingleCalls:
    @pytest.fixture
    def hook(self, studio: EmulatorServer, tmp_path: Path) -> EdgeImpulseHook:
        (tmp_path / "a.csv").write_text("1")
        hook = EdgeImpulseHook()
        hook.add_data(name="one", dataset="gestures", files=str(tmp_path / "a.csv"), metadata={"who": "x"})
        hook.add_data(name="two", dataset="gestures", files=str(tmp_path / "a.csv"), metadata={"who": "y"})
        return hook

    def test_reading(self, hook: EdgeImpulseHook) -> None:
        assert [organization.id for organization in hook.list_organizations()] == [7]
        assert [bucket.bucket for bucket in hook.list_buckets()] == ["Internal datasets"]
        assert hook.get_dataset("gestures").total_item_count == 2
        assert [item.name for item in hook.list_data_items("gestures")] == ["one", "two"]
        (item,) = hook.list_data_items("gestures", filter="metadata->who = 'y'", with_files=True)
        assert item.files is not None
        assert [(file.name, file.size) for file in item.files] == [("a.csv", 1)]
        assert hook.get_data_item(item.id).metadata["who"] == "y"

    def test_changing(self, hook: EdgeImpulseHook, studio: EmulatorServer) -> None:
        one, two = hook.list_data_items("gestures")
        hook.update_data_item(one.id, name="eins")
        hook.delete_data_item(two.id)
        assert [item.name for item in studio.items("gestures")] == ["eins"]

    def test_the_services_own_words_are_kept(self, hook: EdgeImpulseHook, studio: EmulatorServer) -> None:
        studio.order(Fault(operation="getOrganizationDataset", kind="status", status=404, body='{"error": "gone"}'))
        with pytest.raises(
            EdgeImpulseNotFoundError, match=r"not found: gone\. \(getOrganizationDataset, HTTP 404"
        ) as caught:
            hook.get_dataset("no such dataset")
        assert (caught.value.status, caught.value.server_text) == (404, "gone")


def test_a_key_over_plain_http_to_another_machine_is_told(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    connect("http://studio.acme.test/v1")
    hook = EdgeImpulseHook()
    with caplog.at_level(logging.WARNING):
        assert hook.settings.base_url == "http://studio.acme.test/v1"
    assert "unencrypted" in caplog.text
