"""Measure the emulator: creating items, listing all of them page by page, and its memory.

usage: python -m tests.emulator.speed [--items 100000] [--files 10] [--page 1000] [--creates 2000]
"""

from __future__ import annotations

import argparse
import http.client
import re
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from airflow_provider_ei.emulator import EmulatorServer

BASE = "/v1/api/organizations/1/data"
HEADERS = {"x-api-key": "ei_emulator"}
BOUNDARY = "0f3c7b1e"


def fill(data_dir: Path, items: int, files: int) -> None:
    """Store items without requests."""
    contents = {f"channel-{number}.csv": b"0,1,2\n" * number for number in range(files)}
    with EmulatorServer(data_dir=data_dir) as server:
        for number in range(items):
            server.put_item(f"recording {number:07}", "bench", {"machine": f"pump {number % 50}"}, contents)


def create(connection: http.client.HTTPConnection, number: int) -> None:
    """Create an item with one file of 1 kB by a request."""
    fields = {"name": f"new {number}", "dataset": "created", "metadata": '{"a": "b"}'}
    head = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files[]"; filename="a.csv"\r\n\r\n'
    body = f"{head}{file}{'x' * 1000}\r\n--{BOUNDARY}--\r\n".encode()
    connection.request(
        "POST", f"{BASE}/add", body, {**HEADERS, "content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    )
    assert b'"success":true' in connection.getresponse().read()


def list_all(connection: http.client.HTTPConnection, path: str, page: int) -> int:
    """Request all pages of a listing, and return the number of items."""
    items = 0
    while True:
        connection.request("GET", f"{BASE}{path}?dataset=bench&limit={page}&offset={items}", headers=HEADERS)
        found = len(re.findall(rb'"bucketId"', connection.getresponse().read()))
        items += found
        if found < page:
            return items


def resident_mb(pid: int, key: str) -> float:
    """Return the memory of a process: ``VmRSS`` or ``VmHWM``."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(key)]
    return int(line.split()[1]) / 1000


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("items", 100_000), ("files", 10), ("page", 1000), ("creates", 2000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder, "data")
        began = time.monotonic()
        fill(data_dir, options.items, options.files)
        print(
            f"{options.items:,} items of {options.files} files stored in {time.monotonic() - began:.0f} s", flush=True
        )
        command = [sys.executable, "-m", "airflow_provider_ei.emulator", "--port=0", f"--data-dir={data_dir}"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = urlsplit(server.stdout.readline().split("API ")[1].split()[0])
            with closing(http.client.HTTPConnection(address.hostname or "", address.port)) as connection:
                connection.connect()
                print(f"memory at the start: {resident_mb(server.pid, 'VmRSS'):.0f} MB", flush=True)
                for path in ("/files", ""):
                    began, used = time.monotonic(), cpu_seconds(server.pid)
                    items = list_all(connection, path, options.page)
                    elapsed, used = time.monotonic() - began, cpu_seconds(server.pid) - used
                    print(
                        f"GET data{path}: {items:,} items, {items / elapsed:,.0f} items/s,"
                        f" {1000 * elapsed * options.page / items:.0f} ms a page; {items / used:,.0f} items/s of CPU",
                        flush=True,
                    )
                print(f"memory after listing: {resident_mb(server.pid, 'VmRSS'):.0f} MB", flush=True)
                began, used = time.monotonic(), cpu_seconds(server.pid)
                for number in range(options.creates):
                    create(connection, number)
                elapsed, used = time.monotonic() - began, cpu_seconds(server.pid) - used
                print(
                    f"creates: {options.creates / elapsed:,.0f}/s; {options.creates / used:,.0f}/s of CPU", flush=True
                )
                print(f"memory at its highest: {resident_mb(server.pid, 'VmHWM'):.0f} MB", flush=True)
        finally:
            server.terminate()
            server.wait()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    main()
