"""Reports to Airflow that must not fail a task whose work is done."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Log exceptions in the block as a warning, and continue.

    :param what: name of the report, for the message.
    """
    try:
        yield
    except Exception as error:
        log.warning("%s could not be reported to Airflow; the data is not affected: %r", what, error)
