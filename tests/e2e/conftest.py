"""One Airflow, one emulated Studio and one browser for all tests here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings

from .airflow import Airflow

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Without most of these flags, chromium connects to external hosts.
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorServer]:
    """An emulated Studio with organization 7."""
    with EmulatorServer(EmulatorSettings(organization_id=7)) as server:
        yield server


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source folder of the nightly sync."""
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the release that a person approves."""
    return tmp_path_factory.mktemp("firmware") / "motion.zip"


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, study: Path, firmware: Path, studio: EmulatorServer
) -> Iterator[Airflow]:
    """A running Airflow."""
    folder = tmp_path_factory.mktemp("airflow")
    project = {"conn_type": "edge_impulse_project", "host": studio.url, "password": studio.project_api_key}
    environment = {
        "MOTION_ETL_OUTPUT": str(folder / "motion"),
        "NIGHTLY_SYNC_SOURCE": str(study),
        "APPROVED_OUTPUT": str(firmware),
        "AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT": json.dumps(project),
    }
    with Airflow(folder, environment) as running:
        yield running


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page in Debian's chromium."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)  # milliseconds; an idle machine needs one second

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"),
            executable_path="/usr/bin/chromium",
            args=_FLAGS,
            viewport={"width": 1360, "height": 900},
            color_scheme="light",
        )
        yield browser.pages[0]
        browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for screenshots: the one that SCREENSHOTS names, or a temporary one."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
