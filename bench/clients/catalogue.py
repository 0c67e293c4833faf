"""All clients: what they are called and how they are started."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from bench.clients.job import API_KEY, CONTENT_TYPE, Job


@dataclass(frozen=True)
class Client:
    """A way to upload.

    :ivar start: the command for a job's file; without one, the command that does nothing.
    :ivar missing: why it cannot be run here, if it cannot.
    :ivar uploads: it does upload, and is not only there to compare with.
    :ivar timed_outside: it does not tell its own time; then the whole process is timed, less one that does nothing.
    """

    name: str
    start: Callable[[Path, bool], list[str]]
    missing: str | None = None
    uploads: bool = True
    timed_outside: bool = False


def _python(name: str, module: str, *needs: str) -> Client:
    def start(job: Path, idle: bool) -> list[str]:
        return [sys.executable, "-m", f"bench.clients.{module}", str(job), *(["--idle"] if idle else [])]

    missing = next((f"{need} is not installed" for need in needs if find_spec(need) is None), None)
    return Client(name, start, missing)


PRODUCT = _python("airflow-provider-ei", "product")
PRODUCT_MANY = _python("airflow-provider-ei", "product_many")
SNIPPET = _python("the documented snippet", "snippet")
TOOLBELT = _python("toolbelt MultipartEncoder", "toolbelt")
HTTPX = _python("httpx", "with_httpx", "httpx")
AIOHTTP = _python("aiohttp", "with_aiohttp", "aiohttp")
LIMIT = _python("raw socket: server's limit", "raw_socket")
SYNC = _python("airflow-provider-ei", "sync")
LOOK = replace(_python("the times and listings alone", "look_only"), uploads=False)
HASH = replace(_python("SHA-256 alone, no upload", "hash_only"), uploads=False)


def curl() -> Client:
    """``curl -F``; several items through ``xargs``, a process for each."""

    def start(job: Path, idle: bool) -> list[str]:
        if idle:
            return ["curl", "--version"]
        given = Job.read(str(job))
        configs = [job.with_name(f"{job.stem}-{number}.curl") for number in range(len(given.items))]
        if not configs[-1].exists():
            _write_configs(given, configs)
        upload = ["curl", "-sS", "--fail", "-K"]
        if len(configs) == 1:
            return [*upload, str(configs[0])]
        many = f"printf '%s\\n' {shlex.quote(str(job.parent))}/{job.stem}-*.curl | xargs -P{given.threads} -n1 "
        return ["sh", "-c", f"{many}{shlex.join(upload)}"]

    return Client("curl -F", start, None if shutil.which("curl") else "curl is not installed", timed_outside=True)


def _write_configs(job: Job, configs: list[Path]) -> None:
    for item, path in zip(job.items, configs, strict=True):
        options = [("url", job.url), ("cacert", job.certificate), ("header", f"x-api-key: {API_KEY}")]
        options += [("form-string", f"{key}={value}") for key, value in item.form().items()]
        options += [("form", f'files[]=@"{file}";type={CONTENT_TYPE}') for file in item.files]
        path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in [*options, ("output", "/dev/null")]))


RCLONE_NAME = "rclone copy, to S3"


def rclone() -> Client:
    """``rclone copy`` of the same files to an S3 server, a request for each."""

    def start(job: Path, idle: bool) -> list[str]:
        if idle:
            return ["rclone", "version"]
        given = Job.read(str(job))
        endpoint = {"provider": "Other", "access-key-id": "a", "secret-access-key": "b", "endpoint": given.base_url}
        options = {f"s3-{key}": value for key, value in endpoint.items()}
        options |= {"config": "", "ca-cert": given.certificate, "transfers": str(given.threads), "retries": "1"}
        # A new bucket that is known to be empty: nothing is looked up there before or after.
        flags = ["--s3-no-check-bucket", "--s3-no-head", "--no-check-dest", "--no-traverse", "--quiet"]
        return ["rclone", "copy", *flags, *(f"--{k}={v}" for k, v in options.items()), given.source, ":s3:bench"]

    missing = None if shutil.which("rclone") else "rclone is not installed"
    return Client(RCLONE_NAME, start, missing, timed_outside=True)


def edge_impulse_api(folder: Path, *, wanted: bool) -> Client:
    """Edge Impulse's bindings for Node, installed from npm into a folder of their own.

    :param wanted: whether to take the time that installing takes.
    """
    name, script = "edge-impulse-api (npm)", Path(__file__).with_name("edge_impulse_api.cjs")

    def start(job: Path, idle: bool) -> list[str]:
        words = ["node", str(script), str(job), *(["--idle"] if idle else [])]
        return ["sh", "-c", f"cd {shlex.quote(str(folder))} && exec {shlex.join(words)}"]

    if not wanted:
        return Client(name, start, "left out of the small run")
    if not (shutil.which("node") and shutil.which("npm")):
        return Client(name, start, "node and npm are not installed")
    folder.mkdir()
    (folder / "package.json").write_text("{}")
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "edge-impulse-api"]
    try:
        failed = subprocess.run(install, cwd=folder, capture_output=True, timeout=120).returncode != 0
    except subprocess.TimeoutExpired:
        failed = True
    return Client(name, start, "npm could not install it" if failed else None)


def write_job(job: Job, path: Path) -> Path:
    """Write a job where a client can read it."""
    path.write_text(json.dumps(asdict(job)))
    return path
