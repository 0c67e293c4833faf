"""The filter language of the API."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_ei.emulator import StoredItem
from airflow_provider_ei.emulator.filter_sql import EVERYTHING, FilterError
from airflow_provider_ei.emulator.filters import parse_filter
from airflow_provider_ei.emulator.item_store import ItemStore

from .conftest import Client

ITEMS: list[tuple[str, str, dict[str, str], list[str]]] = [
    ("a", "one", {"user": "Jan Jongboom", "k.e.y": "1"}, ["x.csv"]),
    ("b", "one", {"user": "jan", "label": "a"}, ["x.csv", "y%.TXT"]),
    ("O'Neil", "two", {'quo"ted é': "it's", "my key": "x"}, ["z"]),
    ("100%", "two", {"ei_check": "1"}, ["z", "É.png"]),
    ("a AND b", "activity data", {"n": "007"}, ["(z)"]),
    ("back\\slash", "two", {"n": "-1.5"}, []),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ItemStore]:
    store = ItemStore(tmp_path_factory.mktemp("filters"))
    store.add_bucket("big bucket")
    for name, dataset, metadata, files in ITEMS:
        upload = store.new_upload()
        for file in files:
            upload.begin_file()
            upload.write(memoryview(b"12345"))
            upload.end_file(file, "text/csv")
        upload.close()
        bucket = "big bucket" if dataset == "two" else None
        store.add_item(name, dataset, metadata, upload, duplicate_names="new_id", bucket_name=bucket)
    yield store
    store.close()


def found(store: ItemStore, text: str) -> dict[int, list[str]]:
    """The ids of the items that a filter finds, with the files that it leaves of each."""
    condition = parse_filter(text)
    items = store.items(condition)
    totals = store.totals(condition)
    assert totals.items == len(items)
    assert (totals.files, totals.size) == (
        sum(item.file_count for item in items),
        sum(item.total_size for item in items),
    )
    for item in items:
        assert item.file_count == len(item.files)
        assert item.total_size == sum(file.size for file in item.files)
        assert store.item(item.id, condition) == item
        assert [file for file, _ in store.open_files(item.id, condition)] == list(item.files)
    assert [item.file_count for item in store.items(condition, files_limit=0)] == [item.file_count for item in items]
    return {item.id: [file.name for file in item.files] for item in items}


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        ("  \n", [1, 2, 3, 4, 5, 6]),
        ("-- labels a,b", [1, 2, 3, 4, 5, 6]),
        ("name = 'a'", [1]),
        ("name='a'", [1]),
        ("  NAME  =  'a'  ", [1]),
        ("name = 'A'", []),
        ("name LIKE 'A'", [1]),
        ("name like '%a%'", [1, 5, 6]),
        ("name like '_'", [1, 2]),
        ("name not like '_'", [3, 4, 5, 6]),
        ("name = 'O''Neil'", [3]),
        (r"name = 'O\'Neil'", [3]),
        (r"name = 'back\slash'", [6]),
        ("name = '100%'", [4]),
        ("name = 'a AND b'", [5]),
        ("name = ''", []),
        ("name != 'a'", [2, 3, 4, 5, 6]),
        ("name <> 'a'", [2, 3, 4, 5, 6]),
        ("name < 'a'", [3, 4]),
        ("name <= 'a'", [1, 3, 4]),
        ("name > 'b'", [6]),
        ("name >= 'b'", [2, 6]),
        ("name = 100", []),
        ("name IN ('a', 'b', 'c')", [1, 2]),
        ("name in('a')", [1]),
        ("name NOT IN ('a', 'b', 7)", [3, 4, 5, 6]),
        ("NOT name = 'a'", [2, 3, 4, 5, 6]),
        ("not not name = 'a'", [1]),
        ("NOT name = 'a' AND dataset = 'one'", [2]),
        ("NOT (name = 'a' OR dataset = 'two')", [2, 5]),
        ("name CONTAINS 'AND'", [5]),
        ("name NOT CONTAINS 'a'", [2, 3, 4]),
        ("dataset = 'one'", [1, 2]),
        ("dataset = 'one' -- AND name = 'b'\n AND name = 'a' -- and so on", [1]),
        ("dataset = 'activity data' AND metadata->n = '007'", [5]),
        ("dataset = 'activity data' AND metadata->n = '7'", []),
        ("metadata->n = 007", [5]),
        ("metadata->n > 5", [5]),
        ("metadata->n < 0", [6]),
        ("metadata->n = -1.50", [6]),
        ("metadata->n IN (7, '-1.5')", [5, 6]),
        ("metadata->n > ''", [5, 6]),
        ("metadata->n != 7", [1, 2, 3, 4, 6]),
        ("metadata->ei_check = 1", [4]),
        ("metadata->user = 'Jan Jongboom'", [1]),
        ("metadata->>user = 'Jan Jongboom'", [1]),
        ("metadata -> user LIKE 'jan%'", [1, 2]),
        ("metadata->'my key' = 'x'", [3]),
        ("metadata->k_e_y = '1'", [1]),
        ("metadata->'k.e.y' = '1'", [1]),
        ("metadata->k_e_y = 1", [1]),
        ("metadata->missing = ''", []),
        ("metadata->missing != ''", [1, 2, 3, 4, 5, 6]),
        ("metadata->missing < 1 OR metadata->missing > 0", []),
        ("NOT metadata->missing LIKE '%'", [1, 2, 3, 4, 5, 6]),
        ("label = 'a'", [2]),
        ("file_names CONTAINS 'x.csv'", [1, 2]),
        ("file_names contains 'x.csv' AND not file_names contains 'y%.TXT'", [1]),
        ("file_names CONTAINS 'X.CSV'", []),
        ("id = 3", [3]),
        ("id = '3'", []),
        ("id IN (1, '3')", [1]),
        ("id != '3'", [1, 2, 4, 5, 6]),
        ("id != 'three'", [1, 2, 3, 4, 5, 6]),
        ("id >= '5'", [5, 6]),
        ("id < 'three'", []),
        ("id LIKE '%3'", [3]),
        ("id > 1 and id <= 3", [2, 3]),
        ("id = 3.0", [3]),
        ("id = 99999999999999999999999", []),
        ("id < " + "9" * 5_000, [1, 2, 3, 4, 5, 6]),
        ("bucket_id = 2", [3, 4, 6]),
        ("bucket_name = 'big bucket'", [3, 4, 6]),
        ("bucket = 'big bucket'", [3, 4, 6]),
        ("bucket_path LIKE 'one/%'", [1, 2]),
        ("total_file_count = 2", [2, 4]),
        ("total_file_size > 5", [2, 4]),
        ("total_file_size = '10'", []),
        ("created LIKE '20%Z'", [1, 2, 3, 4, 5, 6]),
        ("created > DATE('2024-01-31')", [1, 2, 3, 4, 5, 6]),
        ("created < date( '2024-01-31T10:00:00+02:00' )", []),
        ("created > DATE('9999-12-31')", []),
        ("created < 5", []),
        ("name = 'a' OR name = 'b' AND dataset = 'two'", [1]),
        ("(name = 'a' OR name = 'b') AND dataset = 'one'", [1, 2]),
        ("((name = 'a'))", [1]),
        ("name = 'a' or name = 'b' or name = '100%'", [1, 2, 4]),
        (" OR ".join(f"name = '{number}'" for number in range(5_000)) + " OR name = 'a'", [1]),
        ("name IN (" + ", ".join(f"'{number}'" for number in range(9_000)) + ", 'a')", [1]),
        ("(" * 40 + "name = 'a'" + ")" * 40, [1]),
        ("NOT (" * 24 + "name = 'a'" + ")" * 24, [1]),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_a_filter_finds_items(store: ItemStore, text: str, ids: list[int]) -> None:
    assert list(found(store, text)) == ids


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("file_name LIKE '%.png'", {4: ["É.png"]}),
        ("file_name LIKE 'é%'", {4: ["É.png"]}),
        ("file_name LIKE '%.txt'", {2: ["y%.TXT"]}),
        ("file_name = 'x.csv'", {1: ["x.csv"], 2: ["x.csv"]}),
        ("file_name != 'x.csv'", {2: ["y%.TXT"], 3: ["z"], 4: ["z", "É.png"], 5: ["(z)"], 6: []}),
        ("NOT file_name LIKE '%.%'", {3: ["z"], 4: ["z"], 5: ["(z)"], 6: []}),
        ("file_name IN ('z', 'x.csv')", {1: ["x.csv"], 2: ["x.csv"], 3: ["z"], 4: ["z"]}),
        ("dataset = 'two' AND file_name = 'z'", {3: ["z"], 4: ["z"]}),
        ("name = 'b' OR file_name = 'z'", {2: ["x.csv", "y%.TXT"], 3: ["z"], 4: ["z"]}),
        ("file_name = 'z' AND total_file_count = 2", {4: ["z"]}),
        ("file_names CONTAINS 'y%.TXT'", {2: ["x.csv", "y%.TXT"]}),
        ("file_names CONTAINS 'y%.TXT' AND file_name LIKE '%.csv'", {2: ["x.csv"]}),
    ],
)
def test_a_condition_on_file_names_selects_only_those_files(
    store: ItemStore, text: str, files: dict[int, list[str]]
) -> None:
    assert found(store, text) == files


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "name =",
        "= 'a'",
        "'a' = name",
        "name = a",
        "name = \"a\"",
        "name == 'a'",
        "name => 'a'",
        "id = 1e5",
        "id = 0x10",
        "name = 'a",
        "name = 'it's'",
        "name = 'a' AND",
        "name = 'a' name = 'b'",
        "name = 'a' XOR name = 'b'",
        "name NOT = 'a'",
        "name = NOT 'a'",
        "NOT",
        "(name = 'a'",
        "name = 'a')",
        "()",
        "name IN ()",
        "name IN 'a'",
        "name IN ('a',)",
        "name IN ('a' 'b')",
        "name LIKE",
        "name LIKEs 'a'",
        "sha256 = 'a'",
        "items.name = 'a'",
        "metadata-> = 'a'",
        "metadata->a.b = '1'",
        "metadata->>>a = '1'",
        "metadata = 'a'",
        "name->a = 'a'",
        "name = 'a'; DROP TABLE items",
        "1 = 1",
        "file_names = 'x.csv'",
        "file_names LIKE 'x.csv'",
        "file_names IN ('x.csv')",
        "id CONTAINS 1",
        "name > DATE('2024-01-31')",
        "name IN (DATE('2024-01-31'))",
        "created > DATE(2024)",
        "created > DATE('yesterday')",
        "created > DATE('0001-01-01T00:00:00+05:00')",
        "created > DATE",
        "name LIKE '" + "%a" * 30_000 + "'",
        "(" * 100 + "name = 'a'" + ")" * 100,
        "(" * 20_000,
        "NOT " * 20_000 + "name = 'a'",
        "NOT (" * 5_000 + "name = 'a'" + ")" * 5_000,
        "name = 'a'" + " OR name = 'a'" * 10_000,
        "name IN ('a'" + ", 'a'" * 10_000 + ")",
    ],
    ids=lambda value: value[:60],
)  # fmt: skip
def test_an_invalid_filter_is_refused(text: str) -> None:
    with pytest.raises(FilterError) as raised:
        parse_filter(text)
    assert len(str(raised.value)) < 200


def test_nothing_leaks_into_the_sql(store: ItemStore) -> None:
    for value in ["' OR '1' = '1", "'; DROP TABLE items; --", "?", "\0", "{}"]:
        quoted = value.replace("'", "''")
        for field in ("name", "file_name", "metadata->x", f"metadata->'{quoted}'"):
            assert found(store, f"{field} = '{quoted}'") == {}
    assert store.totals(EVERYTHING).items == len(ITEMS)


WORDS = ["name", "file_name", "metadata->n", "created", "'", "''", "\\'", "'a'", "(", ")", "=", "<", "NOT", "AND", "OR"]
WORDS += [
    "IN",
    "LIKE",
    "CONTAINS",
    "DATE",
    "--",
    "\n",
    ",",
    "1",
    "-",
    ".",
    "{",
    "}",
    "?",
    "\0",
    "é",
    "->",
    "label",
    "%",
]


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join) | st.text(max_size=40))
@example("name LIKE '" + "%" * 49_999 + "'")
def test_every_text_is_either_a_filter_or_a_parse_error(store: ItemStore, text: str) -> None:
    try:
        condition = parse_filter(text)
    except FilterError:
        return
    store.totals(condition)
    store.items(condition)


# What the comparisons mean, once more and without SQL: for one file of an item, as JavaScript has it.
Row = dict[str, Any]
Meaning = Callable[[Row], bool]
VALUES = ["a", "b", "1", "007", "x.csv", "É.PNG", "", "O'Neil", 1, 3, 7, 2.5, -1.5]
STRINGS = ["name", "dataset", "file_name", "metadata->n", "metadata->user", "label"]
NUMBERS = ["id", "total_file_count"]


def number(value: Any) -> float:
    """A number, or else NaN, which equals nothing and is neither less nor more than anything."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def equals(field: str, left: Any, right: Any) -> bool:
    if field.startswith("metadata") and not isinstance(right, str):
        return number(left) == right
    return isinstance(left, str) == isinstance(right, str) and left == right


