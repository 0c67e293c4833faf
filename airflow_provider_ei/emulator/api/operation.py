"""What an operation of the API is, and the request that it gets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_ei.emulator.api.arguments import Arguments
from airflow_provider_ei.emulator.downloads import Download
from airflow_provider_ei.emulator.emulator_settings import EmulatorSettings
from airflow_provider_ei.emulator.item_store import ItemStore
from airflow_provider_ei.emulator.uploads import Upload

BodyKind = Literal["none", "json", "multipart"]
Answer = dict[str, Any] | Download

ORGANIZATION = "/organizations/{organizationId}"


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose body has been read.

    :param path: the variable parts of the path, decoded.
    :param query: the parameters of the query.
    :param fields: the text fields of a multipart body, or the members of a JSON body.
    :param upload: the files of a multipart body.
    """

    store: ItemStore
    settings: EmulatorSettings
    path: Mapping[str, str]
    query: Arguments
    fields: Arguments
    upload: Upload | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the API.

    ``run`` blocks. It returns the members of a JSON answer (without ``success``) or a download, and raises
    ``StoreError`` for an answer with ``success: false``.
    """

    id: str
    method: str
    path: str
    run: Callable[[Call], Answer]
    body: BodyKind = "none"
    changes: bool = False
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pattern = re.sub(r"\{(\w+Id)\}", r"(?P<\1>[0-9]+)", self.path)
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
        object.__setattr__(self, "pattern", re.compile(f"/v1/api{pattern}"))
