"""Reporting about work that is done never undoes it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Log what goes wrong inside as a warning, and go on.

    :param what: what is reported, for the message.
    """
    try:
        yield
    except Exception as error:
        log.warning("%s could not be reported to Airflow, the data is not affected: %r", what, error)
