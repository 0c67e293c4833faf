"""Counts of what an upload has sent and read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class TransferStats:
    """Counts of one or more uploads.

    :ivar files_sent: files that the service has acknowledged; ``bytes_sent`` is their total size.
    :ivar bytes_hashed: bytes that were read without being sent.
    :ivar unanswered: changing requests without a response, after which the item was checked.
    :ivar duplicates: duplicate items that were removed.
    """

    files_sent: int = 0
    bytes_sent: int = 0
    bytes_hashed: int = 0
    unanswered: int = 0
    duplicates: int = 0
