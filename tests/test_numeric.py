"""Numbers in every form in which users, templates and forms give them."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from enum import IntEnum

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.numeric import read_number, whole_number


class Whole(IntEnum):
    FIVE = 5


class Int64:
    """An integer of numpy, as far as Python sees it."""

    def __index__(self) -> int:
        return 5


def label(value: object) -> str:
    """Its repr without an address, which would differ between the processes that share the tests."""
    return re.sub(r" at 0x\w+", "", repr(value))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *[(form, 5) for form in (5, "5", " 5 ", "+5", 5.0, "5.0", " 5e0 ", Whole.FIVE, Decimal(5), Int64())],
        (2**60 + 1, 2**60 + 1),
        (str(2**60 + 1), 2**60 + 1),
    ],
    ids=label,
)
def test_a_whole_number_is_read_exactly_in_every_form(value: object, number: int) -> None:
    assert whole_number("id", value) == number
    assert type(whole_number("id", value)) is int


@pytest.mark.parametrize("value", [None, ""], ids=label)
def test_nothing_given_is_no_number_and_no_error(value: object) -> None:
    assert whole_number("id", value) is None


REFUSED = [0, -1, "0", "-5", "x", 1.5, "1.5", Decimal("1.5"), True, [], {}, math.nan, "inf", 10**400, "9" * 5000]


@pytest.mark.parametrize("value", [*REFUSED, 10**5000], ids=lambda value: type(value).__name__)
def test_what_is_not_a_positive_whole_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(EdgeImpulseInputError, match=r"^the_field must be a positive whole number, not "):
        whole_number("the_field", value)


@pytest.mark.parametrize(("value", "number"), [("1.5", 1.5), (0, 0), (-2, -2), (" -2.0", -2), (Decimal("0.5"), 0.5)])
def test_other_finite_numbers_can_be_read(value: object, number: float) -> None:
    assert read_number(value) == number


@pytest.mark.parametrize(
    "value", [None, "", "soon", True, "nan", math.inf, "1e999", [1], {"a": 1}, object()], ids=label
)
def test_what_is_not_a_finite_number_is_none(value: object) -> None:
    assert read_number(value) is None
