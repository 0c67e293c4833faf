"""A large dataset in the emulator: how fast it lists, and what a sync without a change needs.

python -m bench.emulated ITEMS      runs an emulator; fills it when a line arrives on standard input
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

from bench import material
from bench.clients.catalog import SYNC_FOLDER
from bench.clients.job import API_KEY, DATASET
from bench.measure import Bout, Meter
from bench.results import Aim, Row, Table
from bench.syncs import PAGE, begin_dataset


def run(folder: Path, items: int, meter: Meter) -> list[Table]:
    """Fill an emulator, list it, and sync it without a change."""
    title = f"{items:,} items of {material.FILES} files in the emulator"
    command = [sys.executable, "-m", "bench.emulated", str(items)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            load = begin_dataset(folder / "emulated", meter, title, url)
            server.stdin.write("fill\n")
            server.stdin.flush()
            server.stdout.readline()
            material.link_items(Path(load.source), items)
            seconds = []
            for number in range(meter.rounds):
                meter.tell(f"{title}, round {number + 1} of {meter.rounds}: listing")
                seconds.append(_list(url, items))
            bout = Bout(SYNC_FOLDER, load)
            meter.in_turn([bout], title, rounds=1)
        finally:
            server.kill()
    bout.expect(lambda run: run.told["summary"]["unchanged"] == items)
    listing = Row("the emulator's listing, to its last page", seconds)
    ours = replace(bout.row(bout), client=f"{SYNC_FOLDER.name}, nothing has changed", ratio=None, requests=None)
    aims = [
        Aim("memory beyond an idle start", "≤", 150, bout.median(lambda run: run.memory / 1e6), "MB"),
        Aim("the emulator lists", "≥", 20_000, items / (listing.median or 1), "items/s"),
    ]
    return [Table("emulator", title, [ours, listing], aims)]


def _list(url: str, items: int) -> float:
    begun, opener = time.perf_counter(), urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for offset in range(0, items, PAGE):
        page = f"{url}/api/organizations/1/data/files?dataset={DATASET}&limit={PAGE}&offset={offset}"
        request = urllib.request.Request(page, headers={"x-api-key": API_KEY})
        with opener.open(request) as answer:
            answer.read()
    return time.perf_counter() - begun


def _serve(items: int) -> None:
    from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings

    with EmulatorServer(EmulatorSettings(api_key=API_KEY, organization_id=1)) as studio:
        print(studio.url, flush=True)
        sys.stdin.readline()
        (first,) = studio.items(DATASET)
        files = {file.name: studio.read_file(first.id, file.name) for file in first.files}
        for number in range(1, items):
            name = material.item_name(number)
            metadata = {key: value.replace(first.name, name) for key, value in first.metadata.items()}
            studio.put_item(name, DATASET, metadata, files)
        print("filled", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
