"""``python -m bench``: measure, print the tables, and write them as JSON and as pictures into ``docs``.

Needs gcc and OpenSSL's headers for the server, curl and rclone for their rows, and root for the emulated network. If
something other than the server is missing, its rows are left out, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from bench import (
    airflow,
    emulated,
    link,
    material,
    object_stores,
    pictures,
    results,
    sample_uploads,
    samples,
    syncs,
    tables,
    uploads,
)
from bench.measure import Meter
from bench.sink import Sink

_DOCS = Path("docs")
_PARTS = ("uploads", "first", "idle", "link", "emulator", "samples", "sample-uploads", "stores", "airflow")


def main() -> None:
    """Run the parts that the command line selects."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small run of one round; writes nothing")
    parser.add_argument("--only", choices=_PARTS, help="one part of it; writes nothing")
    wanted = parser.parse_args()
    sizes, rounds = (material.QUICK, 1) if wanted.quick else (material.FULL, 3)
    begun = time.monotonic()
    measured: list[results.Table] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with Sink(folder / "server") as sink:
            meter = Meter(sink, folder, rounds, _tell)
            parts = {
                "uploads": lambda: uploads.run(folder, sizes, meter),
                "first": lambda: syncs.first(folder, sizes.new, meter),
                "idle": lambda: syncs.idle(folder, sizes.idle, meter),
                "link": lambda: link.run(folder, sizes, meter),
                "emulator": lambda: emulated.run(folder, sizes.emulated, meter),
                "samples": lambda: samples.run(folder, sizes.emulated, meter),
                "sample-uploads": lambda: sample_uploads.run(folder, sizes.samples, meter),
                "stores": lambda: object_stores.run(sizes.objects, meter),
                "airflow": lambda: airflow.run(folder, sizes, rounds, _tell),
            }
            for part in _PARTS:
                if wanted.only in (None, part):
                    started = time.monotonic()
                    measured += parts[part]()
                    _tell("")
                    print(f"{part}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    about = {"command": "make bench", "rounds": rounds, "seconds": round(time.monotonic() - begun)}
    facts = results.as_facts(measured, about)
    print("\n".join([*tables.tables(facts, ["*"]), *tables.aims(facts), "", *tables.run(facts)]))
    failed = [f"{table.title}: {row.client}" for table in measured for row in table.rows if "FAILED" in row.note]
    if failed:
        raise SystemExit(f"Nothing is written, since these failed: {'; '.join(failed)}.")
    if wanted.quick:
        print("The aims are for the full sizes.")
    elif not wanted.only:
        (_DOCS / "bench.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        pictures.draw(facts, _DOCS / "images")
        print(f"Written: {_DOCS}/bench.json, and the pictures in {_DOCS}/images")


def _tell(what: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
