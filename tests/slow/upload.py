"""Upload with the hook in a separate process, and print the peak memory.

usage: upload.py NAME FILES [DESCRIPTORS]; the connection comes from the environment.
"""

from __future__ import annotations

import json
import resource
import sys

from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook


def main(name: str, files: str, descriptors: str = "") -> None:
    if descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(descriptors), int(descriptors)))
    result = EdgeImpulseHook().add_data(name=name, dataset="slow", files=files)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"result": result, "peak_bytes": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
