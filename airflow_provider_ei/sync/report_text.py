"""Describes for people what an upload or a sync has done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_ei.results import Failure
from airflow_provider_ei.sync.progress import format_bytes


def format_work(owner: str, result: Mapping[str, Any], counted: Iterable[str], *, nothing: str) -> str:
    """Describe what was done.

    :param owner: what it was done to, such as ``Project 12``.
    :param counted: the keys of the result's counts.
    :param nothing: what to say if all of them are 0.
    """
    done = ", ".join(f"{result[key]:,} {key}" for key in counted if result[key])
    return (
        f"{owner}: {done or nothing}; {result['files_sent']:,} files, "
        f"{format_bytes(result['bytes_sent'])} sent, {format_bytes(result['bytes_hashed'])} read to compare, "
        f"{result['requests']:,} request{'s' * (result['requests'] != 1)}, {result['seconds']:.1f} s."
    )


def format_failures(failed: int, total: int, what: str, failures: Sequence[Failure]) -> str:
    """Describe what failed and why.

    :param what: what there are ``total`` of, such as ``files``.
    :param failures: those that are described, at most ``failed``.
    """
    lines = [f"  {failure['name']!r}: {failure['reason']}" for failure in failures]
    if failed > len(failures):
        lines.append(f"  and {failed - len(failures):,} more.")
    return f"{failed:,} of {total:,} {what} failed:\n" + "\n".join(lines)
