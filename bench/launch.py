"""Runs one command and prints its time, CPU time and peak memory.

    python -I -S launch.py OPEN_FILES COMMAND...

The kernel counts the memory of the parent at the fork towards the child's peak, so the parent must be small: this one
uses 8 MB, less than any idle client.
"""

import os
import resource
import sys
import time


def main() -> None:
    """Run the command with a limit of open files; print seconds, CPU seconds, KiB and exit status at the end."""
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
