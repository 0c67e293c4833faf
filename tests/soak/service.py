"""An emulated Studio in its own process, whose faults the soak test controls.

usage: python -m tests.soak.service KEY SEED; prints its URL, then answers each line of standard input with one of JSON.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import threading
import time
from collections import Counter
from typing import Any

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings, Fault

ORGANIZATION = 7

#: Share of the requests that go wrong in a storm.
FAULTY = 0.12

#: Requests a second under the steady limit, and how many may come at once.
RATE, BURST = 40.0, 10

#: What goes wrong in a storm: every kind that the emulator has, and throttling with and without ``Retry-After``.
FAULTS: dict[str, dict[str, Any]] = {
    "drop_before": {},
    "drop_after": {},
    "cut_body": {"after_bytes": 150},
    "cut_response": {"after_bytes": 20},
    "store_late": {"delay_seconds": 0.02},
    "status 502": {"kind": "status", "status": 502},
    "status 503": {"kind": "status", "status": 503, "headers": {"Retry-After": "0.1"}},
    "status 429": {"kind": "status", "status": 429},
    "status 429 with Retry-After": {"kind": "status", "status": 429, "headers": {"Retry-After": "0.2"}},
    "early_status": {"kind": "early_status", "status": 413},
    "success_false": {},
    "redirect": {"location": "http://127.0.0.1:9/"},
    "slow": {"delay_seconds": 0.1},
    "slow beyond the timeout": {"kind": "slow", "delay_seconds": 3.0},
}
LIMITED = "status 429 at the limit"


class Weather:
    """Decide for each request whether it fails: ``clear``, ``storm`` or ``limit``."""

    def __init__(self, seed: int) -> None:
        self.now = "clear"
        self.counts: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._turn = threading.Lock()
        self._tokens, self._filled = float(BURST), time.monotonic()

    def choose(self, operation: str | None) -> Fault | None:
        """Return the fault for this request, or None."""
        with self._turn:
            self.counts["requests"] += 1
            if self.now == "limit":
                return self._limit()
            if self.now != "storm" or self._random.random() > FAULTY:
                return None
            name = self._random.choice(list(FAULTS))
            self.counts[name] += 1
            return Fault(**{"kind": name} | FAULTS[name])

    def _limit(self) -> Fault | None:
        now = time.monotonic()
        self._tokens, self._filled = min(BURST, self._tokens + (now - self._filled) * RATE), now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        self.counts[LIMITED] += 1
        return Fault(kind="status", status=429)


def described(server: EmulatorServer) -> list[dict[str, Any]]:
    """All data items, with the SHA-256 of each file's bytes."""
    return [
        {
            "name": item.name,
            "dataset": item.dataset,
            "metadata": item.metadata,
            "files": {
                file.name: hashlib.sha256(server.read_file(item.id, file.name)).hexdigest() for file in item.files
            },
        }
        for item in server.items()
    ]


def main(key: str, seed: str) -> None:
    """Serve until standard input ends."""
    server = EmulatorServer(EmulatorSettings(api_key=key, organization_id=ORGANIZATION))
    weather = Weather(int(seed))
    server.choose_faults(weather.choose)
    with server:
        print(server.url, flush=True)
        for line in sys.stdin:
            command = json.loads(line)
            weather.now = command["weather"]
            server.flush_late()
            server.clear_requests()  # otherwise its log would grow
            answer = {"counts": weather.counts, "items": described(server) if command["items"] else None}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
