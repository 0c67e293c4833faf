"""One emulator for each process, over plain HTTP and over TLS, and the sums of what the exhaustive tests have tried."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
from tests.studio.conftest import studio_certificate, studio_environment  # noqa: F401  # fixtures
from tests.support.studio import KEY, ORGANIZATION

from .explorer import ExplorerT
from .lab import FaultLab


@pytest.fixture(scope="session")
def one_lab() -> Iterator[FaultLab]:
    with EmulatorServer(EmulatorSettings(api_key=KEY, organization_id=ORGANIZATION)) as server:
        yield FaultLab(server)


@pytest.fixture
def lab(one_lab: FaultLab) -> FaultLab:
    """An emulator without data, faults and requests, its switches at their defaults."""
    one_lab.reset()
    return one_lab


@pytest.fixture(scope="session")
def one_tls_lab(request: pytest.FixtureRequest) -> Iterator[FaultLab]:
    certificate: Path = request.getfixturevalue("studio_certificate")
    settings = EmulatorSettings(api_key=KEY, organization_id=ORGANIZATION)
    with EmulatorServer(settings, certfile=certificate) as server:
        yield FaultLab(server)


@pytest.fixture(params=["plain", "tls"])
def either_lab(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FaultLab:
    """The same over plain HTTP, and over TLS with a certificate that the environment says to trust."""
    lab: FaultLab = request.getfixturevalue("one_lab" if request.param == "plain" else "one_tls_lab")
    if request.param == "tls":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(request.getfixturevalue("studio_certificate")))
    lab.reset()
    return lab


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Iterator[Callable[[ExplorerT], ExplorerT]]:
    """Let the sums of an explorer be shown at the end."""
    explorers = []

    def count(explorer: ExplorerT) -> ExplorerT:
        explorers.append(explorer)
        return explorer

    logging.disable()  # thousands of warnings about faults that were ordered
    yield count
    logging.disable(logging.NOTSET)
    for explorer in explorers:
        record_property("faults", dict(explorer.tally))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the sums; reports carry the numbers from the processes that pytest-xdist starts."""
    sums: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, tally in getattr(report, "user_properties", ()):
                if name == "faults" and report.when == "teardown":
                    sums.update(tally)
    if sums:
        terminalreporter.section("faults tried, and what came of them")
        for name in ("runs", "runs that failed", "requests", "faults", "lost", "doubled", "wrong content"):
            terminalreporter.write_line(f"{name:>18} {sums.pop(name, 0):,}")
        for name, count in sorted(sums.items()):
            terminalreporter.write_line(f"{name:>18} {count:,}")
