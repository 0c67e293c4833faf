"""What the ``files`` argument finds on this machine, and why it is refused."""

from __future__ import annotations

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.studio.files import UploadFile
from tests.support.files import discover, no_store


def resolve(files: object) -> list[UploadFile]:
    return discover(files, no_store)


def sources(files: object) -> dict[str, str]:
    return {file.name: file.source for file in resolve(files)}


def refusal(files: object) -> str:
    with pytest.raises(EdgeImpulseInputError) as caught:
        resolve(files)
    assert not caught.value.retryable
    return str(caught.value)
