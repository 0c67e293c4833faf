"""``python -m bench``: measure, print the table, write it as JSON and as a picture.

Needs curl for its row, gcc and OpenSSL's headers (libssl-dev) for a server that costs next to nothing, node and npm for
theirs; what is missing is left out or replaced, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench import growth, material, page, parse_time, picture, planning, readme, results, syncs, uploads
from bench.clients.catalogue import LIMIT
from bench.measure import Meter
from bench.sink import Sink

_DOCS = Path("docs")
_FULL = material.Sizes(1_000_000_000, 10_000, 400, 1_000, 10_000, 100_000)
_QUICK = material.Sizes(100_000_000, 1_000, 100, 200, 1_000, 10_000)


def main() -> None:
    """Run what the command line asks for."""
    wanted = _arguments()
    base = _QUICK if wanted.quick else _FULL
    sizes = replace(base, size=wanted.size or base.size, files=wanted.files or base.files)
    sizes = replace(sizes, items=wanted.items or base.items, kept=wanted.kept or base.kept)
    rounds = wanted.rounds or (1 if wanted.quick else 3)
    begun = time.monotonic()
    tables = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        material.check_room(folder, sizes)
        with Sink(folder) as sink:
            meter = Meter(sink, folder)
            _tell("Making the files and installing what is compared")
            for case in uploads.cases(folder, sizes, with_npm=not wanted.quick):
                tables += uploads.run(case, meter, rounds, _tell)
            link = results.speed(tables, LIMIT.name)
            tables += syncs.first(folder, sizes.new, meter, rounds, link, _tell)
            tables += syncs.again(folder, sizes.kept, meter, rounds, _tell)
            server = sink.kind
    tables.append(planning.run(sizes.planned, rounds, _tell))
    tables.append(parse_time.run(3 if wanted.quick else 5 * rounds, _tell))
    tables.append(page.run(0.1 if wanted.quick else 1, 5 * rounds, _tell))
    facts = {"command": "make bench", "rounds": rounds, "server": server, **results.machine()}
    _tell("")
    print(results.as_text(tables))
    print(
        f"\n{rounds} round{'s' * (rounds > 1)} in turn, medians. ÷ ours: time divided by ours in the same round, more "
        f"than 1 is slower.\nCPU and memory: beyond the same program doing nothing. Server: {server}. "
        f"{time.monotonic() - begun:.0f} s in all."
    )
    target = wanted.to or (None if wanted.quick else _DOCS)
    if target is not None:
        (target / "images").mkdir(parents=True, exist_ok=True)
        (target / "bench.json").write_text(text := results.as_json(tables, facts))
        (target / "images" / "bench.svg").write_text(picture.draw(tables, facts))
        (target / "images" / "planning.svg").write_text(growth.draw(tables))
        print(f"Written: {target}/bench.json, {target}/images/bench.svg, {target}/images/planning.svg")
        if target == _DOCS:
            readme.write(Path("README.md"), json.loads(text))
            print("Written: the tables in README.md")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small run of one round; writes nothing without --to")
    parser.add_argument("--size", type=_size, help="of the large file, such as 500M; 1G")
    parser.add_argument("--files", type=int, help="in the item of many; 10,000")
    parser.add_argument("--items", type=int, help="of 20 KB; 400")
    parser.add_argument("--kept", type=int, help="items of the dataset that is in step; 10,000")
    parser.add_argument("--rounds", type=int, help="3")
    parser.add_argument("--to", type=Path, help="folder for bench.json and images/bench.svg; docs")
    return parser.parse_args()


def _size(text: str) -> int:
    units = {"K": 10**3, "M": 10**6, "G": 10**9}
    number, unit = (text[:-1], units[text[-1].upper()]) if text[-1:].upper() in units else (text, 1)
    return int(float(number) * unit)


def _tell(what: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
