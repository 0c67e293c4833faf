"""``@task.edge_impulse_add_data``: a function that returns data items, and their upload, in one task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DecoratedOperator, task_decorator_factory

from airflow_provider_ei.decorators.function_call import call_function
from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.operators.arguments import plain
from airflow_provider_ei.operators.asset_events import emit_asset_events
from airflow_provider_ei.operators.data import (
    EdgeImpulseAddDataOperator,
    check_files_given,
    mapped_origin,
    merge_metadata,
)
from airflow_provider_ei.operators.labels import label_mapped_task
from airflow_provider_ei.sources.names import check_text

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, TaskDecorator

#: Keys that the function may return for an item; the decorator's arguments supply the others.
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
        self._check_killed()
        returned = call_function(self, context)
        many = isinstance(returned, Sequence) and not isinstance(returned, str | bytes)
        if isinstance(returned, Mapping):
            label_mapped_task(context, self, returned.get("name", self.name))
        with self._working_hook(context) as hook:
            checked = [self._checked(item) for item in (returned if many else [returned])]
            uploads = [self._upload(item) for item in checked]
            self._check_list(uploads, many=many)
            self._result = results = []  # filled item by item, so that a failure reports what was done before it
            for upload in uploads:
                self.name = upload["name"]
                results.append(hook.add_data(**upload, origin=mapped_origin(context)))
        self._report(context, results)
        for result in results:
            emit_asset_events(self.outlets, context, result)
        return results if many else results[0]

    def _upload(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Merge what the function returned into the decorator's arguments; metadata key by key."""
        upload = {**self._arguments(), **item, "metadata": merge_metadata(self.metadata, item.get("metadata"))}
        check_files_given(upload["name"], upload["files"])
        return upload

    def _checked(self, item: Any) -> Mapping[str, Any]:
        if not isinstance(item, Mapping) or set(item) - set(_RETURNED):
            raise EdgeImpulseInputError(
                f"The function must return a data item, a dict with {', '.join(map(repr, _RETURNED))}, or a list of "
                f"these, not {str(item)[:80]!r}."
            )
        return item

    def _check_list(self, uploads: Sequence[Mapping[str, Any]], *, many: bool) -> None:
        names = Counter(check_text("name", upload["name"]) for upload in uploads)
        if repeated := [name for name, count in names.items() if count > 1]:
            raise EdgeImpulseInputError(
                f"Give each data item in the returned list its own name: {repeated[0]!r} occurs more than once, and "
                "the later item would replace the earlier one."
            )
        if many and self.multiple_outputs:
            raise EdgeImpulseInputError(
                "Return one dict, or omit multiple_outputs (and the annotation '-> dict'): Airflow cannot store the "
                "results of a list as multiple outputs."
            )


def edge_impulse_add_data_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Create a task from a function that returns a data item or a list of data items, and upload what it returns.

    :param python_callable: returns ``{"name", "files", "metadata"?, "bucket_path"?}``, or a list of these.
    :param kwargs: ``dataset`` and the other arguments of
        :class:`~airflow_provider_ei.operators.data.EdgeImpulseAddDataOperator`, for all items.
    """
    fields = _AddDataDecoratedOperator.template_fields
    return task_decorator_factory(
        python_callable=python_callable,
        decorated_operator_class=_AddDataDecoratedOperator,
        **{name: plain(name, value) if name in fields else value for name, value in kwargs.items()},
    )
