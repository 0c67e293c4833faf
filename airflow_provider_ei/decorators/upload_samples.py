"""``@task.edge_impulse_upload_samples``: a function that returns files, and their upload to a project, in one task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DecoratedOperator, task_decorator_factory

from airflow_provider_ei.decorators.function_call import call_function
from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.operators.arguments import plain
from airflow_provider_ei.operators.samples import EdgeImpulseUploadSamplesOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, TaskDecorator


class _UploadSamplesDecoratedOperator(DecoratedOperator, EdgeImpulseUploadSamplesOperator):
    custom_operator_name = "@task.edge_impulse_upload_samples"
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *(field for field in EdgeImpulseUploadSamplesOperator.template_fields if field != "files"),
    )
    template_fields_renderers = {
        **DecoratedOperator.template_fields_renderers,
        **EdgeImpulseUploadSamplesOperator.template_fields_renderers,
    }

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, files=None, **kwargs)

    def execute(self, context: Context) -> Any:
        self._check_killed()
        files = call_function(self, context)
        with self._working_hook(context) as hook:
            if files is None:
                raise EdgeImpulseInputError("Return the files to upload from the function, which returned None.")
            result = self._upload(hook, context, files)
        return self._end(context, result)


def edge_impulse_upload_samples_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Create a task from a function that returns files, and upload what it returns as samples of a project.

    :param python_callable: returns a path or URI, a directory, a glob, ``{"path", "name"?, "label"?, "metadata"?,
        "category"?}``, or a list of these.
    :param kwargs: ``category``, ``sample_label`` and the other arguments of
        :class:`~airflow_provider_ei.operators.samples.EdgeImpulseUploadSamplesOperator`, except ``files``.
    """
    fields = _UploadSamplesDecoratedOperator.template_fields
    return task_decorator_factory(
        python_callable=python_callable,
        decorated_operator_class=_UploadSamplesDecoratedOperator,
        **{name: plain(name, value) if name in fields else value for name, value in kwargs.items()},
    )
