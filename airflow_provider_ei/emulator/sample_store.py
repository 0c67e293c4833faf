"""The samples of all projects, in the database of the data directory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, BinaryIO

import msgspec

from airflow_provider_ei.emulator.database import Database
from airflow_provider_ei.emulator.emulator_settings import MetadataUpdate, SampleOrder
from airflow_provider_ei.emulator.sample_files import SampleFacts
from airflow_provider_ei.emulator.stored_data import StoreError
from airflow_provider_ei.emulator.stored_samples import NewSample, SampleFilter, SampleLabels, StoredSample
from airflow_provider_ei.emulator.uploads import Upload

LabelCounts = dict[str, dict[str, int]]
"""The numbers of samples, by category and label."""

_COLUMNS = (
    "project_id, category, name, file_name, label, metadata, sha256, size, content_type, device_type, facts, labels,"
    " created, modified, upload, offset"
)
_decode_facts = msgspec.json.Decoder(SampleFacts).decode
_decode_labels = msgspec.json.Decoder(SampleLabels).decode
_decode_metadata = msgspec.json.Decoder(dict[str, str]).decode


class SampleStore:
    """The samples. Safe to use from several threads; each change is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def new_upload(self) -> Upload:
        """Return a place for the files of one request: end it by ``add`` or ``discard()``."""
        return self._database.uploads.new()

    def add(
        self, project_id: int, samples: Sequence[NewSample], upload: Upload, *, allow_duplicates: bool
    ) -> list[int | StoreError]:
        """Store samples, and return the id of each, or the error for a duplicate.

        :param allow_duplicates: whether a sample is stored although the project has one with the same content.
        """
        upload.close()
        results: list[int | StoreError] = []
        with self._database.change():
            for sample in samples:
                same = [] if allow_duplicates else self._ids_of_hash(project_id, sample.sha256)
                if same:
                    ids = ", ".join(map(str, same))
                    results.append(StoreError(f"An item with this hash already exists (ids: {ids})"))
                else:
                    results.append(self._insert(project_id, sample, upload.path.name))
        if not any(isinstance(result, int) for result in results):
            upload.discard()
        return results

    def update(
        self,
        project_id: int,
        sample_id: int,
        *,
        label: str | None = None,
        category: str | None = None,
        metadata: Mapping[str, str] | None = None,
        metadata_update: MetadataUpdate = "replace",
    ) -> None:
        """Change the given parts of a sample.

        :raises StoreError: if the sample does not exist.
        """
        with self._database.change():
            row = self._row(project_id, sample_id)
            new: Mapping[str, str] = json.loads(row["metadata"])
            if metadata is not None:
                new = metadata if metadata_update == "replace" else {**new, **metadata}
            self._execute(
                "UPDATE samples SET label = ?, category = ?, metadata = ?, modified = ? WHERE id = ?",
                (row["label"] if label is None else label, category or row["category"], _json(new), _now(), sample_id),
            )

    def delete(self, project_id: int, sample_id: int) -> None:
        """Delete a sample.

        :raises StoreError: if it does not exist.
        """
        with self._database.change():
            row = self._row(project_id, sample_id)
            self._database.release(row["upload"])
            self._execute("DELETE FROM samples WHERE id = ?", (sample_id,))

    def delete_others(self, project_ids: Collection[int]) -> None:
        """Delete the samples of all projects except these."""
        with self._database.change():
            others = "project_id NOT IN (SELECT value FROM json_each(?))"
            kept = json.dumps(list(project_ids))
            for row in self._query(f"SELECT DISTINCT upload FROM samples WHERE {others}", (kept,)):
                self._database.release(row["upload"])
            self._execute(f"DELETE FROM samples WHERE {others}", (kept,))

    def get(self, project_id: int, sample_id: int) -> StoredSample:
        """Return a sample.

        :raises StoreError: if it does not exist.
        """
        return _sample(self._row(project_id, sample_id))

    def select(
        self, selection: SampleFilter, *, limit: int | None = None, offset: int = 0, order: SampleOrder = "oldest"
    ) -> list[StoredSample]:
        """Return a page of the samples that a filter selects."""
        where, values = _condition(selection)
        direction = "ASC" if order == "oldest" else "DESC"
        page = (-1 if limit is None else limit, offset)
        sql = f"SELECT * FROM samples WHERE {where} ORDER BY id {direction} LIMIT ? OFFSET ?"
        return [_sample(row) for row in self._query(sql, (*values, *page))]

    def count(self, selection: SampleFilter) -> int:
        """Return the number of samples that a filter selects."""
        where, values = _condition(selection)
        return int(self._query(f"SELECT count(*) FROM samples WHERE {where}", values)[0][0])

    def counts(self, project_id: int) -> LabelCounts:
        """Return the numbers of samples of a project."""
        counts: LabelCounts = {}
        sql = "SELECT category, label, count(*) FROM samples WHERE project_id = ? GROUP BY category, label"
        for category, label, number in self._query(sql, (project_id,)):
            counts.setdefault(category, {})[label] = number
        return counts

    def open(self, project_id: int, sample_id: int) -> tuple[StoredSample, BinaryIO]:
        """Return a sample and a stream of its file: ``size`` bytes, from the stream's position.

        :raises StoreError: if the sample does not exist.
        """
        with self._database.lock:
            row = self._row(project_id, sample_id)
            if row["size"] == 0:
                return _sample(row), BytesIO()
            try:
                return _sample(row), self._database.uploads.open(row["upload"], row["offset"])
            except OSError:
                raise StoreError(f"The bytes of {row['file_name']!r} are no longer in the data directory") from None

    def _insert(self, project_id: int, sample: NewSample, upload: str) -> int:
        now = _now()
        return self._execute(
            f"INSERT INTO samples ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                project_id,
                sample.category,
                sample.name,
                sample.file_name,
                sample.label,
                _json(sample.metadata),
                sample.sha256,
                sample.size,
                sample.content_type,
                sample.device_type,
                msgspec.json.encode(sample.facts),
                msgspec.json.encode(sample.labels),
                now,
                now,
                upload,
                sample.offset,
            ),
        )

    def _ids_of_hash(self, project_id: int, sha256: str) -> list[int]:
        sql = "SELECT id FROM samples WHERE project_id = ? AND sha256 = ? ORDER BY id"
        return [row["id"] for row in self._query(sql, (project_id, sha256))]

    def _row(self, project_id: int, sample_id: int) -> sqlite3.Row:
        for row in self._query("SELECT * FROM samples WHERE id = ? AND project_id = ?", (sample_id, project_id)):
            return row
        raise StoreError(f"No sample found with ID {sample_id}")

    def _query(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._database.lock:
            return self._database.connection.execute(sql, values).fetchall()

    def _execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._database.connection.execute(sql, values).lastrowid or 0


def _condition(selection: SampleFilter) -> tuple[str, list[Any]]:
    parts, values = ["project_id = ?"], [selection.project_id]
    for part, value in (
        ("category = ?", selection.category),
        (
            "label IN (SELECT value FROM json_each(?))",
            None if selection.labels is None else json.dumps(selection.labels),
        ),
        ("instr(lower(name), lower(?)) > 0", selection.part_of_name or None),
        ("id >= ?", selection.min_id),
        ("id < ?", selection.max_id),
    ):
        if value is not None:
            parts.append(part)
            values.append(value)  # type: ignore[arg-type]
    return " AND ".join(parts), values


def _sample(row: sqlite3.Row) -> StoredSample:
    return StoredSample(
        id=row["id"],
        project_id=row["project_id"],
        category=row["category"],
        name=row["name"],
        file_name=row["file_name"],
        label=row["label"],
        metadata=_decode_metadata(row["metadata"]),
        sha256=row["sha256"],
        size=row["size"],
        content_type=row["content_type"],
        device_type=row["device_type"],
        facts=_decode_facts(row["facts"]),
        labels=_decode_labels(row["labels"]),
        created=row["created"],
        modified=row["modified"],
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
