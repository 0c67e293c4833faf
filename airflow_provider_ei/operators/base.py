"""Base operator: a hook that ``on_kill`` cancels, and errors mapped to those of Airflow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_ei.exceptions import EdgeImpulseCancelledError, EdgeImpulseError
from airflow_provider_ei.hooks.best_effort import best_effort
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.operators.arguments import check_names, plain
from airflow_provider_ei.operators.links import EdgeImpulseDatasetLink
from airflow_provider_ei.operators.run_report import failure_reported
from airflow_provider_ei.operators.templates import AuthoredTemplates

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage


link = EdgeImpulseDatasetLink()


class EdgeImpulseOperator(AuthoredTemplates, BaseOperator):
    """Base of the operators.

    :param organization_id: overrides that of the connection.
    :param edge_impulse_conn_id: the Airflow connection.
    """

    ui_color = "#dcefe8"
    operator_extra_links = (link,)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make an operator; of a mapped task, check first the names of its arguments."""
        # Airflow makes a mapped operator on the worker, where an argument that it does not know is a TypeError, and
        # the task would be retried.
        if kwargs.get("_airflow_from_mapped"):
            groups = (kwargs.get("dag"), kwargs.get("task_group"))
            defaults = {name for group in groups for name in getattr(group, "default_args", None) or ()}
            check_names(cls, set(kwargs) - {"_airflow_from_mapped"}, defaults)
        return super().__new__(cls)

    def __init__(
        self,
        *,
        organization_id: int | str | None = None,
        edge_impulse_conn_id: str = EdgeImpulseHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.organization_id = organization_id
        self.edge_impulse_conn_id = edge_impulse_conn_id
        self._make_plain()
        self._hook: EdgeImpulseHook | None = None
        self._killed = False
        self._result: object = None  # what is returned

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Make a mapped task, as every operator does."""
        return super().partial(**{k: plain(k, v) if k in cls.template_fields else v for k, v in kwargs.items()})

    def _make_plain(self, where: str = "") -> None:
        for field in self.template_fields:
            if field in vars(self):
                setattr(self, field, plain(where + field, getattr(self, field)))

    @contextmanager
    def _working_hook(self, context: Context) -> Iterator[EdgeImpulseHook]:
        """Give the hook of this try, and the task its link.

        :raises AirflowFailException: in place of an error that a retry cannot change.
        :raises EdgeImpulseCancelledError: when the task was killed, whether before, meanwhile or at the end.
        """
        self._hook = hook = EdgeImpulseHook(self.edge_impulse_conn_id, organization_id=self.organization_id)
        linked = False
        try:
            with failure_reported(context, self, hook):
                self._check_killed()
                if hook.given_organization_id is not None:  # else a request tells, and arguments are checked before it
                    self._link(context, hook)
                    linked = True
                yield hook
                self._check_killed()  # Airflow 3 goes on after on_kill: a killed task must not end as a success
        except EdgeImpulseError as error:
            if not error.retryable and not isinstance(error, AirflowFailException):
                # The message is self-explanatory; the frames below it would only push it out of sight.
                raise AirflowFailException(str(error)) from None
            raise
        finally:
            if not linked and "organization_id" in vars(hook):
                self._link(context, hook)
            hook.close()

    def _link(self, context: Context, hook: EdgeImpulseHook) -> None:
        with best_effort("The link to Edge Impulse Studio"):
            link.persist(context, hook)

    def _check_killed(self) -> None:
        if self._killed:
            raise EdgeImpulseCancelledError("The task was killed. The next try completes what is left.")

    def _source_uris(self) -> Iterable[str]:
        """Return the paths and URIs that the files come from, for OpenLineage."""
        return ()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return the lineage of a task that has ended; None when it uploaded nothing."""
        with best_effort("OpenLineage"):
            from airflow_provider_ei.operators.lineage import operator_lineage
            from airflow_provider_ei.results import read_result

            result = read_result(self._result)
            return operator_lineage(self._source_uris(), result) if result else None
        return None

    def on_kill(self) -> None:
        """Stop at once. What is half done stays pending, and the next try completes it."""
        self._killed = True
        if self._hook is not None:
            self._hook.cancel()
