"""The documentation: its links lead somewhere, what it shows is what tests run, and it lists every argument."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import airflow_provider_ei

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PACKAGE = Path(airflow_provider_ei.__file__).resolve().parent
PAGES = [*sorted(DOCS.glob("*.md")), *sorted(ROOT.glob("*.md")), ROOT / "example_dags" / "data" / "README.md"]
EXAMPLES = sorted((ROOT / "example_dags").glob("*.py"))

_FENCE = re.compile(r"^ *```.*?^ *```", re.M | re.S)
_LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?\)")
_SHOWN = re.compile(r'```\{literalinclude\} (\S+)\n *:start-after: "\[START (\w+)\]"\n *:end-before: "\[END (\w+)\]"\n')


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as a code host and Sphinx make them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    links = _LINK.findall(_FENCE.sub("", page.read_text()))
    for link in links:
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT) and target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


def test_no_link_is_without_words() -> None:
    """Sphinx would put a title there, a code host does not."""
    assert [page.name for page in PAGES if "[](" in page.read_text()] == []


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_every_page_is_in_the_index(page: Path) -> None:
    if page.name != "index.md":
        names = re.findall(r"^[a-z-]+\*?$", (DOCS / "index.md").read_text(), re.M)
        assert any(page.match(f"{name}.md") for name in names)


def shown() -> list[tuple[Path, str]]:
    """Files and markers of what the pages show."""
    found = []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text()
        blocks = _SHOWN.findall(text)
        assert len(blocks) == text.count("{literalinclude}"), f"{page.name}: one without START and END"
        for path, start, end in blocks:
            assert start == end
            found.append(((page.parent / path).resolve(), start))
    return found


def test_what_is_shown_is_run_by_tests() -> None:
    runs = (ROOT / "tests" / "test_example_dags.py").read_text()
    assert shown()
    for path, marker in shown():
        text = path.read_text()
        assert text.count(f"[START {marker}]") == text.count(f"[END {marker}]") == 1
        if path.parent == ROOT / "example_dags":
            assert f'run_dag("{path.stem}")' in runs, f"no test runs {path.name}"
        else:
            assert path.parent == ROOT / "tests" and path.name.startswith("test_")


def argument_tables() -> ModuleType:
    """The Sphinx extension that makes the tables of arguments."""
    spec = spec_from_file_location("argument_tables", DOCS / "extensions" / "argument_tables.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_arguments() -> Iterator[Any]:
    """The classes, functions and methods of the API reference that users call with arguments."""
    from airflow_provider_ei.get_provider_info import get_provider_info
    from airflow_provider_ei.task_groups import edge_impulse_release, edge_impulse_sync

    info = get_provider_info()
    modules = {
        kind: [name for each in info[kind] for name in each["python-modules"]]
        for kind in ("operators", "sensors", "hooks")
    }

    yield edge_impulse_sync
    yield edge_impulse_release
    for decorator in info["task-decorators"]:
        module, _, name = decorator["class-name"].rpartition(".")
        yield getattr(import_module(module), name)
    for name in (*modules["operators"], *modules["sensors"]):
        yield from (value for _, value in _own_classes(name))
    hooks = [value for name in modules["hooks"] for _, value in _own_classes(name)]
    for each in dict.fromkeys(base for hook in hooks for base in hook.__mro__):
        if each.__module__.startswith("airflow_provider_ei."):
            for name, value in vars(each).items():
                if inspect.isfunction(value) and not name.startswith("_") and ":param" in (value.__doc__ or ""):
                    yield value


def _own_classes(module: str) -> Iterator[tuple[str, Any]]:
    for name, value in vars(import_module(module)).items():
        if inspect.isclass(value) and value.__module__ == module and not name.startswith("_"):
            yield name, value


@pytest.mark.parametrize("obj", with_arguments(), ids=lambda obj: obj.__qualname__)
def test_the_reference_lists_every_argument_with_its_meaning(obj: Any) -> None:
    tables = argument_tables()
    takes = [name for each in tables.callables(obj) for name in tables.parameters(each)]
    described = tables.documented(obj)
    assert takes
    assert [name for name in takes if name not in described] == []
    assert [name for name in described if name not in takes and name not in ("kwargs", "arguments")] == []
    assert all(described.values())


def test_a_table_has_types_defaults_and_inherited_arguments() -> None:
    from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator

    lines = "\n".join(argument_tables().table(EdgeImpulseAddDataOperator))
    assert "* - ``name``\n     - ``str``\n     - required\n" in lines
    assert "* - ``if_exists``\n     - ``str``\n     - ``'update'``\n" in lines
    assert "* - ``edge_impulse_conn_id``\n     - ``str``\n     - ``'edge_impulse_default'``\n" in lines


def test_every_example_is_shown() -> None:
    assert {path for path, _ in shown()} >= set(EXAMPLES)


@pytest.mark.parametrize("page", [DOCS / "reliability.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_paths_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"`([a-z_]+/[\w/]+\.py)(?:::\w+)?`", text):
        assert any((folder / name).exists() for folder in (ROOT, PACKAGE.parent, PACKAGE)), name
    for name, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text):
        assert re.search(rf"^(class|def) {test}\b", (ROOT / name).read_text(), re.M), f"{name}::{test}"
