"""Starts the server that the clients upload to, and tells it what to answer.

It reads bodies and forgets them, since the client is what is measured. ``sink.c`` answers:

- ``POST …/data/add``: a new item, with the name and the metadata in the body's first 64 KiB;
- ``POST …/data/ID/add``: success;
- ``POST …/data/ID``: success, and the item has that metadata from now on;
- ``GET …/data/ID``: the item;
- ``GET …/data/files?filter=name = '…'``: the item of that name, if there is one; without a filter, the page that
  ``limit`` and ``offset`` ask for;
- ``PUT`` of anything: success, as an object store answers.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import certifi

_SOURCE = Path(__file__).with_name("sink.c")


@dataclass(frozen=True)
class Counters:
    """What the server has seen since its last reset; ``changes`` are the requests other than ``GET``."""

    requests: int
    changes: int
    uploads: int
    upload_bytes: int

    def __sub__(self, before: Counters) -> Counters:
        """Return what it has seen since then."""
        return Counters(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))


class Sink:
    """A running server; a context manager that ends it.

    :param folder: for the program and the certificate.
    :param address: where it listens.
    :param prefix: what its command begins with.
    :ivar bundle: the certificate authorities that clients trust: those of every installation, and this server's.
    """

    def __init__(self, folder: Path, address: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        folder.mkdir(exist_ok=True)
        self.bundle = folder / "bundle.pem"
        certificate, key = _write_certificate(folder, address)
        # Loading a real bundle costs a client 20 ms; trusting one certificate would hide that.
        self.bundle.write_bytes(Path(certifi.where()).read_bytes() + certificate.read_bytes())
        command = [*prefix, str(_compile(folder)), address, str(certificate), str(key)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        plain, secure = self._read()
        self.urls = {"http": f"http://{address}:{plain}/v1", "https": f"https://{address}:{secure}/v1"}

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()

    def reset(self, files: Sequence[tuple[str, int]], latency_ms: int) -> None:
        """Forget everything; list these files, names and sizes, for every item; wait so long before each response."""
        members = {
            "totalFileCount": len(files),
            "totalFileSize": sum(size for _, size in files),
            "files": [{"name": name, "size": size} for name, size in files],
        }
        self._tell(f"reset {latency_ms} {json.dumps(members)[1:-1]}")

    def repeat(self, items: int) -> None:
        """Hold so many items: copies of the first one, named ``item-0000001`` and so on."""
        self._tell(f"repeat {items}")

    def counters(self) -> Counters:
        """Return what the server has seen."""
        return self._tell("count")

    def _tell(self, line: str) -> Counters:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return Counters(*self._read())

    def _read(self) -> list[int]:
        assert self._process.stdout is not None
        return [int(number) for number in self._process.stdout.readline().split()]


def _compile(folder: Path) -> Path:
    program = folder / "sink"
    command = [os.environ.get("CC", "gcc"), "-O2", "-o", str(program), str(_SOURCE), "-lssl", "-lcrypto", "-lpthread"]
    try:
        failure = subprocess.run(command, capture_output=True, text=True).stderr
    except FileNotFoundError as error:
        failure = str(error)
    if not program.exists():
        raise SystemExit(f"Install gcc and OpenSSL's headers (libssl-dev): {_SOURCE.name} does not compile.\n{failure}")
    return program


def _write_certificate(folder: Path, address: str) -> tuple[Path, Path]:
    path, key = folder / "certificate.pem", folder / "key.pem"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    names = ["-subj", f"/CN={address}", "-addext", f"subjectAltName=IP:{address}"]
    subprocess.run(["openssl", "req", *kind, *names, "-keyout", key, "-out", path], capture_output=True, check=True)
    return path, key
