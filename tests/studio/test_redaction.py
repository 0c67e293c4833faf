"""Secrets and control characters are in no error, message or log line, whatever they are made of."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator

import pytest

from airflow_provider_ei import exceptions
from airflow_provider_ei.exceptions import EdgeImpulseConfigError, EdgeImpulseError
from airflow_provider_ei.hooks.connection_check import try_connection
from airflow_provider_ei.redaction import guard_logs, printable, redact, safe_text
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings, parse_base_url

from .conftest import KEY, OpenClient
from .wire import Reply, ScriptedServer

LIKE_A_KEY = "ei_" + "0123456789abcdef" * 4
PASSWORD = "canary-of-the-proxy"


def kinds(base: type[EdgeImpulseError] = EdgeImpulseError) -> Iterator[type[EdgeImpulseError]]:
    yield base
    for kind in base.__subclasses__():
        if kind.__module__ == exceptions.__name__:
            yield from kinds(kind)


@pytest.fixture
def known(studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch) -> HttpClient:
    monkeypatch.setenv("https_proxy", f"http://user:{PASSWORD}@127.0.0.1:9")
    return studio_open("https://studio.invalid/v1")


SECRETS = [KEY, LIKE_A_KEY, PASSWORD, "https://someone:pw@example.com/x", "https://a@b:p@ss@example.com"]
PARTS = [KEY, LIKE_A_KEY, PASSWORD, ":pw@", "p@ss"]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_errors(known: HttpClient, kind: type[EdgeImpulseError]) -> None:
    needed = {"summary": {}, "retryable": False, "job_id": 5, "state": "failed"}
    names = inspect.signature(kind.__init__).parameters
    error = kind(f"first \x1b[31m \u202e{SECRETS} last", **{name: needed[name] for name in needed if name in names})
    for text in (str(error), repr(error)):
        assert not [part for part in PARTS if part in text]
        assert text.isprintable()
        assert "first" in text
        assert "last" in text


@pytest.mark.parametrize("name", ["airflow_provider_ei.any.module", "urllib3.connectionpool"])
def test_log_lines(known: HttpClient, caplog: pytest.LogCaptureFixture, name: str) -> None:
    guard_logs()
    guard_logs()
    log = logging.getLogger(name)
    with caplog.at_level(logging.DEBUG, logger=name):
        log.debug("%s and %r \x1b[2J", SECRETS, KEY)
        try:
            raise ValueError(str(SECRETS))
        except ValueError:
            log.exception("failed")
        log.info("of %s", "no secret")
    assert not [part for part in PARTS if part in caplog.text]
    assert "\x1b" not in caplog.text
    assert "of no secret" in caplog.text


def test_texts_without_a_secret_are_as_they_were(known: HttpClient) -> None:
    for text in (
        "",
        "a b\n\tc",
        "Prüfung 📈 日本語",
        "https://example.com/a@b",
        "me@example.com",
        "ei_activity",
    ):
        assert safe_text(text) == text


def test_control_characters_are_spelled_out() -> None:
    assert printable("a\x1b[0m\u202eb\x00\ud800") == "a\\x1b[0m\\u202eb\\x00\\ud800"


def test_redacting_costs_no_time() -> None:
    for text in ("ei_" * 100_000, "://" * 100_000, "://a" * 100_000, "@" * 300_000, "://" + "a@" * 100_000):
        redact(text)


def test_name_of_an_organization_in_the_connection_test() -> None:
    names = {"success": True, "organizations": [{"id": 7, "name": f"\x1b[31m{KEY}"}]}
    with ScriptedServer(Reply(200, names)) as server:
        works, text = try_connection(StudioSettings(api_key=KEY, base_url=server.url), None)
    assert works
    assert KEY not in text
    assert "\x1b" not in text


def test_key_in_the_place_of_the_host() -> None:
    for host in (LIKE_A_KEY, f"https://{LIKE_A_KEY}/v1", f"https://studio.edgeimpulse.com/{LIKE_A_KEY}"):
        with pytest.raises(EdgeImpulseConfigError, match="Put the API key into Password") as caught:
            parse_base_url(host)
        assert LIKE_A_KEY not in str(caught.value)


class TestWhatCannotBeUsed:
    @pytest.mark.parametrize(
        "proxy",
        [
            "socks5://127.0.0.1:1080",
            f"socks5://user:{PASSWORD}@127.0.0.1:1080",
            f"http://u:{PASSWORD}@",
            "http://",
            "ftp://127.0.0.1:9",
            f"http://u:{PASSWORD}@host:port",
            "http://[::1",
            "http://a b",
            "http://127.0.0.1:99999",
            "://",
        ],
    )
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_proxy(self, studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch, proxy: str, scheme: str) -> None:
        monkeypatch.setenv(f"{scheme}_proxy", proxy)
        with pytest.raises(EdgeImpulseError, match=r"proxy|Host") as caught:
            list_organizations(studio_open(f"{scheme}://studio.invalid/v1"))
        assert PASSWORD not in str(caught.value)
        assert "socks" not in proxy or isinstance(caught.value, EdgeImpulseConfigError)

    @pytest.mark.parametrize(
        "name",
        (
            *("connect_timeout", "write_timeout", "read_timeout", "throttle_patience"),
            *("retry_attempts", "retry_wait", "settle_seconds", "batch_files", "batch_bytes"),
        ),
    )
    @pytest.mark.parametrize("value", [1e20, -1, float("nan"), float("inf"), "5", True], ids=str)
    def test_number(self, name: str, value: object) -> None:
        with pytest.raises(EdgeImpulseConfigError, match=name):
            StudioSettings(api_key=KEY, **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://my_aws_conn@bucket/key", "s3://my_aws_conn@bucket/key"),
        ("'gs://conn@bucket'", "'gs://conn@bucket'"),
        ("s3://key:secret@bucket/key", "s3://***@bucket/key"),
        ("http://user@proxy:8080", "http://***@proxy:8080"),
        ("xs3://user@host", "xs3://***@host"),
        ("://user@host", "://***@host"),
    ],
)
def test_the_connection_in_a_stores_uri_is_no_secret(text: str, shown: str) -> None:
    assert redact(text) == shown
