"""The connection to a project: reading it, testing it, and telling its key from that of an organization."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from airflow.models.connection import Connection

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseConfigError
from airflow_provider_ei.hooks.connection import PROJECT, read_connection, read_ingestion_url
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.hooks.project_key import ProjectKey, expiry_warning
from tests.conftest import API_KEY

KEY = "ei_0123456789abcdef"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

ConnectProject = Callable[..., EdgeImpulseProjectHook]


@pytest.fixture
def connect_project(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> ConnectProject:
    """Set the default connection to the project, and return its hook."""

    def set_connection(
        password: str = emulator.project_api_key, host: str = emulator.url, **extra: object
    ) -> EdgeImpulseProjectHook:
        quick = {"retry_wait": 0.01, "settle_seconds": 0.01}
        connection = {"conn_type": "edge_impulse_project", "host": host, "password": password, "extra": quick | extra}
        monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(connection))
        return EdgeImpulseProjectHook()

    return set_connection


def connection(**extra: object) -> Connection:
    return Connection(conn_id="acme", conn_type="edge_impulse_project", password=KEY, extra=json.dumps(extra))


def operations(server: EmulatorServer) -> list[str | None]:
    return [request.operation for request in server.requests()]


def test_a_key_alone_is_a_complete_connection() -> None:
    settings, project_id = read_connection(connection(), PROJECT)
    assert (settings.api_key, settings.base_url, project_id) == (KEY, "https://studio.edgeimpulse.com/v1", None)
    assert read_ingestion_url(connection()) == "https://ingestion.edgeimpulse.com"


def test_the_extra_has_the_project_and_the_ingestion_host(caplog: pytest.LogCaptureFixture) -> None:
    made = connection(project_id="12", ingestion_host="ingest.acme.com/", read_timeout=7)
    settings, project_id = read_connection(made, PROJECT)
    assert (settings.read_timeout, project_id) == (7, 12)
    assert read_ingestion_url(made) == "https://ingest.acme.com"
    assert "unknown" not in caplog.text


@pytest.mark.parametrize("host", ["ftp://x", "https://", f"https://{KEY}@x", "a b", "https://x:99999", "https://x?k=1"])
def test_an_ingestion_host_must_be_a_base_url(host: str) -> None:
    with pytest.raises(EdgeImpulseConfigError, match=r"^Set extra 'ingestion_host'.*'acme'") as caught:
        read_ingestion_url(connection(ingestion_host=host))
    assert KEY not in str(caught.value)


def test_a_missing_key_names_the_project() -> None:
    with pytest.raises(EdgeImpulseConfigError, match=r"^Put a key of the project \(Studio: project, Dashboard, Keys\)"):
        read_connection(Connection(conn_id="acme", conn_type="edge_impulse_project"), PROJECT)


@pytest.mark.parametrize("extra", [{}, {"project_id": 5}])
def test_an_id_of_an_organization_is_an_unknown_extra(extra: dict, caplog: pytest.LogCaptureFixture) -> None:
    made = Connection(conn_id=f"unknown_{len(extra)}", password=KEY, extra=json.dumps({"organization_id": 7, **extra}))
    read_connection(made, PROJECT)
    assert "organization_id" in caplog.text


class TestProjectId:
    def test_the_key_tells_its_project_once(self, emulator: EmulatorServer, connect_project: ConnectProject) -> None:
        with connect_project() as hook:
            assert (hook.project_id, hook.project_id) == (1, 1)
        assert operations(emulator) == ["getCurrentApiKeyInfo"]

    def test_an_older_service_is_asked_for_the_projects(
        self, emulator: EmulatorServer, connect_project: ConnectProject
    ) -> None:
        emulator.inject(Fault(operation="getCurrentApiKeyInfo", kind="status", status=404))
        with connect_project() as hook:
            assert hook.project_id == 1
        assert operations(emulator) == ["getCurrentApiKeyInfo", "listProjects"]

    def test_a_given_project_needs_no_request(self, emulator: EmulatorServer, connect_project: ConnectProject) -> None:
        connect_project(project_id=3)
        assert EdgeImpulseProjectHook().project_id == 3
        assert EdgeImpulseProjectHook(project_id="4").project_id == 4
        assert operations(emulator) == []

    def test_a_key_that_expires_soon_is_logged(
        self, emulator: EmulatorServer, connect_project: ConnectProject, caplog: pytest.LogCaptureFixture
    ) -> None:
        expires = datetime.now(UTC) + timedelta(days=3, hours=1)
        added = emulator.projects.add("gearbox", key_expires=expires.timestamp())
        assert connect_project(added.api_key).project_id == added.id
        assert "it expires in 3 days" in caplog.text


class TestWrongKind:
    def test_the_key_of_an_organization_is_recognized(self, connect_project: ConnectProject) -> None:
        hook = connect_project(API_KEY)
        message = r"^Use a key of the project .*type edge_impulse: this is the key of organization 7 \("
        with pytest.raises(EdgeImpulseAuthError, match=message) as caught:
            _ = hook.project_id
        assert not caught.value.retryable
        assert hook.test_connection() == (False, str(caught.value))

    def test_the_key_of_a_project_is_recognized(self, emulator: EmulatorServer, connect: Callable[..., None]) -> None:
        connect(emulator.url, password=emulator.project_api_key)
        message = r"^Use a key of the organization .*type edge_impulse_project: this is the key of project 1 \("
        with pytest.raises(EdgeImpulseAuthError, match=message) as caught:
            _ = EdgeImpulseHook().organization_id
        assert EdgeImpulseHook().test_connection() == (False, str(caught.value))

    @pytest.mark.parametrize("kind", ["project", "organization"])
    def test_a_key_of_neither_kind_is_refused_in_the_words_of_the_service(
        self, emulator: EmulatorServer, connect: Callable[..., None], connect_project: ConnectProject, kind: str
    ) -> None:
        connect(emulator.url, password="ei_neither")
        hook = connect_project("ei_neither") if kind == "project" else EdgeImpulseHook()
        works, message = hook.test_connection()
        assert not works
        assert message.startswith("Check Password (API key) of the connection: it is refused")
        assert f"key of the {kind}" in message

    def test_a_refused_call_says_which_kind_of_key_it_needs(
        self, emulator: EmulatorServer, connect: Callable[..., None], connect_project: ConnectProject
    ) -> None:
        connect(emulator.url, password=emulator.project_api_key, organization_id=7)
        with pytest.raises(EdgeImpulseAuthError, match="It must be a key of the organization"):
            EdgeImpulseHook().list_data_items("d")
        with pytest.raises(EdgeImpulseAuthError, match="It must be a key of the project"):
            connect_project(API_KEY, project_id=1).jobs_api.list_jobs()


class TestButton:
    def test_a_working_connection_shows_role_and_expiry(
        self, emulator: EmulatorServer, connect_project: ConnectProject
    ) -> None:
        works, message = connect_project().test_connection()
        assert works
        assert message == (
            f"Connected to {emulator.url}: project 1; the key has the role admin and has no expiry date."
        )
        assert operations(emulator) == ["getCurrentApiKeyInfo"]

    def test_a_key_that_expires_soon_is_a_warning(
        self, emulator: EmulatorServer, connect_project: ConnectProject
    ) -> None:
        expires = datetime.now(UTC) + timedelta(days=3, hours=1)
        added = emulator.projects.add("gearbox", role="readonly", key_expires=expires.timestamp())
        works, message = connect_project(added.api_key).test_connection()
        assert works
        assert f"the key has the role readonly and expires on {expires:%Y-%m-%d}. Warning: Replace" in message

    def test_another_project_is_reported(self, connect_project: ConnectProject) -> None:
        message = "Correct Project ID, or use another key: the key belongs to project 1, not to 2."
        assert connect_project(project_id=2).test_connection() == (False, message)

    def test_an_older_service_tells_no_role(self, emulator: EmulatorServer, connect_project: ConnectProject) -> None:
        emulator.inject(Fault(operation="getCurrentApiKeyInfo", kind="status", status=404))
        works, message = connect_project().test_connection()
        assert works
        assert message.endswith("project 1; the service does not tell the role of the key.")

    def test_mistakes_in_the_connection_are_reported_without_a_request(
        self, emulator: EmulatorServer, connect_project: ConnectProject
    ) -> None:
        assert "ingestion_host" in connect_project(ingestion_host="ftp://x").test_connection()[1]
        assert "project_id" in connect_project(project_id="x").test_connection()[1]
        assert operations(emulator) == []


@pytest.mark.parametrize(
    ("left", "message"),
    [
        (None, None),
        (timedelta(days=15), None),
        (timedelta(days=14, seconds=1), None),
        (timedelta(days=14), "in 14 days, on 2026-01-15"),
        (timedelta(days=1, hours=2), "in 1 day, on 2026-01-02"),
        (timedelta(hours=2), "within a day, on 2026-01-01"),
        (timedelta(0), "it expired on 2026-01-01"),
        (timedelta(days=-3), "it expired on 2025-12-29"),
    ],
)
def test_a_key_is_worth_a_warning_for_14_days(left: timedelta | None, message: str | None) -> None:
    warning = expiry_warning(ProjectKey(1, "admin", None if left is None else NOW + left), NOW)
    assert warning is None if message is None else message in str(warning)


def test_a_jobs_page_is_on_the_connections_host(connect_project: ConnectProject) -> None:
    hook = connect_project(host="https://studio.acme.com/v1", project_id=3)
    assert hook.job_url(5) == "https://studio.acme.com/studio/3/jobs#show-job-5"
