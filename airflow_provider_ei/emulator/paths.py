"""Says what is wrong with a request that no operation takes."""

from __future__ import annotations

from airflow_provider_ei.emulator.operations import OPERATIONS

_ROOT = "/v1/api"
_LONGEST = 200
_TEMPLATES = [operation.path.split("/")[1:] for operation in OPERATIONS]


def explain(method: str, raw_path: str) -> tuple[str, int, dict[str, str]]:
    """The error, the HTTP status and the headers for a path or method that the emulator does not implement."""
    methods = sorted({operation.method for operation in OPERATIONS if operation.pattern.fullmatch(raw_path)})
    if methods:
        allowed = ", ".join(methods)
        return f"{_short(raw_path)} takes {allowed}, not {_short(method)}", 405, {"allow": allowed}
    segments = raw_path.removeprefix(_ROOT).split("/")[1:]
    known = _TEMPLATES
    for index, segment in enumerate(segments):
        fitting = [template for template in known if len(template) > index and _fits(template[index], segment)]
        if not fitting:
            return _wrong_segment(method, raw_path, segments, index, known)
        known = fitting
    return _wrong_segment(method, raw_path, segments, len(segments), known)


def _wrong_segment(
    method: str, raw_path: str, segments: list[str], index: int, known: list[list[str]]
) -> tuple[str, int, dict[str, str]]:
    told = f"The emulator does not implement {_short(method)} {_short(raw_path)}"
    if index == 0:
        return told, 501, {}
    before = _short("/".join([_ROOT, *segments[:index]]))
    choices = sorted({_described(template[index]) for template in known if len(template) > index})
    if not choices:
        return f"{told}: nothing comes after {before}", 404, {}
    found = f"not {_short(segments[index])!r}" if index < len(segments) else "but it ends there"
    return f"{told}: after {before} comes {' or '.join(choices)}, {found}", 404, {}


def _fits(template: str, segment: str) -> bool:
    if template.endswith("Id}"):
        return segment.isascii() and segment.isdigit()
    return bool(segment) if template.startswith("{") else template == segment


def _described(template: str) -> str:
    return f"{template} (a number)" if template.endswith("Id}") else template


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
