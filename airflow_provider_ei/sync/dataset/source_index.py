"""What a source has, in a few dozen bytes an item: a million items take some 200 MB.

An item is kept whole only if its source cannot be read again: a list of items, a bucket that was listed in one go.
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

    :ivar tree: what is beside and above the items; it has them, too, if they cannot be read again.
    :param finish: completes an item that was read.
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
        """Take an item that can be read again, and keep what it looks like."""
        item = self._finish(item)
        self._positions[item.name] = len(self._positions)
        self._looks += (None if item.problem is not None else item.looks()) or _NO_LOOKS
        if item.problem is not None:
            self._problems[item.name] = item

    def set_tree(self, tree: Tree) -> None:
        """Take what was read, and the items that are kept whole."""
        self.tree = tree
        for item in tree.items:
            self.add(item)
            self._items[item.name] = item

    def refuse_names_of_one_form(self) -> None:
        """Make it a problem of two items when a service may take their names for one."""
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
        """Return the place of an item among all, from 0 on; None when there is no item of that name."""
        return self._positions.get(name)

    def problem(self, name: str) -> SourceItem | None:
        """Return an item that cannot be uploaded, as far as that was seen without opening a file."""
        return self._problems.get(name)

    def item(self, name: str) -> SourceItem | None:
        """Return a whole item, read again where the source can be; None when it is no longer there."""
        known = self._problems.get(name) or self._items.get(name)
        if known is not None or self.tree.read_item is None:
            return known
        item = self.tree.read_item(name)
        return None if item is None else self._finish(item)

    def is_as_listed(self, name: str, position: int, listed: DataItem, state: ItemState) -> bool:
        """Whether nothing has changed on either side; see :func:`~.source.is_as_listed`."""
        looks = bytes(self._looks[position * _LOOKS_BYTES : (position + 1) * _LOOKS_BYTES])
        return looks != _NO_LOOKS and is_as_listed(looks, listed, state, lambda: self.item(name))
