"""Renders the templates in a DAG file, and only those.

Values from upstream are data: a name or a metadata value that looks like a template is stored unchanged, and can never
read connections or variables. Airflow itself would render some of them: lists and dicts that ``.expand_kwargs()`` takes
from upstream.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.operators.arguments import EdgeImpulseArgumentError, plain

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import BaseOperator, Context

    _Base = BaseOperator
else:
    _Base = object

#: How Airflow 2 writes the results of a mapped task when a template converts them to a string.
_LAZY_TEXT = r"\bLazy\w*Sequence\((\[\d+ items?\]|<unevaluated length>)\)"


class AuthoredTemplates(_Base):
    """Mixin for operators, before ``BaseOperator``, that renders their template fields.

    Templates render to strings, also with ``render_template_as_native_obj``, except that a template for a whole list or
    dict renders to that list or dict.

    :cvar collection_fields: template fields that may be lists or dicts.
    :cvar item_fields: template fields whose templates may use ``item``; those are rendered for each data item.
    :cvar item_variable: another name instead of ``item``.
    """

    collection_fields: Set[str] = frozenset()
    item_fields: Set[str] = frozenset()
    item_variable = "item"

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        if parent is not self:
            super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
            return
        upstream, call_upstream = _from_upstream(self, context)
        for field in template_fields:
            value = getattr(self, field)
            try:
                if field in ("op_args", "op_kwargs"):  # arguments of a function, rendered as for every @task
                    rendered = self._render_call(value, call_upstream, context, jinja_env)
                elif field in upstream:
                    rendered = evaluated(field, value)
                elif callable(value):
                    rendered = value(context=context, jinja_env=jinja_env)
                else:
                    rendered = self._render_authored(field, value, context, jinja_env)
            except Exception as error:
                self.log.error("Argument %r could not be rendered: %s", field, type(error).__name__)
                raise
            setattr(self, field, rendered)

    def _render_call(self, value: Any, upstream: Collection[str], context: Context, env: jinja2.Environment) -> Any:
        if not isinstance(value, Mapping):
            return self.render_template(value, context, env, set())
        return {k: v if k in upstream else self.render_template(v, context, env, set()) for k, v in value.items()}

    def _render_authored(self, field: str, value: Any, context: Context, env: jinja2.Environment) -> Any:
        if isinstance(value, str):
            return self._render_text(field, value, context, env)
        if isinstance(value, dict):
            pairs = [
                (self._render_authored(field, key, context, env), self._render_authored(field, one, context, env))
                for key, one in value.items()
            ]
            return _as_dict(field, pairs)
        if isinstance(value, list | tuple | set):
            rendered = [self._render_authored(field, one, context, env) for one in value]
            return rendered if isinstance(value, list) else tuple(rendered)
        return evaluated(field, self.render_template(value, context, env, set()))

    def _render_text(self, field: str, source: str, context: Context, env: jinja2.Environment) -> Any:
        if self.template_ext and source.endswith(tuple(self.template_ext)):
            template = env.get_template(source)
        else:
            template = env.from_string(source)
            if field in self.item_fields and _uses_variable(self.item_variable, source, env):
                return ItemTemplate(field, source, template, self.item_variable)
        return _render(field, source, template, context, collections=field in self.collection_fields)


class ItemTemplate:
    """A template that is rendered for each data item or file, with its properties as a variable."""

    def __init__(self, field: str, source: str, template: jinja2.Template, variable: str) -> None:
        self._field = field
        self._source = source
        self._template = template
        self._variable = variable

    def __repr__(self) -> str:
        return self._source  # shown by Airflow as the rendered value

    def render(self, context: Mapping[str, Any]) -> Any:
        """Render the template with a context that has the variable.

        :raises AirflowFailException: when the template uses an unknown property.
        """
        from airflow.providers.common.compat.sdk import AirflowFailException
        from jinja2 import UndefinedError

        try:
            return _render(self._field, self._source, self._template, context, collections=True)
        except UndefinedError as error:
            known = ", ".join(f"{self._variable}.{name}" for name in vars(context[self._variable]))
            raise AirflowFailException(
                f"Use {known} in {self._field}; {self._source!r} cannot be rendered: {error}."
            ) from None


def has_item_templates(value: Any) -> bool:
    """Return whether a rendered value contains templates that need a data item or a file."""
    if isinstance(value, dict):
        return any(has_item_templates(one) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple):
        return any(map(has_item_templates, value))
    return isinstance(value, ItemTemplate)


def render_for_item(field: str, value: Any, context: Context, item: object, variable: str = "item") -> Any:
    """Render the item templates in a rendered value for one data item or file.

    :param variable: the name under which the templates know it.
    """
    with_item = copy.copy(context)
    with_item[variable] = item  # type: ignore[literal-required]

    def fill(one: Any) -> Any:
        if isinstance(one, ItemTemplate):
            return one.render(with_item)
        if isinstance(one, dict):
            return _as_dict(field, [(fill(key), fill(each)) for key, each in one.items()])
        return [fill(each) for each in one] if isinstance(one, list | tuple) else one

    return fill(value)


def _render(
    field: str, source: str, template: jinja2.Template, context: Mapping[str, Any], *, collections: bool
) -> Any:
    """Render a template to a string or, if ``collections``, to the list or dict that it consists of."""
    env = template.environment
    values: Any = copy.copy(context)  # not dict(context), which would evaluate Airflow's lazy values
    values.update((name, value) for name, value in template.globals.items() if name not in values)
    nodes = list(template.root_render_func(env.context_class(env, values, template.name, template.blocks)))
    if collections and len(nodes) == 1 and _is_collection(nodes[0]):
        return evaluated(field, nodes[0])
    text = "".join(map(str, nodes))
    if re.search(_LAZY_TEXT, text) and not re.search(_LAZY_TEXT, source):
        raise EdgeImpulseArgumentError(
            f"Give {field} the task's output ({field}=task.output), or add '| list' in the template: {source!r} is the "
            f"results of a mapped task, which renders to {text[:80]!r} only."
        )
    return text


def _uses_variable(name: str, source: str, env: jinja2.Environment) -> bool:
    from jinja2.meta import find_undeclared_variables

    return name in source and name in find_undeclared_variables(env.parse(source))


def _is_collection(value: object) -> bool:
    return isinstance(value, Mapping | Sequence | Set) and not isinstance(value, str | bytes | bytearray)


def evaluated(field: str, value: Any) -> Any:
    """Return a value from upstream; the results of a mapped task as a list, and as one dict for metadata."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | list | tuple):
        value = list(value)
        if field == "metadata" and value and all(isinstance(one, Mapping) for one in value):
            value = _as_dict(field, [pair for one in value for pair in one.items()])
    return value


