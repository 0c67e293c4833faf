"""What the project should know about each file: from the arguments, from the file's place, and from sidecars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.samples.batches import MIN_BATCH_FILES, divide
from airflow_provider_ei.samples.image_size import image_size
from airflow_provider_ei.samples.options import UploadOptions
from airflow_provider_ei.samples.prepare import prepare_samples
from airflow_provider_ei.samples.sample_file import Annotation, Box, SampleFile, Span
from airflow_provider_ei.studio.api.ingestion import MAX_FILES
from tests.support.files import MadeUpFile, pinned
from tests.support.samples import boxes_file, csv, info_file, jpeg, no_store, png, spans_file

WriteTree = Callable[..., Path]


def prepared(files: Any, **options: Any) -> dict[str, Annotation]:
    """What should be known of each file, by the name under which it is sent."""
    checked = UploadOptions.check(**{"category": "training", **options})
    samples, _ = prepare_samples(files, checked, no_store)
    return {sample.name: sample.wanted for sample in samples}


class TestArguments:
    def test_one_label_and_metadata_apply_to_all_files(self, write_tree: WriteTree) -> None:
        tree = write_tree({"a.csv": csv(1), "b.csv": csv(2)})
        wanted = prepared(str(tree), sample_label="walking", category="split", metadata={"site": 3})
        assert wanted == dict.fromkeys(["a.csv", "b.csv"], Annotation("split", "walking", metadata=(("site", "3"),)))

    def test_without_a_label_the_service_chooses_one(self, write_tree: WriteTree) -> None:
        assert prepared(str(write_tree({"a.csv": csv(1)})))["a.csv"].label is None

    @pytest.mark.parametrize("given", ["directory", "pattern", "file", "relative"])
    def test_a_function_gets_the_folder_and_the_name(
        self, write_tree: WriteTree, monkeypatch: pytest.MonkeyPatch, given: str
    ) -> None:
        tree = write_tree({"day1/walking/w.01.csv": csv(1)})
        monkeypatch.chdir(tree / "day1" / "walking")
        files = {
            "directory": str(tree),
            "pattern": f"{tree}/*/walking/*.csv",
            "file": f"{tree}/day1/walking/w.01.csv",
            "relative": "w.01.csv",
        }[given]
        wanted = prepared(files, sample_label=lambda file: f"{file.folder}-{file.stem}-{file.name}")
        assert wanted["w.01.csv"].label == "walking-w.01-w.01.csv"

    def test_a_function_gets_the_path_below_the_directory(self, write_tree: WriteTree) -> None:
        tree = write_tree({"day1/walking/w.csv": csv(1)})
        wanted = prepared(str(tree), sample_label="x", metadata=lambda file: {"path": file.path})
        assert wanted["w.csv"].metadata == (("path", "day1/walking/w.csv"),)

    def test_a_dict_says_what_applies_to_its_file(self, write_tree: WriteTree) -> None:
        tree = write_tree({"a.csv": csv(1), "b.csv": csv(2)})
        one = {"path": f"{tree}/a.csv", "label": "idle", "category": "testing", "metadata": {"site": 4}}
        wanted = prepared([one, f"{tree}/b.csv"], sample_label="walking", metadata={"site": 3, "user": "x"})
        assert wanted["a.csv"] == Annotation("testing", "idle", metadata=(("site", "4"), ("user", "x")))
        assert wanted["b.csv"] == Annotation("training", "walking", metadata=(("site", "3"), ("user", "x")))

    def test_the_same_file_may_be_given_twice(self, write_tree: WriteTree) -> None:
        tree = write_tree({"a.csv": csv(1)})
        assert list(prepared([str(tree), f"{tree}/a.csv"])) == ["a.csv"]
        with pytest.raises(EdgeImpulseInputError, match="only once"):
            prepared([str(tree), {"path": f"{tree}/a.csv", "label": "idle"}])

    def test_files_in_different_folders_may_have_the_same_name(self, write_tree: WriteTree) -> None:
        tree = write_tree({"s1/a.csv": csv(1), "s2/a.csv": csv(2)})
        checked = UploadOptions.check(category="training")
        samples, _ = prepare_samples([f"{tree}/s1/a.csv", f"{tree}/s2/a.csv"], checked, no_store)
        assert [sample.name for sample in samples] == ["a.csv", "a.csv"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"category": "validation"}, "category must be 'training' or"),
            ({"if_exists": "overwrite"}, "if_exists must be"),
            ({"sample_label": ""}, "Give sample_label a value"),
            ({"sample_label": "a\nb"}, "control character"),
            ({"sample_label": lambda file: None}, "Give files, '.*a.csv': sample_label a value"),
            ({"metadata": {"a": {}}}, r"metadata\['a'\] must be a scalar"),
            ({"metadata": {"a": "x" * 9000}}, "Shorten metadata"),
            ({"workers": 0}, "workers must be"),
            ({"workers": 65}, "workers must be a whole number from 1 to 64"),
        ],
    )
    def test_an_argument_that_cannot_be_used_is_named(
        self, write_tree: WriteTree, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(EdgeImpulseInputError, match=message):
            prepared(str(write_tree({"a.csv": csv(1)})), **options)

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (
                {"labels": "x"},
                "'name', 'content_type', 'label', 'metadata' and 'category' if wanted, not with 'path', ",
            ),
            ({"label": 1.5}, "label must be a string, not float"),
            ({"category": "train"}, "category must be"),
            ({"metadata": "x"}, "metadata must be a dict"),
        ],
    )
    def test_a_mistake_in_a_dict_is_named(self, write_tree: WriteTree, more: dict[str, Any], message: str) -> None:
        tree = write_tree({"a.csv": csv(1)})
        with pytest.raises(EdgeImpulseInputError, match=message):
            prepared([{"path": f"{tree}/a.csv", **more}])


class TestSidecars:
    def test_bounding_boxes_apply_to_the_files_next_to_them(self, write_tree: WriteTree) -> None:
        box = {"label": "bolt", "x": 1, "y": 2, "width": 3, "height": 4}
        tree = write_tree(
            {
                "left/a.png": png(32, 24),
                "right/a.png": png(32, 24, 9),
                "left/bounding_boxes.labels": boxes_file({"a.png": [box]}),
            }
        )
        checked = UploadOptions.check(category="training")
        samples, _ = prepare_samples(str(tree), checked, no_store)
        assert [sample.wanted.boxes for sample in samples] == [(Box("bolt", 1, 2, 3, 4),), None]

    def test_labels_of_parts_replace_the_label(self, write_tree: WriteTree) -> None:
        spans = [{"startIndex": 1, "endIndex": 2, "label": "run"}, {"startIndex": 0, "endIndex": 0, "label": "idle"}]
        tree = write_tree({"a.csv": csv(1), "b.csv": csv(2), "structured_labels.labels": spans_file({"a.csv": spans})})
        wanted = prepared(str(tree), sample_label="walking")
        assert wanted["a.csv"] == Annotation("training", spans=(Span(0, 0, "idle"), Span(1, 2, "run")))
        assert wanted["b.csv"] == Annotation("training", "walking")

    def test_info_says_everything_about_a_file(self, write_tree: WriteTree) -> None:
        box = {"label": "bolt", "x": 1, "y": 2, "width": 3, "height": 4}
        info = info_file(
            {
                "path": "training/a.png",
                "name": "first",
                "category": "training",
                "label": {"type": "label", "label": "5.02"},
                "metadata": {"site": "x"},
                "boundingBoxes": [box],
            },
            {"path": "testing/b.csv", "category": "testing", "label": {"type": "unlabeled"}},
            {
                "path": "testing/c.csv",
                "category": "split",
                "label": {"type": "multi-label", "labels": [{"startIndex": 0, "endIndex": 2, "label": "x"}]},
            },
        )
        tree = write_tree(
            {"training/a.png": png(32, 24), "testing/b.csv": csv(1), "testing/c.csv": csv(2), "info.labels": info}
        )
        assert prepared(str(tree), sample_label="walking", category="anomaly") == {
            "first.png": Annotation("training", "5.02", metadata=(("site", "x"),), boxes=(Box("bolt", 1, 2, 3, 4),)),
            "b.csv": Annotation("testing", unlabeled=True),
            "c.csv": Annotation("split", spans=(Span(0, 2, "x"),)),
        }

    def test_a_dict_takes_precedence_over_info(self, write_tree: WriteTree) -> None:
        info = info_file({"path": "a.csv", "label": {"type": "unlabeled"}, "metadata": {"a": "1", "b": "1"}})
        tree = write_tree({"a.csv": csv(1), "info.labels": info})
        files = [{"path": f"{tree}/a.csv", "label": "own", "metadata": {"b": "2"}}, f"{tree}/info.labels"]
        assert prepared(files)["a.csv"] == Annotation("training", "own", metadata=(("a", "1"), ("b", "2")))

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("bounding_boxes.labels", b"[", "it is not JSON"),
            ("bounding_boxes.labels", b'{"version": 2}', "'version': 1"),
            ("bounding_boxes.labels", spans_file({}), "must be 'bounding-box-labels', not 'structured-labels'"),
            ("bounding_boxes.labels", boxes_file({"b.png": []}), "add 'b.png', or remove it from"),
            (
                "bounding_boxes.labels",
                boxes_file({"a.png": [{"x": 1}]}),
                r"\['a.png'\]\[0\]\['label'\] must be a string",
            ),
            (
                "bounding_boxes.labels",
                boxes_file({"a.png": [{"label": "x", "x": 30, "y": 0, "width": 3, "height": 1}]}),
                "it is not inside '.*a.png', which has 32 x 24",
            ),
            (
                "bounding_boxes.labels",
                boxes_file({"a.png": [{"label": "x", "x": 30, "y": 0, "width": 0, "height": 1}]}),
                "width and height of more than 0",
            ),
            (
                "structured_labels.labels",
                spans_file({"a.png": [{"startIndex": 2, "endIndex": 3, "label": "x"}]}),
                "from 0 to 1, there is no label",
            ),
            (
                "structured_labels.labels",
                spans_file({"a.png": [{"startIndex": 2, "endIndex": 1, "label": "x"}]}),
                "endIndex that is not before it",
            ),
            ("structured_labels.labels", spans_file({"a.png": []}), "at least one label"),
            ("info.labels", info_file({"path": "a.png", "category": "train"}), "must be one of training, testing"),
            ("info.labels", info_file({"path": "a.png", "label": {"type": "keyvalue-labels"}}), "'unlabeled' or"),
            ("info.labels", info_file({"path": "a.png", "metadata": {"": "x"}}), "non-empty string"),
            ("info.labels", info_file({"path": "../a.png"}), "add '../a.png'"),
            ("label_map.labels", b"{}", "only bounding_boxes.labels, structured_labels.labels, info.labels"),
        ],
    )
    def test_a_mistake_in_a_sidecar_is_found_before_anything_is_sent(
        self, write_tree: WriteTree, name: str, content: bytes, message: str
    ) -> None:
        with pytest.raises(EdgeImpulseInputError, match=message):
            prepared(str(write_tree({"a.png": png(32, 24), name: content})))

    def test_sidecars_alone_are_no_upload(self, write_tree: WriteTree) -> None:
        with pytest.raises(EdgeImpulseInputError, match="give at least one file"):
            prepared(str(write_tree({"info.labels": info_file()})))


class TestImageSize:
    @pytest.mark.parametrize(
        ("data", "size"),
        [(png(3, 2), (3, 2)), (jpeg(300, 200), (300, 200)), (csv(1), None), (b"\x89PNG", None), (jpeg(1, 1)[:9], None)],
    )
    def test_the_first_bytes_have_it(self, tmp_path: Path, data: bytes, size: tuple[int, int] | None) -> None:
        assert image_size(pinned(tmp_path / "image", data)) == size


def made_up(count: int, *, size: int = 10, label: str = "x", **same: Any) -> list[SampleFile]:
    return [
        SampleFile(f"{label}{number}.csv", MadeUpFile(f"{number}.csv", stated_size=size), Annotation("training", label))  # type: ignore[arg-type]
        for number in range(count)
    ]


class TestBatches:
    def test_files_with_different_labels_are_sent_apart(self) -> None:
        batches = divide([*made_up(3), *made_up(2, label="y")], workers=1)
        assert [(len(batch), {sample.wanted.label for sample in batch}) for batch in batches] == [
            (3, {"x"}),
            (2, {"y"}),
        ]

    def test_a_request_has_room_for_files_with_labels(self) -> None:
        assert [len(batch) for batch in divide(made_up(2000), workers=1)] == [MAX_FILES - 2, MAX_FILES - 2, 4]

    def test_all_workers_have_something_to_do(self) -> None:
        assert [len(batch) for batch in divide(made_up(500), workers=5)] == [100] * 5
        assert len(divide(made_up(MIN_BATCH_FILES), workers=5)) == 1

    def test_large_files_are_sent_alone(self) -> None:
        assert [len(batch) for batch in divide(made_up(3, size=80_000_000), workers=1)] == [1, 1, 1]

    def test_files_of_the_same_name_are_in_different_requests(self) -> None:
        same = [*made_up(3), *made_up(3)[:1]]
        assert [len(batch) for batch in divide(same, workers=1)] == [3, 1]

    def test_nothing_needs_no_request(self) -> None:
        assert divide([], workers=8) == []
