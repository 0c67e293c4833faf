"""The example of the page on testing."""

# [START test_your_own_dags]
import json

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator


@pytest.fixture
def studio(monkeypatch):
    with EmulatorServer() as server:
        connection = {
            "conn_type": "edge_impulse",
            "host": server.url,
            "password": server.api_key,
            "extra": {"retry_wait": 0.01, "settle_seconds": 0.1},
        }
        monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT", json.dumps(connection))
        yield server


def test_an_upload_whose_answer_is_lost(studio, tmp_path):
    (tmp_path / "motion.csv").write_text("timestamp,x\n0,1\n")
    upload = EdgeImpulseAddDataOperator(task_id="add", name="run-17", dataset="motion", files=str(tmp_path))

    studio.inject(Fault(operation="addOrganizationDataItem", kind="drop_after"))
    assert upload.execute({})["outcome"] == "created"

    (item,) = studio.items("motion")  # one, and not two
    assert item.name == "run-17"
    assert studio.read_file(item.id, "motion.csv") == b"timestamp,x\n0,1\n"

    studio.clear_requests()
    assert upload.execute({})["outcome"] == "unchanged"
    assert [request for request in studio.requests() if request.changed] == []


# [END test_your_own_dags]
