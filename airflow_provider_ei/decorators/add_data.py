"""``@task.edge_impulse_add_data``: a function that returns a data item, and the upload of it, in one task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    DecoratedOperator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator
from airflow_provider_ei.operators.outlets import tell_outlets
from airflow_provider_ei.operators.run_report import report_result

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, TaskDecorator

#: What the function may return of an item; the decorator's arguments are the rest.
_RETURNED = ("name", "files", "metadata", "bucket_path")


class _AddDataDecoratedOperator(DecoratedOperator, EdgeImpulseAddDataOperator):
    custom_operator_name = "@task.edge_impulse_add_data"
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *EdgeImpulseAddDataOperator.template_fields)
    template_fields_renderers = {
        **DecoratedOperator.template_fields_renderers,
        **EdgeImpulseAddDataOperator.template_fields_renderers,
    }

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        name: Any = None,
        files: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, name=name, files=files, **kwargs
        )

    def execute(self, context: Context) -> Any:
        context_merge(context, self.op_kwargs)
        arguments = determine_kwargs(self.python_callable, self.op_args, context)
        returned = self.python_callable(*self.op_args, **arguments)
        if isinstance(returned, Mapping):
            self._show_name(context, returned.get("name"))
        many = isinstance(returned, Sequence) and not isinstance(returned, str | bytes)
        with self._working_hook(context) as hook:
            checked = [self._checked(item) for item in (returned if many else [returned])]
            uploads = [self._upload(item) for item in checked]
            self.files = [upload["files"] for upload in uploads]  # which OpenLineage asks for
            self._result = results = []  # filled as it goes, so that a failure reports what was done before it
            for upload in uploads:
                self.name = upload["name"]
                results.append(hook.add_data(**upload))
        report_result(context, results)
        for result in results:
            tell_outlets(self.outlets, context, result)
        return results if many else results[0]

    def _upload(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Put what the function returned over the decorator's arguments; of metadata, key by key."""
        shared, own = self.metadata, item.get("metadata")
        both = {**shared, **own} if isinstance(shared, Mapping) and isinstance(own, Mapping) else own or shared
        return {**self._arguments(), **item, "metadata": both}

    def _checked(self, item: Any) -> Mapping[str, Any]:
        if not isinstance(item, Mapping) or set(item) - set(_RETURNED):
            raise EdgeImpulseInputError(
                f"The function must return a data item, a dict with {', '.join(map(repr, _RETURNED))}, or a list of "
                f"these, not {str(item)[:80]!r}."
            )
        return item


def edge_impulse_add_data_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make a task of a function that returns a data item, or a list of them, and upload what it returns.

    :param python_callable: returns ``{"name", "files", "metadata"?, "bucket_path"?}``, or a list of these.
    :param kwargs: ``dataset`` and the other arguments of
        :class:`~airflow_provider_ei.operators.data.EdgeImpulseAddDataOperator`, for all items.
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_AddDataDecoratedOperator, **kwargs
    )