def compares(operator: str, left: Any, right: Any) -> bool:
    if left is None:
        return operator == "!="
    if not (isinstance(left, str) and isinstance(right, str)):
        left, right = number(left), number(right)
    return {
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[operator]


def is_like(left: Any, pattern: Any) -> bool:
    expression = "".join({"%": ".*", "_": "."}.get(sign, re.escape(sign)) for sign in str(pattern).upper())
    return left is not None and re.fullmatch(expression, str(left).upper(), re.DOTALL) is not None


def literal(value: str | int | float) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[str, Meaning]:
    field = draw(st.sampled_from(STRINGS + NUMBERS))
    key = "metadata->label" if field == "label" else field
    operator = draw(st.sampled_from(["=", "!=", "<>", "<", "<=", ">", ">=", "IN", "NOT IN", "LIKE", "NOT LIKE"]))
    value = draw(st.sampled_from(VALUES))
    if operator.endswith("IN"):
        values = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=3))
        text = f"{field} {operator} ({', '.join(map(literal, values))})"
        return text, lambda row: any(equals(key, row[key], each) for each in values) == (operator == "IN")
    if operator.endswith("LIKE"):
        pattern = draw(st.sampled_from(["%", "_", "A%", "%.csv", "%é%", "1", 1, "%.%"]))
        return f"{field} {operator} {literal(pattern)}", lambda row: is_like(row[key], pattern) == (operator == "LIKE")
    text = f"{field} {operator} {literal(value)}"
    if operator == "=":
        return text, lambda row: equals(key, row[key], value)
    return text, lambda row: compares(operator.replace("<>", "!="), row[key], value)


