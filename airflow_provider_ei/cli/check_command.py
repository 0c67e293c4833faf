"""The command ``check``: reads the connection, runs the check, prints and saves the result."""

from __future__ import annotations

import json
import logging
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

from airflow_provider_ei.check.cleanup import Leftover
from airflow_provider_ei.check.questions import NotKnownError
from airflow_provider_ei.check.run import OrganizationCheck, Report, check_project
from airflow_provider_ei.check.signals import Terminated, stop_on_sigterm
from airflow_provider_ei.cli.saving import save_service
from airflow_provider_ei.exceptions import EdgeImpulseConfigError, EdgeImpulseError
from airflow_provider_ei.hooks.connection import ORGANIZATION, PROJECT, AirflowConnection, read_connection


def check(arguments: Namespace) -> None:
    """Run the command and end the process."""
    sys.exit(run_check(arguments))


def run_check(arguments: Namespace) -> int:
    """Run the command and return the exit code.

    It is 0 after a check or clean-up that has left nothing behind; 1 if the connection cannot be used or something is
    left; 2 for arguments that contradict each other; 130 after Ctrl-C, and 143 after SIGTERM.
    """
    if arguments.clean and (arguments.write or arguments.save):
        _say("Use --clean alone: it deletes what an earlier check has left, and checks nothing.")
        return 2
    try:
        with _only_the_result_on_stdout() as out, stop_on_sigterm():
            return _run(arguments, _connection(arguments.conn_id), out)
    except (EdgeImpulseError, NotKnownError) as error:
        _say(str(error))
        return 1


@contextmanager
def _only_the_result_on_stdout() -> Iterator[TextIO]:
    """Send all logs to standard error, where Airflow would send some to standard output, and yield the latter."""
    out = sys.stdout
    with redirect_stdout(sys.stderr):
        handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.StreamHandler)]
        moved = [handler for handler in handlers if handler.stream is out]
        for handler in moved:
            handler.setStream(sys.stderr)
        try:
            yield out
        finally:
            for handler in moved:
                handler.setStream(out)


def _run(arguments: Namespace, connection: AirflowConnection, out: TextIO) -> int:
    if getattr(connection, "conn_type", None) == PROJECT.conn_type:
        settings, project_id = read_connection(connection, PROJECT)
        if arguments.write or arguments.clean or arguments.save:
            _say("The check of a project only reads, and nothing of it is saved: --write, --clean and --save are off.")
        return _show(arguments, check_project(settings, project_id), out)
    settings, organization_id = read_connection(connection, ORGANIZATION)
    dataset = None if arguments.clean else arguments.dataset
    check = OrganizationCheck(settings, organization_id, dataset, say=_say)
    try:
        if arguments.clean:
            cleaned = check.clean(arguments.dataset)
            _say(f"Datasets of earlier checks: {', '.join(cleaned) or 'none'}.")
            return _tell_left(check.left)
        report = check.run(write=arguments.write)
    except KeyboardInterrupt as interrupt:
        _tell_left(check.left)
        return 143 if isinstance(interrupt, Terminated) else 130
    code = _show(arguments, report, out)
    if arguments.save and report.usable:
        for line in save_service(arguments.conn_id, report.known_service()):
            _say(line)
    return code


def _show(arguments: Namespace, report: Report, out: TextIO) -> int:
    """Print a report; return the exit code."""
    if arguments.json:
        from airflow_provider_ei.check.report import report_as_json

        print(json.dumps(report_as_json(report), indent=2), file=out)
    else:
        from rich.console import Console

        from airflow_provider_ei.check.report import print_report

        print_report(report, Console(file=out))
    for detail in dict.fromkeys(answer.detail for answer in report.answers.values() if answer.detail):
        _say(f"(not for a report, it may name hosts) {detail}")
    left = _tell_left(report.left)
    return left or (0 if report.usable else 1)


def _tell_left(left: list[Leftover]) -> int:
    """Say what could not be deleted; return the exit code."""
    for each in left:
        item = "its data items" if each.data_id is None else f"data item {each.data_id}"
        _say(f"Left behind in dataset {each.dataset}: {item}: {each.why}.")
    if left:
        _say("Run the check with --clean later, or delete them in Studio.")
    return 1 if left else 0


def _connection(conn_id: str) -> Any:
    from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined]
    from airflow.models import Connection

    try:
        return Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        raise EdgeImpulseConfigError(
            f"Create the connection {conn_id!r}, or name another one with --conn-id: it does not exist."
        ) from None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
