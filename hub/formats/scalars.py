"""What an unquoted YAML word means, exactly as Kubernetes reads it.

Kubernetes reads YAML through sigs.k8s.io/yaml (1.6), which is go-yaml 2 followed by a conversion to JSON. That is
neither YAML 1.1 nor 1.2, and it is what manifests and values were written for:

- `true yes on y`, `false no off n` (lower, Capital, UPPER) are booleans; `~`, `null` and nothing are null.
- `0644`, `0o644`, `0x1F`, `0b101` and `1_000` are integers; `1e3` and `.5` are numbers; `08` is 8.
- Dates, times (`12:30:45`) and numbers too large for a double (`1e400`) stay the text they are.
- A number without a fraction is an integer in JSON, so `1.0` is 1.
- Keys are text: `1: a` has the key "1", `y: 2` the key "true", `0.5: b` the key "0.5".
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Iterator, Mapping
from decimal import Decimal

Scalar = str | int | float | bool | None

TAG_PREFIX = "tag:yaml.org,2002:"

_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_POINT_FLOAT = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_BASES = (16, 2, 8, 10)
_DECIMAL_DIGITS = 20
"""No 64-bit integer is written with more."""


def _spellings(*words: str) -> Iterator[str]:
    for word in words:
        yield from {word, word.capitalize(), word.upper()}


_WORDS: Mapping[str, Scalar] = {
    **dict.fromkeys(_spellings("y", "yes", "true", "on"), True),
    **dict.fromkeys(_spellings("n", "no", "false", "off"), False),
    **dict.fromkeys(("", "~", *_spellings("null")), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_NUMBER_STARTS = frozenset("+-.0123456789")
SPECIAL_STARTS = _NUMBER_STARTS | {word[:1] for word in _WORDS}
"""A plain word that begins with anything else is text; looked at first because most words do."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "null": (type(None),),
}


def resolve_plain(text: str) -> Scalar:
    """Return what an unquoted, untagged word means. Infinities and NaN come back as such: JSON has no word for them."""
    if text[:1] not in SPECIAL_STARTS:
        return text
    value = _resolve(text)
    return as_json_number(value) if isinstance(value, float) else value


def resolve_tagged(tag: str, text: str) -> Scalar:
    """Return what a word with an explicit standard tag (`!!int "5"`) means. Raises ValueError when it does not fit."""
    kind = tag.removeprefix(TAG_PREFIX)
    if kind in ("str", "timestamp", "merge"):
        return text
    if kind == "binary":
        return _binary(text)
    if kind not in _TYPES:
        raise ValueError(f"the tag {shown_tag(tag)} is not one that Kubernetes objects use")
    value = _resolve(text)
    if type(value) not in _TYPES[kind]:
        raise ValueError(f"{text!r} is not a value of type {shown_tag(tag)}")
    return as_json_number(value) if isinstance(value, float) else value


def as_json_number(number: float) -> int | float:
    """Return the number as JSON readers get it back: an integer where it has no fraction and fits 64 bits."""
    if not number.is_integer() or not abs(number) < 2.0**63:
        return number
    # Beyond 2**53 what counts are the digits that JSON writes: the fewest that tell the number from its neighbours.
    return int(number) if abs(number) < 2.0**53 else int(Decimal(repr(number)))


def key_of_plain(text: str) -> str:
    """Return the key that an unquoted word makes. Raises ValueError for null."""
    return key_text(_resolve(text)) if text[:1] in SPECIAL_STARTS else text


def key_text(value: Scalar) -> str:
    """Return a mapping key as Kubernetes turns it into text. Raises ValueError for null."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _shortest_single(value)
        case None:
            raise ValueError("a key cannot be null or empty; write it in quotes")


def shown_tag(tag: str) -> str:
    """Return the tag as people write it."""
    return "!!" + tag.removeprefix(TAG_PREFIX) if tag.startswith(TAG_PREFIX) else tag


def _resolve(text: str) -> Scalar:
    """Like resolve_plain, but a number written as a float is one, even without a fraction."""
    if text in _WORDS:
        return _WORDS[text]
    start = text[:1]
    if start not in _NUMBER_STARTS:
        return text
    number = _point_number(text) if start == "." else _number(text.replace("_", ""))
    return text if number is None else number


def _number(plain: str) -> int | float | None:
    found = _INTEGER.fullmatch(plain)
    number = _integer(found) if found else None
    if number is None and _FLOAT.fullmatch(plain):
        return _finite(plain)
    return number


def _integer(found: re.Match[str]) -> int | None:
    """Return the integer, or None when it needs more than 64 bits."""
    sign, *groups = found.groups()
    base, digits = next((b, g) for b, g in zip(_BASES, groups, strict=True) if g is not None)
    if base == 10 and len(digits) > _DECIMAL_DIGITS:
        return None
    number = int(digits, base)
    if sign == "-":
        return -number if number <= 2**63 else None
    return number if number < (2**63 if sign else 2**64) else None


def _point_number(text: str) -> float | None:
    return _finite(text) if _POINT_FLOAT.fullmatch(text) else None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _binary(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(
            "!!binary holds something that is not base64 of text; leave the tag out where the object has a field for "
            "base64 (data of a Secret, binaryData of a ConfigMap)"
        ) from error


def _shortest_single(number: float) -> str:
    """Spell a float as Go's FormatFloat(number, 'g', -1, 32): the fewest digits that give the same single."""
    if math.isnan(number):
        return ".nan"
    packed = struct.pack("f", number)
    (single,) = struct.unpack("f", packed)
    if math.isinf(single):
        return ".inf" if single > 0 else "-.inf"
    shortest = next(t for n in range(9) if struct.pack("f", float(t := f"{single:.{n}e}")) == packed)
    mantissa, _, exponent = shortest.partition("e")
    if not -4 <= int(exponent) < 6:
        return shortest
    digits = len(mantissa.lstrip("-").replace(".", ""))
    return f"{single:.{max(0, digits - 1 - int(exponent))}f}"
