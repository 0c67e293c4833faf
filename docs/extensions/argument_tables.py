"""Show the arguments of documented classes and functions as tables, and the fields of the connection.

Autodoc lists arguments as prose. Here, the ``:param:`` fields of a docstring become a table with the type and the
default from the signature. A class's table also has the arguments that it passes on to base classes in this package.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

PACKAGE = "airflow_provider_ei"

_PARAM = re.compile(r"^:param (\w+): (.*)$")


def split_parameters(lines: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return a docstring's lines without the ``:param:`` fields, and these fields' text by name."""
    rest: list[str] = []
    found: dict[str, str] = {}
    current = None
    for line in lines:
        if field := _PARAM.match(line):
            current = field[1]
            found[current] = field[2].strip()
        elif current and line.startswith(" "):
            found[current] += " " + line.strip()
        else:
            current = None
            rest.append(line)
    return rest, found


def callables(obj: Any) -> Iterator[Any]:
    """Yield what takes the arguments: a function, or a class and its base classes in the package."""
    if inspect.isclass(obj):
        yield from (base for base in obj.__mro__ if base.__module__.partition(".")[0] == PACKAGE)
    else:
        yield obj


def documented(obj: Any) -> dict[str, str]:
    """Return the descriptions of an object's arguments, those of its base classes last."""
    found: dict[str, str] = {}
    for each in callables(obj):
        if each.__doc__:
            found = {**split_parameters(inspect.getdoc(each).splitlines())[1], **found}
    order = [name for each in callables(obj) for name in parameters(each)]
    return {
        name: found[name]
        for name in sorted(found, key=lambda name: (name not in order, name in order and order.index(name)))
    }


def parameters(obj: Any) -> dict[str, inspect.Parameter]:
    """Return the arguments that can be given by name, without ``*args`` and ``**kwargs``."""
    function = obj.__dict__.get("__init__") if inspect.isclass(obj) else obj
    if function is None:
        return {}
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    taken = inspect.signature(inspect.unwrap(function)).parameters
    return {name: each for name, each in taken.items() if name != "self" and each.kind not in variable}


def table(obj: Any) -> list[str]:
    """Return the lines of a table of the arguments, in reStructuredText."""
    known: dict[str, inspect.Parameter] = {}
    for each in callables(obj):
        known = {**parameters(each), **known}
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 20 20 15 45", ""]
    lines += row("argument", "type", "default", "")
    for name, text in documented(obj).items():
        parameter = known.get(name)
        kind = default = ""
        if parameter is not None:
            if parameter.annotation is not parameter.empty:
                annotation = parameter.annotation
                kind = f"``{annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)}``"
            default = "required" if parameter.default is parameter.empty else f"``{parameter.default!r}``"
        lines += row(f"``{name}``" if parameter else f"``**{name}``", kind, default, text)
    return [*lines, ""]


def row(*cells: str) -> list[str]:
    """Return one row of a list-table."""
    return [f"   {'* -' if number == 0 else '  -'} {cell}" for number, cell in enumerate(cells)]


def put_table_into_docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Replace the fields of a docstring by the table. Called by autodoc."""
    if what not in ("class", "function", "method", "exception"):
        return
    rest, own = split_parameters(lines)
    if not own:
        return
    returns = next((number for number, line in enumerate(rest) if line.startswith(":")), len(rest))
    lines[:] = [*rest[:returns], "", *table(obj), *rest[returns:]]


class ConnectionFields(Directive):
    """``.. connection-fields:: TYPE`` shows a table of the fields of a connection type."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        from airflow_provider_ei.hooks.connection import ORGANIZATION, PROJECT, UI_FIELD_BEHAVIOUR

        kind = next(kind for kind in (ORGANIZATION, PROJECT) if kind.conn_type == self.arguments[0])
        names = UI_FIELD_BEHAVIOUR["relabeling"]
        lines = [".. list-table::", "   :header-rows: 1", "   :widths: 20 25 10 45", ""]
        lines += row("in the form", "in code", "type", "")
        lines += row("Connection Type", "``conn_type``", "string", f"``{kind.conn_type}``")
        example = UI_FIELD_BEHAVIOUR["placeholders"]
        lines += row(names["password"], "``password``", "string", f"required; for instance ``{example['password']}``")
        lines += row(names["host"], "``host``", "string", f"empty: ``{example['host']}``")
        for name, field in kind.fields.items():
            lines += row(field.label, f"``extra``, ``{name}``", field.kind, field.description)
        content = StringList(lines, source="airflow_provider_ei/hooks/connection.py")
        node = nodes.container()
        self.state.nested_parse(content, self.content_offset, node)
        return list(node.children)


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", put_table_into_docstring)
    app.add_directive("connection-fields", ConnectionFields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
