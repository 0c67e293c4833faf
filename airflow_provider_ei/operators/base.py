"""Base of all operators and sensors: checked arguments, cancellable hook, errors mapped to Airflow exceptions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Self

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_ei.exceptions import EdgeImpulseCancelledError, EdgeImpulseError
from airflow_provider_ei.hooks.connection import DEFAULT_CONN_ID
from airflow_provider_ei.operators.arguments import check_names, plain
from airflow_provider_ei.operators.templates import AuthoredTemplates

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook

    _Base = BaseOperator
else:
    _Base = object


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Raise permanent errors as ``AirflowFailException``, so that Airflow does not retry the task."""
    try:
        yield
    except EdgeImpulseError as error:
        if not error.retryable and not isinstance(error, AirflowFailException):
            # The message is self-explanatory; the frames below it would only push it out of sight.
            raise AirflowFailException(str(error)) from None
        raise


class EdgeImpulseTask(_Base):
    """Mixin for operators and sensors, before Airflow's base class.

    The class that uses it must itself take the arguments ``organization_id`` and ``edge_impulse_conn_id``: Airflow
    applies ``default_args`` only to the arguments of classes that derive from ``BaseOperator``.
    """

    ui_color = "#dcefe8"
    template_fields: Sequence[str] = ()
    organization_id: int | str | None
    edge_impulse_conn_id: str
    _hook: Any = None  # of this try: an EdgeImpulseHook, or that of a project
    _killed = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Check the names of a mapped task's arguments before the operator is created."""
        # Airflow creates a mapped operator on the worker. There, an unknown argument is a TypeError, and the task
        # would be retried.
        if kwargs.get("_airflow_from_mapped"):
            groups = (kwargs.get("dag"), kwargs.get("task_group"))
            defaults = {name for group in groups for name in getattr(group, "default_args", None) or ()}
            check_names(cls, set(kwargs) - {"_airflow_from_mapped"}, defaults)
        return super().__new__(cls)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Create a mapped task, as every operator does."""
        return super().partial(**{k: plain(k, v) if k in cls.template_fields else v for k, v in kwargs.items()})

    def on_kill(self) -> None:
        """Stop at once. An unfinished upload stays pending, and the next try completes it."""
        self._killed = True
        if self._hook is not None:
            self._hook.cancel()

    def _make_plain(self, where: str = "") -> None:
        for field in self.template_fields:
            if field in vars(self):
                setattr(self, field, plain(where + field, getattr(self, field)))

    def _create_hook(self) -> EdgeImpulseHook:
        from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook

        hook = self._hook = EdgeImpulseHook(self.edge_impulse_conn_id, organization_id=self.organization_id)
        return hook

    def _check_killed(self) -> None:
        if self._killed:
            raise EdgeImpulseCancelledError("The task was killed. The next try completes what is left.")


class EdgeImpulseOperator(AuthoredTemplates, EdgeImpulseTask, BaseOperator):
    """Base operator: cancellable hook, errors mapped to Airflow exceptions.

    :param organization_id: overrides that of the connection.
    :param edge_impulse_conn_id: the Airflow connection.
    """

    def __init__(
        self,
        *,
        organization_id: int | str | None = None,
        edge_impulse_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.organization_id = organization_id
        self.edge_impulse_conn_id = edge_impulse_conn_id
        self._make_plain()

    @contextmanager
    def _working_hook(self, context: Context) -> Iterator[EdgeImpulseHook]:
        """Yield the hook of this try.

        :raises AirflowFailException: instead of an error that a retry cannot change.
        :raises EdgeImpulseCancelledError: when the task was killed, whether before, during or at the end of the work.
        """
        hook = self._create_hook()
        try:
            with airflow_errors(), self._observed(context, hook):
                self._check_killed()
                yield hook
                self._check_killed()  # Airflow 3 continues after on_kill: a killed task must not succeed
        finally:
            hook.close()

    def _observed(self, context: Context, hook: EdgeImpulseHook) -> AbstractContextManager[None]:
        """Return a context around the work, for subclasses that report what happens in it."""
        return nullcontext()
