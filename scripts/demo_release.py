"""Leads recordings of two days to firmware, in real Airflow against the emulator; a gate stops the second day.

On the second day, the watch's sensor hangs for half of the activities. The emulator trains nothing: the demo sets what
the tests of the model find.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from demo_airflow import ROOT, Screen, newest_results, prepare_airflow, run_demo, table

from airflow_provider_ei.emulator import EmulatorServer

DAG_ID = "edge_impulse_data_to_model"
RAW = ROOT / "example_dags" / "data" / "BasicMotions_TRAIN.ts"
AXES = ("accX", "accY", "accZ", "gyrX", "gyrY", "gyrZ")

#: What the tests find: right and wrong samples of each activity.
RESULTS = {
    "monday": {"standing": (25, 0), "running": (24, 1), "walking": (23, 2), "badminton": (23, 2)},
    "tuesday": {"standing": (25, 0), "running": (11, 14), "walking": (9, 16), "badminton": (23, 2)},
}
HANGING = ("running", "walking")

#: The tasks in their order, and their states on the two days.
TASKS = ("upload", "to_project", "retrain", "test", "version", "build")
EXPECTED = {
    "monday": dict.fromkeys(TASKS, "success"),
    "tuesday": {
        **dict.fromkeys(TASKS[:3], "success"),
        "test": "failed",
        **dict.fromkeys(TASKS[4:], "upstream_failed"),
    },
}


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the emulator's page open until Ctrl-C")
    run_demo(show, what="project and its jobs", target="demo-release", keep=parser.parse_args().keep)


def show(home: Path, studio: EmulatorServer, screen: Screen) -> int:
    begun = time.monotonic()
    studio.settings.job_queued_seconds = studio.settings.job_running_seconds = 0
    recordings, firmware = home / "recordings", home / "firmware"
    os.environ |= {"DATA_TO_MODEL_RECORDINGS": str(recordings), "DATA_TO_MODEL_FIRMWARE": str(firmware)}
    load = prepare_airflow(DAG_ID, home, screen)
    rows, problems, told = [], [], None
    for day, results in RESULTS.items():
        write_recordings(recordings / day, day)
        studio.projects.set_results({"int8": results})
        run_begun = time.monotonic()
        load().test(run_conf={"day": day})
        states = newest_states(home)
        done = "; ".join(f"{name} {states[name].replace('_', ' ')}" for name in TASKS)
        screen.say(f"{day.capitalize()}: {done}: {time.monotonic() - run_begun:.0f} s")
        rows.append(row(day, home, studio))
        told = newest_result("edge_impulse_release.build", home).get("sha256", told)
        if states != EXPECTED[day]:
            problems.append(f"On {day}, the tasks should have ended as {EXPECTED[day]}.")
    screen.say()
    head = ("", "recordings", "samples in the project", "accuracy (at least 0.85)", "version", "firmware", "bytes")
    for line in table(head, rows):
        screen.say(line)
    screen.say()
    problems += check_firmware(firmware, studio, told, screen)
    cpu = os.times()
    screen.say(f"\n{time.monotonic() - begun:.0f} s in all, {cpu.user + cpu.system:.0f} s of CPU time.")
    for problem in problems:
        screen.fail(problem)
    return 1 if problems else 0


def write_recordings(folder: Path, day: str) -> None:
    """Write five recordings of each activity, one CSV file each: the first five on Monday, the others on Tuesday."""
    seen: Counter[str] = Counter()
    _, _, lines = RAW.read_text().partition("@data\n")
    for line in lines.splitlines():
        *channels, label = line.split(":")
        activity = label.lower()
        seen[activity] += 1
        if (seen[activity] <= 5) is not (day == "monday"):
            continue
        samples = list(zip(*(channel.split(",") for channel in channels), strict=True))
        if day == "tuesday" and activity in HANGING:
            samples = [samples[0]] * len(samples)
        path = folder / f"{activity}-{seen[activity]:02d}" / "motion.csv"
        path.parent.mkdir(parents=True)
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["timestamp", *AXES])
            writer.writerows((number * 100, *sample) for number, sample in enumerate(samples))


def newest_states(home: Path) -> dict[str, str]:
    """Return the states of the tasks in the newest run, from Airflow's own database."""
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        rows = database.execute(
            "select task_id, state from task_instance where run_id ="
            " (select run_id from dag_run where dag_id = ? order by id desc limit 1)",
            (DAG_ID,),
        ).fetchall()
    return {task_id.rpartition(".")[2]: state for task_id, state in rows}


def newest_result(task_id: str, home: Path) -> dict:
    """Return what a task returned in the newest run; an empty dict when it returned nothing."""
    results = newest_results(DAG_ID, task_id, home)
    return results[0] if results else {}


def row(day: str, home: Path, studio: EmulatorServer) -> tuple[str, ...]:
    """Return the row of a day, from what the tasks returned."""
    uploaded = newest_result("upload", home)
    built = newest_result("edge_impulse_release.build", home)
    version = newest_result("edge_impulse_release.version", home)
    good, bad = (sum(counts) for counts in zip(*RESULTS[day].values(), strict=True))
    return (
        day,
        f"{uploaded.get('created', 0)} created",
        str(studio.projects.get().samples),
        f"{good / (good + bad):.2f}, {'accepted' if built else 'stopped'}",
        str(version.get("version", "-")),
        Path(built["path"]).name if built else "-",
        f"{built['size_bytes']:,}" if built else "-",
    )


def check_firmware(folder: Path, studio: EmulatorServer, told: str | None, screen: Screen) -> Iterator[str]:
    """Show the files in the folder and their SHA-256, and yield what is wrong with them.

    :param told: the SHA-256 that the build of Monday returned.
    """
    found = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    for name, content in found.items():
        screen.say(f"{name}: SHA-256 {hashlib.sha256(content).hexdigest()}")
    if list(found) != ["monday.zip"] or found["monday.zip"] != studio.projects.firmware(1):
        yield f"The only firmware should be the first build, in monday.zip, not {list(found)}."
    elif hashlib.sha256(found["monday.zip"]).hexdigest() != told:
        yield f"The task returned another SHA-256: {told}."


if __name__ == "__main__":
    main()
