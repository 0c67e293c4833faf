"""The filter of the listings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_ei.emulator.catalog import EVERYTHING
from airflow_provider_ei.emulator.filters import FilterError, parse_filter
from airflow_provider_ei.emulator.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("filters"))
    for name, dataset, metadata, files in [
        ("a", "one", {"user": "Jan Jongboom", "k.e.y": "1"}, ["x.csv"]),
        ("b", "one", {"user": "jan", "label": "a"}, ["x.csv", "y%.txt"]),
        ("O'Neil", "two", {'quo"ted é': "it's"}, ["z"]),
        ("100%", "two", {}, ["z", "z2"]),
        ("a AND b", "activity data", {"n": "007"}, ["(z)"]),
    ]:
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


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("name = 'a'", [1]),
        ("name='a'", [1]),
        ("  NAME  =  'a'  ", [1]),
        ("name = 'A'", []),
        ("name LIKE 'A'", [1]),
        ("name like '%a%'", [1, 5]),
        ("name like '_'", [1, 2]),
        ("name = 'O''Neil'", [3]),
        ("name = '100%'", [4]),
        ("name = 'a AND b'", [5]),
        ("name = ''", []),
        ("dataset = 'one'", [1, 2]),
        ("dataset = 'activity data' AND metadata->n = '007'", [5]),
        ("dataset = 'activity data' AND metadata->n = '7'", []),
        ("metadata->n = 007", [5]),
        ("metadata->user = 'Jan Jongboom'", [1]),
        ("metadata->user LIKE 'jan%'", [1, 2]),
        ("metadata->k_e_y = '1'", [1]),
        ("metadata->k_e_y = 1", [1]),
        ("metadata->missing = ''", []),
        ("file_name = 'x.csv'", [1, 2]),
        ("file_name LIKE '%.txt'", [2]),
        ("file_name = '(z)'", [5]),
        ("id = 3", [3]),
        ("id = '3'", [3]),
        ("id = 3.0", [3]),
        ("id = 99999999999999999999999", []),
        ("bucket_id = 2", [3, 4]),
        ("bucket_name = 'big bucket'", [3, 4]),
        ("bucket = 'big bucket'", [3, 4]),
        ("bucket_path LIKE 'one/%'", [1, 2]),
        ("total_file_count = 2", [2, 4]),
        ("total_file_size = 10", [2, 4]),
        ("total_file_size = '10'", [2, 4]),
        ("created LIKE '20%Z'", [1, 2, 3, 4, 5]),
        ("name = 'a' OR name = 'b' AND dataset = 'two'", [1]),
        ("(name = 'a' OR name = 'b') AND dataset = 'one'", [1, 2]),
        ("((name = 'a'))", [1]),
        ("name = 'a' or name = 'b' or name = '100%'", [1, 2, 4]),
        ("dataset = 'one' and file_name = 'x.csv' and name = 'b'", [2]),
        (" OR ".join(f"name = '{number}'" for number in range(5_000)) + " OR name = 'a'", [1]),
        ("(" * 40 + "name = 'a'" + ")" * 40, [1]),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_a_filter_finds(store: Store, text: str, ids: list[int]) -> None:
    condition = parse_filter(text)
    assert [item.id for item in store.items(condition)] == ids
    assert store.totals(condition).items == len(ids)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "name",
        "name =",
        "= 'a'",
        "'a' = name",
        "name = a",
        "name = \"a\"",
        "name == 'a'",
        "name != 'a'",
        "id > 3",
        "name = 'a",
        "name = 'it's'",
        "name = 'a' AND",
        "name = 'a' name = 'b'",
        "name = 'a' XOR name = 'b'",
        "NOT name = 'a'",
        "(name = 'a'",
        "name = 'a')",
        "()",
        "name IN ('a')",
        "name LIKE",
        "label = 'a'",
        "sha256 = 'a'",
        "items.name = 'a'",
        "metadata-> = 'a'",
        "metadata->a.b = '1'",
        "metadata = 'a'",
        "name = 'a'; DROP TABLE items",
        "name = 'a' -- comment",
        "1 = 1",
        "(" * 100 + "name = 'a'" + ")" * 100,
        "name = 'a'" + " OR name = 'a'" * 10_000,
    ],
)  # fmt: skip
def test_other_texts_are_no_filter(text: str) -> None:
    with pytest.raises(FilterError):
        parse_filter(text)


def test_nothing_leaks_into_the_sql(store: Store) -> None:
    for value in ["' OR '1' = '1", "'; DROP TABLE items; --", "?", "\0"]:
        quoted = value.replace("'", "''")
        for field in ("name", "file_name", "metadata->x"):
            assert store.items(parse_filter(f"{field} = '{quoted}'")) == []
    assert store.totals(EVERYTHING).items == 5
