"""Reading an Airflow connection: real Connection objects, as the form, JSON, a URI or a secrets backend make them."""

from __future__ import annotations

import json

import pytest
from airflow.models.connection import Connection

from airflow_provider_ei.exceptions import EdgeImpulseConfigError
from airflow_provider_ei.hooks import connection as connection_module
from airflow_provider_ei.hooks.connection import read_connection
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook

KEY = "ei_0123456789abcdef"


def connection(**fields: object) -> Connection:
    values = {"conn_id": "acme", "conn_type": "edge_impulse", "password": KEY} | fields
    if isinstance(values.get("extra"), dict):
        values["extra"] = json.dumps(values["extra"])
    return Connection(**values)


class TestDefaults:
    def test_a_key_alone_is_a_complete_connection(self) -> None:
        settings, organization_id = read_connection(connection())
        assert settings.api_key == KEY
        assert settings.base_url == "https://studio.edgeimpulse.com/v1"
        assert organization_id is None
        assert (settings.connect_timeout, settings.write_timeout, settings.read_timeout) == (15, 60, 300)
        assert (settings.retry_attempts, settings.retry_wait, settings.settle_seconds) == (4, 1, 5)

    def test_a_line_break_after_the_key_is_stripped(self) -> None:
        assert read_connection(connection(password=f"{KEY}\n"))[0].api_key == KEY

    def test_nulls_and_empty_strings_of_the_form_mean_the_defaults(self) -> None:
        extra = {"organization_id": None, "read_timeout": "", "retry_attempts": None}
        settings, organization_id = read_connection(connection(host="", port=0, schema="", extra=extra))
        assert organization_id is None
        assert settings.read_timeout == 300


class TestHost:
    @pytest.mark.parametrize(
        ("fields", "url"),
        [
            pytest.param({"host": "https://studio.acme.com/v1"}, "https://studio.acme.com/v1", id="white label"),
            pytest.param({"host": "https://studio.acme.com/v1/"}, "https://studio.acme.com/v1", id="slash"),
            pytest.param({"host": "studio.acme.com"}, "https://studio.acme.com/v1", id="bare name"),
            pytest.param({"host": "http://127.0.0.1:8700/v1"}, "http://127.0.0.1:8700/v1", id="emulator"),
            pytest.param({"host": "http://127.0.0.1", "port": 8700}, "http://127.0.0.1:8700/v1", id="port field"),
        ],
    )
    def test_the_host_becomes_the_base_url(self, fields: dict, url: str) -> None:
        assert read_connection(connection(**fields))[0].base_url == url

    @pytest.mark.parametrize("host", ["ftp://studio.acme.com", "https://", "https://studio.acme.com/v1?x=1", "a b"])
    def test_an_invalid_base_url_is_refused(self, host: str) -> None:
        with pytest.raises(
            EdgeImpulseConfigError, match=r"(?s)^Write the base URL of Studio, such as https://studio.*Host.*'acme'"
        ):
            read_connection(connection(host=host))

    def test_a_key_in_the_host_is_not_shown(self) -> None:
        with pytest.raises(EdgeImpulseConfigError, match="user or password") as caught:
            read_connection(connection(host=f"https://{KEY}@studio.acme.com/v1"))
        assert KEY not in str(caught.value)


