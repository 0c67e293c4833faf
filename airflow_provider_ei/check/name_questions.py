"""Questions about names: how the service stores those that it is given."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping

from airflow_provider_ei.check.questions import NotKnownError, Question, Value
from airflow_provider_ei.check.trial import ODD_FILES, ODD_NAME, REFUSED, Trial

#: The forms in which a name may be stored, by the values of the emulator's setting.
_FORMS: Mapping[str, Callable[[str], str]] = {
    "raw": lambda name: name,
    "nfc": lambda name: unicodedata.normalize("NFC", name),
    "trim": str.strip,
    "collapse": lambda name: " ".join(name.split()),
}
_NOT_STORED = "dropped"
_REPORT = "Uploads are checked, so nothing is lost, but some may fail. Please report this result."


def _name_form(trial: Trial) -> Value:
    stored = trial.odd_item.name
    return next((form for form, change in _FORMS.items() if change(ODD_NAME) == stored), "other")


def _stored(trial: Trial, key: str) -> str:
    stored = trial.files[key]
    return _NOT_STORED if stored is None else stored


def _of(key: str, answers: Mapping[str, Value]) -> Callable[[Trial], Value]:
    """Return the function that asks under which of several names a file is stored."""

    def ask(trial: Trial) -> Value:
        stored = _stored(trial, key)
        return stored if stored in (REFUSED, _NOT_STORED) else answers.get(stored, "other")

    return ask


def _mojibake(name: str) -> str:
    return name.encode().decode("latin-1")


def _trailing_backslash(trial: Trial) -> Value:
    stored = _stored(trial, "backslash")
    return {ODD_FILES["backslash"].name: "keep", _NOT_STORED: "drop_file", REFUSED: REFUSED}.get(stored, "other")


def _file_name_form(trial: Trial) -> Value:
    """Compare both files that show it; under Latin-1, a name has no decomposed letters that could be composed."""
    if _file_names(trial) == "latin1":
        names = [_mojibake(ODD_FILES[key].name) for key in ("decomposed", "spaces")]
    else:
        names = [ODD_FILES[key].name for key in ("decomposed", "spaces")]
    stored = [_stored(trial, key) for key in ("decomposed", "spaces")]
    if any(name in (REFUSED, _NOT_STORED) for name in stored):
        raise NotKnownError("a file with such a name is not stored")
    fitting = [form for form, change in _FORMS.items() if [change(name) for name in names] == stored]
    if not fitting:
        return "other"
    same = _name_form(trial)
    return same if same in fitting else fitting[0]


_file_names = _of("letters", {ODD_FILES["letters"].name: "utf8", _mojibake(ODD_FILES["letters"].name): "latin1"})

_FORM_MEANINGS: Mapping[Value, str] = {
    "raw": "Unchanged.",
    "nfc": "In Unicode's form NFC: two names that look the same are one.",
    "trim": "Without white space around them.",
    "collapse": "With single spaces, and none around them.",
    "other": _REPORT,
}

QUESTIONS: tuple[Question[Trial], ...] = (
    Question("name_form", "In which form are names of items stored?", _name_form, _FORM_MEANINGS),
    Question("file_name_form", "In which form are names of files stored?", _file_name_form, _FORM_MEANINGS),
    Question(
        "file_names",
        "How are letters outside ASCII in file names stored?",
        _file_names,
        {
            "utf8": "Unchanged.",
            "latin1": "As Latin-1: Studio shows other letters. Uploads recognize them.",
            REFUSED: "Not at all: rename such files.",
            _NOT_STORED: "Not at all: rename such files.",
        },
        _REPORT,
    ),
    Question(
        "file_folders",
        "Do files keep the folders in their names?",
        _of("folder", {ODD_FILES["folder"].name: "keep", ODD_FILES["folder"].name.rpartition("/")[2]: "drop"}),
        {
            "keep": "Yes.",
            "drop": "No: left/x.csv and right/x.csv become one file. Set folder_separator of the sync.",
            REFUSED: "Such files are refused: set folder_separator of the sync.",
            _NOT_STORED: "Such files are not stored: set folder_separator of the sync.",
        },
        _REPORT,
    ),
    Question(
        "file_quotes",
        'How is a quotation mark (") in a file name stored?',
        _of("quote", {ODD_FILES["quote"].name: "decode", ODD_FILES["quote"].name.replace('"', "%22"): "keep"}),
        {
            "decode": "Unchanged.",
            "keep": "As %22. Uploads recognize it.",
            REFUSED: "Not at all: rename such files.",
            _NOT_STORED: "Not at all: rename such files.",
        },
        _REPORT,
    ),
    Question(
        "trailing_backslash",
        "Is a file stored whose name ends with a backslash?",
        _trailing_backslash,
        {
            "keep": "Yes.",
            "drop_file": "No, and without an error. An upload notices it and fails: rename such files.",
            REFUSED: "No: rename such files.",
        },
        _REPORT,
    ),
)
