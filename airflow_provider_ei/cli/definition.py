"""The commands of ``airflow edge-impulse`` (Airflow 3.3)."""

from __future__ import annotations

from typing import Any

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand, lazy_load_command

from airflow_provider_ei.cli.arguments import ARGUMENTS, DESCRIPTION


def get_edge_impulse_cli_commands() -> list[CLICommand]:
    """Return the commands, for the provider's metadata."""
    return [
        GroupCommand(
            name="edge-impulse",
            help="Check the Edge Impulse service of a connection",
            subcommands=(
                ActionCommand(
                    name="check",
                    help="Find out how the service behaves",
                    description=DESCRIPTION,
                    func=lazy_load_command("airflow_provider_ei.cli.check_command.check"),
                    args=tuple(map(_argument, ARGUMENTS.items())),
                ),
            ),
        ),
    ]


def _argument(given: tuple[str, dict[str, Any]]) -> Arg:
    flag, options = given
    return Arg((flag,), **options)  # type: ignore[no-untyped-call]
