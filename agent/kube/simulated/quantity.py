"""Quantities ("500m", "1Gi"), as the API server writes them back whatever way they were written.

It matters because a manifest that says `cpu: 0.5` finds "500m" on the server, and that is no drift.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Final

_QUANTITY: Final = re.compile(r"([+-]?)(\d{0,18}(?:\.\d{0,18})?)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d{1,2})?")
_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Final = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_POWERS: Final = {suffix: power for power, suffix in _DECIMAL.items()}
_SMALLEST: Final = Decimal("1e-9")


class BadQuantity(ValueError):
    """A text that is no quantity."""


def canonical(value: object) -> object:
    """Return a quantity as the server writes it. Raises BadQuantity."""
    if isinstance(value, str):
        return _canonical(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _canonical(repr(value))
    raise BadQuantity(f"a quantity must be a text or a number, not {type(value).__name__}")


def amount(value: object) -> Decimal:
    """Return how much a quantity is. Raises BadQuantity."""
    number, _ = _parse(str(value))
    return number


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    number, suffix = _parse(text)
    if suffix in _BINARY[1:]:
        return _binary(number)
    return _decimal(number, exponent=len(suffix) > 1)


def _parse(text: str) -> tuple[Decimal, str]:
    """Return a quantity's number and suffix."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or not any(digit.isdigit() for digit in match[2]):
        raise BadQuantity(f"quantities must match the regular expression for quantities: {text!r}")
    number = Decimal(match[1] + match[2])
    suffix = match[3] or ""
    if suffix in _BINARY[1:]:
        return number * 1024 ** _BINARY.index(suffix), suffix
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        return number.scaleb(int(suffix[1:])), suffix
    return number.scaleb(_POWERS[suffix]), suffix


def _binary(number: Decimal) -> str:
    if -1024 < number < 1024:
        return _decimal(number)
    whole = int(number.to_integral_value(ROUND_CEILING))
    power = 0
    while whole % 1024 == 0 and power < len(_BINARY) - 1:
        whole //= 1024
        power += 1
    return f"{whole}{_BINARY[power]}"


def _decimal(number: Decimal, exponent: bool = False) -> str:
    if number == 0:
        return "0"
    nano = int((number / _SMALLEST).to_integral_value(ROUND_CEILING))
    power = -9
    while nano % 1000 == 0 and power < 18:
        nano //= 1000
        power += 3
    if exponent:
        return f"{nano}e{power}" if power else str(nano)
    return f"{nano}{_DECIMAL[power]}"
