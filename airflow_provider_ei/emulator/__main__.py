"""The command: ``python -m airflow_provider_ei.emulator``."""

from __future__ import annotations

import argparse
import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence
from typing import Any

from airflow_provider_ei.emulator.data_dir import DataDirError
from airflow_provider_ei.emulator.emulator_settings import CHOICES, EmulatorSettings
from airflow_provider_ei.emulator.server import EmulatorServer
from airflow_provider_ei.emulator.service_file import read_service_file

DEFAULT_DATA_DIR = "edge-impulse-emulator"
_PLACE = ("host", "port", "ingestion_port", "data_dir", "certfile", "keyfile")


def main() -> int:
    """Run the emulator until SIGINT or SIGTERM, and return the exit code."""
    options = vars(_parse(sys.argv[1:]))
    place = {name: options.pop(name) for name in _PLACE}
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
            f"Edge Impulse emulator: cannot listen on {_addresses(place)}: {error}",
            file=sys.stderr,
        )
        return 1
    print(
        f"Edge Impulse emulator: API {server.url}  ingestion {server.ingestion_url}  page {server.page_url}"
        f"  data {place['data_dir']}",
        flush=True,
    )
    ended.wait()
    server.stop()
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments. Those that are given take precedence over the file of ``--service``."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.service is not None:
        try:
            parser.set_defaults(**read_service_file(options.service))
        except (OSError, ValueError) as error:
            parser.error(f"--service: {error}")
        options = parser.parse_args(arguments)
    del options.service
    return options


def _addresses(place: dict[str, Any]) -> str:
    ports = [place["port"], *([] if place["ingestion_port"] is None else [place["ingestion_port"]])]
    return " or ".join(f"{place['host']}:{port}" for port in ports)


def _parser() -> argparse.ArgumentParser:
    defaults = EmulatorSettings()
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_ei.emulator",
        description="A server that emulates the API of Edge Impulse Studio, with its data on disk.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8700, help="port to listen on; 0 chooses a free one")
    parser.add_argument(
        "--ingestion-port",
        type=int,
        help="a second port for the ingestion service, which is at --port, too; the official command line expects"
        " --port 4800 --ingestion-port 4810",
    )
    parser.add_argument(
        "--data-dir", default=DEFAULT_DATA_DIR, help="directory of the data: missing, empty, or created by the emulator"
    )
    parser.add_argument("--api-key", default=defaults.api_key, help="the key of the organization")
    parser.add_argument(
        "--organization-id", type=int, default=defaults.organization_id, help="the organization of the key"
    )
    parser.add_argument(
        "--service",
        metavar="FILE",
        help="behave like the service in this file: the JSON of `python -m airflow_provider_ei check --write --json`",
    )
    parser.add_argument("--certfile", help="PEM file with a certificate, for TLS")
    parser.add_argument("--keyfile", help="PEM file with the certificate's private key")
    parser.add_argument(
        "--max-request-bytes", type=int, default=0, help="respond with 413 to larger requests; 0: no limit"
    )
    parser.add_argument(
        "--max-sample-bytes", type=int, default=defaults.max_sample_bytes, help="refuse larger files of samples"
    )
    parser.add_argument("--latency-seconds", type=float, default=0.0, help="delay of every API request")
    parser.add_argument(
        "--listing-delay-seconds", type=float, default=0.0, help="how long a new item is missing in listings"
    )
    for name in ("job_queued_seconds", "job_running_seconds"):
        help_text = f"how long a job {'waits before it starts' if 'queued' in name else 'runs'}"
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=float, default=getattr(defaults, name), help=help_text)
    for name, help_text in (
        ("duplicate_names", "the result of adding an item whose name exists in the dataset"),
        ("wrong_key_status", "HTTP status for a wrong key"),
        ("metadata_update", "whether an update replaces an item's metadata or merges into it"),
        ("file_names", "the encoding of uploaded files' names"),
        ("file_folders", "whether uploaded files keep the folders in their names"),
        ("file_quotes", "whether %%22 in uploaded files' names becomes a quotation mark"),
        ("trailing_backslash", "whether a file whose name ends with a backslash is stored"),
        ("name_form", "how names of items, datasets and files are stored"),
        ("listing_order", "the order in which items are listed"),
        ("listing_offset", "whether a listing begins at the requested offset"),
        ("filters", "whether listings apply a filter"),
        ("file_listing", "whether items can be listed together with their files"),
        ("archive", "the format of a downloaded item"),
        ("organization_key_in_projects", "whether the organization's key can be used for its projects"),
        ("concurrent_jobs", "whether a job can start while another one of its kind is active"),
        ("job_categories", "whether the category of a job tells its kind"),
        ("builds", "whether builds can be downloaded by version, or only the latest one"),
        ("accuracy_unit", "the unit of the accuracy in test results"),
        ("classify_metrics", "whether the metrics of all variants are available"),
        ("partial_transformation", "whether results are imported although some inputs have failed"),
        ("project_hmac_key", "whether an import into a project needs projectHmacKey"),
        ("sample_names", "whether the name of a sample has the extension of its file"),
        ("sample_hashes", "whether sha256Hash of a sample is that of its file"),
        ("sample_order", "the order in which samples are listed"),
        ("ingestion_errors", "the form of the ingestion service's errors"),
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
        help="whether a listing includes the number of items",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
