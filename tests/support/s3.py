"""A real S3 server over HTTP, and the Airflow connection that leads to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

_REGION = "us-east-1"


@contextmanager
def s3_client(bucket: str, on_request: Callable[[str, str], object] = lambda method, path: None) -> Iterator[Any]:
    """Start a server that has this bucket, and yield boto3's client of it.

    :param on_request: called by the server with each request's method and path, before it answers.
    """
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    answer = server._server.app  # type: ignore[union-attr]

    def tell_and_answer(environ: dict[str, Any], start_response: Any) -> Any:
        on_request(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        return answer(environ, start_response)

    server._server.app = tell_and_answer  # type: ignore[union-attr]
    try:
        host, port = server.get_host_and_port()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            region_name=_REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        client.create_bucket(Bucket=bucket)
        yield client
    finally:
        server.stop()


def airflow_connection(client: Any) -> str:
    """Return the JSON of an Airflow connection to the client's server."""
    extra = {"endpoint_url": client.meta.endpoint_url, "region_name": _REGION}
    return json.dumps({"conn_type": "aws", "login": "test", "password": "test", "extra": extra})