class TestHalfFilled:
    def test_a_missing_key_is_reported(self) -> None:
        with pytest.raises(EdgeImpulseConfigError, match=r"^Put a key .* into Password \(API key\).* empty.*'acme'"):
            read_connection(connection(password=None))

    def test_a_key_in_the_wrong_field_is_reported(self) -> None:
        with pytest.raises(EdgeImpulseConfigError, match=r"Password \(API key\).*Login") as caught:
            read_connection(connection(password=None, login=KEY))
        assert KEY not in str(caught.value)

    def test_a_key_with_odd_characters_is_refused_and_not_shown(self) -> None:
        with pytest.raises(EdgeImpulseConfigError, match="API key") as caught:
            read_connection(connection(password=f"{KEY} and more"))
        assert KEY not in str(caught.value)

    @pytest.mark.parametrize(
        ("extra", "name"),
        [
            ({"organization_id": "seven"}, "organization_id"),
            ({"organization_id": 0}, "organization_id"),
            ({"organization_id": 1.5}, "organization_id"),
            ({"organization_id": True}, "organization_id"),
            ({"connect_timeout": -1}, "connect_timeout"),
            ({"write_timeout": "soon"}, "write_timeout"),
            ({"read_timeout": "inf"}, "read_timeout"),
            ({"retry_attempts": 0}, "retry_attempts"),
            ({"retry_wait": []}, "retry_wait"),
            ({"read_timeout": 1e20}, "read_timeout"),
            ({"connect_timeout": 10**400}, "connect_timeout"),
            ({"settle_seconds": 604_801}, "settle_seconds"),
            ({"settle_seconds": "nan"}, "settle_seconds"),
        ],
    )
    def test_a_wrong_number_names_its_field(self, extra: dict, name: str) -> None:
        with pytest.raises(EdgeImpulseConfigError, match=f"^Set extra '{name}' to .*'acme'"):
            read_connection(connection(extra=extra))

    @pytest.mark.parametrize("given", [7, "7", 7.0, "7.0", " 7 "])
    def test_every_form_of_a_whole_number_is_an_organization_id(self, given: object) -> None:
        assert read_connection(connection(extra={"organization_id": given}))[1] == 7

    @pytest.mark.parametrize("given", [True, False, 0, -7, 7.5, "seven", "7,0", [7], {"id": 7}, "nan", "inf", 1e400])
    def test_an_organization_id_must_be_a_whole_number(self, given: object) -> None:
        with pytest.raises(EdgeImpulseConfigError, match="Set extra 'organization_id' to a positive whole number"):
            read_connection(connection(extra={"organization_id": given}))

    def test_an_unknown_extra_is_logged_once(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection_module, "_warned", set())
        for _ in range(3):
            read_connection(connection(extra={"organisation_id": 7}))
        assert caplog.text.count("organisation_id") == 1
        read_connection(connection(conn_id="other", extra={"organisation_id": 7}))
        read_connection(connection(extra={"organisation_id": 7, "timeout": 1}))
        assert caplog.text.count("organisation_id") == 3


@pytest.mark.parametrize(
    "extra", ["[7]", '"x"', "7", "true", "null", "{", "organization_id=7", [7], 7, '{"organization_id": 7'], ids=repr
)
def test_an_extra_that_is_not_an_object_is_reported_by_the_test_button_and_by_a_call(
    extra: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"conn_type": "edge_impulse", "password": KEY, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_ACME", json.dumps(made))  # the form would refuse it, a secrets backend does not
    works, message = EdgeImpulseHook("acme").test_connection()
    assert not works
    assert message.startswith("Make the extra a JSON object")
    assert "'acme'" in message
    with pytest.raises(EdgeImpulseConfigError, match=r"^Make the extra a JSON object"):
        EdgeImpulseHook("acme").list_organizations()


class TestForms:
    """The same connection, in each way that the README shows."""

    def check(self, made: Connection) -> None:
        settings, organization_id = read_connection(made)
        assert settings.api_key == KEY
        assert settings.base_url == "https://studio.acme.com/v1"
        assert organization_id == 7
        assert settings.read_timeout == 600

    def test_a_connection_may_be_json(self) -> None:
        text = {
            "conn_type": "edge_impulse",
            "password": KEY,
            "host": "https://studio.acme.com/v1",
            "extra": {"organization_id": 7, "read_timeout": 600},
        }
        self.check(Connection.from_json(json.dumps(text), conn_id="acme"))

    def test_a_connection_may_be_a_uri(self) -> None:
        host = "https%3A%2F%2Fstudio.acme.com%2Fv1"
        uri = f"edge-impulse://:{KEY}@{host}?organization_id=7&read_timeout=600"
        self.check(Connection(conn_id="acme", uri=uri))

    def test_a_uri_without_a_host_means_edge_impulse(self) -> None:
        settings, organization_id = read_connection(
            Connection(conn_id="acme", uri=f"edge-impulse://:{KEY}@?organization_id=7")
        )
        assert (settings.base_url, organization_id) == ("https://studio.edgeimpulse.com/v1", 7)

    def test_a_path_in_a_uri_is_not_ignored(self) -> None:
        with pytest.raises(EdgeImpulseConfigError, match=r"Put Studio's whole base URL into Host.*'v2'"):
            read_connection(Connection(conn_id="acme", uri=f"edge-impulse://:{KEY}@studio.acme.com/v2"))
