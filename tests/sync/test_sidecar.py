"""``ei-metadata.json``: metadata of one item, in the same folder as its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sources.local import LocalFile
from airflow_provider_ei.sync.dataset import sidecar
from tests.support.files import MadeUpFile

GIVEN = {"study": "sleep", "subject": "?"}


def read(content: object) -> dict[str, str]:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return sidecar.read(MadeUpFile(sidecar.NAME, data), GIVEN)


class TestWhatItSays:
    def test_add_overrides_the_sync_key_by_key(self) -> None:
        own = {"version": 1, "action": "add", "metadata": {"subject": "s17", "ok": True, "n": 1.5}}
        assert read(own) == {"study": "sleep", "subject": "s17", "ok": "true", "n": "1.5"}

    def test_replace_leaves_out_what_the_sync_gives(self) -> None:
        assert read({"version": 1, "action": "replace", "metadata": {"subject": "s17"}}) == {"subject": "s17"}

    def test_metadata_may_be_empty(self) -> None:
        assert read({"version": 1, "action": "replace", "metadata": {}}) == {}

    def test_the_given_metadata_are_not_changed(self) -> None:
        read({"version": 1, "action": "add", "metadata": {"subject": "s17"}})
        assert GIVEN == {"study": "sleep", "subject": "?"}

    def test_replace_checks_adds_metadata_and_checks(self) -> None:
        """What the sync gives stays; a check that it wrote from an earlier file is one that it has no longer."""
        own = {"version": 1, "action": "replace-checks", "metadata": {"subject": "s17", "ei_check_files": 1}}
        assert read(own) == {"study": "sleep", "subject": "s17", "ei_check_files": "1"}

    @pytest.mark.parametrize("action", ["add", "replace", "replace-checks"])
    @pytest.mark.parametrize("key", ["ei_check", "ei_check_files", "ei_check_Ünits 1"])
    @pytest.mark.parametrize(("value", "text"), [(0, "0"), (1, "1"), ("0", "0"), ("1", "1"), (1.0, "1")])
    def test_checks_are_0_or_1(self, action: str, key: str, value: object, text: str) -> None:
        assert read({"version": 1, "action": action, "metadata": {key: value}})[key] == text

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_every_encoding_of_json_is_read(self, encoding: str) -> None:
        text = json.dumps({"version": 1, "action": "replace", "metadata": {"größe": "5 µm"}}, ensure_ascii=False)
        assert read(text.encode(encoding)) == {"größe": "5 µm"}


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        "data", [b"", b"{", b"subject=s17", b"\xff\xfe\xfd", b"[" * 100_000], ids=lambda data: repr(data[:12])
    )
    def test_what_is_not_json_is_refused(self, data: bytes) -> None:
        with pytest.raises(EdgeImpulseInputError, match=r"^made-up/ei-metadata.json is not valid JSON: "):
            read(data)

    @pytest.mark.parametrize(
        "content",
        [
            [],
            None,
            "text",
            {},
            {"subject": "s17"},
            {"version": 2, "action": "add", "metadata": {}},
            {"version": "1", "action": "add", "metadata": {}},
            {"action": "add", "metadata": {}},
            {"version": 1, "metadata": {}},
            {"version": 1, "action": "merge", "metadata": {}},
            {"version": 1, "action": "Replace-Checks", "metadata": {}},
            {"version": 1, "action": ["add"], "metadata": {}},
            {"version": 1, "action": "add"},
            {"version": 1, "action": "add", "metadata": [["a", "b"]]},
            {"version": 1, "action": "add", "metadata": None},
        ],
        ids=json.dumps,
    )
    def test_json_of_another_form_is_refused(self, content: object) -> None:
        with pytest.raises(
            EdgeImpulseInputError, match=r'^made-up/ei-metadata.json must be \{"version": 1, "action": '
        ):
            read(content)

    @pytest.mark.parametrize(
        ("metadata", "words"),
        [
            ({"a": {"b": 1}}, "metadata['a'] must be a scalar, not dict"),
            ({"a": None}, "metadata['a'] is None"),
            ({"": "x"}, "must be a non-empty string"),
            ({"airflow_ei": "x"}, "use another key than 'airflow_ei'"),
            ({"airflow_ei_state": "x"}, "use another key than 'airflow_ei_state'"),
            ({"ei_checks": 1}, "use another key than 'ei_checks'"),
            ({"ei_check_": 1}, "use another key than 'ei_check_'"),
            ({"ei_check": 2}, "metadata['ei_check'] must be 0 or 1"),
            ({"ei_check": True}, "metadata['ei_check'] must be 0 or 1"),
            ({"ei_check_x": "yes"}, "metadata['ei_check_x'] must be 0 or 1"),
            ({"ei_check_x": ""}, "metadata['ei_check_x'] must be 0 or 1"),
            ({"ei_check_x": [1]}, "metadata['ei_check_x'] must be 0 or 1"),
            ({"dataItemInfo": "{}"}, "use another key than 'dataItemInfo'"),
            ({"a": "\ud800"}, "metadata['a'] contains bytes that are not UTF-8"),
        ],
    )
    def test_invalid_metadata_are_refused(self, metadata: dict[str, object], words: str) -> None:
        with pytest.raises(EdgeImpulseInputError) as caught:
            read({"version": 1, "action": "add", "metadata": metadata})
        assert str(caught.value).startswith("made-up/ei-metadata.json: metadata")
        assert words in str(caught.value)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('{"a": NaN}', "NaN is not a number"),
            ('{"a": -Infinity}', "-Infinity is not a number"),
            ('{"a": 1, "b": 2, "a": 3}', "the key 'a' appears twice"),
            ('{"a": ' + "9" * 5000 + "}", "a number has 5000 digits"),
        ],
        ids=lambda text: text[:12],
    )
    def test_what_json_parsers_disagree_on_is_refused(self, text: str, words: str) -> None:
        with pytest.raises(EdgeImpulseInputError) as caught:
            read(f'{{"version": 1, "action": "add", "metadata": {text}}}'.encode())
        assert str(caught.value).startswith("made-up/ei-metadata.json is not valid JSON: ")
        assert words in str(caught.value)

    def test_a_file_that_is_too_large_is_refused_unopened(self) -> None:
        file = MadeUpFile(sidecar.NAME, b"{}", stated_size=sidecar.MAX_BYTES + 1)
        with pytest.raises(EdgeImpulseInputError, match=r"has 1048577 bytes; it must have at most 1048576"):
            sidecar.read(file, GIVEN)
        assert file.opened == 0

    def test_the_largest_file_is_read(self) -> None:
        content = {"version": 1, "action": "replace", "metadata": {"a": ""}}
        content["metadata"] = {"a": "x" * (sidecar.MAX_BYTES - len(json.dumps(content)))}
        assert len(read(content)["a"]) > 1_000_000


class TestAFileThatIsNotAtRest:
    def pinned(self, path: Path) -> LocalFile:
        path.write_text('{"version": 1, "action": "replace", "metadata": {"subject": "s17"}}')
        return LocalFile.pin(str(path), sidecar.NAME, "application/json")

    def test_a_file_that_is_gone_is_an_error(self, tmp_path: Path) -> None:
        file = self.pinned(tmp_path / sidecar.NAME)
        Path(file.path).unlink()
        with pytest.raises(EdgeImpulseFileError, match=sidecar.NAME):
            sidecar.read(file, GIVEN)

    @pytest.mark.parametrize("text", ["", "{}", '{"version": 1, "action": "replace", "metadata": {"n": "other"}}'])
    def test_a_file_that_was_written_meanwhile_is_an_error(self, tmp_path: Path, text: str) -> None:
        file = self.pinned(tmp_path / sidecar.NAME)
        Path(file.path).write_text(text)
        with pytest.raises(EdgeImpulseFileError, match=sidecar.NAME):
            sidecar.read(file, GIVEN)
