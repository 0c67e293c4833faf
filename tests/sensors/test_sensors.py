"""Sensors in poke mode: what counts, which errors end the wait, and what is kept between two pokes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout, TaskDeferred

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.exceptions import EdgeImpulseCancelledError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.sensors.dataset import EdgeImpulseDataItemSensor, EdgeImpulseDatasetSensor
from tests.support.sockets import open_connections


@pytest.fixture
def upload(studio: EmulatorServer, tmp_path: Any) -> Callable[[str], None]:
    """Put a data item into the dataset ``d``."""
    (tmp_path / "x.csv").write_text("1")

    def add(name: str) -> None:
        EdgeImpulseHook().add_data(name=name, dataset="d", files=str(tmp_path / "x.csv"), metadata={"kind": name[0]})

    return add


def data_item_sensor(**arguments: Any) -> EdgeImpulseDataItemSensor:
    return EdgeImpulseDataItemSensor(**{"task_id": "wait", "dataset": "d", "name": "a-1"} | arguments)


def dataset_sensor(**arguments: Any) -> EdgeImpulseDatasetSensor:
    return EdgeImpulseDatasetSensor(**{"task_id": "wait", "dataset": "d"} | arguments)


class TestPoke:
    def test_the_item_sensor_waits_for_a_complete_item(self, upload: Callable[[str], None]) -> None:
        upload("a-2")
        assert not data_item_sensor().poke({})
        upload("a-1")
        assert data_item_sensor().poke({})

    def test_the_dataset_sensor_counts_the_items_that_match_the_filter(self, upload: Callable[[str], None]) -> None:
        for name in ("a-1", "b-1", "b-2"):
            upload(name)
        assert dataset_sensor(at_least="3").poke({})
        assert not dataset_sensor(at_least=3, filter="metadata->kind = 'b'").poke({})
        assert dataset_sensor(at_least=2, filter="metadata->kind = 'b'").poke({})
        assert not dataset_sensor(quiet_seconds=3600).poke({})

    def test_numpy_scalars_become_plain_values_as_in_operators(self) -> None:
        numpy = pytest.importorskip("numpy")
        assert type(dataset_sensor(at_least=numpy.int64(2)).at_least) is int

    def test_a_wrong_name_of_a_mapped_argument_is_a_permanent_error_as_in_operators(self) -> None:
        with pytest.raises(AirflowFailException, match=r"there is no 'data_set', 'dataset' is missing"):
            EdgeImpulseDatasetSensor(task_id="wait", data_set="d", _airflow_from_mapped=True)  # type: ignore[call-arg]

    def test_a_missing_dataset_is_waited_for(self, studio: EmulatorServer) -> None:
        assert not dataset_sensor().poke({})

    def test_a_wrong_key_ends_the_wait(self, emulator: EmulatorServer, connect: Callable[..., None]) -> None:
        connect(emulator.url, password="ei_wrong", organization_id=7)
        with pytest.raises(AirflowFailException, match="key"):
            dataset_sensor().poke({})

    @pytest.mark.parametrize("wrong", [{"at_least": "many"}, {"quiet_seconds": None}, {"dataset": ""}, {"filter": 3}])
    def test_an_unusable_argument_ends_the_wait_without_a_request(
        self, emulator: EmulatorServer, connect: Callable[..., None], wrong: dict[str, Any]
    ) -> None:
        connect(emulator.url)  # otherwise the sensor would ask the server for the organization
        with pytest.raises(AirflowFailException, match=next(iter(wrong))):
            dataset_sensor(**wrong).poke({})
        assert emulator.requests() == []

    def test_the_client_is_kept_between_pokes(self, emulator: EmulatorServer, connect: Callable[..., None]) -> None:
        connect(emulator.url)
        sensor = dataset_sensor()
        clients = set()
        for _ in range(7):
            sensor.poke({})
            assert sensor._poller is not None
            clients.add(sensor._poller.hook.client)
        assert len(clients) == 1
        assert [request.operation for request in emulator.requests()].count("listOrganizations") == 1

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_no_socket_remains_open_after_the_wait(
        self, upload: Callable[[str], None], studio: EmulatorServer, deferrable: bool
    ) -> None:
        with pytest.raises((TaskDeferred, AirflowSensorTimeout)):
            dataset_sensor(deferrable=deferrable, timeout=0.1, poke_interval=0.1).execute({})
        assert open_connections(studio.url) == 0

    def test_a_changed_connection_is_used_at_the_next_poke(
        self, emulator: EmulatorServer, connect: Callable[..., None], upload: Callable[[str], None]
    ) -> None:
        connect(emulator.url, password="ei_old_key", organization_id=7)
        sensor = data_item_sensor()
        with pytest.raises(AirflowFailException):
            sensor.poke({})
        connect(emulator.url, organization_id=7)
        upload("a-1")
        assert sensor.poke({})

    def test_a_kill_ends_the_poke(self, studio: EmulatorServer) -> None:
        sensor = dataset_sensor()
        sensor.poke({})
        sensor.on_kill()
        with pytest.raises(EdgeImpulseCancelledError):
            sensor.poke({})
