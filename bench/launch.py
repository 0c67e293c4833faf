"""Runs one command and tells its time, processor time and peak memory.

    python -I -S launch.py OPEN_FILES COMMAND...

The kernel counts what a parent held at the fork towards its child's peak, so the parent has to be small: this one has
8 MB, less than any client that does nothing.
"""

import os
import resource
import sys
import time


def main() -> None:
    """Run the command with that many open files allowed; print seconds, CPU seconds, KiB and exit status at the end."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    soft = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft if most == resource.RLIM_INFINITY else min(soft, most), most))
    begun = time.perf_counter()
    child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - begun
    kib = usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
    cpu = usage.ru_utime + usage.ru_stime
    print(f"\n{seconds} {cpu} {kib} {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
