"""Runs an example DAG twice in real Airflow: recordings become firmware, and worse recordings are stopped by the gate.

The second run adds recordings with wrong labels, so that the model becomes worse. The emulator does not train: a small
classifier in this script learns from the recordings that the DAG will send, measures itself on others, and tells the
emulator what its next test finds. Everything else is done by the DAG, over HTTP.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, NoReturn

from demo import KEY, ROOT, TEMPLATE, Screen, end_on_signals, leave_with, prepare_airflow, set_environment, table

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings

DAG_ID = "edge_impulse_data_to_model"
RAW = ROOT / "example_dags" / "data" / "BasicMotions_TRAIN.ts"

#: Recordings of each activity: those of the first run, those that the second adds, and those that test the model.
FIRST, ADDED, TESTED = range(4), range(4, 7), range(7, 10)

#: What the labels of the added recordings are mistaken for.
MISTAKEN = {"standing": "walking", "walking": "running", "running": "badminton", "badminton": "standing"}

#: The tasks that the table shows, and their names in it.
SHOWN = {"sync": "sync", "transform": "transform", "release.retrain": "retrain", "release.test": "test"}
SHOWN |= {"release.version": "version", "release.build": "build"}

Channels = list[list[float]]


def main() -> NoReturn:
    home = Path(tempfile.mkdtemp(prefix="edge-impulse-demo-"))
    screen = Screen(home / "airflow.log")
    leave = leave_with(home)
    end_on_signals(leave)
    try:
        with EmulatorServer(EmulatorSettings(api_key=KEY, organization_id=1), data_dir=home / "emulator") as studio:
            code = show(home, studio, screen)
    except BaseException as error:
        screen.fail(f"The demo failed: {type(error).__name__}: {error}")
        code = 1
    leave(code)


def show(home: Path, studio: EmulatorServer, screen: Screen) -> int:
    begun = time.monotonic()
    set_environment(home, studio)
    source, firmware = home / "recordings", home / "firmware" / "motion.zip"
    os.environ |= {
        "DATA_TO_MODEL_SOURCE": str(source),
        "DATA_TO_MODEL_FIRMWARE": str(firmware),
    }
    # A job that has ended at the first look is not waited for: the DAG's looks are ten seconds apart, as in production.
    studio.settings.job_queued_seconds = studio.settings.job_running_seconds = 0
    screen.say(f"Emulated Edge Impulse Studio: {studio.page_url}")
    screen.say("Starting Airflow ...")
    load = prepare_airflow(DAG_ID, home, migrated=TEMPLATE.exists())
    recordings = read_recordings()
    learned: list[tuple[str, Channels]] = []
    rows, states = [], []
    for number, (numbers, labels) in enumerate(((FIRST, {}), (ADDED, MISTAKEN)), 1):
        new = [
            (labels.get(activity, activity), recordings[activity][one]) for activity in recordings for one in numbers
        ]
        write_recordings(source, new, number)
        learned += new
        measured = measure(learned, recordings)
        studio.projects.set_results({"int8": measured})
        screen.say(f"Run {number} of 2: {len(new)} new recordings ...")
        load().test()
        ended = newest_states(home)
        states.append(ended)
        digest = hashlib.sha256(firmware.read_bytes()).hexdigest()[:12] if firmware.exists() else "none"
        good, bad = (sum(counts) for counts in zip(*measured.values(), strict=True))
        rows.append(
            (
                f"run {number}",
                str(len(learned)),
                f"{good / (good + bad):.2f} of {good + bad}",
                *(ended.get(task, "-") for task in SHOWN),
                str(len(studio.projects.get().deployments)),
                digest,
            )
        )
    screen.say()
    for line in table(("", "recordings", "accuracy", *SHOWN.values(), "builds", "SHA-256 of the firmware"), rows):
        screen.say(line)
    screen.say(f"\n{time.monotonic() - begun:.0f} s in all, with Airflow {version('apache-airflow')}.")
    expected = [["success"] * 6, ["success"] * 3 + ["failed", "upstream_failed", "upstream_failed"]]
    (build,) = studio.projects.get().deployments
    whole = firmware.read_bytes() == studio.projects.firmware(build.version)
    if [[ended.get(task) for task in SHOWN] for ended in states] != expected or not whole:
        screen.fail("The gate should have stopped the second run, and the firmware should be that of the first.")
        return 1
    return 0


def read_recordings() -> dict[str, list[Channels]]:
    """Return the recordings of each activity."""
    found: dict[str, list[Channels]] = defaultdict(list)
    for line in RAW.read_text().partition("@data\n")[2].splitlines():
        *channels, label = line.split(":")
        found[label.lower()].append([[float(value) for value in channel.split(",")] for channel in channels])
    return dict(found)


def write_recordings(folder: Path, recordings: Iterable[tuple[str, Channels]], run: int) -> None:
    """Write each recording as a folder with one CSV file, named after its label."""
    for number, (label, channels) in enumerate(recordings, 1):
        path = folder / f"{label}-{run}-{number:02d}" / "motion.csv"
        path.parent.mkdir(parents=True)
        lines = ["timestamp,accX,accY,accZ,gyrX,gyrY,gyrZ"]
        lines += [
            f"{100 * index},{','.join(map(str, sample))}" for index, sample in enumerate(zip(*channels, strict=True))
        ]
        path.write_text("\n".join(lines) + "\n")


def measure(
    learned: Iterable[tuple[str, Channels]], recordings: Mapping[str, list[Channels]]
) -> dict[str, tuple[int, int]]:
    """Learn the center of each label, and return how many of the tested recordings are right and wrong."""
    by_label: dict[str, list[list[float]]] = defaultdict(list)
    for label, channels in learned:
        by_label[label].append(features(channels))
    centers = {label: [fmean(column) for column in zip(*rows, strict=True)] for label, rows in by_label.items()}
    results = {}
    for activity, known in recordings.items():
        guesses = [nearest(centers, features(known[number])) for number in TESTED]
        good = guesses.count(activity)
        results[activity] = (good, len(guesses) - good)
    return results


def features(channels: Channels) -> list[float]:
    """Return the mean and the standard deviation of each channel."""
    return [feature(channel) for channel in channels for feature in (fmean, pstdev)]


def nearest(centers: Mapping[str, list[float]], point: list[float]) -> str:
    return min(centers, key=lambda label: sum((a - b) ** 2 for a, b in zip(centers[label], point, strict=True)))


def newest_states(home: Path) -> dict[str, Any]:
    """Return the states of the tasks of the newest run, from Airflow's own database."""
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        rows = database.execute(
            "select task_id, state from task_instance where run_id ="
            " (select run_id from dag_run where dag_id = ? order by id desc limit 1)",
            (DAG_ID,),
        ).fetchall()
    return dict(rows)


if __name__ == "__main__":
    main()
