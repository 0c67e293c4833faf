"""A job's log, line by line: each line once, in order, also when there are more than one answer of the API holds."""

from __future__ import annotations

import logging
from collections import deque

from airflow_provider_ei.exceptions import EdgeImpulseServiceError
from airflow_provider_ei.redaction import safe_text
from airflow_provider_ei.studio.api.jobs import JobLog, JobLogEntry, JobsApi

log = logging.getLogger(__name__)

#: Lines that an error of a failed job quotes, and the length of each.
LAST_LINES = 20
MAX_LAST_LINE = 300

_LEVELS = {"error": logging.ERROR, "warn": logging.WARNING}


class JobLogLines:
    """Writes the lines of a job's log that were not written yet to the task's log.

    A log that cannot be read does not end the wait: it is reported, and read again at the next poll.

    :ivar jobs: the operations that the log is read with.
    """

    def __init__(self, jobs: JobsApi, job_id: int) -> None:
        self.jobs = jobs
        self._job_id = job_id
        self._entries = 0  # that were read
        self._characters = 0  # in them
        self._is_incomplete = False  # what was written is not the beginning of the whole log
        self._rest = ""  # the beginning of a line that has no end yet
        self._last: deque[str] = deque(maxlen=LAST_LINES)

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last lines that were written."""
        return tuple(self._last)

    def update(self, *, is_complete: bool) -> None:
        """Write the new lines.

        :param is_complete: the job has ended, so a last line without a line break is whole.
        """
        try:
            self._read()
        except EdgeImpulseServiceError as error:
            log.warning("The log of job %d could not be read: %s", self._job_id, error)
        if is_complete and self._rest:
            self._write("\n", None)

    def _read(self) -> None:
        answer = self.jobs.get_job_log(self._job_id)
        missing = answer.total_count - self._entries
        if missing <= 0:
            return
        entries = answer.stdout[:missing][::-1]
        if missing > len(entries):
            self._catch_up(answer, missing)
        else:
            for entry in entries:
                self._write(entry.data, entry)
        self._entries = answer.total_count

    def _catch_up(self, answer: JobLog, missing: int) -> None:
        """Write what has come since the last look from the whole log, up to the newest entry of the answer."""
        newest = "".join(entry.data for entry in answer.stdout[::-1])
        text = "" if self._is_incomplete else self._download()
        end = text.rfind(newest) + len(newest)
        if not text or end < max(len(newest), self._characters):
            self._is_incomplete = True
            missing -= len(answer.stdout)
            log.warning("Read the log of job %d in Studio: %d entries are missing here.", self._job_id, missing)
            self._write(newest, None)
        else:
            self._write(text[self._characters : end], None)

    def _download(self) -> str:
        try:
            return self.jobs.download_job_log(self._job_id)
        except EdgeImpulseServiceError as error:
            log.warning("The whole log of job %d could not be read: %s", self._job_id, error)
            return ""

    def _write(self, data: str, entry: JobLogEntry | None) -> None:
        self._characters += len(data)
        *lines, self._rest = (self._rest + data.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
        level = _LEVELS.get((entry.log_level if entry else None) or "", logging.INFO)
        for line in lines:
            shown = safe_text(line.rstrip())
            self._last.append(shown[:MAX_LAST_LINE])
            log.log(level, "[job %d] %s", self._job_id, shown)
