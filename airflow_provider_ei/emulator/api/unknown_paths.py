"""Explain what is wrong with a request that no operation takes."""

from __future__ import annotations

from airflow_provider_ei.emulator.api.routes import INGESTION_OPERATIONS, OPERATIONS

_ROOT = "/v1/api"
_MAX_CHARACTERS = 200
_TEMPLATES = [operation.path.split("/")[1:] for operation in OPERATIONS]


def explain(method: str, raw_path: str) -> tuple[str, int, dict[str, str]]:
    """Return the error, the HTTP status and the headers for a path or method that the emulator does not implement."""
    known_operations = (*OPERATIONS, *INGESTION_OPERATIONS)
    methods = sorted({operation.method for operation in known_operations if operation.pattern.fullmatch(raw_path)})
    if methods:
        allowed = ", ".join(methods)
        return f"{_shorten(raw_path)} takes {allowed}, not {_shorten(method)}", 405, {"allow": allowed}
    segments = raw_path.removeprefix(_ROOT).split("/")[1:]
    known = _TEMPLATES
    for index, segment in enumerate(segments):
        matching = [template for template in known if len(template) > index and _matches(template[index], segment)]
        if not matching:
            return _wrong_segment(method, raw_path, segments, index, known)
        known = matching
    return _wrong_segment(method, raw_path, segments, len(segments), known)


def _wrong_segment(
    method: str, raw_path: str, segments: list[str], index: int, known: list[list[str]]
) -> tuple[str, int, dict[str, str]]:
    error = f"The emulator does not implement {_shorten(method)} {_shorten(raw_path)}"
    if index == 0:
        return error, 501, {}
    before = _shorten("/".join([_ROOT, *segments[:index]]))
    choices = sorted({_described(template[index]) for template in known if len(template) > index})
    if not choices:
        return f"{error}: nothing comes after {before}", 404, {}
    found = f"not {_shorten(segments[index])!r}" if index < len(segments) else "but it ends there"
    return f"{error}: after {before} comes {' or '.join(choices)}, {found}", 404, {}


def _matches(template: str, segment: str) -> bool:
    if template.endswith("Id}"):
        return segment.isascii() and segment.isdigit()
    return bool(segment) if template.startswith("{") else template == segment


def _described(template: str) -> str:
    return f"{template} (a number)" if template.endswith("Id}") else template


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"
