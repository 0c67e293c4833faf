"""The command: ``python -m airflow_provider_ei.emulator``."""

from __future__ import annotations

import argparse
import signal
import sqlite3
import sys
import threading

from airflow_provider_ei.emulator.data_dir import DataDirError
from airflow_provider_ei.emulator.server import EmulatorServer
from airflow_provider_ei.emulator.switches import CHOICES, EmulatorSettings

DEFAULT_DATA_DIR = "edge-impulse-emulator"


def main() -> int:
    """Run the emulator until SIGINT or SIGTERM; returns the exit code."""
    options = vars(_parser().parse_args())
    place = {name: options.pop(name) for name in ("host", "port", "data_dir", "certfile", "keyfile")}
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        server = EmulatorServer(EmulatorSettings(**options), **place)
        server.start()
    except (DataDirError, sqlite3.Error) as error:
        print(f"Edge Impulse emulator: {error}", file=sys.stderr)
        return 1
    except (OSError, OverflowError, ValueError) as error:
        print(
            f"Edge Impulse emulator: cannot start at {place['host']}:{place['port']}: {error}",
            file=sys.stderr,
        )
        return 1
    print(
        f"Edge Impulse emulator: API {server.url}  page {server.page_url}  data {place['data_dir']}",
        flush=True,
    )
    ended.wait()
    server.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    defaults = EmulatorSettings()
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_ei.emulator",
        description="A stand-in for Edge Impulse Studio's organization data API, with its data on disk.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=8700, help="0 picks a free one")
    parser.add_argument(
        "--data-dir", default=DEFAULT_DATA_DIR, help="folder of the data: missing, empty, or made by the emulator"
    )
    parser.add_argument("--api-key", default=defaults.api_key, help="the key the API accepts")
    parser.add_argument("--organization-id", type=int, default=defaults.organization_id, help="of the key")
    parser.add_argument("--certfile", help="PEM file with a certificate, to speak TLS")
    parser.add_argument("--keyfile", help="PEM file with the certificate's private key")
    parser.add_argument("--max-request-bytes", type=int, default=0, help="answer 413 to larger requests; 0: no limit")
    parser.add_argument("--latency-seconds", type=float, default=0.0, help="added to every API request")
    for name, help_text in (
        ("duplicate_names", "what adding an item does when the dataset has one of its name"),
        ("wrong_key_status", "HTTP status for a wrong key"),
        ("metadata_update", "whether an update replaces an item's metadata or merges into it"),
        ("file_names", "how the bytes of uploaded files' names are decoded"),
        ("file_folders", "whether uploaded files keep the folders of their names"),
        ("file_quotes", "whether %%22 in uploaded files' names becomes a quote"),
        ("trailing_backslash", "whether a file is stored whose name ends with a backslash"),
        ("name_form", "the form in which names of items, datasets and files are stored"),
        ("listing_order", "the order in which items are listed"),
        ("listing_offset", "whether a listing begins at the offset that is asked for"),
        ("archive", "what the download of a whole item is"),
    ):
        ways = CHOICES[name]
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(ways[0]),
            choices=ways,
            default=getattr(defaults, name),
            help=help_text,
        )
    parser.add_argument(
        "--listing-totals",
        action=argparse.BooleanOptionalAction,
        default=defaults.listing_totals,
        help="whether a listing tells how many items there are",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
