"""Objects of an S3 bucket into one item: their time, and what the store is asked.

moto stands in for S3: a real server over HTTP, whose requests are counted.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import Any

from bench.clients.catalog import ADD_OBJECTS
from bench.clients.job import Item
from bench.measure import Bout, Load, Meter
from bench.results import Aim, Table

_BYTES = 20_000
_BUCKET = "recordings"
_CREDENTIALS = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench", "region_name": "us-east-1"}
#: A fifth of what 2,500 objects took before they were read ahead.
_SECONDS_AN_OBJECT = 503 / 2500 / 5


def run(count: int, meter: Meter) -> list[Table]:
    """Upload all objects below a prefix once."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    title = f"{count:,} objects of {_BYTES // 1000} KB from S3 into one item"
    meter.tell(f"{title}: filling the bucket")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    seen: Counter[str] = Counter()
    store = DomainDispatcherApplication(create_backend_app)

    def counted(environ: dict[str, Any], start_response: Any) -> Any:
        seen[environ["REQUEST_METHOD"]] += 1
        return store(environ, start_response)

    server = make_server("127.0.0.1", 0, counted, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        alone = _fill(url, count)
        extra = {"endpoint_url": url, "region_name": "us-east-1"}
        connection = {"conn_type": "aws", "login": "bench", "password": "bench", "extra": extra}
        names = [f"{number:06}.bin" for number in range(count)]
        item = Item("objects", names, f"s3://bench_s3@{_BUCKET}/objects")
        environment = {"AIRFLOW_CONN_BENCH_S3": json.dumps(connection)}
        load = Load("objects", [item], file_bytes=_BYTES, environment=environment)
        bout = Bout(ADD_OBJECTS, load)
        seen.clear()
        meter.in_turn([bout], title, rounds=1)
        each = sum(seen.values()) / count
    finally:
        server.shutdown()
    row = bout.row(bout)
    counts = {f"{method} an object": number / count for method, number in sorted(seen.items())}
    rows = [replace(row, ratio=None, requests=None, counts=counts)]
    floor = f"boto3's GET alone, one after another: {alone:.1f} s"
    aims = [
        Aim("requests to the store, listing included", "≤", 2.1, each if row.seconds else None, "an object"),
        Aim("time, a fifth of the first version's", "≤", _SECONDS_AN_OBJECT * count, row.median, "s", floor),
    ]
    return [Table("objects", title, rows, aims, size=count * _BYTES)]


def _fill(url: str, count: int) -> float:
    """Make the objects; return the seconds that it takes to get all of them, one after another and nothing else."""
    import boto3

    client = boto3.client("s3", endpoint_url=url, **_CREDENTIALS)
    client.create_bucket(Bucket=_BUCKET)
    for number in range(count):
        client.put_object(Bucket=_BUCKET, Key=f"objects/{number:06}.bin", Body=os.urandom(_BYTES))
    begun = time.perf_counter()
    for number in range(count // 10):
        client.get_object(Bucket=_BUCKET, Key=f"objects/{number:06}.bin")["Body"].read()
    return (time.perf_counter() - begun) * count / (count // 10)