def _as_dict(field: str, pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for key, value in pairs:
        key = key if isinstance(key, Hashable) else str(key)
        if key in made and made[key] != value:
            raise EdgeImpulseArgumentError(f"Give each key of {field} only once: there are two values for {key!r}.")
        made[key] = value
    return made


def _from_upstream(operator: BaseOperator, context: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Return which arguments of a mapped task came from upstream, by ``.expand()`` or ``.expand_kwargs()``.

    :return: names of the operator's arguments, and names of the decorated function's arguments.
    """
    mapped: Any = operator.dag.task_dict.get(operator.task_id) if operator.has_dag() else None  # type: ignore[no-untyped-call]
    if not hasattr(mapped, "expand_input"):
        return set(), set()
    if hasattr(mapped, "op_kwargs_expand_input"):
        calls = getattr(operator, "op_kwargs", None) or {}
        written = mapped.partial_kwargs.get("op_kwargs") or {}
        return set(), _expanded(mapped.op_kwargs_expand_input.value, calls, written, context)
    arguments = {field: getattr(operator, field) for field in operator.template_fields}
    return _expanded(mapped.expand_input.value, arguments, mapped.partial_kwargs, context), set()


def _expanded(given: Any, arguments: Mapping[str, Any], written: Mapping[str, Any], context: Any) -> set[str]:
    """Return the names of the arguments that were expanded from upstream.

    :param given: the arguments of ``.expand()`` or ``.expand_kwargs()``.
    :param written: the arguments of ``.partial()``.
    """
    if isinstance(given, dict):
        return {name for name, value in given.items() if hasattr(value, "iter_references")}
    if isinstance(given, list | tuple):
        given = given[context["ti"].map_index]  # a dict in the DAG file, or an XComArg
    if isinstance(given, Mapping):
        return set()
    return {name for name in arguments if name not in written or not _is_same(arguments[name], written[name])}


def _is_same(value: Any, written: Any) -> bool:
    """Return whether a value is the one in the DAG file; with ``strict=False``, upstream may have replaced it."""
    written = plain("", written)
    return value is written or (type(value) is type(written) and value == written)
