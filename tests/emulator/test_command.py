"""The command, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

KEY = "ei_key-of-the-command"
LINE = re.compile(
    r"Edge Impulse emulator: API (?P<api>\S+)  ingestion (?P<ingestion>\S+)  page (?P<page>\S+)  data (?P<data>\S+)\n"
)


def run(cwd: Path, *options: str) -> subprocess.Popen[str]:
    # Unbuffered output would hide a line that is not flushed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-m", "airflow_provider_ei.emulator", *options],
        cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_a_signal(tmp_path: Path, number: int) -> None:
    with run(
        tmp_path, "--port", "0", "--api-key", KEY, "--organization-id", "7", "--duplicate-names", "reject"
    ) as process:
        started = LINE.fullmatch(process.stdout.readline())
        assert started["data"] == "edge-impulse-emulator"
        with requests.Session() as session:
            session.headers["x-api-key"] = KEY
            answer = session.get(f"{started['api']}/api/organizations").json()
            assert answer["organizations"][0]["id"] == 7
            for success in (True, False):
                answer = session.post(
                    f"{started['api']}/api/organizations/7/data/add",
                    data={"name": "a", "dataset": "b", "metadata": "{}"},
                    files=[("files[]", ("c", b"d"))],
                ).json()
                assert answer["success"] is success
            assert session.get(started["page"]).ok
            process.send_signal(number)
            output, errors = process.communicate(timeout=60)
        assert (process.returncode, output, errors) == (0, "", "")
    assert (tmp_path / "edge-impulse-emulator" / "uploads").is_dir()


def test_an_occupied_port_is_reported_in_one_line_with_exit_code_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = str(occupied.getsockname()[1])
        with run(tmp_path, "--port", port, "--api-key", KEY) as process:
            output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (1, "")
    assert errors.count("\n") == 1 and port in errors and "in use" in errors
    assert KEY not in errors


@pytest.mark.parametrize(
    "options",
    [["--wrong-key-status", "404"], ["--file-names", "ascii"], ["--port", "x"], ["--colour", "red"]],
)
def test_an_invalid_option_ends_with_exit_code_2(tmp_path: Path, options: list[str]) -> None:
    with run(tmp_path, *options) as process:
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (2, "")
    assert "Traceback" not in errors


def test_an_invalid_value_is_reported_in_one_line(tmp_path: Path) -> None:
    for options in (["--latency-seconds", "-1"], ["--port", "99999"], ["--certfile", "missing.pem"]):
        with run(tmp_path, "--port", "0", *options) as process:
            output, errors = process.communicate(timeout=20)
        assert (process.returncode, output, errors.count("\n")) == (1, "", 1), errors