def combined(parts: st.SearchStrategy[tuple[str, Meaning]]) -> st.SearchStrategy[tuple[str, Meaning]]:
    pairs = st.tuples(parts, parts)
    return st.one_of(
        parts.map(lambda part: (f"NOT ({part[0]})", lambda row: not part[1](row))),
        pairs.map(lambda pair: (f"({pair[0][0]} OR {pair[1][0]})", lambda row: pair[0][1](row) or pair[1][1](row))),
        pairs.map(lambda pair: (f"({pair[0][0]} AND {pair[1][0]})", lambda row: pair[0][1](row) and pair[1][1](row))),
    )


def rows(item: StoredItem) -> Iterator[Row]:
    known = {"metadata->n": None, "metadata->user": None, "metadata->label": None}
    known |= {f"metadata->{key}": value for key, value in item.metadata.items()}
    known |= {"name": item.name, "dataset": item.dataset, "id": item.id, "total_file_count": item.file_count}
    for name in [file.name for file in item.files] or [None]:
        yield {**known, "file_name": name}


@settings(max_examples=400, deadline=None)
@given(st.recursive(comparisons(), combined, max_leaves=5))
def test_a_filter_selects_the_items_that_python_selects(store: ItemStore, generated: tuple[str, Meaning]) -> None:
    text, holds = generated
    expected = {}
    for item in store.items():
        held = [row["file_name"] for row in rows(item) if holds(row)]
        if held:
            of_file = "file_name" in text
            expected[item.id] = [name for name in held if name] if of_file else [file.name for file in item.files]
    assert found(store, text) == expected


