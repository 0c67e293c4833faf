"""A PostgreSQL and a Redis of the test's own: with own data, free loopback ports and passwords."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import Process, as_user, wait_for
from tests.support.sockets import listens

_MISSING = "{} is missing: `make test-celery` installs it"


@contextmanager
def redis(folder: Path, port: int) -> Iterator[str]:
    """Run Redis; yield its URL."""
    program = shutil.which("redis-server")
    assert program is not None, _MISSING.format("redis-server")
    password = secrets.token_hex(16)
    config = folder / "redis.conf"
    config.write_text(f'bind 127.0.0.1\nport {port}\ndir "{folder}"\nsave ""\nappendonly no\nrequirepass {password}\n')
    config.chmod(0o600)
    process = Process("redis", [program, str(config)], folder / "redis.log")
    try:
        wait_for("Redis accepts connections", lambda: listens(port), [process])
        yield f"redis://:{password}@127.0.0.1:{port}/0"
    finally:
        process.stop()


@contextmanager
def postgres(folder: Path, port: int) -> Iterator[str]:
    """Run PostgreSQL; yield its URL without the scheme."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None)
    assert programs is not None, _MISSING.format("PostgreSQL")
    # PostgreSQL refuses to run as root; Debian's package creates a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    password = secrets.token_hex(16)
    home = folder / "postgres"
    home.mkdir(mode=0o700)
    (password_file := home / "password").write_text(password)
    if user is not None:
        shutil.chown(home, user, user)
        shutil.chown(password_file, user, user)
    made = subprocess.run(
        [
            *(str(programs / "initdb"), f"--pgdata={home / 'data'}", "--username=airflow", f"--pwfile={password_file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
        ],
        cwd=home,
        capture_output=True,
        text=True,
        **as_user(user),
    )
    assert made.returncode == 0, made.stderr
    # The data need not survive a power failure.
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
    }
    process = Process(
        "postgres",
        [
            *(str(programs / "postgres"), "-D", str(home / "data"), "-p", str(port)),
            *(argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")),
        ],
        folder / "postgres.log",
        user=user,
        stop_signal=signal.SIGINT,  # the "fast" shutdown, which does not wait for clients
    )
    ready = [str(programs / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={port}"]
    try:
        wait_for("PostgreSQL accepts connections", lambda: subprocess.run(ready).returncode == 0, [process])
        yield f"airflow:{password}@127.0.0.1:{port}/postgres"
    finally:
        process.stop()
