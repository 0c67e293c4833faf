"""A project with many samples in the emulator: what a sync without a change needs.

python -m bench.samples SAMPLES      runs an emulator; fills it when a line arrives on standard input
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from bench.clients.catalog import SYNC_SAMPLES
from bench.clients.job import API_KEY, Item
from bench.measure import Bout, Load, Meter
from bench.results import Aim, Table
from bench.uploads import THREADS

#: The category and label of all samples.
_FOLDER = "training/idle"
_BATCH = 1000


def run(folder: Path, samples: int, meter: Meter) -> list[Table]:
    """Fill an emulator, and sync its project without a change."""
    title = f"{samples:,} samples of a project in the emulator, nothing has changed"
    meter.tell(f"{title}: filling it")
    source = folder / "samples"
    first = _write(source, 0)
    command = [sys.executable, "-m", "bench.samples", str(samples)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            load = Load(
                "samples", [Item("first", [str(first)])], THREADS, source=str(source), keeps=True, url=f"{url}v1"
            )
            filling = meter.measure(SYNC_SAMPLES, load, "http")
            assert filling.told["summary"]["created"] == 1, filling.told
            for number in range(1, samples):
                _write(source, number)
            server.stdin.write("fill\n")
            server.stdin.flush()
            server.stdout.readline()
            bout = Bout(SYNC_SAMPLES, load)
            meter.in_turn([bout], title, rounds=1)
            changes = _changing_requests(url)
        finally:
            server.kill()
    bout.expect(lambda run: run.told["summary"]["unchanged"] == samples)
    aims = [
        Aim("changing requests", "≤", 0, changes),
        Aim("memory of the whole process", "≤", 300, bout.median(lambda run: run.peak / 1e6), "MB"),
    ]
    return [Table("samples", title, [bout.row(bout)], aims)]


def _write(source: Path, number: int) -> Path:
    """Make a small file: all have one content and one time, so that one state is that of all."""
    path = source / _FOLDER / _name(number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"timestamp,x\n0,1\n10,2\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def _name(number: int) -> str:
    return f"idle.{number:07}.csv"


def _changing_requests(url: str) -> int:
    """Return how many requests other than the first upload were to change something."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}emulator/requests") as answer:
        requests: list[dict[str, str]] = json.load(answer)["requests"]
    return len([request for request in requests if request["method"] != "GET"]) - 1


def _serve(samples: int) -> None:
    from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings

    with EmulatorServer(EmulatorSettings(project_api_key=API_KEY)) as studio:
        print(studio.page_url, flush=True)
        sys.stdin.readline()
        (first,) = studio.samples.list()
        data = studio.samples.read(first.id)

        def metadata(number: int) -> dict[str, str]:
            return {key: value.replace(_name(0), _name(number)) for key, value in first.metadata.items()}

        for begin in range(1, samples, _BATCH):
            studio.samples.put_many(
                {_name(number): metadata(number) for number in range(begin, min(begin + _BATCH, samples))},
                data,
                label=first.label,
            )
        print("filled", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
