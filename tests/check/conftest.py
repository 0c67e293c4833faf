from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_ei.check.run import OrganizationCheck, Report
from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
from airflow_provider_ei.studio.settings import StudioSettings
from tests.support.studio import KEY, ORGANIZATION, reset

#: Runs a check: ``check(write=True, …)``; keyword arguments are those of ``OrganizationCheck``.
Check = Callable[..., Report]


@pytest.fixture(scope="session")
def check_one_studio() -> Iterator[EmulatorServer]:
    with EmulatorServer(EmulatorSettings(api_key=KEY, organization_id=ORGANIZATION)) as server:
        yield server


@pytest.fixture
def check_studio(check_one_studio: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """An emulator without data, faults and requests, its switches at their defaults; no proxy leads there."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    reset(check_one_studio)
    check_one_studio.choose_faults(None)
    check_one_studio.before_request(None)
    return check_one_studio


def settings(studio: EmulatorServer, **more: Any) -> StudioSettings:
    values = {"api_key": KEY, "base_url": studio.url, "settle_seconds": 0.0, "retry_wait": 0.0}
    return StudioSettings(**values | more)


@pytest.fixture
def check(check_studio: EmulatorServer) -> Check:
    def run(*, write: bool = False, organization_id: int | None = None, **more: Any) -> Report:
        return OrganizationCheck(settings(check_studio), organization_id, **more).run(write=write)

    return run


def values(report: Report) -> dict[str, Any]:
    return {answer.id: answer.value for answer in report.answers.values()}
