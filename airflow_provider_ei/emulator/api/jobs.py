"""Operations of jobs: status, lists, logs and cancel, for projects and for the organization."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import Any

from airflow_provider_ei.emulator.api.operation import ORGANIZATION, PROJECT, Answer, Call, Operation
from airflow_provider_ei.emulator.downloads import Download
from airflow_provider_ei.emulator.emulator_clock import iso_time
from airflow_provider_ei.emulator.job_engine import Job, LogLine
from airflow_provider_ei.emulator.stored_data import StoreError

_MAX_LOG_LINES = 1_000


def get_job_status(call: Call) -> Answer:
    """``getJobStatus`` and ``getOrganizationJobStatus``."""
    with call.workspace:
        return {"job": _job_info(call, _job(call))}


def list_active_jobs(call: Call) -> Answer:
    """``listActiveJobs`` and ``listActiveOrganizationJobs``."""
    return _list_jobs(call, finished=False)


def list_finished_jobs(call: Call) -> Answer:
    """``listFinishedJobs`` and ``listFinishedOrganizationJobs``."""
    return _list_jobs(call, finished=True)


def list_all_jobs(call: Call) -> Answer:
    """``listAllJobs`` and ``listAllOrganizationJobs``."""
    finished = call.query.text("finished")
    return _list_jobs(call, finished=None if finished is None else finished == "true")


def cancel_job(call: Call) -> Answer:
    """``cancelJob`` and ``cancelOrganizationJob``."""
    with call.workspace as workspace:
        workspace.jobs.cancel(_job(call))
        return {}


def get_job_logs(call: Call) -> Answer:
    """``getJobsLogs`` and ``getOrganizationJobsLogs``: the newest lines first, not more than 1,000."""
    with call.workspace as workspace:
        lines = _log(call, _job(call), workspace.clock.now())
    limit = min(call.query.count("limit") or _MAX_LOG_LINES, _MAX_LOG_LINES)
    newest = lines[::-1][:limit]
    stdout = [{"created": iso_time(line.created), "data": line.text, "logLevel": line.level} for line in newest]
    return {"stdout": stdout, "totalCount": len(lines)}


def download_job_logs(call: Call) -> Answer:
    """``downloadJobsLogs`` and ``downloadOrganizationJobsLogs``: all lines, oldest first."""
    with call.workspace as workspace:
        lines = _log(call, _job(call), workspace.clock.now())
    limit = call.query.count("limit")
    data = "".join(line.text for line in lines[-limit if limit else 0 :]).encode()
    return Download(BytesIO(data), len(data), "text/plain; charset=utf-8", f"job-{_job_id(call)}.txt")


def job_started(job: Job) -> dict[str, Any]:
    """Return the members of ``StartJobResponse``."""
    return {"id": job.id}


def _job(call: Call) -> Job:
    return call.workspace.jobs.find(_job_id(call), call.project_id)


def _job_id(call: Call) -> int:
    return int(call.path["jobId"][:19])


def _list_jobs(call: Call, *, finished: bool | None) -> Answer:
    query = call.query
    earliest, latest = _time(call, "startDate"), _time(call, "endDate")
    with call.workspace as workspace:
        jobs = [
            job
            for job in reversed(workspace.jobs.all())
            if job.project_id == call.project_id
            and (finished is None or finished == (job.finished is not None))
            and (earliest is None or job.created >= earliest)
            and (latest is None or job.created <= latest)
            and query.text("key") in (None, _key(job))
            and query.text("category") in (None, _category(call, job))
        ]
        offset, limit = query.count("offset") or 0, query.count("limit")
        page = jobs[offset:] if limit is None else jobs[offset : offset + limit]
        return {"jobs": [_job_info(call, job) for job in page], "totalJobCount": len(jobs)}


def _job_info(call: Call, job: Job) -> dict[str, Any]:
    """Return a ``Job``."""
    info: dict[str, Any] = {
        "id": job.id,
        "key": _key(job),
        "category": _category(call, job),
        "created": iso_time(job.created),
        "jobNotificationUids": [],
    }
    if job.started is not None:
        info["started"] = iso_time(job.started)
    if job.finished is not None:
        info["finished"] = iso_time(job.finished)
        info["computeTime"] = job.finished - (job.started or job.finished)
    if job.successful is not None:
        info["finishedSuccessful"] = job.successful
    return info


def _key(job: Job) -> str:
    return f"{job.kind}-{job.id}"


def _category(call: Call, job: Job) -> str:
    return job.kind if call.settings.job_categories == "by_kind" else "job"


def _log(call: Call, job: Job, now: float) -> list[LogLine]:
    level = call.query.text("logLevel")
    return [line for line in job.log(now) if level in (None, line.level)]


def _time(call: Call, name: str) -> float | None:
    text = call.query.text(name)
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise StoreError(f"{name} must be a date and time") from None


def _operations(prefix: str, kind: str) -> tuple[Operation, ...]:
    """Return the operations of one of the two forms; ``kind`` is the word in their ids."""
    jobs = f"{prefix}/jobs"
    job = f"{jobs}/{{jobId}}"
    return (
        Operation(f"listActive{kind}Jobs", "GET", jobs, list_active_jobs),
        Operation(f"listAll{kind}Jobs", "GET", f"{jobs}/all", list_all_jobs),
        Operation(f"listFinished{kind}Jobs", "GET", f"{jobs}/history", list_finished_jobs),
        Operation(f"cancel{kind}Job", "POST", f"{job}/cancel", cancel_job, "none", True),
        Operation(f"get{kind}JobStatus", "GET", f"{job}/status", get_job_status),
        Operation(f"get{kind}JobsLogs", "GET", f"{job}/stdout", get_job_logs),
        Operation(f"download{kind}JobsLogs", "GET", f"{job}/stdout/download", download_job_logs),
    )


OPERATIONS = (*_operations(ORGANIZATION, "Organization"), *_operations(PROJECT, ""))
