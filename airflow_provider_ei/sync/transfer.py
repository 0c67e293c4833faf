"""Counts of what an upload sent and read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class TransferStats:
    """Counts of one upload, or of many.

    :ivar files_sent: files that the service has acknowledged, ``bytes_sent`` their bytes.
    :ivar bytes_hashed: bytes that were read without being sent.
    :ivar unanswered: changing requests without an answer, after which the item was looked at.
    :ivar duplicates: items of the same name that were removed.
    """

    files_sent: int = 0
    bytes_sent: int = 0
    bytes_hashed: int = 0
    unanswered: int = 0
    duplicates: int = 0
