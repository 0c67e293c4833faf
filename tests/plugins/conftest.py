"""Rows in a real Airflow database, as the scheduler and the workers leave them, and a client of the application."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from airflow import __version__

from airflow_provider_ei.operators.model_report import MODEL_REPORT_KEY
from airflow_provider_ei.operators.run_report import REPORT_KEY, build_report
from airflow_provider_ei.results import ITEM_COUNTS, WORK_COUNTS, read_result

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

if tuple(int(part) for part in __version__.split(".")[:2]) < (3, 1):
    collect_ignore = ["test_overview.py", "test_page.py", "test_any_value.py", "test_models.py"]

NOW = datetime.now(UTC)
URL = "https://studio.edgeimpulse.com/organization/7/data"


@pytest.fixture(autouse=True)
def no_earlier_runs(request: pytest.FixtureRequest) -> None:
    """Take away what other tests' DAG runs have left in the database."""
    if "airflow_database" not in request.fixturenames:
        return
    request.getfixturevalue("airflow_database")
    from airflow.models.dagrun import DagRun
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        for kind in (XComModel, RenderedTaskInstanceFields, TaskInstance, DagRun):
            session.execute(delete(kind))


@pytest.fixture
def rows(airflow_database: None) -> Iterator[Rows]:
    """Writes task instances and XComs, and removes them afterwards."""
    made = Rows()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def airflow(airflow_database: None) -> FastAPI:
    """Airflow's part of it: who may do what, and the mount."""
    from airflow.api_fastapi.app import init_auth_manager
    from fastapi import FastAPI

    from airflow_provider_ei.plugins.plugin import URL_PREFIX, LazyApp

    app = FastAPI()
    init_auth_manager(app)
    app.mount(URL_PREFIX, LazyApp())
    return app


@pytest.fixture
def client(airflow: FastAPI) -> Callable[[str | None], TestClient]:
    """Gives a client of a user in a role: ``client("viewer")``; with None, of one who has not logged in."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    def of(role: str | None) -> TestClient:
        if role is None:
            return TestClient(airflow)
        user = SimpleAuthManagerUser(username=role, role=None if role == "nobody" else role)
        token = get_auth_manager().generate_jwt(user)
        return TestClient(airflow, headers={"authorization": f"Bearer {token}"})

    return of


@pytest.fixture
def page(client: Callable[[str | None], TestClient]) -> Callable[..., str]:
    """Gives what a viewer sees."""
    from airflow_provider_ei.plugins.plugin import URL_PREFIX

    def get(address: str = f"{URL_PREFIX}/") -> str:
        answer = client("viewer").get(address)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
        check_markup(answer.text)
        return answer.text

    return get


def check_markup(text: str) -> None:
    """Fail when tags are not closed, or anything would be loaded from elsewhere."""
    open_tags: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            assert tag not in ("img", "link", "iframe", "object", "embed")
            assert not {name for name, _ in attributes if name.startswith("on") or name == "src"}
            if tag not in ("meta", "br"):
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

        def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            pass

    Checker().feed(text)
    assert open_tags == []
    assert text.count("<script") == 1 and "@import" not in text and "url(" not in text


class Rows:
    """What tasks leave in the database."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], int] = {}

    def task(
        self,
        dag_id: str = "nightly",
        run_id: str = "run-1",
        task_id: str = "sync",
        map_index: int = -1,
        *,
        state: str | None = "success",
        operator: str = "EdgeImpulseSyncDatasetOperator",
        returns: Any = None,
        report: Any = None,
        model: Any = None,
        url: str | None = URL,
        dataset: str | None = None,
        age: timedelta = timedelta(hours=1),
        label: str | None = None,
    ) -> None:
        """Add a task instance that ended so long ago.

        :param returns: its return value; what it reports follows from that, unless ``report`` is given.
        :param model: the report of a job of a project.
        :param url: what it has left as Studio's address.
        :param dataset: its rendered argument.
        """
        from airflow.models.renderedtifields import RenderedTaskInstanceFields
        from airflow.models.taskinstance import TaskInstance, uuid7
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session
        from sqlalchemy import insert

        if url and report is None and (result := read_result(returns)):
            report = build_report(result)
        same = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
        ended = NOW - age
        with create_session() as session:
            number = self._run(session, dag_id, run_id)
            session.execute(
                insert(TaskInstance.__table__).values(
                    id=uuid7(),
                    **same,
                    state=state,
                    operator=operator,
                    start_date=ended - timedelta(seconds=90),
                    end_date=ended,
                    try_number=1,
                    pool="default_pool",
                    pool_slots=1,
                    rendered_map_index=label,
                )
            )
            values = {
                "edge_impulse_studio_url": url,
                "return_value": returns,
                REPORT_KEY: report,
                MODEL_REPORT_KEY: model,
            }
            for key, value in values.items():
                if value is not None:
                    session.add(XComModel(key=key, value=value, dag_run_id=number, timestamp=ended, **same))
            if dataset is not None:
                session.execute(insert(RenderedTaskInstanceFields).values(rendered_fields={"dataset": dataset}, **same))

    def remove(self) -> None:
        from airflow.models.dag import DagModel
        from airflow.models.dagrun import DagRun
        from airflow.utils.session import create_session
        from sqlalchemy import delete

        with create_session() as session:
            for model in (DagRun, DagModel):
                session.execute(delete(model).where(model.dag_id.in_({dag_id for dag_id, _ in self._runs})))

    def _run(self, session: Any, dag_id: str, run_id: str) -> int:
        """Return the number of a run, which is made when it is new."""
        from airflow.models.dag import DagModel
        from airflow.models.dagbundle import DagBundleModel
        from airflow.models.dagrun import DagRun
        from airflow.utils.types import DagRunType

        if (dag_id, run_id) not in self._runs:
            if not session.get(DagBundleModel, "tests"):
                session.add(DagBundleModel(name="tests"))
            session.flush()
            session.merge(DagModel(dag_id=dag_id, bundle_name="tests", fileloc="x.py", relative_fileloc="x.py"))
            run = DagRun(dag_id=dag_id, run_id=run_id, run_type=DagRunType.MANUAL, run_after=NOW)
            session.add(run)
            session.flush()
            self._runs[dag_id, run_id] = run.id
        return self._runs[dag_id, run_id]


def sync(dataset: str = "sleep-study", **numbers: Any) -> dict[str, Any]:
    """What a sync returns."""
    summary = {**dict.fromkeys((*ITEM_COUNTS, *WORK_COUNTS), 0), "seconds": 2.5, "dry_run": False}
    return {**summary, "dataset": dataset, "organization_id": 7, "url": URL, "changed": [], "failures": [], **numbers}


def upload(name: str, outcome: str = "created", dataset: str = "motion") -> dict[str, Any]:
    """What an upload returns."""
    item = {"data_id": 1, "name": name, "dataset": dataset, "organization_id": 7, "outcome": outcome}
    return {**item, "file_count": 2, "total_bytes": 1000, "digest": "00", "url": URL}


def model(kind: str, project_id: int = 1, **facts: Any) -> dict[str, Any]:
    """The report of a job of a project."""
    url = f"https://studio.edgeimpulse.com/studio/{project_id}/jobs#show-job-3"
    return {"kind": kind, "project_id": project_id, "job_id": 3, "url": url, "state": "succeeded", **facts}
