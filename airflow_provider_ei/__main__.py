"""The command ``python -m airflow_provider_ei``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from airflow_provider_ei.cli.arguments import ARGUMENTS, DESCRIPTION


def main(given: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_ei")
    commands = parser.add_subparsers(title="commands", required=True)
    check = commands.add_parser(
        "check", help="find out how the service of a connection behaves", description=DESCRIPTION
    )
    for flag, options in ARGUMENTS.items():
        check.add_argument(flag, **options)
    arguments = parser.parse_args(given)
    from airflow_provider_ei.cli.check_command import run_check  # imports Airflow, which --help does not need

    return run_check(arguments)


if __name__ == "__main__":
    sys.exit(main())
