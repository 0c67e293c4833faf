"""A compact index of a source's items, with a few dozen bytes per item: a million items take about 200 MB.

A complete item is kept only if its source is not read again: a list of items, or a bucket that was listed at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.studio.spelling import canonical_name
from airflow_provider_ei.sync.dataset.source import SourceItem, is_as_listed
from airflow_provider_ei.sync.dataset.tree import Tree
from airflow_provider_ei.sync.item_state import ItemState

_LOOKS_BYTES = 48
_NO_LOOKS = bytes(_LOOKS_BYTES)


class SourceIndex:
    """The items of a source by name.

    :ivar tree: what else is in the source; also contains the items that are not read again.
    :param finish: completes an item after it was read.
    """

    def __init__(self, finish: Callable[[SourceItem], SourceItem] = lambda item: item) -> None:
        self.tree = Tree()
        self._finish = finish
        self._positions: dict[str, int] = {}
        self._looks = bytearray()
        self._problems: dict[str, SourceItem] = {}
        self._items: dict[str, SourceItem] = {}

    @classmethod
    def of(cls, tree: Tree) -> SourceIndex:
        """Return the index of a tree."""
        index = cls()
        index.set_tree(tree)
        return index

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __contains__(self, name: str) -> bool:
        return name in self._positions

    def add(self, item: SourceItem) -> None:
        """Add an item that can be read again; keep only its fingerprint."""
        item = self._finish(item)
        self._positions[item.name] = len(self._positions)
        self._looks += (None if item.problem is not None else item.looks()) or _NO_LOOKS
        if item.problem is not None:
            self._problems[item.name] = item

    def set_tree(self, tree: Tree) -> None:
        """Set the tree, and add its items, which are kept completely."""
        self.tree = tree
        for item in tree.items:
            self.add(item)
            self._items[item.name] = item

    def refuse_names_of_one_form(self) -> None:
        """Mark items as failed if the service may treat their names as the same."""
        forms: dict[str, list[str]] = {}
        for name in self._positions:
            form = canonical_name(name)
            if form != name:
                forms.setdefault(form, [form] if form in self._positions else []).append(name)
        for names in forms.values():
            if len(names) > 1:
                shown = ", ".join(map(ascii, sorted(names)))
                for name in names:
                    problem = EdgeImpulseInputError(
                        f"Rename one of {shown}: they differ only in white space or in the form of their Unicode "
                        "characters, and the service may take them for one data item."
                    )
                    self._problems[name] = SourceItem(name, (), problem=problem)

    def position(self, name: str) -> int | None:
        """Return the position of an item, starting at 0; None if the source has no item of that name."""
        return self._positions.get(name)

    def problem(self, name: str) -> SourceItem | None:
        """Return the item if it cannot be uploaded, as far as known without opening a file; None otherwise."""
        return self._problems.get(name)

    def item(self, name: str) -> SourceItem | None:
        """Return a complete item, read again if possible; None if it no longer exists."""
        known = self._problems.get(name) or self._items.get(name)
        if known is not None or self.tree.read_item is None:
            return known
        item = self.tree.read_item(name)
        return None if item is None else self._finish(item)

    def is_as_listed(self, name: str, position: int, listed: DataItem, state: ItemState) -> bool:
        """Return whether source and listing are certainly unchanged; see :func:`~.source.is_as_listed`."""
        looks = bytes(self._looks[position * _LOOKS_BYTES : (position + 1) * _LOOKS_BYTES])
        return looks != _NO_LOOKS and is_as_listed(looks, listed, state, lambda: self.item(name))
