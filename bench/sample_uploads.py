"""Samples of a project in the emulator, compared with a loop of requests and with Edge Impulse's Python SDK.

python -m bench.sample_uploads      runs an emulator; standard input has questions, one a line
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

from bench.clients.catalog import LOOP, SDK, UPLOAD_SAMPLES
from bench.clients.job import API_KEY, Item
from bench.measure import Bout, Load, Meter
from bench.results import Row, Table, ratio
from bench.uploads import LATENCY_MS, THREADS

_BYTES = 20 * 1024

#: Clients that send one file after the other get a part of the files, and their times are multiplied.
_PART = 20

#: The beginning of a WAV file; the emulator looks at nothing else.
_WAV = (
    b"RIFF\x00\x50\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data"
)


def run(folder: Path, files: int, meter: Meter) -> list[Table]:
    """Upload files to an empty project."""
    title = f"{files:,} samples of 20 KB to a project, {THREADS} at once, {LATENCY_MS} ms for each response"
    meter.tell(f"{title}: making the files")
    made, some = _make(folder / "new-samples", files), _make(folder / "some-samples", max(files // _PART, 1))
    with subprocess.Popen(
        [sys.executable, "-m", "bench.sample_uploads"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            started = json.loads(server.stdout.readline())
            environment = {"BENCH_INGESTION_URL": started["ingestion"], "BENCH_PROJECT_KEY": started["key"]}

            def load(key: str, items: list[Item], threads: int) -> Load:
                return Load(key, items, threads, keeps=True, url=started["url"], environment=environment)

            share = files / len(some)
            bouts = [
                Bout(UPLOAD_SAMPLES, load("sample-uploads", made, THREADS)),
                Bout(LOOP, load("samples-loop", some, 1), share),
                Bout(SDK, load("samples-sdk", made, THREADS)),
            ]
            for number in range(meter.rounds):
                for bout in bouts:
                    meter.tell(f"{title}, round {number + 1} of {meter.rounds}: {bout.client.name}")
                    _ask(server, "empty")
                    bout.go(number, meter, "http")
                    if bout.samples and (count := _ask(server, "count")) != str(len(bout.load.items)):
                        bout.fail(f"{count} of {len(bout.load.items)} samples have arrived")
        finally:
            server.kill()
    remarks = [
        "The server is the emulator, in a process of its own on the same cores. This package looks first whether the "
        "project has samples; the others do not look.",
        f"The loop gets {len(some):,} files; its time and requests are multiplied by {share:g}.",
    ]
    return [Table("sample-uploads", title, [_row(bout, bouts[0]) for bout in bouts], remarks=remarks)]


def _row(bout: Bout, base: Bout) -> Row:
    row = bout.row(base)
    requests = bout.median(lambda sample: sample.told["requests"] * bout.share)
    return Row(row.client, row.seconds, ratio(bout.seconds, base.seconds), row.cpu, row.memory, requests, row.note)


def _make(folder: Path, files: int) -> list[Item]:
    folder.mkdir()
    made = []
    for number in range(files):
        path = folder / f"{number:05}.wav"
        path.write_bytes(_WAV + os.urandom(_BYTES - len(_WAV)))
        made.append(Item(path.stem, [str(path)]))
    return made


def _ask(server: subprocess.Popen[str], what: str) -> str:
    stdin, stdout = server.stdin, server.stdout
    assert stdin is not None and stdout is not None
    print(what, file=stdin, flush=True)
    return stdout.readline().strip()


def _serve(questions: IO[str]) -> None:
    from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings

    with EmulatorServer(EmulatorSettings(api_key=API_KEY, organization_id=1)) as studio:
        started = {"url": studio.url, "ingestion": studio.ingestion_url, "key": studio.project_api_key}
        print(json.dumps(started), flush=True)
        for question in questions:
            if question.strip() == "count":
                print(len(studio.samples.list()), flush=True)
            else:
                studio.reset()
                studio.settings.change({"latency_seconds": LATENCY_MS / 1000})
                print("empty", flush=True)


if __name__ == "__main__":
    _serve(sys.stdin)
