"""Questions about listings and filters."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from airflow_provider_ei.check.organization import OrganizationUnderCheck
from airflow_provider_ei.check.probe import Seen
from airflow_provider_ei.check.questions import NotKnownError, Question, Value
from airflow_provider_ei.exceptions import EdgeImpulseUnavailableError

#: A name that no data item has.
_NO_NAME = "airflow-check-no-item-has-this-name"


def _items(service: OrganizationUnderCheck, at_least: int = 1) -> list[dict[str, Any]]:
    items = service.page.items
    if len(items) < at_least:
        raise NotKnownError("there are too few data items; --write makes some")
    return items


def _filters(service: OrganizationUnderCheck) -> Value:
    plain = [name for item in _items(service) if _is_plain(name := item.get("name"))]
    seen = service.list_page(filter=f"name = '{_NO_NAME}'", limit=1)
    if not _is_parsed(seen):
        return "rejected"
    if seen.items:
        return "ignored"
    if not plain:
        raise NotKnownError("no data item has a plain name to search for")
    found = service.list_page(filter=f"name = '{plain[0]}'", limit=10)
    service.need(found)
    return "supported" if plain[0] in [item.get("name") for item in found.items] else "wrong"


def _is_parsed(seen: Seen) -> bool:
    return seen.succeeded and not (seen.body or {}).get("filterParseError")


def _is_plain(name: object) -> bool:
    return isinstance(name, str) and name.isascii() and name.replace("-", "").isalnum() and "--" not in name


def _filter_quotes(service: OrganizationUnderCheck) -> Value:
    quotes = {"doubled": "''", "backslash": "\\'"}
    taken = [
        how for how, quote in quotes.items() if _is_parsed(service.list_page(filter=f"name = 'a{quote}b'", limit=1))
    ]
    return {0: "neither", 2: "both"}.get(len(taken)) or taken[0]


def _totals(service: OrganizationUnderCheck) -> Value:
    return "totalDataItemCount" in (service.page.body or {})


def _order(service: OrganizationUnderCheck) -> Value:
    items = _items(service, 3)
    ids = [item.get("id") for item in items]
    names = [str(item.get("name")) for item in items]
    orders = {
        "oldest": _rises(ids),
        "newest": _rises(ids[::-1]),
        "name": _rises(names) or _rises([name.casefold() for name in names]),
    }
    fitting = [order for order, fits in orders.items() if fits]
    if len(fitting) > 1:
        raise NotKnownError("the data items there fit several orders; --write makes others")
    return fitting[0] if fitting else "other"


def _rises(values: list[Any]) -> bool:
    return all(one <= other for one, other in pairwise(values))


def _offset(service: OrganizationUnderCheck) -> Value:
    _items(service, 2)
    pages = [service.list_page(limit=1, offset=offset) for offset in (0, 1)]
    ids = []
    for page in pages:
        service.need(page)
        ids.append([item.get("id") for item in page.items])
    return "ignored" if ids[0] == ids[1] else "honored"


def _file_listing(service: OrganizationUnderCheck) -> Value:
    items = _items(service)
    try:
        seen = service.list_page(with_files=True, limit=len(items))
    except EdgeImpulseUnavailableError as error:
        if error.timed_out:
            return "slow"
        raise
    if seen.status == 504:
        return "slow"
    if not seen.succeeded:
        return "missing"
    if not seen.items:
        raise NotKnownError("it lists no data items, and the listing without files does")
    return "available" if all(isinstance(item.get("files"), list) for item in seen.items) else "missing"


QUESTIONS: tuple[Question[OrganizationUnderCheck], ...] = (
    Question(
        "filters",
        "Do filters work?",
        _filters,
        {
            "supported": "An upload finds its item with one small request.",
            "rejected": "An upload lists the whole dataset to find its item: keep datasets small.",
            "ignored": "An upload gets the whole dataset to find its item: keep datasets small.",
            "wrong": "A filter does not find an item that exists. Please report this result.",
        },
    ),
    Question(
        "filter_quotes",
        "How can a filter contain a quotation mark?",
        _filter_quotes,
        otherwise="Names with a quotation mark or backslash are never put into a filter: the whole dataset is listed.",
    ),
    Question(
        "listing_totals",
        "Does a listing say how many items there are?",
        _totals,
        {
            True: "A listing that changes meanwhile is noticed.",
            False: "A listing costs one more request; do not rename items while a sync runs.",
        },
    ),
    Question(
        "listing_order",
        "In which order are items listed?",
        _order,
        {
            "oldest": "Oldest first: a listing is also complete while others add items.",
            "newest": "Newest first: a listing is also complete while others add items.",
            "name": "By name: a listing starts again when somebody renames an item.",
            "other": "Listings rely on a stable order. Please report this result.",
        },
    ),
    Question(
        "listing_offset",
        "Can a listing be read page by page?",
        _offset,
        {
            "honored": "Datasets may be of any size.",
            "ignored": "A dataset of more than 1,000 items cannot be listed.",
        },
    ),
    Question(
        "file_listing",
        "Are files listed together with items?",
        _file_listing,
        {
            "available": "A sync compares 1,000 items with one request.",
            "missing": "A sync asks for each item alone: one request per item.",
            "slow": "A sync asks for each item alone: one request per item.",
        },
    ),
)
