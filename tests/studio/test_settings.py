from __future__ import annotations

import traceback

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseConfigError
from airflow_provider_ei.studio.settings import DEFAULT_BASE_URL, StudioSettings, parse_base_url


class TestBaseUrl:
    @pytest.mark.parametrize(
        ("text", "port", "url"),
        [
            pytest.param(None, None, DEFAULT_BASE_URL, id="none"),
            pytest.param("", None, DEFAULT_BASE_URL, id="empty"),
            pytest.param("  ", None, DEFAULT_BASE_URL, id="spaces"),
            pytest.param("studio.example.com", None, "https://studio.example.com/v1", id="host"),
            pytest.param(" studio.example.com\n", None, "https://studio.example.com/v1", id="host in spaces"),
            pytest.param("studio.example.com:8443", None, "https://studio.example.com:8443/v1", id="host and port"),
            pytest.param("localhost:8700", None, "https://localhost:8700/v1", id="localhost"),
            pytest.param("studio.example.com", 8443, "https://studio.example.com:8443/v1", id="separate port"),
            pytest.param("studio.example.com:1", 2, "https://studio.example.com:1/v1", id="its own port first"),
            pytest.param("http://127.0.0.1:8700/v1", None, "http://127.0.0.1:8700/v1", id="whole"),
            pytest.param("http://127.0.0.1:8700/v1/", None, "http://127.0.0.1:8700/v1", id="slash at the end"),
            pytest.param("https://a.com/", None, "https://a.com/v1", id="only a slash"),
            pytest.param("https://a.com/studio/v1", 99, "https://a.com:99/studio/v1", id="path of its own"),
            pytest.param("HTTPS://A.com/V1", None, "https://a.com/V1", id="capitals"),
            pytest.param("http://[::1]:8700", None, "http://[::1]:8700/v1", id="IPv6"),
            pytest.param("http://[::1]/v1", 8700, "http://[::1]:8700/v1", id="IPv6 and separate port"),
        ],
    )
    def test_is_made_of(self, text: str | None, port: int | None, url: str) -> None:
        assert parse_base_url(text, port=port) == url

    @pytest.mark.parametrize(
        "text",
        [
            "ftp://a.com",
            "file:///etc",
            "https://",
            "https:///v1",
            "https://a.com:port",
            "https://a.com:99999",
            "https://[::1",
            "https://a b.com",
            "https://a.com/v1?key=1",
            "https://a.com/v1#x",
            "://a.com",
        ],
    )
    def test_is_refused(self, text: str) -> None:
        with pytest.raises(EdgeImpulseConfigError) as caught:
            parse_base_url(text)
        assert DEFAULT_BASE_URL in str(caught.value)
        assert text in str(caught.value)

    @pytest.mark.parametrize(
        "text",
        [
            "https://user:hunter2@a.com",
            "user:hunter2@a.com",
            "https://hunter2@a.com/v1",
            "https://user:hunter2@a.com:port/v1",
            "https://user:hunter2@a.com:99999",
            "https://user:hunter2@[::1",
            "ftp://user:hunter2@a.com",
            "https://user:hunter2@",
            "https://user:hunter2@a b.com",
        ],
    )
    def test_password_in_it_is_refused_and_not_shown(self, text: str) -> None:
        with pytest.raises(EdgeImpulseConfigError) as caught:
            parse_base_url(text)
        assert "hunter2" not in str(caught.value)
        assert "hunter2" not in "".join(traceback.format_exception_only(caught.value))

    def test_pages_are_beside_the_api(self) -> None:
        assert StudioSettings(api_key="ei_1").web_url == "https://studio.edgeimpulse.com"
        assert StudioSettings(api_key="ei_1", base_url="https://a.com/x/v1").web_url == "https://a.com/x"
        assert StudioSettings(api_key="ei_1", base_url="https://a.com/v2").web_url == "https://a.com/v2"


class TestApiKey:
    @pytest.mark.parametrize(
        "key",
        [
            pytest.param("", id="empty"),
            pytest.param("ei_sec ret", id="space"),
            pytest.param(" ei_secret", id="space before it"),
            pytest.param("ei_secret\n", id="line break"),
            pytest.param("ei_sec\r\nx: y", id="header"),
            pytest.param("ei_secret\t", id="tab"),
            pytest.param("ei_secrét", id="non-ASCII letter"),
            pytest.param("ei_secret\u200b", id="zero-width space"),
            pytest.param("ei_secret\0", id="NUL"),
        ],
    )
    def test_odd_one_is_refused_and_not_shown(self, key: str) -> None:
        with pytest.raises(EdgeImpulseConfigError) as caught:
            StudioSettings(api_key=key)
        assert not caught.value.retryable
        assert "ei_sec" not in repr(caught.value) + str(caught.value)

    def test_is_not_in_the_repr(self) -> None:
        settings = StudioSettings(api_key="ei_secret")
        assert settings.api_key == "ei_secret"
        assert "ei_secret" not in f"{settings!r} {settings}"
        assert "ei_secret" not in repr([settings])
