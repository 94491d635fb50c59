"""Quantities, spelled as the API server spells them."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.kube.simulated.quantity import BadQuantity, amount, canonical


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        (0.5, "500m"),
        (1, "1"),
        ("1024Mi", "1Gi"),
        ("1000Mi", "1000Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Gi", "512Mi"),
        ("512", "512"),
        ("1000", "1k"),
        ("2000M", "2G"),
        ("100m", "100m"),
        ("0", "0"),
        ("0Gi", "0"),
        ("1e3", "1e3"),
        ("12e2", "1200"),
        ("-1", "-1"),
        ("1023Ki", "1023Ki"),
        ("0.1Ki", "102400m"),
        ("1n", "1n"),
        ("0.1n", "1n"),
        (" 5 ", "5"),
    ],
)
def test_spelling(written: object, spelled: str) -> None:
    assert canonical(written) == spelled


@pytest.mark.parametrize("text", ["", "abc", "1 Gi", "1GB", ".", "1e", "--1", "1Zi", "1" * 200, True, None, [1]])
def test_what_is_no_quantity(text: object) -> None:
    with pytest.raises(BadQuantity):
        canonical(text)


quantities = st.from_regex(re.compile(r"\d{1,6}(\.\d{1,3})?(m|k|M|G|Ki|Mi|Gi|e3)?"), fullmatch=True)


@given(quantities)
def test_the_spelling_is_of_the_same_amount_and_final(text: str) -> None:
    spelled = canonical(text)
    assert canonical(spelled) == spelled
    # What has no place in nanos or in whole bytes is rounded up.
    assert 0 <= amount(spelled) - amount(text) < max(Decimal(1), amount(text) / 1000)
