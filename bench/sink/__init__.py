"""Starts the server that the clients upload to, and tells it what to say.

It reads bodies and forgets them, since what is measured is the client. ``sink.c`` is compiled with gcc where there is
one, with OpenSSL's headers; ``fallback.py`` does the same more slowly. Both answer:

- ``PUT /control?latency_ms=N`` with the JSON members that every listed item is to end with (its files): forget all
  items and counters, and wait so long before each answer from now on;
- ``GET /control``: the counters;
- ``POST …/data/add``: a new item, with the name and the metadata that stand in the body's first 64 KiB;
- ``POST …/data/ID/add``: success;
- ``POST …/data/ID``: the item has that metadata from now on;
- ``GET …/data/files?filter=name = '…'``: the item of that name, if there is one; without a filter, the page of all
  items that ``limit`` and ``offset`` ask for;
- ``PUT`` of anything else: success, as a store says it of an object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SOURCE = Path(__file__).with_name("sink.c")


@dataclass(frozen=True)
class Counters:
    """What the server has seen since it was told to forget; ``changes`` are the requests that are no ``GET``."""

    requests: int
    changes: int
    uploads: int
    upload_bytes: int

    def __sub__(self, before: Counters) -> Counters:
        """What it has seen since then."""
        return Counters(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))


class Sink:
    """A running server; a context manager that ends it.

    :param folder: for the program and the certificate.
    :ivar kind: what is running, for the results.
    :ivar certificate: what clients have to trust.
    """

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "certificate.pem"
        key = folder / "key.pem"
        _write_certificate(self.certificate, key)
        program = _compile(folder)
        self.kind = "C" if program else "Python, for want of gcc or of OpenSSL's headers (libssl-dev)"
        command = [str(program)] if program else [sys.executable, "-m", "bench.sink.fallback"]
        self._process = subprocess.Popen(
            [*command, str(self.certificate), str(key)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        plain, secure = self._process.stdout.readline().split()
        self._control = f"http://127.0.0.1:{plain}/control"
        self.urls = {"http": f"http://127.0.0.1:{plain}/v1", "https": f"https://127.0.0.1:{secure}/v1"}

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def reset(self, files: Sequence[tuple[str, int]], latency_ms: int) -> None:
        """Forget everything; list these files, names and sizes, for whatever item is asked for."""
        members = {
            "totalFileCount": len(files),
            "totalFileSize": sum(size for _, size in files),
            "files": [{"name": name, "size": size} for name, size in files],
        }
        body = json.dumps(members)[1:-1].encode()
        self._ask(urllib.request.Request(f"{self._control}?latency_ms={latency_ms}", body, method="PUT"))

    def counters(self) -> Counters:
        """Return what the server has seen."""
        seen = self._ask(urllib.request.Request(self._control))
        return Counters(seen["requests"], seen["changes"], seen["uploads"], seen["uploadBytes"])

    def _ask(self, request: urllib.request.Request) -> dict[str, int]:
        no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with no_proxy.open(request, timeout=30) as response:
            answer: dict[str, int] = json.load(response)
        return answer


def _compile(folder: Path) -> Path | None:
    program = folder / "sink"
    command = [os.environ.get("CC", "gcc"), "-O2", "-o", str(program), str(_SOURCE), "-lssl", "-lcrypto", "-lpthread"]
    try:
        return program if subprocess.run(command, capture_output=True).returncode == 0 else None
    except FileNotFoundError:
        return None


def _write_certificate(path: Path, key_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, encryption_algorithm=serialization.NoEncryption())
    )
