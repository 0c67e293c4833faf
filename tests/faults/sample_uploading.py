"""Uploads samples in a process of its own, and asks before each step, so that a test can kill it there.

usage: python -m tests.faults.sample_uploading URL KEY STEPS; see ``uploading``. The first line of standard input has
the key of the project, the base URL of the ingestion service, and which files to upload, as JSON.
"""

from __future__ import annotations

import json
import sys

from airflow_provider_ei.samples.options import UploadOptions
from airflow_provider_ei.samples.sample_file import Annotation, SampleFile
from airflow_provider_ei.samples.upload import SampleUpload
from airflow_provider_ei.studio.api.ingestion import IngestionApi
from airflow_provider_ei.studio.api.samples import SamplesApi
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from tests.support.samples import PROJECT

from .sample_lab import FILES
from .uploading import File, ask_before_requests


def main(url: str, key: str, steps: str) -> None:
    given = json.loads(sys.stdin.readline())
    files = FILES[given["letter"]]
    studio = StudioSettings(api_key=given["key"], base_url=url, retry_wait=0.0, settle_seconds=0.0)
    samples = [
        SampleFile(
            name,
            File(name, data, asks=steps == "blocks"),  # type: ignore[arg-type]
            Annotation(wanted.category, wanted.label, metadata=wanted.metadata),
        )
        for name, data in files.contents.items()
        for wanted in [files.wanted[name]]
    ]
    options = UploadOptions.check(category="training", workers=1)
    with HttpClient(studio) as http, HttpClient(studio.for_ingestion(given["ingestion"])) as other:
        ask_before_requests(http)
        ask_before_requests(other)
        SampleUpload(SamplesApi(http, PROJECT), IngestionApi(other), samples, options, url="").run()
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
