"""All clients: their names and how they are started."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.clients.job import API_KEY, CONTENT_TYPE, Job


@dataclass(frozen=True)
class Client:
    """A way to upload.

    :ivar start: the command for a job's file; with ``True``, the command that does nothing.
    :ivar missing: why it cannot run on this machine, if it cannot.
    :ivar is_ours: it is this package.
    :ivar is_floor: it does a part of the work only, to compare with.
    :ivar timed_outside: it does not report its own time; the whole process is timed, less one that does nothing.
    """

    name: str
    start: Callable[[Path, bool], list[str]]
    missing: str | None = None
    is_ours: bool = False
    is_floor: bool = False
    timed_outside: bool = False


def _python(
    name: str,
    module: str,
    function: str,
    *,
    is_ours: bool = False,
    is_floor: bool = False,
    missing: str | None = None,
) -> Client:
    def start(job: Path, idle: bool) -> list[str]:
        command = [sys.executable, "-m", f"bench.clients.{module}", function, str(job)]
        return [*command, "--idle"] if idle else command

    return Client(name, start, missing, is_ours=is_ours, is_floor=is_floor)


def _curl(job: Path, idle: bool) -> list[str]:
    if idle:
        return ["curl", "--version"]
    given = Job.read(job)
    configs = [job.with_name(f"{job.stem}-{number}.curl") for number in range(len(given.items))]
    if not configs[-1].exists():
        _write_configs(given, configs)
    upload = ["curl", "-sS", "--fail", "-K"]
    if len(configs) == 1:
        return [*upload, str(configs[0])]
    many = f"printf '%s\\n' {shlex.quote(str(job.parent))}/{job.stem}-*.curl | xargs -P{given.threads} -n1 "
    return ["sh", "-c", f"{many}{shlex.join(upload)}"]


def _write_configs(job: Job, configs: list[Path]) -> None:
    for item, path in zip(job.items, configs, strict=True):
        options = [("url", job.url), ("cacert", job.bundle), ("header", f"x-api-key: {API_KEY}")]
        options += [("form-string", f"{key}={value}") for key, value in item.form().items()]
        options += [("form", f'files[]=@"{file}";type={CONTENT_TYPE}') for file in item.files]
        path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in [*options, ("output", "/dev/null")]))


def _rclone(job: Path, idle: bool) -> list[str]:
    if idle:
        return ["rclone", "version"]
    given = Job.read(job)
    endpoint = {"provider": "Other", "access-key-id": "a", "secret-access-key": "b", "endpoint": given.base_url}
    options = {f"s3-{key}": value for key, value in endpoint.items()}
    options |= {"config": "", "ca-cert": given.bundle, "transfers": str(given.threads), "retries": "1"}
    # The bucket is new and known to be empty: nothing is looked up there before or after. One request for each file.
    flags = ["--s3-no-check-bucket", "--s3-no-head", "--no-check-dest", "--no-traverse", "--quiet"]
    flags += ["--s3-upload-cutoff=5G", "--s3-disable-checksum"]
    return ["rclone", "copy", *flags, *(f"--{k}={v}" for k, v in options.items()), given.source, ":s3:bench"]


def _program(name: str, program: str, start: Callable[[Path, bool], list[str]]) -> Client:
    return Client(name, start, None if shutil.which(program) else f"{program} is not installed", timed_outside=True)


_OURS = "airflow-provider-ei"
ADD_DATA = _python(_OURS, "product", "add_data", is_ours=True)
SYNC_ITEMS = _python(_OURS, "product", "sync_items", is_ours=True)
SYNC_FOLDER = _python(_OURS, "product", "sync_folder", is_ours=True)
SYNC_SAMPLES = _python(_OURS, "product", "sync_samples", is_ours=True)
ADD_OBJECTS = _python(_OURS, "objects", "add_objects", is_ours=True)
UPLOAD_SAMPLES = _python(_OURS, "sample_uploads", "upload_samples", is_ours=True)
LOOP = _python("requests.post for each file", "sample_uploads", "loop")
_SDK_MISSING = None if find_spec("edgeimpulse") else "edgeimpulse is not installed"
SDK = _python("Edge Impulse's Python SDK", "sample_uploads", "sdk", missing=_SDK_MISSING)
CONNECT = _python(_OURS, "product", "connect", is_floor=True)
CURL = _program("curl -F", "curl", _curl)
#: Several items through ``xargs``, a process for each.
SNIPPET = _python("the documented snippet", "scripts", "snippet")
ENCODER = _python("the snippet with MultipartEncoder", "scripts", "encoder")
RCLONE = _program("rclone copy, to S3", "rclone", _rclone)
CURL_AND_SHA256 = _python(
    "curl -F, and SHA-256 alone at the same time", "floors", "curl_and_sha256", is_floor=True, missing=CURL.missing
)
BARE_ITEMS = _python("these requests alone, by http.client", "floors", "bare_items", is_floor=True)
SHA256 = _python("SHA-256 alone, no upload", "floors", "sha256", is_floor=True)
LOOK = _python("file times and listing alone", "floors", "look", is_floor=True)