def test_a_listing_of_one_name_uses_the_index(tmp_path: Path) -> None:
    condition = parse_filter("name = 'a' AND metadata->n != '1'").within("items.dataset = ?", "one")
    ItemStore(tmp_path / "data").close()
    with closing(sqlite3.connect(tmp_path / "data" / "emulator.sqlite")) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM items WHERE {condition.sql}", condition.values)
        assert any("items_by_name (dataset=? AND name=?)" in step[3] for step in plan)


def test_filters_work_on_listings_and_single_items(client: Client) -> None:
    item_id = client.add_id("a", [("x.png", b"123"), ("y.csv", b"4")], {"user.name": "O'Neil"}, dataset="one")
    client.add("b", [("y.csv", b"5")], dataset="one")
    client.add("a", dataset="two")
    listing = client.get("/data", dataset="one", filter="file_name LIKE '%.PNG'")
    assert [(item["name"], item["totalFileCount"], item["totalFileSize"]) for item in listing["data"]] == [("a", 1, 3)]
    assert (listing["totalDataItemCount"], listing["totalFileCount"]) == (1, 1)
    files = client.get("/data/files", filter="metadata->user_name = 'O''Neil' AND file_name = 'y.csv'")
    assert [[file["name"] for file in item["files"]] for item in files["data"]] == [["y.csv"]]
    assert (files["totalDataItemCount"], files["totalFileCount"], files["totalFileSize"]) == (1, 1, 1)
    item = client.get(f"/data/{item_id}", filter="file_name LIKE '%.png' -- labels a,b")["data"]
    assert ([file["name"] for file in item["files"]], item["totalFileCount"], item["totalFileSize"]) == (
        ["x.png"],
        1,
        3,
    )
    assert "filter" in client.get(f"/data/{item_id}", filter="name = 'b'")["error"]
    assert "color" in client.get(f"/data/{item_id}", filter="color = 'red'")["error"]


def test_a_filter_nested_too_deeply_is_a_parse_error(client: Client) -> None:
    for text in ["(" * 10_000, "NOT " * 5_000 + "name = 'a'", "(" * 200 + "name = 'a'" + ")" * 200]:
        assert client.get("/data", filter=text)["filterParseError"]
        assert client.get("/data/files", filter=text)["filterParseError"]
