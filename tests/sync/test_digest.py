"""Digests are the same wherever they are made: over JSON that is canonical to the byte."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from airflow_provider_ei.sync.digest import canonical


def expected(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode(errors="surrogatepass")


@pytest.mark.parametrize("start", range(0, sys.maxunicode + 1, 0x10000))
def test_each_character_is_written_as_json_writes_it(start: int) -> None:
    """Of all Unicode, lone surrogates among it."""
    for first in range(start, start + 0x10000, 0x100):
        text = "".join(map(chr, range(first, first + 0x100)))
        assert canonical([text, {text: 1}]) == expected([text, {text: 1}])


def test_keys_are_in_the_order_of_their_code_points() -> None:
    keys = ["b", "a", "é", "e\u0301", "\uffff", "\U0001f600", "", "\ud7ff", "A", "a\0", "10", "9"]
    value = dict.fromkeys(keys, "x")
    assert canonical(value) == expected(value)
    assert list(json.loads(canonical(value))) == sorted(keys)


@pytest.mark.parametrize(
    "value",
    [
        [1, -1, 2**63, 2**64, -(2**70), 10**30],
        {"files": [["a", 1, "0" * 64], ("b", 2, None)], "scheme": 1},
        {"nested": {"b": [], "a": {}}, "true": True, "none": None},
        type("Name", (str,), {})("a subclass"),
        {"lone": "\udcff", "\ud800": "surrogates"},
    ],
    ids=["integers", "files", "nested", "a subclass of str", "surrogates"],
)
def test_whatever_is_digested_is_written_as_json_writes_it(value: Any) -> None:
    assert canonical(value) == expected(value)
