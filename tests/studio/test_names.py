from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ei.studio.spelling import canonical_name, spellings

TEXT = st.text(st.sampled_from("ae\u0301\u00e9 \t\u00a0\u2003\ufeff\u3000x")) | st.text()


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("run 1", "run 1"),
        (" run  1\t", "run 1"),
        ("e\u0301", "é"),
        ("\ufeffa\u00a0\u3000b", "a b"),
        ("RUN", "RUN"),
        ("ﬁ", "ﬁ"),
        ("", ""),
        (" ", ""),
    ],
)
def test_a_canonical_name_is_composed_and_has_single_blanks(text: str, canonical: str) -> None:
    assert canonical_name(text) == canonical


@given(TEXT)
def test_a_canonical_name_is_its_own_canonical_name(text: str) -> None:
    assert canonical_name(canonical_name(text)) == canonical_name(text)


@given(TEXT)
def test_whatever_a_service_makes_of_a_name_has_its_canonical_name_and_is_one_of_its_spellings(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    for stored in (text, composed, text.strip(), composed.strip(), " ".join(text.split())):
        assert canonical_name(stored) == canonical_name(text)
        if stored and "\ufeff" not in text:
            assert stored in spellings(text)


@given(TEXT)
def test_a_canonical_name_has_one_spelling(text: str) -> None:
    canonical = canonical_name(text)
    assert spellings(canonical) == ((canonical,) if canonical else ())
